"""Expected calibration error: whether a confidence of 90 % means being right nine times out of ten."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist._labels import METRIC_PARAMETERS, CheckedPredictions, check_predictions
from sk_mnist._sklearn import Interval, StrOptions, validate_params

# Constraints of the parameters of `calibration_bins`.
BINNING = {
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"uniform", "quantile"})],
}


class CalibrationBins(NamedTuple):
    """The bins that are not empty, in order of confidence."""

    confidence: NDArray[np.float64]  # weighted mean of the largest probability
    accuracy: NDArray[np.float64]  # weighted share of correct predictions
    share: NDArray[np.float64]  # of the total weight; sums to one

    def error(self, norm: str) -> float:
        """Return the mean ("l1") or the largest ("max") gap between confidence and accuracy."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(gaps @ self.share if norm == "l1" else gaps.max())


def calibration_bins(checked: CheckedPredictions, n_bins: int, strategy: str) -> CalibrationBins:
    """Put rows into bins by their confidence."""
    correct = checked.y_proba.argmax(axis=1) == checked.codes
    return bins_of_confidence(checked.y_proba.max(axis=1), correct, checked.sample_weight, n_bins, strategy)


def bins_of_confidence(
    confidence: NDArray, correct: NDArray[np.bool_], sample_weight: NDArray | None, n_bins: int, strategy: str
) -> CalibrationBins:
    """Put rows into bins by their confidence; bins are open on the left and closed on the right."""
    confidence = confidence.astype(np.float64)
    weight = np.ones(len(confidence)) if sample_weight is None else sample_weight
    if strategy == "uniform":
        inner_edges = np.linspace(0, 1, n_bins + 1)[1:-1]
    else:
        inner_edges = _quantiles(confidence, weight, n_bins)
    bins = np.searchsorted(inner_edges, confidence, side="left")
    totals = np.bincount(bins, weights=weight, minlength=n_bins)
    filled = totals > 0
    confidence_sums = np.bincount(bins, weights=weight * confidence, minlength=n_bins)
    correct_sums = np.bincount(bins, weights=weight * correct, minlength=n_bins)
    return CalibrationBins(
        confidence=confidence_sums[filled] / totals[filled],
        accuracy=correct_sums[filled] / totals[filled],
        share=totals[filled] / totals.sum(),
    )


def _quantiles(values: NDArray, weight: NDArray, n_bins: int) -> NDArray:
    """Return the values at which the cumulative weight first reaches 1/n_bins, 2/n_bins, ... of the total."""
    # Not numpy.quantile, because its 0.3 * 10 > 3 would move an edge; m * total / n_bins is exact where possible.
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    targets = np.arange(1, n_bins) * cumulated[-1] / n_bins
    return values[order][np.searchsorted(cumulated, targets, side="left")]


@validate_params({**METRIC_PARAMETERS, **BINNING, "norm": [StrOptions({"l1", "max"})]})
def expected_calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 15,
    strategy: str = "uniform",
    norm: str = "l1",
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Gap between confidence and accuracy over bins of confidence (top-label calibration).

    The confidence of a row is its largest probability; the prediction is the class with this probability (the first
    one in case of ties). Rows are binned by confidence. The gap of a bin is the absolute difference between its mean
    confidence and its accuracy; empty bins do not count.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Class labels.
    y_proba : array-like of shape (n_samples, n_classes)
        Probabilities; each row sums to one. Columns follow the sorted labels.
    n_bins : int, default=15
        Number of bins.
    strategy : {"uniform", "quantile"}, default="uniform"
        "uniform" cuts [0, 1] into bins of equal width, ``(m / n_bins, (m + 1) / n_bins]``. "quantile" cuts
        at the confidences where the cumulative weight first reaches ``m / n_bins`` of the total; rows of equal
        confidence are never separated, so bins can differ in weight or be empty. In both, an edge belongs to
        the bin below it.
    norm : {"l1", "max"}, default="l1"
        "l1" averages the gaps, weighted by the weight of the bins (expected calibration error); "max" takes
        the largest (maximum calibration error).
    labels : array-like of shape (n_classes,), default=None
        All labels, sorted. Needed when `y_true` does not contain every class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    error : float
        In [0, 1]; 0 means perfectly calibrated.

    Raises
    ------
    ValueError
        If shapes disagree, a label is unknown, or a row does not sum to one within 1e-4.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
       https://arxiv.org/abs/1706.04599

    Examples
    --------
    Certain of both rows, right about one:

    >>> from sk_mnist.metrics import expected_calibration_error
    >>> expected_calibration_error([0, 1], [[1.0, 0.0], [1.0, 0.0]])
    0.5
    """
    checked = check_predictions(y_true, y_proba, labels, sample_weight)
    return calibration_bins(checked, n_bins, strategy).error(norm)
