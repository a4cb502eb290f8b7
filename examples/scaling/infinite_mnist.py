"""
Infinite MNIST: a stream of distorted digits
============================================

Train the reference network on an endless stream: the 60,000 training images, with new distortions in every pass, so
that no row is seen twice. Rows are made when they are needed and never stored, so memory does not grow with their
number. Separate networks are trained on 125,000, 250,000, ... and 8,000,000 rows, and scored once on the test images::

    python examples/scaling/infinite_mnist.py                 # about 6 minutes on 2 cores
    python examples/scaling/infinite_mnist.py --rows 500000   # a trial in less than a minute

The network is saved every 500,000 rows. If the script is killed, even by SIGKILL, run the same command again: it
resumes, and ends with the same weights.
"""

import argparse
import json
import math
import resource
import sys
from pathlib import Path

from sk_mnist import KerasMLPClassifier, RandomWarp, fetch_mnist, load, save, start_tensorflow

ROWS = 8_000_000
N_SIZES = 7  # each is half of the next
BLOCK_ROWS = 10_000
SAVED_EVERY = 500_000
# Those of the trainings "warps" in benchmarks/recipes.py.
LEARNING_RATE = 2e-3
BATCH_SIZE = 256

# Errors of Vowpal Wabbit's neural network on the test images, after training on the 8.1 million distorted digits of
# MNIST8M, from demo/mnist/README of two of its versions: 126 and 152 of 10,000.
PUBLISHED = {"Vowpal Wabbit 7.3": 0.0126, "Vowpal Wabbit 8.6.1": 0.0152}
PUBLISHED_ROWS = 8_100_000


def make_block(X, y, number, seed):
    """Return a block of the stream, which depends only on its number and the seed."""
    n_blocks = len(X) // BLOCK_ROWS
    part = slice(BLOCK_ROWS * (number % n_blocks), BLOCK_ROWS * (number % n_blocks + 1))
    return RandomWarp().transform(X[part], random_state=seed * 1_000_000 + number), y[part]


def train(path, n_rows, X, y, seed, saved_every):
    """Train on this many rows of the stream, starting from the saved network if there is one."""
    n_blocks, blocks_per_save = math.ceil(n_rows / BLOCK_ROWS), math.ceil(saved_every / BLOCK_ROWS)
    if path.exists():
        clf = load(path)
    else:
        clf = KerasMLPClassifier(batch_size=BATCH_SIZE, jit_compile=True, random_state=seed)
    # Each call of partial_fit adds one value to the curve, so its length is the number of the next block.
    for number in range(len(getattr(clf, "loss_curve_", ())), n_blocks):
        # As in a fit with the cosine schedule, the rate falls to 0.
        clf.set_params(learning_rate=LEARNING_RATE * (1 + math.cos(math.pi * number / n_blocks)) / 2)
        X_block, y_block = make_block(X, y, number, seed)
        n_left = n_rows - number * BLOCK_ROWS
        clf.partial_fit(X_block[:n_left], y_block[:n_left], classes=range(10))
        if (number + 1) % blocks_per_save == 0 or number + 1 == n_blocks:
            save(clf, path)
    return clf


def peak_mebibytes():
    """Return the peak memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def draw(points, path):
    """Plot the error against the rows."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    rows, errors = [point["rows"] for point in points], [100 * (1 - point["accuracy"]) for point in points]
    axis.plot(rows, errors, "o-", label="784-128-64-32-10, trained on this stream")
    for (name, error), marker in zip(PUBLISHED.items(), "sD", strict=True):
        axis.plot([PUBLISHED_ROWS], [100 * error], marker, color="0.4", label=f"{name} on MNIST8M (published)")
    axis.set(xscale="log", xlabel="rows seen (millions)", ylabel="test error (%)", ylim=(0, None))
    axis.set_xticks(rows, [f"{n_rows / 1e6:g}" for n_rows in rows])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=150)


def main():
    """Parse the options, train the networks, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the longest training (default: 8,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and distortions (default: 0)")
    parser.add_argument(
        "--save-every", type=int, default=SAVED_EVERY, help="rows between saves, in blocks of 10,000 (default: 500,000)"
    )
    output = Path("sk-mnist-output") / "infinite"
    parser.add_argument(
        "--output", type=Path, default=output, help="directory of the files written (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.save_every < 1:
        parser.error(f"--save-every must be at least 1; got {options.save_every}")
    options.output.mkdir(parents=True, exist_ok=True)

    start_tensorflow()
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    print("       rows   test error   peak memory", flush=True)
    points = []
    for n_rows in (max(1, options.rows // 2**k) for k in reversed(range(N_SIZES))):
        path = options.output / f"{n_rows}-rows-{options.seed}.skops"
        clf = train(path, n_rows, X, y, options.seed, options.save_every)
        accuracy = clf.score(X_test, y_test)
        peak = peak_mebibytes()
        print(f"{n_rows:>11,}   {1 - accuracy:>10.2%}   {peak:7.0f} MiB", flush=True)
        points.append({"rows": n_rows, "accuracy": accuracy, "peak_mebibytes": peak})
    for name, error in PUBLISHED.items():
        print(f"{PUBLISHED_ROWS:>11,}   {error:>10.2%}   published: {name}, on MNIST8M")
    (options.output / "infinite_mnist.json").write_text(json.dumps(points, indent=1))
    try:
        draw(points, options.output / "infinite_mnist.png")
    except ImportError:
        print("No plot without matplotlib: pip install matplotlib")


if __name__ == "__main__":
    main()
