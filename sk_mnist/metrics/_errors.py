"""The errors of a classifier: the pairs of classes that it confuses and its most confident errors."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from sk_mnist._labels import (
    METRIC_PARAMETERS,
    check_label_set,
    check_labels_1d,
    check_metric_weight,
    check_predictions,
    encode_labels,
)
from sk_mnist._sklearn import Interval, validate_params


class ConfusedPair(NamedTuple):
    """A true label, the wrong label predicted for it, and the frequency of this error.

    Attributes
    ----------
    true, predicted : label
        The labels.
    frequency : int or float
        Number of these errors, or their total sample weight.

    Examples
    --------
    >>> from sk_mnist.metrics import most_confused_pairs
    >>> (pair,) = most_confused_pairs([4, 4, 9], [9, 9, 9])
    >>> pair.true, pair.predicted, pair.frequency
    (4, 9, 2)
    """

    true: Any
    predicted: Any
    frequency: float


ConfusedPair.__module__ = "sk_mnist.metrics"  # stored in pickles


@validate_params({**METRIC_PARAMETERS, "n_pairs": [Interval(Integral, 1, None, closed="left")]})
def most_confused_pairs(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    n_pairs: int = 10,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> list[ConfusedPair]:
    """Find the most frequent pairs of a true label and a wrong prediction.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    n_pairs : int, default=10
        Maximum number of pairs.
    labels : array-like of shape (n_classes,), default=None
        All labels, sorted; any other label is an error. None uses the labels that occur.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    pairs : list of ConfusedPair
        Named tuples ``(true, predicted, frequency)``, most frequent first, ties in the order of the labels.
        The two directions are separate pairs: 4 predicted as 9, and 9 predicted as 4.

    Raises
    ------
    ValueError
        If shapes disagree or a label is unknown.

    Examples
    --------
    >>> from sk_mnist.metrics import most_confused_pairs
    >>> most_confused_pairs([4, 4, 4, 9], [9, 9, 4, 4], n_pairs=1)
    [ConfusedPair(true=4, predicted=9, frequency=2)]
    """
    y_true, y_pred = check_labels_1d(y_true, "y_true"), check_labels_1d(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    known = np.union1d(y_true, y_pred) if labels is None else check_label_set(labels)
    matrix = count_pairs(
        encode_labels(y_true, known, "y_true"),
        encode_labels(y_pred, known, "y_pred"),
        len(known),
        check_metric_weight(sample_weight, len(y_true)),
    )
    return confused_pairs(matrix, known, n_pairs)


def count_pairs(codes: NDArray, predicted: NDArray, n_classes: int, sample_weight: NDArray | None) -> NDArray:
    """Return the confusion matrix without the copies that scikit-learn makes, which are large for many classes."""
    counts = np.bincount(codes * n_classes + predicted, weights=sample_weight, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def confused_pairs(matrix: NDArray, labels: NDArray, n_pairs: int) -> list[ConfusedPair]:
    """Rank the cells off the diagonal of a confusion matrix."""
    # A matrix of many classes is large and nearly empty: it is not copied.
    rows, columns = np.nonzero(matrix)
    is_error = rows != columns
    rows, columns = rows[is_error], columns[is_error]
    counts = matrix[rows, columns]
    order = np.argsort(-counts, kind="stable")[:n_pairs]
    names = labels.tolist()
    return [
        ConfusedPair(names[row], names[column], count.item())
        for row, column, count in zip(rows[order], columns[order], counts[order], strict=True)
    ]


@validate_params({**METRIC_PARAMETERS, "n_errors": [Interval(Integral, 1, None, closed="left"), None]})
def most_confident_errors(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_errors: int | None = 10,
    labels: ArrayLike | None = None,
) -> NDArray[np.intp]:
    """Find the wrongly predicted rows, highest confidence first.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes)
        Probabilities; each row sums to one. Columns follow the sorted labels. The class with the largest
        probability is the prediction.
    n_errors : int or None, default=10
        Maximum number of rows; None returns all errors.
    labels : array-like of shape (n_classes,), default=None
        All labels, sorted. Needed when `y_true` does not contain every class.

    Returns
    -------
    rows : ndarray of shape (<= n_errors,), dtype intp
        Row numbers; ties stay in row order.

    Raises
    ------
    ValueError
        If shapes disagree, a label is unknown, or a row does not sum to one within 1e-4.

    Examples
    --------
    >>> from sk_mnist.metrics import most_confident_errors
    >>> most_confident_errors([0, 1, 1], [[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]])
    array([2, 0])
    """
    checked = check_predictions(y_true, y_proba, labels)
    is_wrong = checked.y_proba.argmax(axis=1) != checked.codes
    return rank_errors(is_wrong, checked.y_proba.max(axis=1), n_errors)


def rank_errors(is_wrong: NDArray[np.bool_], confidence: NDArray, n_errors: int | None) -> NDArray[np.intp]:
    """Return the rows of the most confident errors."""
    wrong = np.flatnonzero(is_wrong)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:n_errors]
