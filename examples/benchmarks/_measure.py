"""How benchmarks measure: peers take turns, each in a new process that reads MNIST from files.

The measured processes import this module too, so it avoids slow imports.
"""

import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from _peers import OURS

import sk_mnist

MEBIBYTE = 2**20

PACKAGES = (
    "sk-mnist",
    "scikit-learn",
    "numpy",
    "scipy",
    "tensorflow",
    "keras",
    "scikeras",
    "skorch",
    "torch",
    "torchvision",
    "opencv-python-headless",
)

PROCESS_STATUS = Path("/proc/self/status")
NO_PROCESS_MEMORY = "The memory of a process is read from /proc, which this system does not have."


@dataclass
class Result:
    """The measurements of one peer for one kind of work.

    Attributes
    ----------
    work, peer : str
        Names of the work and of the peer.
    seconds : list of float
        Time of each round.
    accuracy : list of float
        Accuracy of each round, or empty.
    details : list of dict
        Other measurements of each round.
    """

    work: str
    peer: str
    seconds: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    details: list[dict] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        """Whether the peer is sk-mnist, or a variant of it, which is named in parentheses."""
        return self.peer.partition(" (")[0] == OURS


@contextmanager
def mnist_files() -> Iterator[Path]:
    """Write MNIST to files that the measured processes can read fast; yield their temporary directory."""
    with tempfile.TemporaryDirectory(prefix="sk-mnist-benchmark-") as name:
        directory = Path(name)
        for subset in ("train", "test"):
            X, y = sk_mnist.fetch_mnist(subset=subset, return_X_y=True)
            np.save(directory / f"X_{subset}.npy", X)
            np.save(directory / f"y_{subset}.npy", y)
        yield directory


def load_mnist(directory: Path, subset: str, n_rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the first rows of a subset from the files of ``mnist_files``.

    Parameters
    ----------
    directory : Path
        The directory that ``mnist_files`` yields.
    subset : {"train", "test"}
        The subset.
    n_rows : int, default=None
        Number of rows; None means all.

    Returns
    -------
    X : ndarray of shape (n_rows, 784), float32
        Pixels in [0, 1].
    y : ndarray of shape (n_rows,), int64
        Digits.
    """
    X, y = (np.load(directory / f"{name}_{subset}.npy") for name in "Xy")
    return X[:n_rows], y[:n_rows]


def in_new_process(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call a function in a new process that has imported only the module of the function.

    Parameters
    ----------
    function : callable
        A function of a module. Its output to stderr, where TensorFlow writes a lot, is shown only if the call fails.
    *args, **kwargs : picklable objects
        Arguments of the function.

    Returns
    -------
    value : object
        The return value of the function.
    """
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.NamedTemporaryFile(prefix="sk-mnist-benchmark-", suffix=".log") as log,
        ProcessPoolExecutor(1, mp_context=spawn, initializer=_redirect_stderr, initargs=(log.name,)) as pool,
    ):
        try:
            return pool.submit(function, *args, **kwargs).result()
        except Exception:
            sys.stderr.write(Path(log.name).read_text(errors="replace"))
            raise


def _redirect_stderr(path: str) -> None:
    # C++ code writes to the file descriptor, not to sys.stderr.
    with open(path, "ab") as log:
        os.dup2(log.fileno(), 2)


def by_turns(work: str, peers: Sequence[str], n_rounds: int, measure: Callable[[str, int], dict]) -> list[Result]:
    """Measure the peers in turn, round by round, so that other load on the machine affects all of them.

    Parameters
    ----------
    work : str
        Name of the work.
    peers : sequence of str
        Peers to measure, in this order.
    n_rounds : int
        Number of measurements of each peer.
    measure : callable
        Takes a peer and the number of the round; returns a dict with "seconds", and optionally "accuracy" and more.

    Returns
    -------
    results : list of Result
        One for each peer.
    """
    results = {peer: Result(work, peer) for peer in peers}
    for number in range(n_rounds):
        for peer, result in results.items():
            details = measure(peer, number)
            result.seconds.append(details.pop("seconds"))
            if "accuracy" in details:
                result.accuracy.append(details.pop("accuracy"))
            result.details.append(details)
            show_progress(f"round {number + 1} of {n_rounds}, {work}: {peer} {format_seconds(result.seconds[-1])}")
    return list(results.values())


def show_progress(text: str) -> None:
    """Print a line to stderr at once. Tables are printed only when all their rows are measured."""
    print(f"  {text}", file=sys.stderr, flush=True)


def seconds_of(work: Callable[[], Any]) -> float:
    """Seconds of a call, without the time to free its return value."""
    start = time.perf_counter()
    value = work()
    seconds = time.perf_counter() - start
    del value
    return seconds


def format_seconds(seconds: float) -> str:
    """Seconds with three digits, in s, ms or µs."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:#.3g} {unit}".replace(". ", " ")
    return f"{seconds * 1e6:#.3g} µs".replace(". ", " ")


def can_read_memory() -> bool:
    """Whether ``process_memory`` works on this system."""
    return PROCESS_STATUS.exists()


def process_memory() -> dict[str, int]:
    """Memory of this process.

    Returns
    -------
    sizes : dict of str to int
        Bytes by the kernel's names: "VmRSS" is resident now, "VmHWM" the peak of that, and "RssFile" the resident
        pages of files. The peak is that of this process alone; ``ru_maxrss`` would include that of the process it was
        forked from.
    """
    sizes = {}
    for line in PROCESS_STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            sizes[name] = int(value.split()[0]) * 1024
    return sizes


def describe_environment() -> dict[str, Any]:
    """Return cores, system, and the versions of the packages that are installed."""
    # Slow to import, and only the reporting process needs it.
    from joblib import cpu_count

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cores": cpu_count(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": versions,
    }
