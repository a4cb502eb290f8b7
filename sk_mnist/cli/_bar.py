"""A progress bar that fits its terminal, with the remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

MIN_BAR, MAX_BAR = 5, 40  # columns


class Figure(NamedTuple):
    """A figure next to a bar. If the line is too narrow, the least important figures are left out."""

    text: str
    importance: int = 0


@dataclass
class BarLine:
    """A line of text, a bar, figures and a time, with as many figures as fit."""

    head: str
    share: float
    figures: Sequence[Figure]
    time: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        tail = self._tail(width - len(self.head) - MIN_BAR - 2)
        bar = min(MAX_BAR, width - len(self.head) - len(tail) - 2)
        grid = Table.grid(padding=(0, 1))
        for _ in range(3):
            grid.add_column(no_wrap=True)
        grid.add_row(Text(self.head), ProgressBar(1.0, self.share, width=bar), Text(tail))
        yield grid

    def _tail(self, width: int) -> str:
        """Return the figures that fit, and the time."""
        figures = list(self.figures)
        while True:
            tail = " ".join([*(figure.text for figure in figures), self.time]).strip()
            if len(tail) <= width or not figures:
                return tail
            figures.remove(min(figures, key=lambda figure: figure.importance))


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
