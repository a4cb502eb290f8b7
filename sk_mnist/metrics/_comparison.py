"""Comparison of two classifiers on the same rows, with a test of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm
from sklearn.utils import check_consistent_length

from sk_mnist._labels import check_labels_1d, check_same_kind
from sk_mnist._sklearn import validate_params
from sk_mnist._tables import html_table, text_table


@dataclass(frozen=True, repr=False)
class ClassifierComparison:
    """Result of :func:`compare_classifiers`: two classifiers on the same rows. ``print`` shows a table.

    Attributes
    ----------
    n_samples : int
        Number of rows.
    accuracy_a, accuracy_b : float
        Accuracies of the two.
    only_a_correct, only_b_correct : int
        Number of rows that only a, or only b, got right.
    difference : float
        ``accuracy_a - accuracy_b``.
    difference_interval : tuple of (float, float)
        95 % interval of the difference (Agresti and Min).
    p_value : float
        Two-sided exact McNemar test of equal accuracy.

    Examples
    --------
    >>> from sk_mnist.metrics import compare_classifiers
    >>> compare_classifiers([0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]).only_a_correct
    1
    """

    __module__ = "sk_mnist.metrics"  # stored in pickles

    n_samples: int
    accuracy_a: float
    accuracy_b: float
    only_a_correct: int
    only_b_correct: int
    difference: float
    difference_interval: tuple[float, float]
    p_value: float

    def __str__(self) -> str:
        return text_table(self._rows(), "<><")

    def __repr__(self) -> str:
        accuracies = f"accuracy_a={self.accuracy_a:.4f}, accuracy_b={self.accuracy_b:.4f}"
        return f"{type(self).__name__}({accuracies}, p_value={self.p_value:.2g}, n_samples={self.n_samples})"

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, self._rows())

    def _rows(self) -> list[list[str]]:
        low, high = self.difference_interval
        return [
            ["samples", f"{self.n_samples}", ""],
            ["accuracy of a", f"{self.accuracy_a:.4f}", ""],
            ["accuracy of b", f"{self.accuracy_b:.4f}", ""],
            ["difference a - b", f"{self.difference:+.4f}", f"95 % interval {low:+.4f} to {high:+.4f}"],
            ["only a correct", f"{self.only_a_correct}", ""],
            ["only b correct", f"{self.only_b_correct}", ""],
            ["McNemar p-value", f"{self.p_value:.2g}", "exact, two-sided"],
        ]


@validate_params({"y": ["array-like"], "pred_a": ["array-like"], "pred_b": ["array-like"]})
def compare_classifiers(y: ArrayLike, pred_a: ArrayLike, pred_b: ArrayLike) -> ClassifierComparison:
    """Compare two classifiers by their predictions for the same rows.

    Two classifiers differ only on the rows that exactly one of them gets right. The exact McNemar test asks
    whether these rows are split like tosses of a fair coin. The test and the interval take the test rows as
    the sample; neither accounts for the variation between training runs (seeds).

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        True labels.
    pred_a, pred_b : array-like of shape (n_samples,)
        Labels that the two classifiers predict.

    Returns
    -------
    comparison : ClassifierComparison
        Accuracies, their difference with a 95 % interval, the discordant counts and the p-value.

    Raises
    ------
    ValueError
        If shapes disagree, or labels are of different types (numbers and strings).

    References
    ----------
    .. [1] Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
       percentages", Psychometrika 12 (1947), https://doi.org/10.1007/BF02295996
    .. [2] A. Agresti, Y. Min, "Simple improved confidence intervals for comparing matched proportions",
       Statistics in Medicine 24 (2005), https://doi.org/10.1002/sim.1781

    Examples
    --------
    >>> from sk_mnist.metrics import compare_classifiers
    >>> y = [0, 1] * 10
    >>> print(compare_classifiers(y, y, [0] * 20))
    samples                20
    accuracy of a      1.0000
    accuracy of b      0.5000
    difference a - b  +0.5000  95 % interval +0.2282 to +0.6809
    only a correct         10
    only b correct          0
    McNemar p-value     0.002  exact, two-sided
    """
    y = check_labels_1d(y, "y")
    pred_a, pred_b = check_labels_1d(pred_a, "pred_a"), check_labels_1d(pred_b, "pred_b")
    check_consistent_length(y, pred_a, pred_b)
    check_same_kind(y, pred_a, "y", "pred_a")
    check_same_kind(y, pred_b, "y", "pred_b")
    correct_a, correct_b = y == pred_a, y == pred_b
    only_a, only_b = int(np.sum(correct_a & ~correct_b)), int(np.sum(correct_b & ~correct_a))
    discordant = only_a + only_b
    return ClassifierComparison(
        n_samples=len(y),
        accuracy_a=float(correct_a.mean()),
        accuracy_b=float(correct_b.mean()),
        only_a_correct=only_a,
        only_b_correct=only_b,
        difference=(only_a - only_b) / len(y),
        difference_interval=_agresti_min_interval(only_a, only_b, len(y)),
        p_value=float(binomtest(only_a, discordant).pvalue) if discordant else 1.0,
    )


def _agresti_min_interval(only_a: int, only_b: int, n_samples: int) -> tuple[float, float]:
    """Wald's interval after half an observation is added to each cell of the 2 x 2 table."""
    b, c, n = only_a + 0.5, only_b + 0.5, n_samples + 2
    difference = (b - c) / n
    half_width = float(norm.ppf(0.975)) * np.sqrt((b + c) - (b - c) ** 2 / n) / n
    return float(max(difference - half_width, -1.0)), float(min(difference + half_width, 1.0))
