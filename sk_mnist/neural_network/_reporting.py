"""What is told about a fit while it runs: to scikit-learn's callbacks, and to the user, epoch by epoch."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sk_mnist._sklearn import begin_fit
from sk_mnist.neural_network._training import History, Layer

logger = logging.getLogger("sk_mnist.neural_network")

# Returns the layers and the history at that moment: a function, because copying them takes time.
Describe = Callable[[], tuple[list[Layer], History]]


class Task(Protocol):
    """A fit as others see it, epoch by epoch."""

    def begin_epoch(self) -> None: ...

    def end_epoch(self, describe: Describe) -> bool:
        """Return whether to stop the fit."""


class NoTask:
    """A fit that nobody is told about."""

    def begin_epoch(self) -> None:
        """Do nothing."""

    def end_epoch(self, describe: Describe) -> bool:
        """Do not stop the fit."""
        return False


class FitTask:
    """A fit as scikit-learn's callbacks see it: a task with one subtask for each epoch.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Context of the fit.
    as_attributes : callable
        Takes layers and a history; returns the fitted attributes of the estimator.
    **task_info : dict
        Passed to the callbacks: estimator, X, y, metadata.
    """

    def __init__(
        self, context: Any, as_attributes: Callable[[list[Layer], History], dict[str, Any]], **task_info: Any
    ) -> None:
        self._context = context
        self._as_attributes = as_attributes
        self._task_info = task_info

    def begin_epoch(self) -> None:
        """Tell the callbacks that an epoch begins."""
        self._epoch_context = self._context.subcontext(task_name="epoch")
        self._epoch_context.call_on_fit_task_begin(**self._task_info)

    def end_epoch(self, describe: Describe) -> bool:
        """Tell the callbacks that an epoch has ended, and return whether one of them stops the fit."""
        return self._epoch_context.call_on_fit_task_end(
            reconstruction_attributes=lambda: self._as_attributes(*describe()), **self._task_info
        )


@contextmanager
def fit_task(
    estimator: Any, as_attributes: Callable[[list[Layer], History], dict[str, Any]], **data: Any
) -> Iterator[FitTask]:
    """Tell scikit-learn's callbacks that a fit begins and, unless it fails, that it has ended.

    Parameters
    ----------
    estimator : KerasMLPClassifier
        The estimator that is fitted.
    as_attributes : callable
        Takes layers and a history; returns its fitted attributes.
    **data : dict
        Passed to the callbacks: X, y, metadata.
    """
    context = begin_fit(estimator, max_subtasks=estimator.epochs, **data)
    yield FitTask(context, as_attributes, estimator=estimator, **data)
    context.call_on_fit_task_end(estimator=estimator, **data)


class EpochReporter:
    """Reports each epoch of a fit: to logging and, if the training is verbose, to the user.

    Parameters
    ----------
    verbose : int
        If above 0, each epoch is printed as a line. In a notebook, 1 shows one bar instead, with the values of the last
        epoch. A line that logging already shows on the terminal is not shown again.
    """

    def __init__(self, verbose: int) -> None:
        self.verbose = verbose
        self._bar: Any = None  # IPython's handle; None before the first epoch

    def report(self, number: int, last: int, seconds: float, logs: dict[str, float]) -> None:
        """Report the values of an epoch.

        Parameters
        ----------
        number, last : int
            Number of the epoch and of the last planned epoch, counted from 1.
        seconds : float
            Duration of the epoch.
        logs : dict of str to float
            Its values: "loss", "accuracy", "val_loss", ...
        """
        is_logged = logger.isEnabledFor(logging.INFO)
        if not is_logged and not self.verbose:
            return
        scores = " - ".join(f"{name}: {value:{'.1e' if 0 < value < 1e-3 else '.4f'}}" for name, value in logs.items())
        line = f"Epoch {number}/{last} - {seconds:.1f}s - {scores}"
        if is_logged:
            logger.info("%s", line)
        if not self.verbose or (is_logged and any(map(_shows_information, _handlers(logger)))):
            return
        if self.verbose == 1 and _is_in_notebook():
            self._show_bar(number, last, line)
        else:
            print(line, flush=True)

    def _show_bar(self, number: int, last: int, line: str) -> None:
        from IPython.display import display

        bar = f'<progress value="{number}" max="{last}"></progress> <code>{line}</code>'
        output = {"text/plain": line, "text/html": bar}
        if self._bar is None:
            self._bar = display(output, raw=True, display_id=True)
        else:
            self._bar.update(output, raw=True)


def _is_in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; the workers of a search are not."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return getattr(get_shell(), "kernel", None) is not None


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Handlers that a record of a logger reaches."""
    place: logging.Logger | None = logger
    while place is not None:
        yield from place.handlers
        place = place.parent if place.propagate else None


def _shows_information(handler: logging.Handler) -> bool:
    return handler.level <= logging.INFO and getattr(handler, "stream", None) in (sys.stdout, sys.stderr)
