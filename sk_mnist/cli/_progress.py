"""The progress of a training or a search: rich's bar and, for a search, the running fits and the best one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from sk_mnist.cli._candidates import ScoreRecorder, in_words
from sk_mnist.cli._searches import SearchPlan
from sk_mnist.cli._terminal import is_live, say

MIN_BAR, MAX_BAR = 5, 40  # columns

# The figures of an epoch: their names on the screen, and their importance if not all of them fit.
FIGURES = {"loss": ("loss", 2), "accuracy": ("acc", 3), "val_loss": ("val loss", 1), "val_accuracy": ("val acc", 4)}

# Names of the tasks in scikit-learn's searches that fit an estimator.
FIT, REFIT = "candidate-split-evaluation", "refit-with-best-params"


class Figure(NamedTuple):
    """A figure next to a bar. If the line is too narrow, the least important figures are left out."""

    text: str
    importance: int = 0


class FiguresColumn(ProgressColumn):
    """The figures and the time of a task, with as many figures as fit beside its description and a short bar."""

    def __init__(self, console: Console) -> None:
        super().__init__(Column(no_wrap=True))
        self.console = console

    def render(self, task: Task) -> Text:
        """Return the text."""
        width = self.console.width - len(task.description) - MIN_BAR - 2
        figures, time_left = list(task.fields["figures"]), task.fields["time_left"]()
        while True:
            text = " ".join([*(figure.text for figure in figures), time_left]).strip()
            if len(text) <= width or not figures:
                return Text(text)
            figures.remove(min(figures, key=lambda figure: figure.importance))


class Bar(Progress):
    """A line with a bar and figures on a terminal, and lines of text below it."""

    def __init__(self, console: Console, lines: Callable[[], list[str]]) -> None:
        columns = TextColumn("{task.description}"), BarColumn(MAX_BAR), FiguresColumn(console)
        self.lines = lines
        super().__init__(*columns, console=console, refresh_per_second=4, disable=not is_live(console))

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield the bar and the lines."""
        yield from super().get_renderables()
        yield from (Text(line, no_wrap=True, overflow="crop") for line in self.lines())


