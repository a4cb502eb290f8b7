"""What the benchmarks share: peers by turns, each in a process of its own; a table, a JSON file and a picture.

Nothing is imported here that would cost a measured process time: the spawned ones import this module too.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata, util
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import sk_mnist

OURS = "sk-mnist"

# What each peer imports beyond the requirements of sk-mnist.
PEERS: dict[str, tuple[str, ...]] = {
    OURS: (),
    "scikeras": (),
    "Keras": (),
    "scikit-learn": (),
    "skorch": ("skorch", "torch"),
    "PyTorch loop": ("torch",),
}

PACKAGES = ("sk-mnist", "scikit-learn", "numpy", "scipy", "tensorflow", "keras", "scikeras", "skorch", "torch")

REDUCED_NOTE = "less work than the bars are meant for: fixed costs weigh more than they should"

# Sizes that say how often, or which, and not how much is done within a time.
NOT_WORK = ("rounds", "calls", "many_rows_calls", "batch_size", "fits")


@dataclass
class Result:
    """What one peer took for one kind of work, in as many rounds as there were."""

    work: str
    peer: str
    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    details: list[dict] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        """Whether sk-mnist did the work: it may do so in several ways, named in parentheses."""
        return self.peer.partition(" (")[0] == OURS


@dataclass
class Ratio:
    """Our median time over a peer's, with the spread of the ratios within rounds."""

    work: str
    peer: str
    ours: str
    ratio: float
    lowest: float
    highest: float
    bar: float | None


def make_parser(description: str, full: Mapping[str, Any], quick: Mapping[str, Any]) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have, and an integer option for each size.

    Parameters
    ----------
    description : str
        The docstring of the script.
    full, quick : mappings of str to int or list of int
        The sizes by the name of their option, and those that ``--quick`` takes instead; both know "rounds".
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less work, done in under three minutes on 2 cores")
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="only these, and sk-mnist")
    parser.add_argument(
        "--output", type=Path, default=Path("sk-mnist-output"), help="directory of the files written (%(default)s)"
    )
    for name, size in full.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            nargs="+" if isinstance(size, list) else None,
            help=f"default: {_plain(size)}" + (f", with --quick {_plain(quick[name])}" if name in quick else ""),
        )
    parser.set_defaults(full=full, smaller=quick)
    return parser


def _plain(size: Any) -> str:
    return " ".join(map(str, size)) if isinstance(size, list) else str(size)


def parse(parser: argparse.ArgumentParser, peers: Sequence[str]) -> argparse.Namespace:
    """Parse the command line, fill in the sizes, and leave out the peers that are not asked for or not installed."""
    options = parser.parse_args()
    full = options.full
    sizes = {**full, **(options.smaller if options.quick else {})}
    for name, size in sizes.items():
        if getattr(options, name) is None:
            setattr(options, name, size)
    options.is_reduced = any(getattr(options, name) != size for name, size in full.items() if name not in NOT_WORK)
    options.settings = {name: getattr(options, name) for name in sizes} | {"quick": options.quick}
    wanted = [peer for peer in peers if options.peers is None or peer == OURS or peer in options.peers]
    options.missing = [peer for peer in wanted if not all(map(util.find_spec, PEERS[peer]))]
    options.peers = [peer for peer in wanted if peer not in options.missing]
    for peer in options.missing:
        print(f"{peer} is not installed and left out: pip install 'sk-mnist[benchmark]'")
    # Every peer computes on the CPU, as two of them know nothing else.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return options


@contextmanager
def mnist_files() -> Iterator[Path]:
    """Write MNIST where the measured processes read it at once; yield the directory, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="sk-mnist-benchmark-") as name:
        directory = Path(name)
        for subset in ("train", "test"):
            X, y = sk_mnist.fetch_mnist(subset=subset, return_X_y=True)
            np.save(directory / f"X_{subset}.npy", X)
            np.save(directory / f"y_{subset}.npy", y)
        yield directory


def load_mnist(directory: Path, subset: str, n_rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the first rows of a subset: X float32 in [0, 1] of shape (n_rows, 784), y int64."""
    X, y = (np.load(directory / f"{name}_{subset}.npy") for name in "Xy")
    return X[:n_rows], y[:n_rows]


def in_new_process(function: Callable, *args: Any) -> Any:
    """Call a function of a module in a process that has imported nothing but that module.

    What it writes to stderr, where TensorFlow talks much, is shown only if the call fails.
    """
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.NamedTemporaryFile(prefix="sk-mnist-benchmark-", suffix=".log") as log,
        ProcessPoolExecutor(1, mp_context=spawn, initializer=_redirect_stderr, initargs=(log.name,)) as pool,
    ):
        try:
            return pool.submit(function, *args).result()
        except Exception:
            sys.stderr.write(Path(log.name).read_text(errors="replace"))
            raise


def _redirect_stderr(path: str) -> None:
    # C++ writes to the file descriptor, past sys.stderr.
    with open(path, "ab") as log:
        os.dup2(log.fileno(), 2)


