"""
Time of a training, side by side
================================

Train 784-128-64-32-10 with Adam on MNIST, as users of sk-mnist, scikeras, Keras, scikit-learn, skorch and PyTorch
would, and compare the time from the call of ``fit`` to its return: compiling is in it, importing is not. The accuracy
on the 10,000 test images stands beside it. Each training has a process of its own, and the peers take turns::

    python examples/benchmarks/training.py --quick              # under 3 minutes
    python examples/benchmarks/training.py                      # batches of 32 and 128, 10 epochs, 3 rounds
    python examples/benchmarks/training.py --batch-size 32 --rounds 5 --peers Keras "PyTorch loop"
    python examples/benchmarks/training.py --until-accuracy 0.9733 --rounds 5

The last compares the time in which Keras' default ``fit`` (batches of 32, Adam with 1e-3) first ends an epoch at that
accuracy on the test images with that of a whole fit with the recipe "fast". Each round has its own seed.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from _harness import OURS, PEERS, by_turns, count, in_new_process, load_mnist, make_parser, mnist_files, parse, report
from _peers import KerasFit, import_libraries, make_classifier

FULL = {"rounds": 3, "epochs": 10, "rows": 60_000, "batch_size": [32, 128]}
QUICK = {"rounds": 2, "epochs": 2, "rows": 20_000}

# The most that our time may be of a peer's, by batch size, for 10 epochs on all rows.
BARS = {
    32: {"scikeras": 0.30, "Keras": 0.40, "scikit-learn": 0.30, "skorch": 0.55, "PyTorch loop": 0.95},
    128: {"scikeras": 0.30, "Keras": 0.45, "scikit-learn": 0.30, "skorch": 0.65, "PyTorch loop": 1.0},
}
FAST_BAR = 0.25
FAST_PEER = "Keras, until it gets there"
FAST_OURS = f'{OURS} (recipe "fast")'
# An epoch at which Keras has not got there by then is not worth waiting for.
MAX_EPOCHS = 60


def main() -> None:
    """Measure, print and write."""
    parser = make_parser(__doc__, FULL, QUICK)
    parser.add_argument("--until-accuracy", type=float, help="time to this accuracy on the test images, as 0.9733")
    options = parse(parser, list(PEERS))
    if options.until_accuracy:
        compare_until(options)
    else:
        compare_trainings(options)


def compare_trainings(options: Any) -> None:
    """Measure the same training by every peer."""
    results, bars = [], {}
    with mnist_files() as data:
        for batch_size in options.batch_size:
            work = f"{count(options.epochs, 'epoch')}, batch {batch_size}, {count(options.rows, 'row')}"
            bars |= {(work, peer): bar for peer, bar in BARS.get(batch_size, {}).items()}

            def measure(peer: str, seed: int, batch_size: int = batch_size) -> dict:
                return in_new_process(train, peer, data, options.rows, options.epochs, batch_size, seed)

            results += by_turns(work, options.peers, options.rounds, measure)
    report("training", results, bars, options)


def train(peer: str, data: Path, n_rows: int, epochs: int, batch_size: int, seed: int) -> dict:
    """Train once; seconds, accuracy on the test images."""
    import_libraries(peer)
    X, y = load_mnist(data, "train", n_rows)
    classifier = make_classifier(peer, epochs=epochs, batch_size=batch_size, seed=seed)
    start = time.perf_counter()
    classifier.fit(X, y)
    seconds = time.perf_counter() - start
    X_test, y_test = load_mnist(data, "test")
    return {"seconds": seconds, "accuracy": float(np.mean(classifier.predict(X_test) == y_test))}


def compare_until(options: Any) -> None:
    """Measure how long Keras takes to an accuracy, and how long our fast recipe takes altogether."""
    from sk_mnist.pipeline import RECIPES

    if "fast" not in RECIPES:
        print('This version of sk-mnist has no recipe "fast", so there is nothing to compare.')
        return
    target, rows = options.until_accuracy, options.rows
    work = f"to {target:.2%} on the test images, {rows:,} rows"
    with mnist_files() as data:

        def measure(peer: str, seed: int) -> dict:
            if peer == FAST_OURS:
                return in_new_process(train_fast, data, rows, seed)
            return in_new_process(train_until, data, rows, target, seed)

        results = by_turns(work, [FAST_OURS, FAST_PEER], options.rounds, measure)
    options.settings["until_accuracy"] = target
    report("training_until", results, {(work, FAST_PEER): FAST_BAR}, options)
    for result in results:
        reached = sum(accuracy >= target for accuracy in result.accuracy)
        print(f"{result.peer}: {reached} of {len(result.accuracy)} seeds reached {target:.2%}")


def train_fast(data: Path, n_rows: int, seed: int) -> dict:
    """Fit our Pipeline with the recipe "fast"; seconds, accuracy on the test images."""
    import_libraries(OURS)
    from sk_mnist import make_mnist_pipeline

    X, y = load_mnist(data, "train", n_rows)
    pipeline = make_mnist_pipeline("fast", random_state=seed)
    start = time.perf_counter()
    pipeline.fit(X, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": pipeline.score(*load_mnist(data, "test"))}


def train_until(data: Path, n_rows: int, target: float, seed: int) -> dict:
    """Train with Keras until an epoch ends at the accuracy; seconds, not counting those spent looking, and epochs."""
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
            self.model.stop_training = self.accuracies[-1] >= target
            self.seconds_looking += time.perf_counter() - start

    callback = StopThere()
    start = time.perf_counter()
    classifier.fit(X, y, callbacks=[callback])
    seconds = time.perf_counter() - start - callback.seconds_looking
    return {"seconds": seconds, "accuracy": callback.accuracies[-1], "epochs": len(callback.accuracies)}


if __name__ == "__main__":
    main()
