"""`evaluate`: the metrics of a fitted classifier in one result, which prints as a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from sk_mnist._labels import check_labels_1d, check_predictions, encode_labels
from sk_mnist._optional import import_optional
from sk_mnist._sklearn import HasMethods, validate_params
from sk_mnist._tables import html_table, text_table
from sk_mnist.metrics._calibration import calibration_bins
from sk_mnist.metrics._errors import ConfusedPair, confused_pairs, most_confident_errors
from sk_mnist.metrics._label_broadcast_mse import label_broadcast_mse
from sk_mnist.metrics._log_loss import estimator_log_loss

# Captions of the tables.
_CONFUSION = "Confusion matrix (columns: predicted)"
_PAIRS = "Most confused"


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationResult:
    """Result of :func:`evaluate`: metrics of a classifier on a data set. ``print`` and notebooks show tables.

    Attributes
    ----------
    n_samples : int
        Number of rows evaluated.
    accuracy : float
        Share of rows predicted correctly.
    accuracy_interval : tuple of (float, float) or None
        95 % Wilson score interval of the accuracy. None with `sample_weight`, because weighted rows are not a
        binomial count.
    balanced_accuracy : float
        Mean recall of the classes that occur.
    top_2_accuracy : float
        Share of rows whose true class has one of the two highest probabilities.
    log_loss : float
        Mean negative log-probability of the true class, from the classifier's `predict_log_proba` if that is finite;
        else as :func:`sklearn.metrics.log_loss`, which replaces a probability of 0 by the rounding error of its type.
    brier_score : float
        As :func:`sklearn.metrics.brier_score_loss`: in [0, 2] with more than two classes, in [0, 1] with two.
    expected_calibration_error : float
        See :func:`expected_calibration_error`; 15 bins of equal width.
    label_broadcast_mse : float or None
        See :func:`label_broadcast_mse`; None if the labels are not numbers.
    classes : ndarray of shape (n_classes,)
        The classifier's labels, in the order of the arrays below.
    precision, recall, f1 : ndarray of shape (n_classes,), dtype float64
        Scores of each class; NaN if undefined (a class that was never predicted, or never occurred).
    support : ndarray of shape (n_classes,)
        Number (or weight) of rows of each class.
    confusion_matrix : ndarray of shape (n_classes, n_classes)
        Rows are true classes, columns predicted classes.
    most_confused_pairs : list of ConfusedPair
        The 5 most frequent pairs, see :func:`most_confused_pairs`.
    most_confident_errors : ndarray of shape (<= 10,), dtype intp
        Row numbers, see :func:`most_confident_errors`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_mnist.metrics import evaluate
    >>> X, y = load_iris(return_X_y=True)
    >>> result = evaluate(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    >>> result.confusion_matrix
    array([[50,  0,  0],
           [ 0, 47,  3],
           [ 0,  1, 49]])
    >>> result.to_dict()["support"]
    [50, 50, 50]
    >>> display = result.plot(errors_only=True)
    """

    __module__ = "sk_mnist.metrics"  # stored in pickles

    n_samples: int
    accuracy: float
    accuracy_interval: tuple[float, float] | None
    balanced_accuracy: float
    top_2_accuracy: float
    log_loss: float
    brier_score: float
    expected_calibration_error: float
    label_broadcast_mse: float | None
    classes: NDArray
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray
    confusion_matrix: NDArray
    most_confused_pairs: list[ConfusedPair]
    most_confident_errors: NDArray[np.intp]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain Python values, ready for ``json.dump``.

        Returns
        -------
        result : dict of str to object
            One entry for each attribute. Arrays become lists, and undefined values None.
        """
        return {f.name: _to_plain(getattr(self, f.name)) for f in fields(self)}

    def to_frame(self) -> Any:
        """Return the scores of the classes as a table with one row per class.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_classes, 4)
            The columns are "precision", "recall", "f1" and "support", the index is the label.

        Raises
        ------
        ImportError
            If pandas is missing.
        """
        pd = import_optional("pandas", "EvaluationResult.to_frame")
        columns = {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.support}
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="class"))

    def plot(self, *, errors_only: bool = False, ax: Any = None) -> ConfusionMatrixDisplay:
        """Draw the confusion matrix.

        Parameters
        ----------
        errors_only : bool, default=False
            If True, leave out the diagonal, the correct predictions, so that the colours show the errors.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : sklearn.metrics.ConfusionMatrixDisplay
            The drawn display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        matrix = self.confusion_matrix.copy()
        if errors_only:
            np.fill_diagonal(matrix, 0)
        display = ConfusionMatrixDisplay(matrix, display_labels=self.classes)
        display.plot(ax=ax, cmap="Blues", colorbar=False)
        if errors_only:
            for text in display.text_.diagonal():
                text.set_text("")
        return display

    def __str__(self) -> str:
        tables = [text_table(self._summary_rows(), "<><"), text_table(self._class_rows(), ">>>>>")]
        tables.append(f"{_CONFUSION}\n{text_table(self._confusion_rows(), '>' * (len(self.classes) + 1))}")
        if self.most_confused_pairs:
            tables.append(f"{_PAIRS}\n{text_table(self._pairs_rows(), '>>>')}")
        return "\n\n".join(tables)

    def __repr__(self) -> str:
        figures = f"accuracy={self.accuracy:.4f}, log_loss={self.log_loss:.4f}, n_samples={self.n_samples}"
        return f"{type(self).__name__}({figures})"

    def _repr_html_(self) -> str:
        tables = [
            html_table(type(self).__name__, self._summary_rows()),
            html_table("Classes", self._class_rows(), has_header=True),
            html_table(_CONFUSION, self._confusion_rows(), has_header=True),
        ]
        if self.most_confused_pairs:
            tables.append(html_table(_PAIRS, self._pairs_rows(), has_header=True))
        return "\n".join(tables)

    def _summary_rows(self) -> list[list[str]]:
        interval = ""
        if self.accuracy_interval is not None:
            low, high = self.accuracy_interval
            interval = f"95 % interval {low:.4f} to {high:.4f}"
        mse, note = "-", "undefined for these labels"
        if self.label_broadcast_mse is not None:
            mse, note = f"{self.label_broadcast_mse:.4f}", "lower is not better"
        return [
            ["samples", f"{self.n_samples}", ""],
            ["accuracy", f"{self.accuracy:.4f}", interval],
            ["balanced accuracy", f"{self.balanced_accuracy:.4f}", ""],
            ["top-2 accuracy", f"{self.top_2_accuracy:.4f}", ""],
            ["log loss", f"{self.log_loss:.4f}", ""],
            ["Brier score", f"{self.brier_score:.4f}", ""],
            ["calibration error", f"{self.expected_calibration_error:.4f}", ""],
            ["label-broadcast MSE", mse, note],
        ]

    def _class_rows(self) -> list[list[str]]:
        rows = [["class", "precision", "recall", "F1", "support"]]
        for label, *scores, support in zip(
            self.classes, self.precision, self.recall, self.f1, self.support, strict=True
        ):
            cells = ["-" if np.isnan(score) else f"{score:.4f}" for score in scores]
            rows.append([str(label), *cells, f"{support:g}"])
        return rows

    def _confusion_rows(self) -> list[list[str]]:
        names = [str(label) for label in self.classes]
        rows = [["true", *names]]
        rows += [
            [name, *(f"{count:g}" for count in row)] for name, row in zip(names, self.confusion_matrix, strict=True)
        ]
        return rows

    def _pairs_rows(self) -> list[list[str]]:
        rows = [["true", "predicted", "count"]]
        rows += [[str(true), str(predicted), f"{count:g}"] for true, predicted, count in self.most_confused_pairs]
        return rows


@validate_params(
    {
        "estimator": [HasMethods(["predict", "predict_proba"])],
        "X": "no_validation",
        "y": ["array-like"],
        "sample_weight": ["array-like", None],
    }
)
def evaluate(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> EvaluationResult:
    """Evaluate a fitted classifier by its accuracy, its probabilities and its scores for each class.

    Parameters
    ----------
    estimator : estimator instance
        Fitted classifier, or Pipeline that ends in one, with `predict` and `predict_proba`.
    X : array-like of shape (n_samples, ...)
        Data for `estimator`.
    y : array-like of shape (n_samples,)
        True labels. Each must be among the estimator's `classes_`; not every class needs to occur.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    result : EvaluationResult
        The metrics as attributes. ``print(result)`` shows a table; ``result.to_dict()`` is ready for JSON.

    Raises
    ------
    ValueError
        If `estimator` is not a classifier, `y` is not of shape (n_samples,), or `y` contains a label that
        the classifier does not know.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
       the American Statistical Association 22 (1927), https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_mnist.metrics import evaluate
    >>> X, y = load_iris(return_X_y=True)
    >>> print(evaluate(LogisticRegression(max_iter=1000).fit(X, y), X, y))
    samples                 150
    accuracy             0.9733  95 % interval 0.9334 to 0.9896
    ...
    """
    if not is_classifier(estimator):
        raise ValueError(f"evaluate takes a classifier; got {type(estimator).__name__}.")
    y_proba = estimator.predict_proba(X)
    y_pred = check_labels_1d(estimator.predict(X), "the result of predict")
    checked = check_predictions(y, y_proba, estimator.classes_, sample_weight)
    y_true, codes, y_proba, classes, weight = checked
    # From here on, labels are positions in `classes`, whatever their type and dtype.
    predicted = encode_labels(y_pred, classes, "the result of predict")
    every_code = np.arange(len(classes))
    precision, recall, f1, _ = precision_recall_fscore_support(
        codes, predicted, labels=every_code, sample_weight=weight, zero_division=np.nan
    )
    # Not balanced_accuracy_score, which warns about predicted classes that do not occur.
    balanced_accuracy = float(np.nanmean(recall))
    matrix = confusion_matrix(codes, predicted, labels=every_code, sample_weight=weight)
    numeric = y_true.dtype.kind in "biuf"
    return EvaluationResult(
        n_samples=len(y_true),
        accuracy=float(accuracy_score(codes, predicted, sample_weight=weight)),
        accuracy_interval=_wilson_interval(codes == predicted) if weight is None else None,
        balanced_accuracy=balanced_accuracy,
        top_2_accuracy=_top_2_accuracy(codes, y_proba, weight),
        log_loss=estimator_log_loss(estimator, X, checked),
        brier_score=float(brier_score_loss(codes, y_proba, labels=every_code, sample_weight=weight)),
        expected_calibration_error=calibration_bins(checked, 15, "uniform").error("l1"),
        label_broadcast_mse=(
            label_broadcast_mse(y_true, y_proba, labels=classes, sample_weight=weight) if numeric else None
        ),
        classes=classes,
        precision=precision,
        recall=recall,
        f1=f1,
        support=matrix.sum(axis=1),
        confusion_matrix=matrix,
        most_confused_pairs=confused_pairs(matrix, classes, 5),
        most_confident_errors=most_confident_errors(y_true, y_proba, labels=classes),
    )


def _top_2_accuracy(codes: NDArray, y_proba: NDArray, weight: NDArray | None) -> float:
    n_classes = y_proba.shape[1]
    if n_classes <= 2:
        return 1.0
    return float(top_k_accuracy_score(codes, y_proba, k=2, labels=range(n_classes), sample_weight=weight))


def _wilson_interval(correct: NDArray[np.bool_]) -> tuple[float, float]:
    interval = binomtest(int(correct.sum()), len(correct)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def _to_plain(value: Any) -> Any:
    """Convert arrays, NumPy scalars and tuples to JSON types, and NaN, which JSON lacks, to None."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
