"""The screen of a search: a bar for the whole search, the running fits, the best candidate so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sk_mnist.cli._bar import BarLine, Clock
from sk_mnist.cli._candidates import in_words
from sk_mnist.cli._plan import SearchPlan
from sk_mnist.cli._scores import ScoreRecorder
from sk_mnist.cli._terminal import is_live, say

# Names of the tasks in scikit-learn's searches that fit an estimator.
FIT, REFIT = "candidate-split-evaluation", "refit-with-best-params"


@dataclass
class _Fit:
    """A running fit."""

    place: str
    words: str
    n_epochs: int
    epoch: int = 0

    def __str__(self) -> str:
        return f"  {self.place}  epoch {self.epoch}/{self.n_epochs}  {self.words}"


class SearchProgress:
    """A scikit-learn callback that shows a search or, in a file, one line per fit.

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
        self.console = console
        self.plan = plan
        self.recorder = recorder
        self.is_stopping = False
        # Fits run in threads, and another thread draws the screen.
        self._lock = threading.Lock()
        self._running: dict[int, _Fit] = {}
        self._live: Live | None = None
        recorder.on_score = self._on_score

    def setup(self, estimator: Any, context: Any) -> None:
        """Show the screen."""
        self.clock = Clock(self.plan.total_work)
        if is_live(self.console):
            self._live = Live(get_renderable=self._screen, console=self.console)
            self._live.start()

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
        return self.is_stopping

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave only the bar on the screen."""
        with self._lock:
            self._running.clear()
        if self._live is not None:
            self._live.stop()

    def _on_score(self, params: dict[str, Any], score: float) -> None:
        if self._live is None:
            with self._lock:
                left = self.clock.text()
            say(self.console, f"{self._head()}  {100 * score:.2f} %  {in_words(params)}  {left}")

    def _head(self) -> str:
        return f"fit {self.recorder.n_fits}/{self.plan.n_fits}"

    def _screen(self) -> Group:
        with self._lock:
            bar = BarLine(self._head(), self.clock.share, [], self.clock.text())
            lines = [str(fit) for fit in self._running.values()]
        best = self.recorder.best()
        if best is not None and lines:
            lines.append(f"  best so far: {100 * np.mean(best.scores):.2f} %  {in_words(best.params)}")
        return Group(bar, *(Text(line, no_wrap=True, overflow="crop") for line in lines))


def _trains_network(context: Any) -> bool:
    return context.task_name == "fit" and context.estimator_name == "KerasMLPClassifier"


def _task_of(context: Any) -> Any:
    """Return the task of the search that contains a task of a network."""
    while context.parent is not None and context.source_task_name not in (FIT, REFIT):
        context = context.parent
    return context
