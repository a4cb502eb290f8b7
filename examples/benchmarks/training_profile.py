"""
Where the time and the memory of a training go
==============================================

Split the training of 784-128-64-32-10 on MNIST into parts: the time before the first batch, the time that compiling
adds to the first epoch, the time of the other epochs, the share of gathering rows, and the time that the arithmetic
alone would take. Also measure the parts of compiling, the gain of a second thread, and peak memory. Each measurement
has its own process::

    python examples/benchmarks/training_profile.py              # five minutes
    python examples/benchmarks/training_profile.py --rounds 1 --rows 10000
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _measure import (
    MEBIBYTE,
    NO_PROCESS_MEMORY,
    can_read_memory,
    describe_environment,
    format_seconds,
    in_new_process,
    load_mnist,
    mnist_files,
    process_memory,
    seconds_of,
    show_progress,
)
from _options import BenchmarkParser
from _peers import HIDDEN, N_CLASSES, N_FEATURES, OURS, KerasFit, import_libraries, make_classifier
from _report import print_table

SIZES = {"rounds": 3, "rows": 60_000, "epochs": 5}

BATCH_SIZES = (32, 128)
# Our variants and their jit_compile.
COMPILES = {"sk-mnist, no XLA": False, "sk-mnist, XLA": True}
WAYS = ("Keras, its fit", "Keras, XLA, 64 steps a call", *COMPILES)
# As in a fold of a small search.
SHORT_FITS, SHORT_ROWS, SHORT_EPOCHS = 12, 4_000, 2


def main() -> None:
    """Measure and print."""
    parser = BenchmarkParser(__doc__, SIZES)
    options = parser.parse_options()
    if options.epochs < 2:
        parser.error("--epochs must be at least 2: the first is compared with the others")
    environment = describe_environment()
    print(f"{environment['cores']} cores, Python {environment['python']}, tensorflow "
          f"{environment['packages']['tensorflow']}; {options.rows:,} rows, medians of {options.rounds}")  # fmt: skip
    rate = in_new_process(multiplications_a_second)
    with mnist_files() as data:
        for batch_size in BATCH_SIZES:
            print_epochs(data, options, batch_size, rate)
        print_compiling(data, options.rounds)
        print_threads(data, options.rounds)
        print_memory(data, options.rows)


def print_epochs(data: Path, options: argparse.Namespace, batch_size: int, rate: float) -> None:
    """Print how long the parts of a training take, for each way to train."""
    n_steps = -(-options.rows // batch_size)
    medians, cells = {}, []
    for way in WAYS:
        rounds = [
            in_new_process(epochs_of_a_fit, way, data, options.rows, batch_size, options.epochs)
            for _ in range(options.rounds)
        ]
        start, compiling, epoch = medians[way] = [median(values) for values in zip(*rounds, strict=True)]
        show_progress(f"{way}, batches of {batch_size}: an epoch takes {format_seconds(epoch)}")
        step = f"{1e3 * epoch / n_steps:.3f} ms"
        cells.append([way, f"{start:.2f}", f"{compiling:.2f}", f"{epoch:.3f}", step])
    columns = ["", "before training", "compiling", "an epoch", "a step"]
    print_table(f"batches of {batch_size} (seconds)", columns, cells)
    _, compiling_slow, slow = medians["sk-mnist, no XLA"]
    _, compiling_fast, fast = medians["sk-mnist, XLA"]
    if fast < slow:
        print(f"  XLA pays from {(compiling_fast - compiling_slow) / (slow - fast) * n_steps:,.0f} steps on")
    gathering = in_new_process(seconds_to_gather, data, options.rows, batch_size)
    print(f"  gathering rows and making tensors of them: {gathering:.3f} an epoch, in a second thread")
    operations = operations_of_an_epoch(options.rows)
    print(f"  the arithmetic alone: {operations / rate:.3f} an epoch "
          f"({operations / 1e9:.0f} GFLOP at the {rate / 1e9:.0f} GFLOP/s of large matrices)")  # fmt: skip


def epochs_of_a_fit(way: str, data: Path, n_rows: int, batch_size: int, epochs: int) -> tuple[float, float, float]:
    """Train once; return seconds before training, extra seconds of the first epoch, and the median of the others."""
    import_libraries(OURS)
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            ticks.append(time.perf_counter())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            ticks.append(time.perf_counter())

    X, y = load_mnist(data, "train", n_rows)
    ticks = [time.perf_counter()]
    if way.startswith("Keras"):
        fit_keras(X, y, epochs, batch_size, Clock(), fused="XLA" in way)
    else:
        classifier = make_classifier(OURS, epochs=epochs, batch_size=batch_size)
        classifier.set_params(keras_callbacks=[Clock], jit_compile=COMPILES[way]).fit(X, y)
    start, first, *others = np.diff(ticks).tolist()
    return start, first - median(others), median(others)


def fit_keras(X: np.ndarray, y: np.ndarray, epochs: int, batch_size: int, clock: Any, *, fused: bool) -> None:
    """Train with Keras' own ``fit``, with its defaults or with XLA and many steps per call."""
    classifier = KerasFit(epochs, batch_size, learning_rate=1e-3, seed=0)
    if fused:
        classifier.model.compile(
            optimizer="adam",
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=True,
            steps_per_execution=64,
        )
    classifier.fit(X, y, callbacks=[clock])


