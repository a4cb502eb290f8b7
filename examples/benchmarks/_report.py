"""How benchmarks report: ratios against targets, tables, a JSON file and a picture.

A target is an upper bound on our time divided by theirs, fixed before the code was written. A few are bounds on seconds
or memory instead.

The measured processes import this module with the script, so rich and matplotlib are imported only where they are used.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import util
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _measure import Result, describe_environment, format_seconds
from _peers import OURS

REDUCED_NOTE = "less work than the targets are meant for: fixed costs weigh more than they should"

# The same in every terminal and file, so that no table is truncated.
TABLE_WIDTH = 130


@dataclass(frozen=True)
class Outcome:
    """A measured figure and its target.

    Attributes
    ----------
    name : str
        Name of the figure.
    measured, target : float
        The figure, and the upper bound on it.
    unit : str
        Unit of both; empty for a ratio.
    """

    name: str
    measured: float
    target: float
    unit: str = ""

    @property
    def is_held(self) -> bool:
        """Whether the figure is at most the target."""
        return self.measured <= self.target

    @property
    def verdict(self) -> str:
        """The result as a word, for tables."""
        return "held" if self.is_held else "missed"

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name}: {self.measured:.3g}{unit}, target {self.target:g}{unit}"


@dataclass(frozen=True)
class Ratio:
    """Our median time divided by a peer's, with the spread of the ratios within rounds.

    Attributes
    ----------
    work, peer, ours : str
        Names of the work, of the peer, and of our variant.
    ratio, lowest, highest : float
        Ratio of the medians, and the lowest and highest ratio within a round.
    target : float or None
        Upper bound on the ratio, if there is one.
    """

    work: str
    peer: str
    ours: str
    ratio: float
    lowest: float
    highest: float
    target: float | None

    @property
    def outcome(self) -> Outcome | None:
        """The ratio and its target, if it has one."""
        if self.target is None:
            return None
        return Outcome(f"{self.work}, time divided by that of {self.peer}", self.ratio, self.target)


def ratios_to_peers(results: Sequence[Result], targets: Mapping[tuple[str, str], float]) -> list[Ratio]:
    """Our lowest median divided by each peer's, for each work. The lowest is that of our fastest variant.

    Parameters
    ----------
    results : sequence of Result
        Results of one run, with the same number of rounds for all peers of a work.
    targets : mapping of (work, peer) to float
        Upper bounds on the ratios.

    Returns
    -------
    ratios : list of Ratio
        One for each work and peer.
    """
    ratios = []
    for work, rows in _by_work(results).items():
        ours = min((row for row in rows if row.is_ours), key=lambda row: median(row.seconds))
        for row in rows:
            if row.is_ours:
                continue
            in_rounds = [mine / theirs for mine, theirs in zip(ours.seconds, row.seconds, strict=True)]
            ratios.append(
                Ratio(
                    work,
                    row.peer,
                    ours.peer,
                    median(ours.seconds) / median(row.seconds),
                    min(in_rounds),
                    max(in_rounds),
                    targets.get((work, row.peer)),
                )
            )
    return ratios


def exit_status(outcomes: Sequence[Outcome], options: argparse.Namespace) -> int:
    """With ``--check``, print in one line which targets were missed.

    Parameters
    ----------
    outcomes : sequence of Outcome
        All figures that have a target.
    options : argparse.Namespace
        From ``BenchmarkParser.parse_options``.

    Returns
    -------
    status : int
        1 if ``--check`` is given and a target was missed, otherwise 0.
    """
    if not options.check:
        return 0
    missed = [outcome for outcome in outcomes if not outcome.is_held]
    if missed:
        print(f"\n{len(missed)} of {count(len(outcomes), 'target')} missed: {'; '.join(map(str, missed))}")
        return 1
    print(
        f"\n{count(len(outcomes), 'target')} checked, none missed"
        if outcomes
        else "\nno target applies to what was measured"
    )
    return 0


def report(
    name: str,
    results: Sequence[Result],
    targets: Mapping[tuple[str, str], float],
    options: argparse.Namespace,
    *,
    log_scale: bool = False,
    extra: Mapping[str, Any] | None = None,
    draw_extra: Callable[[Any], None] | None = None,
) -> list[Outcome]:
    """Print a table for each work, and write ``<name>.json`` and ``<name>.png``.

    Parameters
    ----------
    name : str
        Name of the benchmark.
    results : sequence of Result
        Results of all works and peers.
    targets : mapping of (work, peer) to float
        Upper bounds on our time divided by the peer's.
    options : argparse.Namespace
        From ``BenchmarkParser.parse_options``.
    log_scale : bool, default=False
        Whether the picture's times are on a logarithmic scale.
    extra : mapping, default=None
        Additional content of the JSON file.
    draw_extra : callable, default=None
        Draws an additional panel on the matplotlib Axes that it is given.

    Returns
    -------
    outcomes : list of Outcome
        The ratios that have a target.
    """
    ratios = ratios_to_peers(results, targets)
    environment = describe_environment()
    print(f"\n{name}: {environment['cores']} cores, Python {environment['python']}, {environment['platform']}")
    print(", ".join(f"{package} {version}" for package, version in environment["packages"].items()))
    if options.is_reduced:
        print(REDUCED_NOTE)
    for work, rows in _by_work(results).items():
        _print_comparison(work, rows, [ratio for ratio in ratios if ratio.work == work])

    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{name}.json"
    _write_json(path, results, ratios, environment, options, {"benchmark": name, **(extra or {})})
    print(f"\nwritten: {path}")
    if util.find_spec("matplotlib") is None:
        print("matplotlib is not installed, so there is no picture: pip install matplotlib")
    else:
        _draw(path.with_suffix(".png"), results, ratios, environment, options.is_reduced, log_scale, draw_extra)
        print(f"written: {path.with_suffix('.png')}")
    return [ratio.outcome for ratio in ratios if ratio.outcome]


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, n_names: int = 1) -> None:
    """Print an indented table without colours, with the same width in every terminal and file.

    Parameters
    ----------
    title : str
        Line above the table.
    columns : sequence of str
        Headings.
    rows : iterable of sequences of str
        Cells. Missing cells at the end of a row stay empty.
    n_names : int, default=1
        Number of leading columns that hold names, which are aligned left. Figures are aligned right.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, heading in enumerate(columns):
        table.add_column(heading, justify="left" if number < n_names else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(file=StringIO(), width=TABLE_WIDTH, color_system=None, markup=False, emoji=False)
    console.print(table)
    print(f"\n{title}")
    for line in console.file.getvalue().splitlines():
        print(f"  {line}".rstrip())


def count(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural unless the number is 1."""
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def format_spread(values: Sequence[float]) -> str:
    """Lowest and highest accuracy, or one figure if they are equal."""
    low, high = f"{min(values):.2%}", f"{max(values):.2%}"
    return low if low == high else f"{low}-{high}"


def _by_work(results: Sequence[Result]) -> dict[str, list[Result]]:
    works: dict[str, list[Result]] = {}
    for result in results:
        works.setdefault(result.work, []).append(result)
    return works


def _print_comparison(work: str, rows: Sequence[Result], ratios: Sequence[Ratio]) -> None:
    by_peer = {ratio.peer: ratio for ratio in ratios}
    columns = ["", "median", "least", "most", "accuracy", "ratio us/peer (spread)", "target", ""]
    print_table(work, columns, [_cells(row, by_peer.get(row.peer)) for row in rows])
    for ours in sorted({ratio.ours for ratio in ratios} - {OURS}):
        print(f"  us: {ours}")


def _cells(row: Result, ratio: Ratio | None) -> list[str]:
    times = [format_seconds(value) for value in (median(row.seconds), min(row.seconds), max(row.seconds))]
    cells = [row.peer, *times, format_spread(row.accuracy) if row.accuracy else ""]
    if ratio:
        cells.append(f"{ratio.ratio:.3g} ({ratio.lowest:.3g}-{ratio.highest:.3g})")
        if outcome := ratio.outcome:
            cells += [f"{outcome.target:g}", outcome.verdict]
    return cells


def _write_json(
    path: Path,
    results: Sequence[Result],
    ratios: Sequence[Ratio],
    environment: Mapping[str, Any],
    options: argparse.Namespace,
    extra: Mapping[str, Any],
) -> None:
    content = {
        "settings": options.settings,
        "environment": environment,
        "missing": options.missing,
        "results": [
            {**asdict(row), "median": median(row.seconds), "min": min(row.seconds), "max": max(row.seconds)}
            for row in results
        ],
        "ratios": [asdict(ratio) for ratio in ratios],
        **extra,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _draw(
    path: Path,
    results: Sequence[Result],
    ratios: Sequence[Ratio],
    environment: Mapping[str, Any],
    is_reduced: bool,
    log_scale: bool,
    draw_extra: Callable[[Any], None] | None,
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    works = _by_work(results)
    heights = [len(rows) + 1 for rows in works.values()] + ([6] if draw_extra else [])
    figure = Figure(figsize=(9, 0.42 * sum(heights) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (work, rows) in zip(panels, works.items(), strict=False):
        _draw_panel(axes, work, rows, {ratio.peer: ratio for ratio in ratios if ratio.work == work}, log_scale)
    if draw_extra:
        draw_extra(panels[-1])
    title = f"Medians, with least and most, on {environment['cores']} cores"
    figure.suptitle(title + (f"\n({REDUCED_NOTE})" if is_reduced else ""), fontsize=10)
    figure.savefig(path, dpi=150)


def _draw_panel(axes: Any, work: str, rows: Sequence[Result], ratios: Mapping[str, Ratio], log_scale: bool) -> None:
    longest = max(max(row.seconds) for row in rows)
    unit, factor = next(
        (unit, factor) for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)) if longest * factor >= 1
    )
    for position, row in enumerate(rows):
        middle, low, high = (factor * value for value in (median(row.seconds), min(row.seconds), max(row.seconds)))
        axes.errorbar(
            middle,
            position,
            xerr=[[middle - low], [high - middle]],
            color="black",
            capsize=4,
            marker="s" if row.is_ours else "o",
            markerfacecolor="black" if row.is_ours else "white",
            markersize=8,
        )
        label = format_seconds(median(row.seconds))
        if ratio := ratios.get(row.peer):
            label += f",  us/peer {ratio.ratio:.2g}"
        axes.annotate(
            label,
            (1.01, position),
            xycoords=("axes fraction", "data"),
            verticalalignment="center",
            fontsize=9,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [row.peer for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if log_scale:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        shortest = factor * min(min(row.seconds) for row in rows)
        axes.set_xlim(10 ** np.floor(np.log10(shortest / 1.1)), 10 ** np.ceil(np.log10(1.1 * factor * longest)))
    else:
        axes.set_xlim(0, 1.05 * factor * longest)
    axes.set_xlabel(f"time in {unit}")
    axes.set_title(work, fontsize=10, loc="left")
    axes.grid(axis="x", color="0.85")
    axes.set_axisbelow(True)
