"""
Memory growth over many fits
============================

Fit networks many times in one process, and print by how many MiB the process grows per fit after a warm-up: with the
same architecture and with a different one in each fit, with and without XLA. For comparison, do the same with Keras and
with a training step in a plain ``tf.function``. The data is 400 rows of 64 random features. Each line has its own
process (Linux only)::

    python examples/benchmarks/memory.py                # 100 fits per line, about 5 minutes on 2 cores
    python examples/benchmarks/memory.py --fits 20
"""

import gc
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from _measure import (
    MEBIBYTE,
    NO_PROCESS_MEMORY,
    can_read_memory,
    describe_environment,
    in_new_process,
    process_memory,
    show_progress,
)
from _options import BenchmarkParser
from _report import print_table

SIZES = {"fits": 100, "settling": 40}


def main() -> None:
    """Measure and print."""
    parser = BenchmarkParser(__doc__, SIZES)
    options = parser.parse_options()
    if not can_read_memory():
        parser.error(NO_PROCESS_MEMORY)
    rows = []
    for name in FITS:
        mebibytes = in_new_process(growth, name, options.fits, options.settling)
        show_progress(f"{name}: {mebibytes:.2f} MiB")
        rows.append([name, f"{mebibytes:.2f}"])
    cores = describe_environment()["cores"]
    title = f"MiB that a process grows by with each of {options.fits} fits, after {options.settling}; {cores} cores"
    print_table(title, ["", "MiB"], rows)


def growth(name: str, n_fits: int, n_settling: int) -> float:
    """MiB by which this process grows per fit."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 64)).astype(np.float32), rng.integers(0, 3, 400)
    for number in range(n_settling):
        FITS[name](X, y, number)
    before = resident_memory()
    for number in range(n_settling, n_settling + n_fits):
        FITS[name](X, y, number)
    return (resident_memory() - before) / MEBIBYTE / n_fits


def resident_memory() -> int:
    """Resident bytes of this process, after a garbage collection."""
    gc.collect()
    return process_memory()["VmRSS"]


def fit_same(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Fit the same architecture, with a different dropout each time."""
    from sk_mnist import KerasMLPClassifier

    KerasMLPClassifier((32, 16), dropout=0.1 + 0.001 * number, epochs=1).fit(X, y)


def fit_parts(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Train on a few rows."""
    from sk_mnist import KerasMLPClassifier

    rows = np.arange(1 + number % 31)
    KerasMLPClassifier((32, 16)).partial_fit(X[rows], y[rows], classes=[0, 1, 2])


def fit_varied(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Fit a different architecture each time."""
    from sk_mnist import KerasMLPClassifier

    KerasMLPClassifier((32 + number, 16), epochs=1).fit(X, y)


def fit_varied_with_callbacks(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Fit a different architecture each time, with a Keras callback."""
    import keras

    from sk_mnist import KerasMLPClassifier

    KerasMLPClassifier((32 + number, 16), epochs=1, keras_callbacks=[keras.callbacks.History()]).fit(X, y)


def fit_varied_with_xla(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Fit a different architecture each time, compiled by XLA."""
    from sk_mnist import KerasMLPClassifier

    KerasMLPClassifier((32 + number, 16), epochs=1, jit_compile=True).fit(X, y)


def fit_keras(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Fit a different architecture each time in plain Keras."""
    import keras

    layers = [keras.layers.Dense(n_units, activation="relu") for n_units in (32 + number, 16)]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, y, epochs=1, verbose=0)


def call_function(X: np.ndarray, y: np.ndarray, number: int) -> None:
    """Trace and run one training step of a different shape each time."""
    import tensorflow as tf

    sizes = [64, 32 + number, 16, 3]
    kernels = [tf.Variable(tf.random.normal(shape)) for shape in pairwise(sizes)]

    @tf.function
    def step(X: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            out = X
            for kernel in kernels[:-1]:
                out = tf.nn.relu(out @ kernel)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, out @ kernels[-1]))
        for kernel, gradient in zip(kernels, tape.gradient(loss, kernels), strict=True):
            kernel.assign_sub(0.1 * gradient)

    step(X, y)


FITS: dict[str, Callable[[np.ndarray, np.ndarray, int], None]] = {
    "sk-mnist, one architecture": fit_same,
    "sk-mnist, partial_fit of 1 to 31 rows": fit_parts,
    "sk-mnist, another architecture each": fit_varied,
    "sk-mnist, another each, with a callback": fit_varied_with_callbacks,
    "sk-mnist, another each, compiled by XLA": fit_varied_with_xla,
    "Keras, another architecture each": fit_keras,
    "a plain tf.function, another shape each": call_function,
}

if __name__ == "__main__":
    main()