def seconds_to_gather(data: Path, n_rows: int, batch_size: int) -> float:
    """Seconds to gather all blocks of an epoch and convert them to tensors."""
    import_libraries(OURS)
    import tensorflow as tf

    from sk_mnist.neural_network import _batches
    from sk_mnist.neural_network._rows import Rows

    X, y = load_mnist(data, "train", n_rows)
    rows = Rows(X, None, y.astype(np.int32), np.ones(n_rows, np.float32), None)
    n_batches = _batches.count_batches(batch_size, N_FEATURES * X.itemsize, use_xla=True)
    shape = _batches.BlockShape(n_batches, batch_size)
    no_dropout = _batches.DropoutMasks((), (), seed=0, epoch=0)

    def gather(epoch: int) -> None:
        order = _batches.draw_order(0, epoch, n_rows)
        for block in _batches.make_blocks(rows, order, shape, masks=no_dropout, fill=True):
            for value in block:
                tf.convert_to_tensor(value)

    return median(seconds_of(partial(gather, epoch)) for epoch in range(5))


def operations_of_an_epoch(n_rows: int) -> int:
    """Floating-point operations of an epoch's matrix products: forward, and gradients of weights and hidden units."""
    sizes = [N_FEATURES, *HIDDEN, N_CLASSES]
    weights = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    return 2 * n_rows * (3 * sum(weights) - weights[0])


def multiplications_a_second() -> float:
    """Floating-point operations per second of a large matrix product in float32, on all cores."""
    size = 2048
    matrix = np.random.default_rng(0).random((size, size), dtype=np.float32)
    return 2 * size**3 / median(seconds_of(lambda: matrix @ matrix) for _ in range(9))


def print_compiling(data: Path, n_rounds: int) -> None:
    """Print how long the parts of compiling with XLA take."""
    rounds = [in_new_process(compiling_of_a_fit, data) for _ in range(n_rounds)]
    cells = [[name, f"{median(figures[name] for figures in rounds):.2f}"] for name in rounds[0]]
    print_table("a first fit with XLA, batches of 32", ["", "seconds"], cells)


