"""Scorers for ``scoring=``, where scikit-learn has none or its own fails if a fold lacks a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import brier_score_loss

from sk_mnist._labels import check_predictions
from sk_mnist.metrics._calibration import expected_calibration_error
from sk_mnist.metrics._log_loss import log_proba_of_labels, mean_log_loss


# Plain functions instead of `make_scorer`, which does not pass the estimator's `classes_` to the metric.
def neg_ece_scorer(estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Score a classifier by its negated expected calibration error (15 bins of equal width).

    Parameters
    ----------
    estimator : estimator instance
        Fitted classifier with `predict_proba`.
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        True labels; not every class of the classifier needs to occur.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    score : float
        In [-1, 0]; higher is better.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sk_mnist.metrics import neg_ece_scorer
    >>> neg_ece_scorer(DummyClassifier().fit([[0], [0]], [7, 8]), [[0]], [7])
    -0.5
    """
    return -expected_calibration_error(
        y, estimator.predict_proba(X), labels=estimator.classes_, sample_weight=sample_weight
    )


def neg_brier_scorer(estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Score a classifier by its negated Brier score, like scikit-learn's "neg_brier_score".

    Unlike scikit-learn's, it uses the classifier's `classes_`, so `y` need not contain all of them.

    Parameters
    ----------
    estimator : estimator instance
        Fitted classifier with `predict_proba`.
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        True labels; not every class of the classifier needs to occur.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    score : float
        In [-2, 0] with more than two classes, in [-1, 0] with two; higher is better.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sk_mnist.metrics import neg_brier_scorer
    >>> neg_brier_scorer(DummyClassifier().fit([[0], [0]], [7, 8]), [[0]], [7])
    -0.25
    """
    checked = check_predictions(y, estimator.predict_proba(X), estimator.classes_, sample_weight)
    return -brier_score_loss(
        checked.codes,
        checked.y_proba,
        labels=range(len(checked.labels)),
        sample_weight=checked.sample_weight,
    )


def neg_log_loss_scorer(estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Score a classifier by its negated log loss, like scikit-learn's "neg_log_loss" but without rounding.

    scikit-learn takes the logarithm of `predict_proba`, and raises probabilities below the rounding error of their type
    to that size: in float32, no label is ever less probable than 1e-7. This scorer uses `predict_log_proba` if it is
    finite. It also uses the classifier's `classes_`, so `y` need not contain all of them.

    Parameters
    ----------
    estimator : estimator instance
        Fitted classifier with `predict_proba`.
    X : array-like of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        True labels; not every class of the classifier needs to occur.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    score : float
        At most 0; higher is better.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sk_mnist.metrics import neg_log_loss_scorer
    >>> round(neg_log_loss_scorer(DummyClassifier(strategy="prior").fit([[0], [0]], [7, 8]), [[0]], [7]), 4)
    -0.6931
    """
    checked = check_predictions(y, estimator.predict_proba(X), estimator.classes_, sample_weight)
    proba = checked.y_proba[np.arange(len(checked.codes)), checked.codes]
    return -mean_log_loss(log_proba_of_labels(estimator, X, checked), proba, checked.sample_weight)


#: For ``cross_validate(..., scoring=SCORING)``. For every score, higher is better.
SCORING = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "neg_log_loss": neg_log_loss_scorer,
    "neg_brier_score": neg_brier_scorer,
    "neg_ece": neg_ece_scorer,
}