def by_turns(work: str, peers: Sequence[str], n_rounds: int, measure: Callable[[str, int], dict]) -> list[Result]:
    """Measure the peers alternately, round by round, so that whatever else the machine does meets all alike.

    Parameters
    ----------
    work : str
        Name of the work.
    peers : sequence of str
        Who does it, in this order.
    n_rounds : int
        How often each does.
    measure : callable
        Takes a peer and the number of the round; returns a dict with "seconds", and maybe "accuracy" and more.

    Returns
    -------
    results : list of Result
    """
    results = {peer: Result(work, peer) for peer in peers}
    for number in range(n_rounds):
        for peer, result in results.items():
            details = measure(peer, number)
            result.seconds.append(details.pop("seconds"))
            if "accuracy" in details:
                result.accuracy.append(details.pop("accuracy"))
            result.details.append(details)
            print(
                f"  round {number + 1} of {n_rounds}, {work}: {peer} {format_seconds(result.seconds[-1])}",
                file=sys.stderr,
                flush=True,
            )
    return list(results.values())


def ratios_to_peers(results: Sequence[Result], bars: Mapping[tuple[str, str], float]) -> list[Ratio]:
    """Our median over each peer's, for each work; of several ways of ours, the one with the least median counts.

    Parameters
    ----------
    results : sequence of Result
        Of one run, with as many rounds for all peers of a work.
    bars : mapping of (work, peer) to float
        The most that the ratio is to be.
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
                    bars.get((work, row.peer)),
                )
            )
    return ratios


def report(
    name: str,
    results: Sequence[Result],
    bars: Mapping[tuple[str, str], float],
    options: argparse.Namespace,
    *,
    log_scale: bool = False,
    extra: Mapping[str, Any] | None = None,
    draw_extra: Callable[[Any], None] | None = None,
) -> None:
    """Print a table for each work, and write ``<name>.json`` and ``<name>.png``.

    Parameters
    ----------
    name : str
        Of the benchmark.
    results : sequence of Result
        Of all works and peers.
    bars : mapping of (work, peer) to float
        The most that our time over the peer's is to be.
    options : argparse.Namespace
        From ``parse``.
    log_scale : bool, default=False
        Whether the picture's times are on a logarithmic scale.
    extra : mapping, default=None
        More for the JSON file.
    draw_extra : callable, default=None
        Draws one more panel on the matplotlib Axes that it is given.
    """
    ratios = ratios_to_peers(results, bars)
    environment = describe_environment()
    print(f"\n{name}: {environment['cores']} cores, Python {environment['python']}, {environment['platform']}")
    print(", ".join(f"{package} {version}" for package, version in environment["packages"].items()))
    if options.is_reduced:
        print(REDUCED_NOTE)
    for work, rows in _by_work(results).items():
        _print_table(work, rows, [ratio for ratio in ratios if ratio.work == work])

    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{name}.json"
    content = {
        "benchmark": name,
        "settings": options.settings,
        "environment": environment,
        "missing": options.missing,
        "results": [
            {**asdict(row), "median": median(row.seconds), "min": min(row.seconds), "max": max(row.seconds)}
            for row in results
        ],
        "ratios": [asdict(ratio) for ratio in ratios],
        **(extra or {}),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten: {path}")
    if util.find_spec("matplotlib") is None:
        print("matplotlib is not installed, so there is no picture: pip install 'sk-mnist[benchmark]'")
        return
    _draw(path.with_suffix(".png"), results, ratios, environment, options.is_reduced, log_scale, draw_extra)
    print(f"written: {path.with_suffix('.png')}")


def describe_environment() -> dict[str, Any]:
    """Cores, system, and the versions of the packages that are installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    # Not os.cpu_count(), which does not see that a container or taskset allows fewer.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": versions,
    }


def format_seconds(seconds: float) -> str:
    """Seconds with three digits, in s, ms or µs."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:#.3g} {unit}".replace(". ", " ")
    return f"{seconds * 1e6:#.3g} µs".replace(". ", " ")


def count(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural if it is one."""
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def format_spread(values: Sequence[float]) -> str:
    """Least and greatest of accuracies, or the only one."""
    low, high = f"{min(values):.2%}", f"{max(values):.2%}"
    return low if low == high else f"{low}-{high}"


def _by_work(results: Sequence[Result]) -> dict[str, list[Result]]:
    works: dict[str, list[Result]] = {}
    for result in results:
        works.setdefault(result.work, []).append(result)
    return works


def _print_table(work: str, rows: Sequence[Result], ratios: Sequence[Ratio]) -> None:
    by_peer = {ratio.peer: ratio for ratio in ratios}
    print(f"\n{work}")
    print(
        f"  {'':36} {'median':>8} {'least':>8} {'most':>8} {'accuracy':>14}   {'ratio us/peer (spread)':24} {'bar':>6}"
    )
    for row in rows:
        times = [format_seconds(value) for value in (median(row.seconds), min(row.seconds), max(row.seconds))]
        accuracy = format_spread(row.accuracy) if row.accuracy else ""
        line = f"  {row.peer:36} {times[0]:>8} {times[1]:>8} {times[2]:>8} {accuracy:>14}"
        if ratio := by_peer.get(row.peer):
            line += f"   {f'{ratio.ratio:.3g} ({ratio.lowest:.3g}-{ratio.highest:.3g})':24}"
            if ratio.bar is not None:
                line += f" {ratio.bar:>6g} {'held' if ratio.ratio <= ratio.bar else 'missed'}"
        print(line.rstrip())
    for ours in sorted({ratio.ours for ratio in ratios} - {OURS}):
        print(f"  us: {ours}")


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
            label += f",  us/peer {ratio.ratio:.2g}" + (f" (bar {ratio.bar:g})" if ratio.bar is not None else "")
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
