"""Loss and accuracy by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sk_mnist.plotting._base import COLORS, MARKERS, STAR, import_pyplot, last_step

PANELS = ("loss", "accuracy")


@dataclass(eq=False, repr=False)
class TrainingHistoryDisplay:
    """Loss and accuracy by epoch, of one run or of several overlaid.

    Create it with :meth:`from_history` or :meth:`from_estimator`. Training curves are solid, validation curves
    dashed. A star marks the best epoch: ``best_epoch_`` of an estimator, else the epoch with the best validation
    accuracy. Epochs without validation (NaN) leave a gap.

    Parameters
    ----------
    histories : dict of str to dict
        The history of each run, by name: the keys "loss" and "accuracy", and optionally "val_loss" and
        "val_accuracy", each a sequence with one value for each epoch.
    best_epochs : dict of str to int, default=None
        The epoch to mark (counted from 1) of each run, by name. Runs that are not in it are marked at the best
        validation accuracy.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves.
    best_epochs_ : dict of str to int
        The marked epoch (counted from 1) of each run, by name. Runs without validation are left out.
    ax_ : ndarray of shape (2,) of matplotlib Axes
        The axes of the loss and of the accuracy.
    figure_ : matplotlib Figure
        The figure of the axes.

    Examples
    --------
    >>> from sk_mnist.plotting import TrainingHistoryDisplay
    >>> display = TrainingHistoryDisplay.from_history(
    ...     {"loss": [0.9, 0.4, 0.2], "accuracy": [0.7, 0.9, 0.95],
    ...      "val_loss": [0.8, 0.5, 0.6], "val_accuracy": [0.75, 0.88, 0.87]}
    ... )
    >>> display.best_epochs_
    {'run': 2}

    Several runs have names:

    >>> fast = {"loss": [0.9, 0.4], "accuracy": [0.7, 0.9]}
    >>> slow = {"loss": [1.5, 1.1], "accuracy": [0.5, 0.6]}
    >>> len(TrainingHistoryDisplay.from_history({"fast": fast, "slow": slow}).lines_)
    4
    """

    __module__ = "sk_mnist.plotting"  # stored in pickles

    histories: Mapping[str, Mapping[str, Sequence[float]]]
    best_epochs: Mapping[str, int] | None = field(default=None, kw_only=True)

    @classmethod
    def from_history(cls, history: Mapping[str, Any], *, ax: Any = None) -> TrainingHistoryDisplay:
        """Draw one history, or several named ones.

        Parameters
        ----------
        history : dict
            Either one history (keys "loss", "accuracy" and optionally "val_loss", "val_accuracy", each a
            sequence with one value for each epoch), or a dict of such histories by name of the run.
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for the loss and for the accuracy. None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `history` is empty, lacks "loss" or "accuracy", or has sequences that differ in length.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_history")
        return cls(_named_histories(history)).plot(ax=ax)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> TrainingHistoryDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with the attribute `history_`, such as `KerasMLPClassifier`, or a Pipeline or
            search that ends in one.
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for the loss and for the accuracy. None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the estimator has no `history_`.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        model = last_step(estimator)
        if not hasattr(model, "history_"):
            raise ValueError(f"{type(model).__name__} has no history_; fit a KerasMLPClassifier first.")
        histories = _named_histories(model.history_)
        best_epoch = getattr(model, "best_epoch_", None)
        best_epochs = None if best_epoch is None else dict.fromkeys(histories, best_epoch)
        return cls(histories, best_epochs=best_epochs).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> TrainingHistoryDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for the loss and for the accuracy. None makes a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            This display, with `ax_`, `figure_`, `lines_` and `best_epochs_`.
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            ax = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")[1]
        axes = np.atleast_1d(np.asarray(ax, dtype=object))
        if axes.shape != (2,):
            raise ValueError("ax must hold two axes, for loss and accuracy: plt.subplots(1, 2)[1].")
        self.best_epochs_ = {
            name: int(np.nanargmax(run["val_accuracy"])) + 1
            for name, run in self.histories.items()
            if not np.isnan(run.get("val_accuracy", np.nan)).all()
        } | dict(self.best_epochs or {})
        self.lines_: list[Any] = []
        for panel, key in zip(axes, PANELS, strict=True):
            for i, (name, run) in enumerate(self.histories.items()):
                style = {
                    "color": COLORS[i % len(COLORS)],
                    "marker": MARKERS[i % len(MARKERS)],
                    "markersize": 4,
                    "markevery": max(1, len(run[key]) // 10),
                }
                self._draw_run(panel, key, name, run, style)
            panel.set(xlabel="Epoch", ylabel=key.capitalize())
            panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            panel.grid(alpha=0.3)
        axes[0].legend(fontsize="small")
        self.ax_, self.figure_ = axes, axes[0].figure
        return self

    def _draw_run(self, panel: Any, key: str, name: str, run: Mapping[str, Any], style: dict) -> None:
        prefix = "" if len(self.histories) == 1 else f"{name}, "
        epochs = np.arange(1, len(run[key]) + 1)
        self.lines_ += panel.plot(epochs, run[key], "-", label=f"{prefix}training", **style)
        val_key = f"val_{key}"
        if val_key not in run:
            return
        hollow = {**style, "markerfacecolor": "white"}
        self.lines_ += panel.plot(epochs, run[val_key], "--", label=f"{prefix}validation", **hollow)
        if name in self.best_epochs_:
            best = self.best_epochs_[name]
            panel.plot(
                best,
                run[val_key][best - 1],
                **STAR,
                markersize=15,
                markeredgecolor=style["color"],
                markeredgewidth=1.5,
                label=f"{prefix}best epoch {best}",
            )


def _named_histories(history: Mapping[str, Any]) -> Mapping[str, Mapping[str, Sequence[float]]]:
    """Return checked histories by name of the run; a single one is named "run"."""
    if not history:
        raise ValueError("history is empty.")
    is_single = not all(isinstance(value, Mapping) for value in history.values())
    histories = {"run": history} if is_single else history
    for name, run in histories.items():
        missing = [key for key in PANELS if key not in run]
        if missing:
            raise ValueError(f"The history of {name!r} lacks {missing}; its keys are {sorted(run)}.")
        lengths = {key: len(run[key]) for key in [*PANELS, *(f"val_{key}" for key in PANELS)] if key in run}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"The sequences in the history of {name!r} differ in length: {lengths}.")
    return histories
