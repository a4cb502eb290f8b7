"""The label-broadcast MSE, which the reference published as "MSE"."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist._labels import METRIC_PARAMETERS, check_predictions
from sk_mnist._sklearn import validate_params


@validate_params(METRIC_PARAMETERS)
def label_broadcast_mse(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean squared difference between the integer label and *every* probability of its row.

    Keras computes this for ``metrics=["mse"]`` with integer labels and a softmax: the label, of shape
    ``(n_samples, 1)``, is broadcast against the ``(n_samples, n_classes)`` probabilities. The result is the mean
    over rows i and classes j of ``(y_i - p_ij) ** 2``. Use it only to compare with figures published that way.
    **Lower is not better**: on the 10,000 MNIST test labels a perfect classifier gets 27.3403, and one that
    predicts 0.1 for every digit gets 27.2503. The intended metric is the Brier score
    (:func:`sklearn.metrics.brier_score_loss`).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Class labels, which must be numbers.
    y_proba : array-like of shape (n_samples, n_classes)
        Probabilities; each row sums to one. Columns follow the sorted labels.
    labels : array-like of shape (n_classes,), default=None
        All labels, sorted. Needed when `y_true` does not contain every class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    mse : float
        Not negative. It tells little about the classifier.

    Raises
    ------
    ValueError
        If the labels are not numbers, shapes disagree, or a row does not sum to one within 1e-4.

    Examples
    --------
    >>> from sk_mnist.metrics import label_broadcast_mse
    >>> label_broadcast_mse([0, 3], [[1, 0], [0, 1]])  # a perfect classifier
    3.5
    >>> label_broadcast_mse([0, 3], [[0.5, 0.5], [0.5, 0.5]])  # one that knows nothing
    3.25
    """
    checked = check_predictions(y_true, y_proba, labels, sample_weight)
    if checked.y_true.dtype.kind not in "biuf":
        raise ValueError(
            f"y_true has dtype {checked.y_true.dtype}; the label-broadcast MSE subtracts probabilities from "
            "the label itself and is defined for numeric labels only. Use sklearn.metrics.brier_score_loss."
        )
    errors = broadcast_errors(checked.y_true, checked.y_proba)
    return float(np.average(errors, weights=checked.sample_weight))


def broadcast_errors(y_true: NDArray, y_proba: NDArray) -> NDArray[np.float64]:
    """Mean squared difference in each row."""
    difference = y_true.astype(np.float64)[:, np.newaxis] - y_proba
    return np.mean(np.square(difference, out=difference), axis=1)
