"""Reliability diagram: accuracy against confidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sk_mnist._labels import check_predictions
from sk_mnist._sklearn import validate_params
from sk_mnist.metrics._calibration import BINNING, calibration_bins
from sk_mnist.plotting._base import COLORS, LINE_STYLES, MARKERS, import_pyplot, make_axes


@dataclass(eq=False, repr=False)
class ReliabilityDisplay:
    """Accuracy against confidence in bins of confidence, with the expected calibration error.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`. Points below the diagonal are
    overconfident. The bars show the share of the samples in each bin. To compare several classifiers, draw
    them into the same axes.

    Parameters
    ----------
    confidence : ndarray of shape (n_filled_bins,)
        Mean largest probability in each bin that is not empty.
    accuracy : ndarray of shape (n_filled_bins,)
        Share of correct predictions in the bin.
    share : ndarray of shape (n_filled_bins,)
        Share of the samples (by weight) in the bin.
    ece : float
        Expected calibration error over these bins.
    name : str, default=None
        Name for the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    bars_ : matplotlib BarContainer
        The shares.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_mnist.plotting import ReliabilityDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = ReliabilityDisplay.from_estimator(GaussianNB().fit(X[:900], y[:900]), X[900:], y[900:])
    >>> display.name
    'GaussianNB'

    A second classifier in the same axes:

    >>> smooth = GaussianNB(var_smoothing=0.1).fit(X[:900], y[:900])
    >>> other = ReliabilityDisplay.from_estimator(smooth, X[900:], y[900:], name="smoothed", ax=display.ax_)
    >>> other.ece < display.ece
    True
    """

    __module__ = "sk_mnist.plotting"  # stored in pickles

    confidence: NDArray
    accuracy: NDArray
    share: NDArray
    ece: float
    name: str | None = field(default=None, kw_only=True)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        n_bins: int = 15,
        strategy: str = "uniform",
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> ReliabilityDisplay:
        """Predict probabilities with a fitted classifier and draw the diagram.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier with `predict_proba`, or Pipeline that ends in one.
        X : array-like of shape (n_samples, ...)
            Data for `estimator`.
        y : array-like of shape (n_samples,)
            True labels.
        n_bins : int, default=15
            Number of bins.
        strategy : {"uniform", "quantile"}, default="uniform"
            As in :func:`sk_mnist.metrics.expected_calibration_error`.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        name : str, default=None
            Name for the legend. None uses the name of the estimator's class.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If shapes disagree or a label is unknown.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            n_bins=n_bins,
            strategy=strategy,
            labels=estimator.classes_,
            sample_weight=sample_weight,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
        )

    @classmethod
    @validate_params(BINNING)
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        n_bins: int = 15,
        strategy: str = "uniform",
        labels: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> ReliabilityDisplay:
        """Draw the diagram for given probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes)
            Probabilities; each row sums to one. Columns follow the sorted labels.
        n_bins : int, default=15
            Number of bins.
        strategy : {"uniform", "quantile"}, default="uniform"
            As in :func:`sk_mnist.metrics.expected_calibration_error`.
        labels : array-like of shape (n_classes,), default=None
            All labels, sorted. Needed when `y_true` does not contain every class.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        name : str, default=None
            Name for the legend.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If shapes disagree, a label is unknown, or a row does not sum to one within 1e-4.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        bins = calibration_bins(check_predictions(y_true, y_proba, labels, sample_weight), n_bins, strategy)
        return cls(*bins, ece=bins.error("l1"), name=name).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> ReliabilityDisplay:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            This display, with `ax_`, `figure_`, `line_` and `bars_`.
        """
        ax = make_axes(ax, f"{type(self).__name__}.plot", figsize=(5, 5))
        i = len(ax.containers)  # one set of bars for each classifier drawn before
        if i == 0:
            ax.plot([0, 1], [0, 1], color="0.4", linestyle=":", label="perfectly calibrated")
        color = COLORS[i % len(COLORS)]
        ece = f"ECE {self.ece:.3f}"
        (self.line_,) = ax.plot(
            self.confidence,
            self.accuracy,
            color=color,
            linestyle=LINE_STYLES[i % len(LINE_STYLES)],
            marker=MARKERS[i % len(MARKERS)],
            label=ece if self.name is None else f"{self.name} ({ece})",
        )
        self.bars_ = ax.bar(
            self.confidence,
            self.share,
            width=0.02,
            facecolor="none" if i else color,
            edgecolor=color,
            alpha=0.5,
            zorder=1,
            label="_share",
        )
        ax.set(
            xlim=(0, 1.02),
            ylim=(0, 1.02),
            aspect="equal",
            xlabel="Confidence (largest probability)",
            ylabel="Accuracy; bars: share of samples",
            xticks=np.linspace(0, 1, 6),
            yticks=np.linspace(0, 1, 6),
        )
        ax.grid(alpha=0.3)
        ax.legend(loc="upper left", fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self
