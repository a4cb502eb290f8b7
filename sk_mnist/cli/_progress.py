"""The progress bar of a training."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.live import Live

from sk_mnist.cli._bar import BarLine, Clock, Figure
from sk_mnist.cli._terminal import is_live, say

# The figures of an epoch: their names on the screen, and their importance if not all of them fit.
FIGURES = {"loss": ("loss", 2), "accuracy": ("acc", 3), "val_loss": ("val loss", 1), "val_accuracy": ("val acc", 4)}


class TrainingProgress:
    """A scikit-learn callback: a bar with the figures of the last epoch or, in a file, one line per epoch."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def setup(self, estimator: Any, context: Any) -> None:
        """Show the bar."""
        self.n_epochs = estimator.epochs
        self.clock = Clock(self.n_epochs)
        self.figures: list[Figure] = []
        self.live = None
        if is_live(self.console):
            self.live = Live(get_renderable=self._bar, console=self.console)
            self.live.start()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> None:
        """Show the figures of an epoch."""
        if context.task_name != "epoch":
            self.clock.finish()
            return
        scores = {name: values[-1] for name, values in fitted_estimator.history_.items()}
        self.clock.advance(1)
        self.figures = epoch_figures(scores, n_more_digits=0)
        if self.live is None:
            texts = [figure.text for figure in epoch_figures(scores, n_more_digits=1)]
            say(self.console, "  ".join([self._head(), *texts, self.clock.text()]))

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave the bar as it is."""
        if self.live is not None:
            self.live.stop()

    def _head(self) -> str:
        return f"epoch {self.clock.done:.0f}/{self.n_epochs}"

    def _bar(self) -> BarLine:
        return BarLine(self._head(), self.clock.share, self.figures, self.clock.text())


def epoch_figures(scores: dict[str, float], *, n_more_digits: int) -> list[Figure]:
    """Format the figures of an epoch: losses with 3 decimals, percentages with 1, plus `n_more_digits`."""
    figures = []
    for key, (name, importance) in FIGURES.items():
        if key in scores and name.endswith("loss"):
            figures.append(Figure(f"{name} {scores[key]:.{3 + n_more_digits}f}", importance))
        elif key in scores:
            figures.append(Figure(f"{name} {100 * scores[key]:.{1 + n_more_digits}f} %", importance))
    return figures
