"""
Training time, side by side
===========================

Train 784-128-64-32-10 with Adam on MNIST, as users of sk-mnist, scikeras, Keras, scikit-learn, skorch and PyTorch
would, and compare the time of ``fit``. It includes compiling, but not importing. The accuracy on the 10,000 test images
is printed next to it. Each training has its own process, and the peers take turns::

    python examples/benchmarks/training.py --quick              # under 3 minutes
    python examples/benchmarks/training.py       # 10 epochs in batches of 32 and 128, 5 in batches of 128, 3 rounds
    python examples/benchmarks/training.py --batch-size 32 --rounds 5 --peers Keras "PyTorch loop"
    python examples/benchmarks/training.py --until-accuracy 0.9733 --rounds 5
    python examples/benchmarks/training.py --check              # exit status 1 if a target is missed

``--until-accuracy`` compares the time of a whole fit with the recipe "fast" with the time in which Keras' default
``fit`` (batches of 32, Adam with 1e-3) first ends an epoch at that accuracy on the test images. Each round has its own
seed.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _measure import by_turns, in_new_process, load_mnist, mnist_files, seconds_of
from _options import BenchmarkParser
from _peers import IMPORTS, OURS, KerasFit, import_libraries, make_classifier
from _report import count, exit_status, report

FULL = {"rounds": 3, "epochs": 10, "rows": 60_000, "batch_size": [32, 128]}
QUICK = {"rounds": 2, "epochs": 2, "rows": 20_000}

# Epochs and batch size of a shorter training, in which compiling weighs more. It is left out of reduced work.
SHORT = (5, 128)

# Upper bounds on our time divided by a peer's, by epochs and batch size, on all rows.
TARGETS = {
    (10, 32): {"scikeras": 0.30, "Keras": 0.40, "scikit-learn": 0.30, "skorch": 0.55, "PyTorch loop": 0.95},
    (10, 128): {"scikeras": 0.30, "Keras": 0.45, "scikit-learn": 0.30, "skorch": 0.65, "PyTorch loop": 1.0},
    SHORT: {"scikit-learn": 0.60, "PyTorch loop": 0.70},
}
# The same for a whole fit of our fast recipe, divided by Keras' time to the published accuracy.
FAST_TARGET = 0.25
FAST_ACCURACY = 0.9733
FAST_PEER = "Keras, until it gets there"
FAST_OURS = f'{OURS} (recipe "fast")'
# Keras stops after this many epochs, even if it has not reached the accuracy.
MAX_EPOCHS = 60


def main() -> int:
    """Measure, print and write; return the exit status."""
    parser = BenchmarkParser(__doc__, FULL, quick=QUICK, peers=list(IMPORTS), has_targets=True)
    parser.add_argument(
        "--until-accuracy", type=float, help=f"time to this accuracy on the test images, such as {FAST_ACCURACY}"
    )
    options = parser.parse_options()
    if not options.until_accuracy:
        return compare_trainings(options)
    if options.check and options.until_accuracy != FAST_ACCURACY:
        parser.error(f"--check needs --until-accuracy {FAST_ACCURACY}, which the target is set for")
    return compare_until(options)


def compare_trainings(options: argparse.Namespace) -> int:
    """Measure the same training by every peer."""
    results, targets = [], {}
    with mnist_files() as data:
        trainings = [(options.epochs, batch_size) for batch_size in options.batch_size]
        if SHORT[1] in options.batch_size and not options.is_reduced:
            trainings.append(SHORT)
        for epochs, batch_size in trainings:
            work = f"{count(epochs, 'epoch')}, batch {batch_size}, {count(options.rows, 'row')}"
            targets |= {(work, peer): target for peer, target in TARGETS.get((epochs, batch_size), {}).items()}
            measure = partial(
                in_new_process, train, data=data, n_rows=options.rows, epochs=epochs, batch_size=batch_size
            )
            results += by_turns(work, options.peers, options.rounds, measure)
    return exit_status(report("training", results, targets, options), options)


def train(peer: str, seed: int, *, data: Path, n_rows: int, epochs: int, batch_size: int) -> dict:
    """Train once; return seconds and test accuracy."""
    import_libraries(peer)
    X, y = load_mnist(data, "train", n_rows)
    classifier = make_classifier(peer, epochs=epochs, batch_size=batch_size, seed=seed)
    seconds = seconds_of(partial(classifier.fit, X, y))
    X_test, y_test = load_mnist(data, "test")
    return {"seconds": seconds, "accuracy": float(np.mean(classifier.predict(X_test) == y_test))}


def compare_until(options: argparse.Namespace) -> int:
    """Measure the time of Keras to an accuracy, and of a whole fit of our fast recipe."""
    accuracy = options.until_accuracy
    work = f"to {accuracy:.2%} on the test images, {options.rows:,} rows"
    with mnist_files() as data:
        measure = partial(in_new_process, train_until, data=data, n_rows=options.rows, accuracy=accuracy)
        results = by_turns(work, list(UNTIL), options.rounds, measure)
    options.settings["until_accuracy"] = accuracy
    outcomes = report("training_until", results, {(work, FAST_PEER): FAST_TARGET}, options)
    for result in results:
        reached = sum(value >= accuracy for value in result.accuracy)
        print(f"{result.peer}: {reached} of {len(result.accuracy)} seeds reached {accuracy:.2%}")
    return exit_status(outcomes, options)


def train_until(peer: str, seed: int, *, data: Path, n_rows: int, accuracy: float) -> dict:
    """Train to an accuracy with a peer; return seconds and test accuracy."""
    return UNTIL[peer](data, n_rows, accuracy, seed)


def train_fast(data: Path, n_rows: int, accuracy: float, seed: int) -> dict:
    """Fit our Pipeline with the recipe "fast", whatever accuracy that gives."""
    import_libraries(OURS)
    from sk_mnist import make_mnist_pipeline

    pipeline = make_mnist_pipeline("fast", random_state=seed)
    seconds = seconds_of(partial(pipeline.fit, *load_mnist(data, "train", n_rows)))
    return {"seconds": seconds, "accuracy": pipeline.score(*load_mnist(data, "test"))}


def train_keras_until(data: Path, n_rows: int, accuracy: float, seed: int) -> dict:
    """Train with Keras until an epoch ends at the accuracy; return epochs, and seconds without those for scoring."""
    import_libraries("Keras")
    import keras

    X, y = load_mnist(data, "train", n_rows)
    X_test, y_test = load_mnist(data, "test")
    classifier = KerasFit(epochs=MAX_EPOCHS, batch_size=32, learning_rate=1e-3, seed=seed)

    class StopThere(keras.callbacks.Callback):
        accuracies: list[float] = []  # noqa: RUF012 (there is one instance)
        seconds_looking = 0.0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            start = time.perf_counter()
            self.accuracies.append(float(np.mean(classifier.predict(X_test) == y_test)))
            self.model.stop_training = self.accuracies[-1] >= accuracy
            self.seconds_looking += time.perf_counter() - start

    callback = StopThere()
    seconds = seconds_of(partial(classifier.fit, X, y, callbacks=[callback])) - callback.seconds_looking
    return {"seconds": seconds, "accuracy": callback.accuracies[-1], "epochs": len(callback.accuracies)}


UNTIL = {FAST_OURS: train_fast, FAST_PEER: train_keras_until}

if __name__ == "__main__":
    sys.exit(main())
