"""`evaluate`: the metrics of a fitted classifier in one result, which prints as a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, precision_recall_fscore_support
from sklearn.utils import check_consistent_length

from sk_mnist._labels import (
    check_label_set,
    check_labels_1d,
    check_metric_weight,
    check_probabilities,
    encode_labels,
)
from sk_mnist._optional import import_optional
from sk_mnist._sklearn import HasMethods, safe_indexing, validate_params
from sk_mnist._tables import html_table, text_table
from sk_mnist.metrics._calibration import bins_of_confidence
from sk_mnist.metrics._errors import ConfusedPair, confused_pairs, count_pairs, rank_errors
from sk_mnist.metrics._label_broadcast_mse import broadcast_errors
from sk_mnist.metrics._log_loss import log_proba_of_labels, mean_log_loss

# Tables show so many classes.
_MAX_CLASSES = 20

# How many probabilities are computed at a time.
_MAX_PROBABILITIES = 2**21

# Captions of the tables.
_CONFUSION = "Confusion matrix (columns: predicted)"
_PAIRS = "Most confused"


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationResult:
    """Result of :func:`evaluate`: metrics of a classifier on a data set. ``print`` and notebooks show tables.

    With more than 20 classes, the printed tables show the 20 with the most errors.

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
        shown, note = self._shown_classes()
        note += "\n" if note else ""
        tables = [
            text_table(self._summary_rows(), "<><"),
            note + text_table(self._class_rows(shown), ">>>>>"),
            f"{_CONFUSION}\n{note}{text_table(self._confusion_rows(shown), '>' * (len(shown) + 1))}",
        ]
        if self.most_confused_pairs:
            tables.append(f"{_PAIRS}\n{text_table(self._pairs_rows(), '>>>')}")
        return "\n\n".join(tables)

    def __repr__(self) -> str:
        figures = f"accuracy={self.accuracy:.4f}, log_loss={self.log_loss:.4f}, n_samples={self.n_samples}"
        return f"{type(self).__name__}({figures})"

    def _repr_html_(self) -> str:
        shown, note = self._shown_classes()
        classes, confusion = (f"{caption}. {note}" if note else caption for caption in ("Classes", _CONFUSION))
        tables = [
            html_table(type(self).__name__, self._summary_rows()),
            html_table(classes, self._class_rows(shown), has_header=True),
            html_table(confusion, self._confusion_rows(shown), has_header=True),
        ]
        if self.most_confused_pairs:
            tables.append(html_table(_PAIRS, self._pairs_rows(), has_header=True))
        return "\n".join(tables)

    def _summary_rows(self) -> list[list[str]]:
        interval = ""
        if self.accuracy_interval is not None:
            low, high = self.accuracy_interval
            interval = f"95 % interval {low:.4f} to {high:.4f}"
        return [
            ["samples", f"{self.n_samples}", ""],
            ["accuracy", f"{self.accuracy:.4f}", interval],
            ["balanced accuracy", f"{self.balanced_accuracy:.4f}", ""],
            ["top-2 accuracy", f"{self.top_2_accuracy:.4f}", ""],
            ["log loss", f"{self.log_loss:.4f}", ""],
            ["Brier score", f"{self.brier_score:.4f}", ""],
            ["calibration error", f"{self.expected_calibration_error:.4f}", ""],
        ]

    def _shown_classes(self) -> tuple[NDArray[np.intp], str]:
        """Return the positions of the classes that tables show, and a line that says so if these are not all."""
        n_classes = len(self.classes)
        if n_classes <= _MAX_CLASSES:
            return np.arange(n_classes), ""
        matrix = self.confusion_matrix
        n_errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
        shown = np.argsort(-n_errors, kind="stable")[:_MAX_CLASSES]
        return shown, f"The {_MAX_CLASSES} most confused of {n_classes:,} classes"

    def _class_rows(self, shown: NDArray[np.intp]) -> list[list[str]]:
        rows = [["class", "precision", "recall", "F1", "support"]]
        for i in shown:
            scores = (self.precision[i], self.recall[i], self.f1[i])
            cells = ["-" if np.isnan(score) else f"{score:.4f}" for score in scores]
            rows.append([str(self.classes[i]), *cells, f"{self.support[i]:g}"])
        return rows

    def _confusion_rows(self, shown: NDArray[np.intp]) -> list[list[str]]:
        names = [str(self.classes[i]) for i in shown]
        rows = [["true", *names]]
        for i, name in zip(shown, names, strict=True):
            rows.append([name, *(f"{count:g}" for count in self.confusion_matrix[i, shown])])
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
    y = check_labels_1d(y, "y_true")
    weight = check_metric_weight(sample_weight, len(y))
    rows = _score_all_rows(estimator, X, y)
    classes = check_label_set(estimator.classes_)
    # From here on, labels are positions in `classes`, whatever their type and dtype.
    y_pred = check_labels_1d(rows.y_pred, "the result of predict")
    codes, predicted = rows.codes, encode_labels(y_pred, classes, "the result of predict")
    precision, recall, f1, _ = precision_recall_fscore_support(
        codes, predicted, labels=np.arange(len(classes)), sample_weight=weight, zero_division=np.nan
    )
    matrix = count_pairs(codes, predicted, len(classes), weight)
    is_right = rows.likeliest == codes
    return EvaluationResult(
        n_samples=len(y),
        accuracy=float(accuracy_score(codes, predicted, sample_weight=weight)),
        accuracy_interval=_wilson_interval(codes == predicted) if weight is None else None,
        # Not balanced_accuracy_score, which warns about predicted classes that do not occur.
        balanced_accuracy=float(np.nanmean(recall)),
        top_2_accuracy=float(np.average(rows.is_top_2, weights=weight)),
        log_loss=mean_log_loss(rows.log_proba, rows.proba, weight),
        # scikit-learn halves the score of two classes.
        brier_score=float(np.average(rows.brier, weights=weight)) / (2 if len(classes) == 2 else 1),
        expected_calibration_error=bins_of_confidence(rows.confidence, is_right, weight, 15, "uniform").error("l1"),
        label_broadcast_mse=float(np.average(rows.broadcast, weights=weight)) if _are_numbers(y) else None,
        classes=classes,
        precision=precision,
        recall=recall,
        f1=f1,
        support=matrix.sum(axis=1),
        confusion_matrix=matrix,
        most_confused_pairs=confused_pairs(matrix, classes, 5),
        most_confident_errors=rank_errors(~is_right, rows.confidence, 10),
    )


