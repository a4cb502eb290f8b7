"""Cross-validation with a report: scores with intervals, out-of-fold probabilities, confusion matrix."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t
from sklearn.base import is_classifier
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import cross_validate
from sklearn.utils import check_consistent_length

from sk_mnist._labels import check_labels_1d, encode_labels, holds_strings
from sk_mnist._optional import import_optional
from sk_mnist._sklearn import HasMethods, safe_indexing, validate_params
from sk_mnist._tables import html_table, text_table
from sk_mnist.metrics import SCORING

# How many folds a warning names, and how many classes of each.
_MAX_FOLDS = 10
_MAX_CLASSES = 5

# Ranges of scores, by how their names in scikit-learn or in SCORING begin.
_RANGES = {
    ("neg_ece",): (-1.0, 0.0),
    ("neg_brier_score",): (-2.0, 0.0),
    ("neg_",): (-np.inf, 0.0),
    ("accuracy", "average_precision", "balanced_accuracy", "top_k_accuracy"): (0.0, 1.0),
    ("f1", "jaccard", "precision", "recall", "roc_auc"): (0.0, 1.0),
    ("matthews_corrcoef",): (-1.0, 1.0),
}


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidationReport:
    """Result of :func:`cross_validation_report`; ``print`` shows it as a table.

    Attributes
    ----------
    scores : dict of str to ndarray of shape (n_splits,)
        Values of each score in the folds; NaN where a score could not be computed.
    mean : dict of str to float
        Mean over the folds; NaN if a fold has no score. So are `std` and `interval`.
    std : dict of str to float
        Sample standard deviation over the folds; NaN with a single fold.
    interval : dict of str to tuple of (float, float)
        95 % interval of the mean, with the corrected variance of Nadeau and Bengio, within the range of the score if
        it is one of scikit-learn's or of :data:`sk_mnist.metrics.SCORING`; NaN with a single fold.
    fit_times : ndarray of shape (n_splits,)
        Seconds spent in `fit`.
    n_train, n_test : ndarray of shape (n_splits,)
        Number of rows.
    classes : ndarray of shape (n_classes,)
        Sorted labels of `y` and of the classifiers.
    out_of_fold_proba : ndarray of shape (n_samples, n_classes)
        Probabilities of each row by the classifier that was not trained on it (the mean if there are several); NaN
        for rows that are in no test fold, or whose classifier could not predict.
    confusion_matrix : ndarray of shape (n_classes, n_classes)
        Sum of the confusion matrices of the test folds, except for those whose classifier could not predict; rows are
        true classes, columns predicted classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_mnist.model_selection import cross_validation_report
    >>> X, y = load_iris(return_X_y=True)
    >>> report = cross_validation_report(LogisticRegression(max_iter=1000), X, y, scoring="accuracy")
    >>> report.out_of_fold_proba.shape
    (150, 3)
    """

    __module__ = "sk_mnist.model_selection"  # stored in pickles

    scores: dict[str, NDArray[np.float64]]
    mean: dict[str, float]
    std: dict[str, float]
    interval: dict[str, tuple[float, float]]
    fit_times: NDArray[np.float64]
    n_train: NDArray[np.intp]
    n_test: NDArray[np.intp]
    classes: NDArray
    out_of_fold_proba: NDArray[np.float64]
    confusion_matrix: NDArray[np.intp]

    def to_frame(self) -> Any:
        """Return the scores, fit times and sizes as a table with one row per fold.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_splits, n_scores + 3)
            The index is the number of the fold.

        Raises
        ------
        ImportError
            If pandas is missing.
        """
        pd = import_optional("pandas", "CrossValidationReport.to_frame")
        columns = {
            **self.scores,
            "fit_time": self.fit_times,
            "n_train": self.n_train,
            "n_test": self.n_test,
        }
        return pd.DataFrame(columns).rename_axis("fold")

    def __str__(self) -> str:
        return text_table(self._rows(), "<" + ">" * (3 + len(self.fit_times)))

    def __repr__(self) -> str:
        means = ", ".join(f"{name!r}: {value:.4f}" for name, value in self.mean.items())
        return f"{type(self).__name__}(mean={{{means}}}, n_splits={len(self.fit_times)})"

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, self._rows(), has_header=True)

    def _rows(self) -> list[list[str]]:
        n_splits = len(self.fit_times)
        rows = [["", "mean", "std", "95 % interval", *(f"fold {fold}" for fold in range(n_splits))]]
        for name, values in self.scores.items():
            low, high = self.interval[name]
            std, interval = (f"{self.std[name]:.4f}", f"{low:.4f} to {high:.4f}") if n_splits > 1 else ("-", "-")
            rows.append([name, f"{self.mean[name]:.4f}", std, interval, *(f"{value:.4f}" for value in values)])
        times = (f"{seconds:.2f}" for seconds in self.fit_times)
        rows.append(["fit time (s)", f"{self.fit_times.mean():.2f}", "", "", *times])
        return rows


@validate_params(
    {
        "estimator": [HasMethods(["fit", "predict", "predict_proba"])],
        "X": "no_validation",
        "y": ["array-like"],
        "cv": ["cv_object"],
        "scoring": [str, list, tuple, dict, callable, None],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=False,
)
def cross_validation_report(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    cv: Any = 5,
    scoring: str | Sequence[str] | Mapping[str, Any] | Callable | None = None,
    n_jobs: int | None = None,
) -> CrossValidationReport:
    """Cross-validate a classifier and keep its scores, times and out-of-fold probabilities.

    What cannot be computed in a fold is NaN, with a warning that names the fold: a fit or a score may fail if the
    training or test rows of a fold lack a class.

    The interval of a mean score is ``mean ± t * std * sqrt(1 / k + n_test / n_train)``, with k folds and the
    97.5 % quantile t of Student's distribution with k - 1 degrees of freedom. The second term under the root
    corrects for the overlap of the training sets: it makes the scores of the folds vary less than those of
    independent data [1]_.

    Parameters
    ----------
    estimator : estimator instance
        Classifier with `predict_proba`, or a Pipeline that ends in one. A clone is fitted for each fold.
    X : array-like of shape (n_samples, ...)
        Data that `estimator` accepts.
    y : array-like of shape (n_samples,)
        Labels.
    cv : int, cross-validation generator or iterable, default=5
        As in :func:`sklearn.model_selection.cross_validate`; an integer gives stratified folds.
    scoring : str, list, dict, callable or None, default=None
        As in :func:`sklearn.model_selection.cross_validate`; None uses :data:`sk_mnist.metrics.SCORING`.
    n_jobs : int, default=None
        Number of folds to run in parallel.

    Returns
    -------
    report : CrossValidationReport
        Scores of each fold, their mean, standard deviation and interval, out-of-fold probabilities, pooled
        confusion matrix and fit times.

    Raises
    ------
    ValueError
        If `estimator` is not a classifier, `y` is not of shape (n_samples,), or every fit fails.

    Warns
    -----
    UserWarning
        If a score or the predictions of a fold could not be computed. scikit-learn warns of each failure, too.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003),
       https://doi.org/10.1023/A:1024068626366

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_mnist.model_selection import cross_validation_report
    >>> X, y = load_iris(return_X_y=True)
    >>> print(cross_validation_report(LogisticRegression(max_iter=1000), X, y, cv=3, scoring="accuracy"))
                      mean       std         95 % interval    fold 0    fold 1    fold 2
    accuracy        0.9733    0.0115      0.9280 to 1.0000    0.9800    0.9600    0.9800
    fit time (s)      ...
    """
    if not is_classifier(estimator):
        raise ValueError(f"cross_validation_report takes a classifier; got {type(estimator).__name__}.")
    y = check_labels_1d(y, "y")
    check_consistent_length(X, y)
    results = cross_validate(
        estimator,
        X,
        y,
        cv=cv,
        scoring=_named_scoring(scoring),
        n_jobs=n_jobs,
        return_estimator=True,
        return_indices=True,
        error_score=np.nan,
    )
    scores = {key.removeprefix("test_"): values for key, values in results.items() if key.startswith("test_")}
    train_folds, test_folds = results["indices"]["train"], results["indices"]["test"]
    n_train, n_test = (np.array([len(rows) for rows in folds]) for folds in (train_folds, test_folds))
    classes = _all_classes(y, results["estimator"])
    proba, matrix, errors = _predict_out_of_fold(results["estimator"], test_folds, X, y, classes)
    failures = [
        _describe_failures(fold, scores, error, y[train], y[test])
        for fold, (error, train, test) in enumerate(zip(errors, train_folds, test_folds, strict=True))
    ]
    if failed := list(filter(None, failures)):
        lines = ["Some results could not be computed and are NaN:", *failed[:_MAX_FOLDS]]
        if len(failed) > _MAX_FOLDS:
            lines.append(f"and {len(failed) - _MAX_FOLDS} more")
        warnings.warn("\n- ".join(lines), stacklevel=2)
    return CrossValidationReport(
        scores=scores,
        mean={name: float(values.mean()) for name, values in scores.items()},
        std={name: _sample_std(values) for name, values in scores.items()},
        interval={
            name: _corrected_interval(values, n_test.mean() / n_train.mean(), _range_of(name, scoring))
            for name, values in scores.items()
        },
        fit_times=results["fit_time"],
        n_train=n_train,
        n_test=n_test,
        classes=classes,
        out_of_fold_proba=proba,
        confusion_matrix=matrix,
    )


def _named_scoring(scoring: Any) -> Any:
    """Put the name of a single score into a list, so that the results keep it."""
    if scoring is None:
        return SCORING
    return [scoring] if isinstance(scoring, str) else scoring


def _all_classes(y: NDArray, estimators: Sequence[Any]) -> NDArray:
    """Return the sorted labels of ``y`` and those that a classifier knows besides, such as a pretrained one."""
    known = (getattr(estimator, "classes_", y[:0]) for estimator in estimators)
    return np.unique(np.concatenate([y, *(labels for labels in known if holds_strings(labels) == holds_strings(y))]))


def _predict_out_of_fold(
    estimators: Sequence[Any], test_folds: Sequence[NDArray], X: Any, y: NDArray, classes: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.intp], list[Exception | None]]:
    sums = np.zeros((len(y), len(classes)))
    counts = np.zeros((len(y), 1))
    matrix = np.zeros((len(classes), len(classes)), dtype=np.intp)
    errors: list[Exception | None] = []
    for estimator, rows in zip(estimators, test_folds, strict=True):
        try:
            X_test = safe_indexing(X, rows)
            # A fold's training rows may lack a class; its column stays zero.
            columns = encode_labels(estimator.classes_, classes, "classes_ of a fold's classifier")
            y_proba, y_pred = estimator.predict_proba(X_test), estimator.predict(X_test)
            fold_matrix = confusion_matrix(y[rows], y_pred, labels=classes)
        except Exception as error:  # as in cross_validate: the other folds are worth keeping
            errors.append(error)
            continue
        errors.append(None)
        sums[np.ix_(rows, columns)] += y_proba
        counts[rows] += 1
        matrix += fold_matrix
    proba = np.full_like(sums, np.nan)
    return np.divide(sums, counts, out=proba, where=counts > 0), matrix, errors


def _describe_failures(
    fold: int, scores: Mapping[str, NDArray], error: Exception | None, y_train: NDArray, y_test: NDArray
) -> str:
    """Say what a fold could not compute, and which classes it lacks; an empty string if it computed everything."""
    missing = [name for name, values in scores.items() if np.isnan(values[fold])]
    if error is not None:
        first_line = str(error).partition("\n")[0]
        missing.append(f"out_of_fold_proba ({type(error).__name__}: {first_line})")
    if not missing:
        return ""
    description = f"fold {fold}: {', '.join(missing)}"
    classes = np.union1d(y_train, y_test)
    for part, labels in (("training", y_train), ("test", y_test)):
        if len(lacking := np.setdiff1d(classes, labels)):
            named = ", ".join(map(str, lacking[:_MAX_CLASSES])) + (", ..." if len(lacking) > _MAX_CLASSES else "")
            description += f"; no class {named} among its {part} rows"
    return description


def _sample_std(values: NDArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _range_of(name: str, scoring: Any) -> tuple[float, float]:
    """Return the range of a score; infinite if it is not known."""
    scorer = scoring.get(name) if isinstance(scoring, Mapping) else None if callable(scoring) else name
    known = next((ours for ours, function in SCORING.items() if scorer is function), scorer)
    limits = (limits for names, limits in _RANGES.items() if isinstance(known, str) and known.startswith(names))
    return next(limits, (-np.inf, np.inf))


def _corrected_interval(values: NDArray, test_train_ratio: float, limits: tuple[float, float]) -> tuple[float, float]:
    n_splits = len(values)
    if n_splits < 2:
        return float("nan"), float("nan")
    half_width = t.ppf(0.975, n_splits - 1) * _sample_std(values) * np.sqrt(1 / n_splits + test_train_ratio)
    low, high = np.clip([values.mean() - half_width, values.mean() + half_width], *limits)
    return float(low), float(high)
