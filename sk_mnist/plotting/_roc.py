"""ROC curves of each class against the rest, and their averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc, roc_curve

from sk_mnist._labels import CheckedPredictions, check_predictions
from sk_mnist.plotting._base import COLORS, LINE_STYLES, MARKERS, import_pyplot, make_axes

AVERAGES = {"micro-average": "-", "macro-average": "--"}  # and their line styles
CLASS_COLORS = COLORS[:-1]  # black is for the averages


class MulticlassRocDisplay:
    """Receiver operating characteristic of each class against the rest, with micro and macro average.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    curves : dict of str to tuple of (ndarray, ndarray)
        The false positive rates and true positive rates of each curve, by name: "micro-average",
        "macro-average" and the labels.
    roc_auc : dict of str to float
        The area under each curve, by the same names.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curves.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_mnist.plotting import MulticlassRocDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = LogisticRegression(max_iter=500).fit(X[:900] / 16, y[:900])
    >>> display = MulticlassRocDisplay.from_estimator(clf, X[900:] / 16, y[900:])
    >>> round(display.roc_auc["macro-average"], 1)
    1.0
    """

    __module__ = "sk_mnist.plotting"  # stored in pickles

    def __init__(self, curves: Mapping[str, tuple[NDArray, NDArray]], roc_auc: Mapping[str, float]) -> None:
        self.curves = curves
        self.roc_auc = roc_auc

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        xscale: str = "linear",
        ax: Any = None,
    ) -> MulticlassRocDisplay:
        """Predict probabilities with a fitted classifier and draw the curves.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier with `predict_proba`, or Pipeline that ends in one.
        X : array-like of shape (n_samples, ...)
            Data for `estimator`.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        xscale : {"linear", "log"}, default="linear"
            Scale of the false positive rate. "log" separates the curves of good classifiers, which otherwise
            lie in the corner.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : MulticlassRocDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If shapes disagree, a label is unknown, or `y` has a single class.
        ImportError
            If matplotlib is missing.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sk_mnist.plotting import MulticlassRocDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> clf = LogisticRegression(max_iter=500).fit(X[:900] / 16, y[:900])
        >>> display = MulticlassRocDisplay.from_estimator(clf, X[900:] / 16, y[900:])
        >>> display.ax_.get_xlabel()
        'False positive rate'
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=estimator.classes_,
            sample_weight=sample_weight,
            xscale=xscale,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        xscale: str = "linear",
        ax: Any = None,
    ) -> MulticlassRocDisplay:
        """Draw the curves for given probabilities.

        Classes that do not occur in `y_true` have no curve and do not count in the macro average.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes)
            Probabilities; each row sums to one. Columns follow the sorted labels.
        labels : array-like of shape (n_classes,), default=None
            All labels, sorted. Needed when `y_true` does not contain every class.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        xscale : {"linear", "log"}, default="linear"
            Scale of the false positive rate. "log" separates the curves of good classifiers, which otherwise
            lie in the corner.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : MulticlassRocDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If shapes disagree, a label is unknown, a row does not sum to one within 1e-4, or `y_true` has a
            single class.
        ImportError
            If matplotlib is missing.

        Examples
        --------
        >>> from sk_mnist.plotting import MulticlassRocDisplay
        >>> y_proba = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6], [0.1, 0.5, 0.4]]
        >>> display = MulticlassRocDisplay.from_predictions(["a", "b", "c", "c"], y_proba)
        >>> list(display.roc_auc)
        ['micro-average', 'macro-average', 'a', 'b', 'c']
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        checked = check_predictions(y_true, y_proba, labels, sample_weight)
        curves, roc_auc = _one_vs_rest_curves(checked)
        return cls(curves, roc_auc).plot(xscale=xscale, ax=ax)

    def plot(self, *, xscale: str = "linear", ax: Any = None) -> MulticlassRocDisplay:
        """Draw the curves.

        Parameters
        ----------
        xscale : {"linear", "log"}, default="linear"
            Scale of the false positive rate.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : MulticlassRocDisplay
            This display, with `ax_`, `figure_` and `lines_`.

        Examples
        --------
        >>> from sk_mnist.plotting import MulticlassRocDisplay
        >>> y_proba = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6], [0.1, 0.5, 0.4]]
        >>> display = MulticlassRocDisplay.from_predictions(["a", "b", "c", "c"], y_proba)
        >>> display.plot(xscale="log").ax_.get_xscale()
        'log'
        """
        if xscale not in ("linear", "log"):
            raise ValueError(f"xscale={xscale!r} is unknown; use 'linear' or 'log'.")
        ax = make_axes(ax, f"{type(self).__name__}.plot", figsize=(7.5, 5))
        self.lines_ = {}
        for i, (name, (fpr, tpr)) in enumerate(self.curves.items()):
            if name in AVERAGES:
                style = {"color": "black", "linestyle": AVERAGES[name], "linewidth": 2.5, "zorder": 3}
            else:
                k = i - len(AVERAGES)
                cycle = k // len(CLASS_COLORS)
                style = {
                    "color": CLASS_COLORS[k % len(CLASS_COLORS)],
                    "linestyle": LINE_STYLES[cycle % len(LINE_STYLES)],
                    "linewidth": 1.2,
                    "marker": MARKERS[k % len(CLASS_COLORS)],
                    "markersize": 5,
                    "markerfacecolor": "white" if cycle % 2 else None,
                    # Markers at different places on each curve, so that they do not cover each other.
                    "markevery": (0.02 * (k % 10), 0.25),
                }
            label = f"{name} (AUC {self.roc_auc[name]:.4f})"
            (self.lines_[name],) = ax.plot(fpr, tpr, label=label, **style)
        chance = np.geomspace(1e-6, 1, 200)
        ax.plot(chance, chance, color="0.4", linestyle=":", label="chance (AUC 0.5)")
        ax.set(
            xlabel="False positive rate",
            ylabel="True positive rate (one class against the rest)",
            ylim=(-0.02, 1.02),
            xscale=xscale,
            xlim=(-0.02, 1.02) if xscale == "linear" else (self._smallest_positive_rate() / 1.5, 1.1),
        )
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _smallest_positive_rate(self) -> float:
        rates = np.concatenate([fpr for name, (fpr, _) in self.curves.items() if name not in AVERAGES])
        return float(rates[rates > 0].min())


def _one_vs_rest_curves(
    checked: CheckedPredictions,
) -> tuple[dict[str, tuple[NDArray, NDArray]], dict[str, float]]:
    present = np.unique(checked.codes)
    if len(present) < 2:
        raise ValueError("y_true has a single class; a ROC curve needs at least two.")
    one_hot = np.eye(len(checked.labels), dtype=bool)[checked.codes]
    weight = checked.sample_weight
    by_class = {
        str(checked.labels[code]): roc_curve(one_hot[:, code], checked.y_proba[:, code], sample_weight=weight)[:2]
        for code in present
    }
    micro_weight = None if weight is None else np.repeat(weight, one_hot.shape[1])
    micro = roc_curve(one_hot.ravel(), checked.y_proba.ravel(), sample_weight=micro_weight)[:2]
    grid = np.unique(np.concatenate([fpr for fpr, _ in by_class.values()]))
    macro = grid, np.mean([np.interp(grid, fpr, tpr) for fpr, tpr in by_class.values()], axis=0)
    areas = {name: float(auc(fpr, tpr)) for name, (fpr, tpr) in by_class.items()}
    roc_auc = {
        "micro-average": float(auc(*micro)),
        # The mean of the areas, as in roc_auc_score: the area under the mean curve depends on the grid.
        "macro-average": float(np.mean(list(areas.values()))),
        **areas,
    }
    return {"micro-average": micro, "macro-average": macro, **by_class}, roc_auc