class _RowScores(NamedTuple):
    """What the metrics need of each row; arrays of shape (n_samples,)."""

    codes: NDArray[np.intp]  # the true class, as a position in the classes
    y_pred: NDArray  # label by `predict`
    likeliest: NDArray[np.intp]  # by `predict_proba`
    confidence: NDArray[np.floating]  # largest probability
    proba: NDArray[np.floating]  # of the true class
    log_proba: NDArray[np.float64]  # of the true class
    is_top_2: NDArray[np.bool_]
    brier: NDArray[np.float64]  # sum over the classes
    broadcast: NDArray[np.float64]  # label-broadcast MSE; NaN if the labels are not numbers


def _score_all_rows(estimator: Any, X: Any, y: NDArray) -> _RowScores:
    """Score rows, a part at a time if there are so many classes that all probabilities would take much memory."""
    step = max(1, _MAX_PROBABILITIES // max(1, len(getattr(estimator, "classes_", ()))))
    if step >= len(y):
        return _score_rows(estimator, X, y)
    check_consistent_length(X, y)
    starts = range(0, len(y), step)
    parts = (_score_rows(estimator, safe_indexing(X, slice(i, i + step)), y[i : i + step]) for i in starts)
    return _RowScores(*map(np.concatenate, zip(*parts, strict=True)))


def _score_rows(estimator: Any, X: Any, y: NDArray) -> _RowScores:
    y_proba = estimator.predict_proba(X)
    y_pred = np.asarray(estimator.predict(X))
    checked = check_probabilities(y, y_proba, estimator.classes_)
    codes, y_proba = checked.codes, checked.y_proba
    every_row = np.arange(len(codes))
    likeliest, proba = y_proba.argmax(axis=1), y_proba[every_row, codes]
    return _RowScores(
        codes=codes,
        y_pred=y_pred,
        likeliest=likeliest,
        confidence=y_proba[every_row, likeliest],
        proba=proba,
        log_proba=log_proba_of_labels(estimator, X, checked),
        is_top_2=_are_in_top_2(codes, y_proba, proba),
        brier=_square_sums(y_proba, codes),
        broadcast=broadcast_errors(y, y_proba) if _are_numbers(y) else np.full(len(codes), np.nan),
    )


def _are_numbers(y: NDArray) -> bool:
    return y.dtype.kind in "biuf"


def _are_in_top_2(codes: NDArray, y_proba: NDArray, proba: NDArray) -> NDArray[np.bool_]:
    """Whether at most one class comes before the true one; of equal classes, the last comes first."""
    before = (y_proba > proba[:, np.newaxis]).sum(axis=1)
    ties = y_proba == proba[:, np.newaxis]
    ties &= np.arange(y_proba.shape[1]) > codes[:, np.newaxis]
    return before + ties.sum(axis=1) < 2


def _square_sums(y_proba: NDArray, codes: NDArray) -> NDArray[np.float64]:
    """Sum over the classes of the squared difference between the probability and 1 or 0."""
    difference = y_proba.astype(np.float64)
    difference[np.arange(len(codes)), codes] -= 1
    return np.einsum("ij,ij->i", difference, difference)


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
