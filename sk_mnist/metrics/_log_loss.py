"""The log loss of a classifier, without the rounding of its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import log_loss

from sk_mnist._labels import CheckedPredictions


def estimator_log_loss(estimator: Any, X: ArrayLike, checked: CheckedPredictions) -> float:
    """Log loss of a fitted classifier.

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
    loss : float
        From `predict_log_proba` if the classifier has it and it is finite at the true labels, else from the
        probabilities.
    """
    if hasattr(estimator, "predict_log_proba"):
        # Many classifiers take the logarithm of their probabilities, some of which may be 0.
        with np.errstate(divide="ignore"):
            log_proba = np.asarray(estimator.predict_log_proba(X), dtype=np.float64)
        of_labels = log_proba[np.arange(len(checked.codes)), checked.codes]
        if np.isfinite(of_labels).all():
            return float(-np.average(of_labels, weights=checked.sample_weight))
    every_code = np.arange(len(checked.labels))
    return float(log_loss(checked.codes, checked.y_proba, labels=every_code, sample_weight=checked.sample_weight))
