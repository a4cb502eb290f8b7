"""A line with a bar that fits its terminal, and the time that is left."""

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
    """A figure beside a bar; the less it matters, the sooner it is left out."""

    text: str
    importance: int = 0


@dataclass
class BarLine:
    """Words, a bar, figures and a time: as many of the figures as leave room for the bar."""

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
    """How long the rest of some work will take, judging by the part that is done.

    Parameters
    ----------
    total : float
        All the work, in any unit.
    now : callable, default=time.monotonic
        The time in seconds.
    """

    def __init__(self, total: float, now: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = 0.0
        self._now = now
        self._start = now()
        self._step = 0.0
        # The first part is slower than the others: it compiles.
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
        """Note that the work is done, although some of it was not needed."""
        self.total = self.done

    @property
    def share(self) -> float:
        """Part of the work that is done, in [0, 1]."""
        # Parts are fractions, whose sum is rounded.
        return 1.0 if self.done > self.total - 1e-6 else self.done / self.total

    def text(self) -> str:
        """Return the time that is left or, after the work, the time that it took; nothing before the first part."""
        if self._first is None:
            return ""
        if self.share == 1.0:
            return f"in {duration(self._latest - self._start)}"
        start, before = self._first if self.done > self._first[1] else (self._start, 0.0)
        pace = (self._latest - start) / (self.done - before)
        rest = self.total - self.done
        # A part that takes longer than the others holds the time at that of the parts after it.
        counted_down = pace * rest - (self._now() - self._latest)
        return f"{duration(max(counted_down, pace * (rest - self._step), 0.0))} left"


def duration(seconds: float) -> str:
    """Return a time as people read it: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