class Clock:
    """Estimates the remaining time of some work from the part that is done.

    Parameters
    ----------
    total : float
        Total work, in any unit.
    now : callable, default=time.monotonic
        Returns the time in seconds.
    """

    def __init__(self, total: float, now: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = 0.0
        self._now = now
        self._start = now()
        self._step = 0.0
        # The first part is slower than the others because it compiles.
        self._first: tuple[float, float] | None = None
        self._latest = self._start

    def advance(self, amount: float) -> None:
        """Count a part of the work as done."""
        self.done += amount
        self._step = amount
        self._latest = self._now()
        if self._first is None:
            self._first = self._latest, self.done

    def finish(self) -> None:
        """Mark the work as done, even if some of it was not needed."""
        self.total = self.done

    @property
    def share(self) -> float:
        """Share of the work that is done, in [0, 1]."""
        # Parts are fractions, so their sum has rounding errors.
        return 1.0 if self.done > self.total - 1e-6 else self.done / self.total

    def text(self) -> str:
        """Return the remaining time or, after the work, the total time; empty before the first part is done."""
        if self._first is None:
            return ""
        if self.share == 1.0:
            return f"in {duration(self._latest - self._start)}"
        start, before = self._first if self.done > self._first[1] else (self._start, 0.0)
        pace = (self._latest - start) / (self.done - before)
        rest = self.total - self.done
        # If a part takes longer than the others, the countdown stops at the time for the parts after it.
        counted_down = pace * rest - (self._now() - self._latest)
        return f"{duration(max(counted_down, pace * (rest - self._step), 0.0))} left"


def duration(seconds: float) -> str:
    """Format a time as 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Progress:
    """A scikit-learn callback that shows its state in a bar on a terminal."""

    clock: Clock

    def __init__(self, console: Console) -> None:
        self.console = console

    def setup(self, estimator: Any, context: Any) -> None:
        """Show the bar."""
        self.bar = Bar(self.console, self._lines)
        self._task = self.bar.add_task(self._head(), total=1.0, figures=[], time_left=self._time_left)
        self.bar.start()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave the last state of the bar on the screen."""
        self.bar.stop()

    def _update(self, **fields: Any) -> None:
        self.bar.update(self._task, description=self._head(), completed=self.clock.share, **fields)

    def _head(self) -> str:
        raise NotImplementedError

    def _time_left(self) -> str:
        return self.clock.text()

    def _lines(self) -> list[str]:
        return []


class TrainingProgress(_Progress):
    """A bar with the figures of the last epoch or, in a file, one line per epoch."""

    def setup(self, estimator: Any, context: Any) -> None:
        """Show the bar."""
        self.n_epochs = estimator.epochs
        self.clock = Clock(self.n_epochs)
        super().setup(estimator, context)

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> None:
        """Show the figures of an epoch."""
        if context.task_name != "epoch":
            self.clock.finish()
            self._update()
            return
        scores = {name: values[-1] for name, values in fitted_estimator.history_.items()}
        self.clock.advance(1)
        self._update(figures=_epoch_figures(scores, n_more_digits=0))
        if self.bar.disable:
            texts = [figure.text for figure in _epoch_figures(scores, n_more_digits=1)]
            say(self.console, "  ".join([self._head(), *texts, self.clock.text()]))

    def _head(self) -> str:
        return f"epoch {self.clock.done:.0f}/{self.n_epochs}"

    def _time_left(self) -> str:
        return self.clock.text() or "compiling the network"


def _epoch_figures(scores: dict[str, float], *, n_more_digits: int) -> list[Figure]:
    """Format the figures of an epoch: losses with 3 decimals, percentages with 1, plus `n_more_digits`."""
    figures = []
    for key, (name, importance) in FIGURES.items():
        if key in scores and name.endswith("loss"):
            figures.append(Figure(f"{name} {scores[key]:.{3 + n_more_digits}f}", importance))
        elif key in scores:
            figures.append(Figure(f"{name} {100 * scores[key]:.{1 + n_more_digits}f} %", importance))
    return figures


@dataclass
class _Fit:
    """A running fit."""

    place: str
    words: str
    n_epochs: int
    epoch: int = 0

    def __str__(self) -> str:
        return f"  {self.place}  epoch {self.epoch}/{self.n_epochs}  {self.words}"


class SearchProgress(_Progress):
    """A bar for the search, the running fits and the best candidate so far or, in a file, one line per fit.

    Parameters
    ----------
    console : Console
        Where to show it.
    plan : SearchPlan
        The plan of the search.
    recorder : ScoreRecorder
        The scorer of the search.
    """

    max_propagation_depth = None  # down to the epochs

    def __init__(self, console: Console, plan: SearchPlan, recorder: ScoreRecorder) -> None:
        super().__init__(console)
        self.plan = plan
        self.recorder = recorder
        self.is_stopping = False
        # Fits run in threads, and another thread draws the screen.
        self._lock = threading.Lock()
        self._running: dict[int, _Fit] = {}
        recorder.on_score = self._on_score

    def setup(self, estimator: Any, context: Any) -> None:
        """Show the bar."""
        self.clock = Clock(self.plan.total_work)
        super().setup(estimator, context)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Record that a network starts to train."""
        if not _trains_network(context):
            return
        task = _task_of(context)
        if task.source_task_name == REFIT:
            place = "all images"
        else:
            place = f"fold {task.task_id % self.plan.n_folds + 1}/{self.plan.n_folds}"
        params = {name: getattr(estimator, name.removeprefix("mlp__")) for name in self.recorder.names}
        with self._lock:
            self._running[id(task)] = _Fit(place, in_words(params), estimator.epochs)

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Count an epoch or a fit; return True, which stops the training, if the search was interrupted."""
        task = _task_of(context)
        with self._lock:
            if context.task_name == "epoch":
                self._running[id(task)].epoch += 1
                self.clock.advance(1.0 if task.source_task_name == REFIT else self.plan.epoch_work)
            elif _trains_network(context):
                self._running.pop(id(task))
        self._update()
        return self.is_stopping

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave only the bar on the screen."""
        with self._lock:
            self._running.clear()
        super().teardown(estimator, context)

    def _on_score(self, params: dict[str, Any], score: float) -> None:
        self._update()
        if self.bar.disable:
            say(self.console, f"{self._head()}  {100 * score:.2f} %  {in_words(params)}  {self._time_left()}")

    def _head(self) -> str:
        return f"fit {self.recorder.n_fits}/{self.plan.n_fits}"

    def _time_left(self) -> str:
        with self._lock:
            return self.clock.text()

    def _lines(self) -> list[str]:
        """Describe the running fits and the best candidate so far."""
        with self._lock:
            lines = [str(fit) for fit in self._running.values()]
        best = self.recorder.best()
        if best is not None and lines:
            lines.append(f"  best so far: {100 * np.mean(best.scores):.2f} %  {in_words(best.params)}")
        return lines


def _trains_network(context: Any) -> bool:
    return context.task_name == "fit" and context.estimator_name == "KerasMLPClassifier"


def _task_of(context: Any) -> Any:
    """Return the task of the search that contains a task of a network."""
    while context.parent is not None and context.source_task_name not in (FIT, REFIT):
        context = context.parent
    return context
