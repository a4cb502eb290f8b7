"""Checks of labels, probabilities and weights: consistent shapes, known labels, rows that sum to one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets

from sk_mnist._images import as_numbers

PROBABILITY_SUM_TOLERANCE = 1e-4

# So many labels are shown in a message.
_MAX_SHOWN = 20

# Constraints of the parameters that metrics share.
METRIC_PARAMETERS = {
    "y_true": ["array-like"],
    "y_pred": ["array-like"],
    "y_proba": ["array-like"],
    "labels": ["array-like", None],
    "sample_weight": ["array-like", None],
}


class CheckedPredictions(NamedTuple):
    """Checked true labels and probabilities, with values derived from them."""

    y_true: NDArray
    codes: NDArray[np.intp]  # column of `y_proba` that belongs to each true label
    y_proba: NDArray[np.floating]
    labels: NDArray
    sample_weight: NDArray[np.float64] | None


def check_labels_1d(y: ArrayLike, name: str) -> NDArray:
    """Return class labels as a 1-dimensional array; any other shape is an error, never broadcast."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(
            f"{name} has shape {y.shape}; expected class labels of shape (n_samples,). "
            f"Use {name}.ravel() for one column, or {name}.argmax(axis=1) for one-hot rows."
        )
    if len(y) == 0:
        raise ValueError(f"{name} is empty; at least one sample is required.")
    check_classification_targets(y)
    return y


def check_metric_weight(sample_weight: ArrayLike | None, n_samples: int) -> NDArray[np.float64] | None:
    """Return finite, non-negative float64 weights, at least one of them positive; None stays None."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_samples,):
        raise ValueError(f"sample_weight has shape {weight.shape}; expected ({n_samples},), one weight per sample.")
    if not np.all(np.isfinite(weight)) or np.any(weight < 0) or not np.any(weight > 0):
        raise ValueError("sample_weight must be finite and non-negative, and positive for at least one sample.")
    return weight


def check_label_set(labels: ArrayLike) -> NDArray:
    """Return the known labels, which must be sorted like the columns of `predict_proba`."""
    labels = np.asarray(labels)
    # scikit-learn's log_loss and brier_score_loss sort `labels` silently, so another order gives wrong scores.
    if labels.ndim != 1 or len(labels) == 0 or not np.array_equal(labels, np.unique(labels)):
        raise ValueError(
            f"labels={shorten(labels)} must be 1-dimensional, not empty, sorted and unique, like the columns of "
            "y_proba (the order of `classes_`)."
        )
    return labels


def check_same_kind(reference: NDArray, y: NDArray, reference_name: str, name: str) -> None:
    """Raise an error if strings are compared with numbers: NumPy does not treat "3" and 3 consistently."""
    if holds_strings(reference) != holds_strings(y):
        raise ValueError(
            f"{name} has dtype {y.dtype}, but the dtype of {reference_name} is {reference.dtype}; use strings or "
            "numbers for both."
        )


def holds_strings(y: NDArray) -> bool:
    return y.dtype.kind in "UST" or (y.dtype.kind == "O" and len(y) > 0 and isinstance(y[0], str))


def shorten(labels: NDArray) -> str:
    """Return labels as text for a message, at most 20 of them."""
    if labels.size <= _MAX_SHOWN:
        return str(labels.tolist())
    first = ", ".join(map(repr, labels.ravel()[:_MAX_SHOWN].tolist()))
    return f"[{first}, ... {labels.size:,} in all]"


def encode_labels(y: NDArray, labels: NDArray, name: str) -> NDArray[np.intp]:
    """Return the position of each label of `y` in the sorted `labels`; raise an error for unknown labels."""
    check_same_kind(labels, y, "the classes", name)
    try:
        positions = np.searchsorted(labels, y)
    except TypeError as error:
        raise ValueError(f"{name} has dtype {y.dtype}, but the classes have dtype {labels.dtype}: {error}") from error
    positions[positions == len(labels)] = 0
    if (unseen := labels[positions] != y).any():
        raise ValueError(
            f"{name} has labels that are not among the classes {shorten(labels)}: {shorten(np.unique(y[unseen]))}."
        )
    return positions


def check_predictions(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> CheckedPredictions:
    """Check true labels against probabilities; rows are rescaled to sum to exactly one."""
    return check_probabilities(check_labels_1d(y_true, "y_true"), y_proba, labels, sample_weight)


def check_probabilities(
    y_true: NDArray,
    y_proba: ArrayLike,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> CheckedPredictions:
    """Like `check_predictions`, for labels that are already checked."""
    y_proba = as_numbers(y_proba, "y_proba")
    if y_proba.dtype.kind != "f":
        y_proba = y_proba.astype(np.float64)
    if y_proba.ndim != 2:
        raise ValueError(f"y_proba has shape {y_proba.shape}; expected (n_samples, n_classes).")
    check_consistent_length(y_true, y_proba)
    labels = np.unique(y_true) if labels is None else check_label_set(labels)
    if y_proba.shape[1] != len(labels):
        raise ValueError(
            f"y_proba has {y_proba.shape[1]} columns but there are {len(labels)} labels: {shorten(labels)}. "
            "Pass all the labels the classifier knows (its `classes_`) as labels=."
        )
    if not np.all((y_proba >= 0) & (y_proba <= 1)):
        raise ValueError("y_proba must hold probabilities in [0, 1], without NaN.")
    row_sums = y_proba.sum(axis=1, keepdims=True)
    worst = np.abs(row_sums - 1).argmax()
    if abs(row_sums[worst, 0] - 1) > PROBABILITY_SUM_TOLERANCE:
        raise ValueError(
            f"Row {worst} of y_proba sums to {row_sums[worst, 0]:.6g}; every row must sum to 1 within "
            f"{PROBABILITY_SUM_TOLERANCE:g}. Did you pass scores instead of probabilities?"
        )
    return CheckedPredictions(
        y_true=y_true,
        codes=encode_labels(y_true, labels, "y_true"),
        y_proba=y_proba / row_sums,
        labels=labels,
        sample_weight=check_metric_weight(sample_weight, len(y_true)),
    )
