"""
Cost of fetching MNIST, compared with Keras
===========================================

Read the same ``mnist.npz`` from a warm cache with ``sk_mnist.fetch_mnist`` and with ``keras.datasets.mnist.load_data``,
and compare the time of the call and its peak memory beyond that of the imports. Each call has its own process, and the
two take turns::

    python examples/benchmarks/fetching.py
    python examples/benchmarks/fetching.py --rounds 15
    python examples/benchmarks/fetching.py --check              # exit status 1 if a target is missed

Both verify the data: Keras by the digest of the file, sk-mnist by those of the arrays. For ``float32`` the Keras side
flattens and scales as its users do, ``x.reshape(-1, 784).astype("float32") / 255``, train and test separately; sk-mnist
returns all 70,000 rows in one array.

The targets are seconds and MiB, not ratios, so a busy machine can miss them. The ratios show whether the machine or
``fetch_mnist`` is slow.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from _measure import (
    MEBIBYTE,
    NO_PROCESS_MEMORY,
    Result,
    by_turns,
    can_read_memory,
    in_new_process,
    process_memory,
    seconds_of,
)
from _options import BenchmarkParser
from _peers import OURS
from _report import Outcome, exit_status, print_table

SIZES = {"rounds": 7}

IMPORTS = {OURS: "sk_mnist.datasets", "Keras": "keras.datasets.mnist"}

# Upper bounds for sk-mnist: seconds, and MiB beyond the imports.
TARGETS = {"uint8": (0.35, 150.0), "float32": (0.6, 450.0)}


def main() -> int:
    """Measure and print; return the exit status."""
    parser = BenchmarkParser(__doc__, SIZES, has_targets=True)
    options = parser.parse_options()
    if not can_read_memory():
        parser.error(NO_PROCESS_MEMORY)
    results, rows, outcomes = [], [], []
    with tempfile.TemporaryDirectory(prefix="sk-mnist-benchmark-") as directory:
        warm_caches(Path(directory))
        for kind, calls in CALLS.items():
            results.append(by_turns(kind, list(calls), options.rounds, partial(in_new_process, measure, kind=kind)))
    for ours, theirs in results:
        judged = judge(ours)
        rows += [cells(ours, ratios_to(theirs, ours), judged), cells(theirs)]
        outcomes += judged
    print_table(
        f"medians of {options.rounds} processes (least-most); memory is the peak over the imports",
        ["", "", "time", "memory", "ratio to Keras: time, memory", "targets", ""],
        rows,
        n_names=2,
    )
    return exit_status(outcomes, options)


def warm_caches(directory: Path) -> None:
    """Put the same file into a cache of sk-mnist and one of Keras, which new processes will find."""
    os.environ["SK_MNIST_DATA"] = str(directory / "sk-mnist")
    os.environ["KERAS_HOME"] = str(directory / "keras")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    in_new_process(fetch_bytes)
    (directory / "keras" / "datasets").mkdir(parents=True)
    shutil.copy(directory / "sk-mnist" / "mnist.npz", directory / "keras" / "datasets")


def measure(peer: str, _round: int, *, kind: str) -> dict:
    """Fetch MNIST once; return seconds, and peak MiB beyond the imports."""
    import_module(IMPORTS[peer])
    imported = process_memory()["VmRSS"]
    seconds = seconds_of(CALLS[kind][peer])
    return {"seconds": seconds, "mebibytes": (process_memory()["VmHWM"] - imported) / MEBIBYTE}


def fetch_bytes() -> Any:
    """Fetch the pixels as they are in the file."""
    from sk_mnist import fetch_mnist

    return fetch_mnist(normalize=False)


def fetch_floats() -> Any:
    """Fetch the pixels in [0, 1]."""
    from sk_mnist import fetch_mnist

    return fetch_mnist(normalize=True)


def load_keras_bytes() -> Any:
    """Load the pixels as they are in the file."""
    from keras.datasets import mnist

    return mnist.load_data()


def load_keras_floats() -> Any:
    """Load the pixels and scale them to [0, 1]."""
    from keras.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test))
    return x_train, y_train, x_test, y_test


# Ours first: the tables compare it with the one that follows.
CALLS: dict[str, dict[str, Callable[[], Any]]] = {
    "uint8": {OURS: fetch_bytes, "Keras": load_keras_bytes},
    "float32": {OURS: fetch_floats, "Keras": load_keras_floats},
}


def medians(result: Result) -> tuple[float, float]:
    """Median seconds and MiB of a peer."""
    return median(result.seconds), median(detail["mebibytes"] for detail in result.details)


def ratios_to(theirs: Result, ours: Result) -> list[float]:
    """Our medians divided by theirs: of seconds, and of MiB."""
    return [mine / other for mine, other in zip(medians(ours), medians(theirs), strict=True)]


def judge(ours: Result) -> list[Outcome]:
    """Our medians and their targets."""
    figures = zip(("time", "memory"), medians(ours), TARGETS[ours.work], ("s", "MiB"), strict=True)
    return [Outcome(f"{ours.work}, {name}", *figure) for name, *figure in figures]


def cells(result: Result, ratios: Sequence[float] = (), judged: Sequence[Outcome] = ()) -> list[str]:
    """Row of the table: the medians of a peer and, for sk-mnist, the ratios and the targets."""
    seconds, mebibytes = medians(result)
    spread = f"{min(result.seconds):.3f}-{max(result.seconds):.3f}"
    row = [result.work, result.peer, f"{seconds:.3f} s ({spread})", f"{mebibytes:.0f} MiB"]
    if judged:
        row += [
            ", ".join(f"{ratio:.2f}" for ratio in ratios),
            ", ".join(f"{outcome.target:g} {outcome.unit}" for outcome in judged),
            "held" if all(outcome.is_held for outcome in judged) else "missed",
        ]
    return row


if __name__ == "__main__":
    sys.exit(main())