def compiling_of_a_fit(data: Path) -> dict[str, float]:
    """Seconds that the parts of compiling take in the first fit of a process."""
    import_libraries(OURS)
    from sk_mnist.neural_network._keras.network import Network

    X, y = load_mnist(data, "train", SHORT_ROWS)
    building, tracing, calls = (timed(Network, name) for name in ("__init__", "compile", "train_block"))
    fit = partial(make_classifier(OURS, epochs=SHORT_EPOCHS).set_params(jit_compile=True).fit, X, y)
    whole = seconds_of(fit)
    first, later = calls
    return {
        "the network in Keras": building[0],
        "tracing it, with its gradient and optimizer": tracing[0],
        "XLA and LLVM, in the first call": first - later,
        f"the whole fit of {SHORT_ROWS:,} rows, {SHORT_EPOCHS} epochs": whole,
        "the same fit again": seconds_of(fit),
    }


def timed(cls: type, name: str) -> list[float]:
    """Time a method from now on; return a list to which each call appends its seconds."""
    method, seconds = getattr(cls, name), []

    def method_with_clock(*arguments: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **keywords)
        finally:
            seconds.append(time.perf_counter() - start)

    setattr(cls, name, method_with_clock)
    return seconds


def print_threads(data: Path, n_rounds: int) -> None:
    """Print how long many short trainings take, one at a time and two at a time."""
    cells = []
    for name, one_thread_each in (("TensorFlow's threads as they are", False), ("one thread for each operation", True)):
        rounds = [in_new_process(short_fits, data, one_thread_each) for _ in range(n_rounds)]
        alone, together = (median(values) for values in zip(*rounds, strict=True))
        cells.append([name, f"{alone:.2f}", f"{together:.2f}"])
    title = f"{SHORT_FITS} trainings of {SHORT_ROWS:,} rows, {SHORT_EPOCHS} epochs, batches of 32 (seconds)"
    print_table(title, ["", "one by one", "in 2 threads"], cells)


def short_fits(data: Path, one_thread_each: bool) -> tuple[float, float]:
    """Seconds of many short trainings, one at a time and in two threads, with everything compiled."""
    import_libraries(OURS)
    import tensorflow as tf

    if one_thread_each:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    X, y = load_mnist(data, "train", SHORT_ROWS)

    def fit(seed: int) -> None:
        make_classifier(OURS, epochs=SHORT_EPOCHS, seed=seed).fit(X, y)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, range(2)))
        alone = seconds_of(lambda: list(map(fit, range(SHORT_FITS))))
        together = seconds_of(lambda: list(pool.map(fit, range(SHORT_FITS))))
    return alone, together


def print_memory(data: Path, n_rows: int) -> None:
    """Print the peak memory of a process that trains, beyond that of importing TensorFlow."""
    if not can_read_memory():
        print(f"\n{NO_PROCESS_MEMORY}")
        return
    size = n_rows * N_FEATURES * 4
    cells = []
    for way in COMPILES:
        for suffix, hidden in (("", HIDDEN), (", one hidden unit", (1,))):
            total, mapped = in_new_process(peak_memory, way, data, n_rows, hidden)
            cells.append([way + suffix, f"{total / size:.2f}", f"{mapped / size:.2f}"])
    title = f"most memory beyond that of TensorFlow, X itself included, as a multiple of X's {size / MEBIBYTE:.0f} MiB"
    print_table(title, ["", "in all", "of which mapped files, such as TensorFlow's own code"], cells)


def peak_memory(way: str, data: Path, n_rows: int, hidden: tuple[int, ...]) -> tuple[float, float]:
    """Bytes that a training adds to the memory at its peak, and to the resident pages of files."""
    import_libraries(OURS)
    import tensorflow as tf

    tf.constant(0.0)
    before = process_memory()
    X, y = load_mnist(data, "train", n_rows)
    make_classifier(OURS, epochs=2).set_params(hidden_layer_sizes=hidden, jit_compile=COMPILES[way]).fit(X, y)
    after = process_memory()
    return after["VmHWM"] - before["VmRSS"], after["RssFile"] - before["RssFile"]


if __name__ == "__main__":
    main()
