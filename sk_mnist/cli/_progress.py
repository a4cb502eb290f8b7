"""The line that shows how a training is going."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn


class TrainingProgress:
    """A callback of scikit-learn: a line with the epoch, the time that is left, and the scores of the epoch."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def setup(self, estimator: Any, context: Any) -> None:
        """Start the line."""
        self.progress = Progress(
            TextColumn("Epoch {task.completed}/{task.total}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[scores]}"),
            console=self.console,
        )
        self.progress.start()
        self.task = self.progress.add_task("", total=estimator.epochs, scores="")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> None:
        """Show the scores of an epoch."""
        if context.task_name == "epoch":
            scores = {name: values[-1] for name, values in fitted_estimator.history_.items()}
            self.progress.update(self.task, advance=1, scores=scores_line(scores))

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave the line as it is."""
        self.progress.stop()


def scores_line(scores: dict[str, float]) -> str:
    """Return words for the scores of an epoch."""
    line = f"loss {scores['loss']:.4f}, accuracy {scores['accuracy']:.2%}"
    if "val_accuracy" in scores:
        line += f", validation accuracy {scores['val_accuracy']:.2%}"
    return line
