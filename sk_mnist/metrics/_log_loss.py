"""The log loss of a classifier, without the rounding of its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist._labels import CheckedPredictions


def log_proba_of_labels(estimator: Any, X: ArrayLike, checked: CheckedPredictions) -> NDArray[np.float64]:
    """Logarithm of the probability of each true label by `predict_log_proba`; -inf if the classifier has none.

    Parameters
    ----------
    estimator : estimator instance
        Fitted classifier.
    X : array-like of shape (n_samples, ...)
        Data for `estimator`.
    checked : CheckedPredictions
        The labels of the rows and the classifier's probabilities.

    Returns
    -------
    log_proba : ndarray of shape (n_samples,)
    """
    if not hasattr(estimator, "predict_log_proba"):
        return np.full(len(checked.codes), -np.inf)
    # Many classifiers take the logarithm of their probabilities, some of which may be 0.
    with np.errstate(divide="ignore"):
        log_proba = np.asarray(estimator.predict_log_proba(X))
    return log_proba[np.arange(len(checked.codes)), checked.codes].astype(np.float64)


def mean_log_loss(log_proba: NDArray, proba: NDArray, sample_weight: NDArray | None) -> float:
    """Log loss from the logarithms if they are finite, else from the probabilities as in scikit-learn's `log_loss`.

    Both are those of the true labels, of shape (n_samples,).
    """
    if not np.isfinite(log_proba).all():
        rounding = np.finfo(proba.dtype).eps
        log_proba = np.log(np.clip(proba, rounding, 1 - rounding))
    return float(-np.average(log_proba, weights=sample_weight))
