"""
The cost of distorting the training images
==========================================

Time an epoch of 784-128-64-32-10 on MNIST in batches of 256 with ``augmentation="elastic"``, with ``"affine"``, with
``["elastic", RandomInk()]`` and without, and an epoch of Keras with its defaults: batches of 32, no distortions. Each
training runs twice in its own process. The time is that of the second run, in which nothing is compiled. The accuracy
on the 10,000 test images is that of the first run.

Then time the distortions alone, in sk-mnist, Keras, SciPy, OpenCV and torchvision. The slow ones distort fewer images,
and their time is scaled. The kinds of distortion differ, so this compares speed, not benefit::

    python examples/benchmarks/augmentation.py --quick          # under 3 minutes
    python examples/benchmarks/augmentation.py                  # 10 epochs, 3 rounds
    python examples/benchmarks/augmentation.py --check          # exit status 1 if a target is missed
    python examples/benchmarks/augmentation.py --groups         # the cost of sharing distortions

In training, up to 16 images share a distortion. ``--groups`` trains with groups of 1, 4, 16 and 64 images for 40
epochs, or the number given, on all but the last sixth of the training images, and scores on that sixth. Each round has
its own seed. It also measures the gradient noise: the variance of the gradient at fixed weights, divided by the
variance with one distortion per image.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from _measure import Result, by_turns, format_seconds, in_new_process, load_mnist, mnist_files, seconds_of
from _options import BenchmarkParser
from _peers import N_FEATURES, OURS, import_libraries, make_classifier
from _report import count, exit_status, print_table, report

FULL = {"rounds": 3, "epochs": 10, "rows": 60_000}
QUICK = {"rounds": 1}
PEERS = [OURS, "Keras", "SciPy", "OpenCV", "torchvision"]

# As in the recipe "robust"; 10 epochs of 60,000 rows are then long enough to be compiled by XLA.
BATCH_SIZE = 256
SHAPE = (28, 28)


class Training(NamedTuple):
    """The peer that trains, its batch size and its distortions."""

    peer: str
    batch_size: int
    augmentation: str | None = None
    has_ink: bool = False


WITH_INK = f"{OURS}, elastic and ink"
NO_WARPS = f"{OURS}, no distortions"
KERAS_DEFAULTS = "Keras (no distortions, batch 32)"
# The name before a comma or parenthesis is the peer. Only the first line is compared with the others.
TRAININGS = {
    f"{OURS} (elastic)": Training(OURS, BATCH_SIZE, "elastic"),
    f"{OURS}, affine": Training(OURS, BATCH_SIZE, "affine"),
    WITH_INK: Training(OURS, BATCH_SIZE, "elastic", has_ink=True),
    NO_WARPS: Training(OURS, BATCH_SIZE),
    KERAS_DEFAULTS: Training("Keras", 32),
}
# Upper bounds on the time of an epoch with elastic distortions divided by that of others.
TARGETS = {NO_WARPS: 1.5, KERAS_DEFAULTS: 1.0}

GROUP_SIZES = (1, 4, 16, 64)
GROUP_EPOCHS = 40
# Epochs of the network at whose weights gradients are computed, and the number of blocks, of 16 batches each, to use.
GRADIENT_EPOCHS = 10
N_GRADIENT_BLOCKS = 40

# Peers bend images by smoothed noise: standard deviation in pixels, and the factor that gives displacements of rms 1.
SMOOTHING = 4.0
NOISE_FACTOR = 25.0
# Keras builds a graph with a copy of its operations for each image of a batch.
KERAS_BATCH_SIZE = 64


def main() -> int:
    """Measure, print and write; return the exit status."""
    parser = BenchmarkParser(__doc__, FULL, quick=QUICK, peers=PEERS, has_targets=True)
    parser.add_argument(
        "--groups",
        type=int,
        nargs="?",
        const=GROUP_EPOCHS,
        metavar="EPOCHS",
        help=f"compare sizes of the groups that share a distortion, in trainings of this many epochs ({GROUP_EPOCHS})",
    )
    options = parser.parse_options()
    if options.groups is None:
        return compare_times(options)
    if options.check:
        parser.error("--check has no targets for --groups")
    return compare_groups(options)


def compare_times(options: argparse.Namespace) -> int:
    """Time epochs, then the distortions alone."""
    training_work = f"an epoch of {count(options.rows, 'row')}, in the second of two trainings of {options.epochs}"
    distorting_work = f"distorting {count(options.rows, 'image')} once"
    with mnist_files() as data:
        ways = [way for way, training in TRAININGS.items() if training.peer in options.peers]
        measure = partial(in_new_process, train, data=data, n_rows=options.rows, epochs=options.epochs)
        trainings = by_turns(training_work, ways, options.rounds, measure)
        ways = [way for way, distortion in DISTORTIONS.items() if distortion.peer in options.peers]
        measure = partial(in_new_process, distort, data=data, n_rows=options.rows)
        distortings = by_turns(distorting_work, ways, options.rounds, measure)
    speeds = {result.peer: options.rows / median(result.seconds) for result in distortings}
    targets = {(training_work, way): target for way, target in TARGETS.items()}
    outcomes = report(
        "augmentation", trainings + distortings, targets, options, log_scale=True, extra={"images_per_second": speeds}
    )
    print_first_epochs(trainings)
    print_speeds(distortings, speeds)
    return exit_status(outcomes, options)


def train(way: str, seed: int, *, data: Path, n_rows: int, epochs: int) -> dict:
    """Train twice in one process; return seconds per epoch of both, and the test accuracy of the first."""
    training = TRAININGS[way]
    import_libraries(training.peer)
    X, y = load_mnist(data, "train", n_rows)
    classifier = make_classifier(training.peer, epochs=epochs, batch_size=training.batch_size, seed=seed)
    if training.peer == OURS:
        from sk_mnist import RandomInk

        augmentation = [training.augmentation, RandomInk()] if training.has_ink else training.augmentation
        classifier.set_params(augmentation=augmentation)
    first = seconds_of(partial(classifier.fit, X, y)) / epochs
    X_test, y_test = load_mnist(data, "test")
    accuracy = float(np.mean(classifier.predict(X_test) == y_test))
    second = seconds_of(partial(classifier.fit, X, y)) / epochs
    return {"seconds": second, "accuracy": accuracy, "first_epoch_seconds": first}


def distort(way: str, seed: int, *, data: Path, n_rows: int) -> dict:
    """Distort images; return seconds scaled to all rows, the number of images, and how much they changed."""
    distortion = DISTORTIONS[way]
    X, _ = load_mnist(data, "train", n_rows)
    n_images = max(KERAS_BATCH_SIZE, n_rows // distortion.share // KERAS_BATCH_SIZE * KERAS_BATCH_SIZE)
    images = X[:n_images].reshape(-1, *SHAPE)
    work = distortion.prepare(seed)
    work(images[:KERAS_BATCH_SIZE])  # imports, compiles and fills caches
    distorted: list[np.ndarray] = []
    seconds = seconds_of(lambda: distorted.append(work(images)))
    return {
        "seconds": seconds * n_rows / n_images,
        "images": n_images,
        "ink": float(distorted[0].mean() / images.mean()),
        "changed_images": float(np.mean(np.abs(distorted[0] - images).max(axis=(1, 2)) > 0.1)),
    }


def warp_each(seed: int) -> Callable:
    """RandomWarp, with one distortion per image."""
    from sk_mnist import RandomWarp

    return partial(RandomWarp().transform, random_state=seed)


def warp_groups(seed: int) -> Callable:
    """RandomWarp in blocks of rows, as training uses it."""
    from sk_mnist import RandomWarp
    from sk_mnist.augmentation import count_shared_warps, warp_rows

    generator = np.random.default_rng(seed)

    def warp(images: np.ndarray) -> np.ndarray:
        rows, n = images.reshape(len(images), -1), block_rows()
        blocks = [rows[start : start + n] for start in range(0, len(rows), n)]
        blocks = [
            warp_rows(RandomWarp(), block, SHAPE, generator, n_warps=count_shared_warps(len(block))) for block in blocks
        ]
        return np.concatenate(blocks).reshape(images.shape)

    return warp


def block_rows() -> int:
    """Rows that training distorts at a time."""
    from sk_mnist.neural_network._batches import count_batches

    return BATCH_SIZE * count_batches(BATCH_SIZE, 4 * N_FEATURES, use_xla=True)


def keras_elastic(seed: int) -> Callable:
    """Keras' layer in a compiled function; without one, it takes 20 times as long."""
    import keras
    import tensorflow as tf

    # factor=1.0 would distort half of the images, and scale=1.0 by a random part of the strength.
    layer = keras.layers.RandomElasticTransform(
        factor=(1.0, 1.0), scale=(1.0, 1.0), fill_mode="constant", value_range=(0, 1), seed=seed
    )
    function = tf.function(partial(layer, training=True))

    def warp(images: np.ndarray) -> np.ndarray:
        batches = images.reshape(-1, KERAS_BATCH_SIZE, *SHAPE, 1)
        return np.concatenate([function(tf.constant(batch)).numpy() for batch in batches])[..., 0]

    return warp


def scipy_loop(seed: int) -> Callable:
    """Gaussian-filtered noise and map_coordinates, image by image."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    generator = np.random.default_rng(seed)
    grid = np.indices(SHAPE, dtype=np.float32)

    def warp_one(image: np.ndarray) -> np.ndarray:
        noise = generator.random((2, *SHAPE), dtype=np.float32) * 2 - 1
        bend = gaussian_filter(noise, (0, SMOOTHING, SMOOTHING)) * NOISE_FACTOR
        return map_coordinates(image, grid + bend, order=1)

    return lambda images: np.stack([warp_one(image) for image in images])


def opencv_loop(seed: int) -> Callable:
    """The same with OpenCV's functions."""
    import cv2

    generator = np.random.default_rng(seed)
    grid = np.indices(SHAPE, dtype=np.float32)[::-1].transpose(1, 2, 0).copy()  # columns first

    def warp_one(image: np.ndarray) -> np.ndarray:
        noise = generator.random((*SHAPE, 2), dtype=np.float32) * 2 - 1
        bend = cv2.GaussianBlur(noise, (0, 0), SMOOTHING) * NOISE_FACTOR
        return cv2.remap(image, grid + bend, None, cv2.INTER_LINEAR)

    return lambda images: np.stack([warp_one(image) for image in images])


def torchvision_loop(seed: int) -> Callable:
    """ElasticTransform with its defaults, image by image, because the images of a batch would share one distortion."""
    import torch
    from torchvision.transforms.v2 import ElasticTransform

    torch.manual_seed(seed)
    elastic = ElasticTransform()
    return lambda images: torch.cat([elastic(image[None]) for image in torch.from_numpy(images)]).numpy()


class Distortion(NamedTuple):
    """A way to distort images.

    Attributes
    ----------
    peer : str
        The library.
    prepare : callable
        Takes a seed and returns a function that distorts images of shape (n_images, 28, 28).
    share : int
        One in this many rows is distorted, and the time is scaled.
    does : str
        Description of the distortion.
    """

    peer: str
    prepare: Callable[[int], Callable[[np.ndarray], np.ndarray]]
    share: int
    does: str


DISTORTIONS = {
    f"{OURS} (RandomWarp.transform)": Distortion(OURS, warp_each, 1, "affine and elastic"),
    f"{OURS}, as in training": Distortion(OURS, warp_groups, 1, "affine and elastic; up to 16 images share one"),
    "Keras (RandomElasticTransform)": Distortion(
        "Keras", keras_elastic, 10, "elastic, along a diagonal, 64 images at a time"
    ),
    "SciPy (map_coordinates)": Distortion("SciPy", scipy_loop, 10, "elastic, smoothed noise, in a loop"),
    "OpenCV (remap)": Distortion("OpenCV", opencv_loop, 1, "elastic, smoothed noise, in a loop"),
    "torchvision (ElasticTransform)": Distortion(
        "torchvision", torchvision_loop, 10, "elastic, smoothed noise, in a loop"
    ),
}


def print_first_epochs(trainings: list[Result]) -> None:
    """Print the times of first trainings, which include compiling."""
    rows = [
        [result.peer, format_seconds(median(details["first_epoch_seconds"] for details in result.details))]
        for result in trainings
    ]
    print_table("seconds per epoch of the first training in a process, with compiling", ["", "median"], rows)


def print_speeds(distortings: list[Result], speeds: dict[str, float]) -> None:
    """Print images per second, and the kinds of distortion."""
    rows = [
        [result.peer, DISTORTIONS[result.peer].does, f"{result.details[0]['images']:,}", f"{speeds[result.peer]:,.0f}"]
        for result in distortings
    ]
    print_table("images per second", ["", "distortion", "measured on", "images/s"], rows, n_names=2)


def compare_groups(options: argparse.Namespace) -> int:
    """Measure how shared distortions affect accuracy and gradients."""
    n_scored = options.rows // 6
    work = (
        f"{count(options.groups, 'epoch')} on {options.rows - n_scored:,} rows, scored on the {n_scored:,} after them"
    )
    sizes = {f"{OURS} (groups of {size})": size for size in GROUP_SIZES}
    with mnist_files() as data:

        def measure(way: str, seed: int) -> dict:
            return in_new_process(train_in_groups, sizes[way], seed, data, options.rows, n_scored, options.groups)

        results = by_turns(work, list(sizes), options.rounds, measure)
        noise = in_new_process(gradient_noise, data, options.rows, GRADIENT_EPOCHS, N_GRADIENT_BLOCKS)
    relative = {size: relative_variances(noise[size], noise[GROUP_SIZES[0]]) for size in GROUP_SIZES}
    options.settings["groups"] = options.groups
    report("augmentation_groups", results, {}, options, extra={"relative_gradient_variances": relative})
    columns = ["images that share one", "accuracy, mean", "standard error", "variance, batch", "variance, 16 batches"]
    rows = [
        [
            str(size),
            f"{mean(result.accuracy):.2%}",
            f"{np.std(result.accuracy, ddof=1) / len(result.accuracy) ** 0.5:.2%}" if options.rounds > 1 else "",
            *(f"{ratio:.3f} ± {error:.3f}" for ratio, error in relative[size]),
        ]
        for size, result in zip(GROUP_SIZES, results, strict=True)
    ]
    print_table(work, columns, rows)
    print("  variance: of the gradient, divided by that with a distortion for each image, ± standard error")
    return 0


def train_in_groups(size: int, seed: int, data: Path, n_rows: int, n_scored: int, epochs: int) -> dict:
    """Train with a group size; return seconds, and the accuracy on the last rows."""
    X, y = load_mnist(data, "train", n_rows)
    classifier = elastic_classifier(epochs, seed)
    with group_size(size):
        seconds = seconds_of(lambda: classifier.fit(X[:-n_scored], y[:-n_scored]))
    return {"seconds": seconds, "accuracy": classifier.score(X[-n_scored:], y[-n_scored:])}


def elastic_classifier(epochs: int, seed: int) -> Any:
    """Return our unfitted classifier, with elastic distortions."""
    import_libraries(OURS)
    classifier = make_classifier(OURS, epochs=epochs, batch_size=BATCH_SIZE, seed=seed)
    return classifier.set_params(augmentation="elastic", learning_rate_schedule="cosine")


def group_size(size: int) -> Any:
    """Return a context in which trainings distort groups of this size."""
    from sk_mnist import augmentation

    return mock.patch.object(augmentation, "count_shared_warps", lambda n_rows: -(-n_rows // size))


def gradient_noise(data: Path, n_rows: int, epochs: int, n_blocks: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Compute gradients at the weights of a trained network for each group size, as input of ``relative_variances``.

    All group sizes see the same rows in the same order. One block is distorted at a time: its batches share
    distortions, but within a batch all can differ.

    Returns
    -------
    noise : dict from int to (ndarray of shape (n_blocks,), ndarray of shape (n_blocks, n_blocks))
        Mean square of the gradients of the batches in each block, and the products of the blocks' mean gradients.
    """
    from sk_mnist import RandomWarp
    from sk_mnist.augmentation import warp_rows

    X, y = load_mnist(data, "train", n_rows)
    network = elastic_classifier(epochs, seed=0).fit(X, y)
    noise = {}
    for size in GROUP_SIZES:
        orders, generator = np.random.default_rng(0), np.random.default_rng(1)
        squares, means = [], []
        for _ in range(n_blocks):
            rows = orders.choice(len(X), block_rows())
            warped = warp_rows(RandomWarp(), X[rows], SHAPE, generator, n_warps=len(rows) // size)
            batches = [slice(start, start + BATCH_SIZE) for start in range(0, len(rows), BATCH_SIZE)]
            gradients = [gradient(network, warped[batch], y[rows[batch]]) for batch in batches]
            squares.append(np.mean([vector @ vector for vector in gradients]))
            means.append(np.mean(gradients, axis=0))
        means = np.stack(means)
        noise[size] = np.array(squares, float), (means @ means.T).astype(float)
    return noise


def relative_variances(noise: tuple, reference: tuple) -> list[tuple[float, float]]:
    """Variances of a batch's gradient and of a block's mean, divided by reference variances; with standard errors."""
    n_blocks = len(noise[0])
    everything = np.arange(n_blocks)
    ratios = variances(*noise, everything) / variances(*reference, everything)
    # The jackknife: leave out one block at a time, the same in both.
    others = [np.delete(everything, block) for block in everything]
    left_out = np.array([variances(*noise, rest) / variances(*reference, rest) for rest in others])
    errors = np.sqrt((n_blocks - 1) * left_out.var(axis=0))
    return list(zip(ratios.tolist(), errors.tolist(), strict=True))


def variances(squares: np.ndarray, products: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Variance of a batch's gradient and of a block's mean, summed over all weights, estimated from these blocks."""
    n = len(blocks)
    chosen = products[np.ix_(blocks, blocks)]
    # The mean of the products of different blocks: the square of the expected gradient, without bias.
    signal = (chosen.sum() - np.trace(chosen)) / (n * (n - 1))
    return np.array([squares[blocks].mean(), np.trace(chosen) / n]) - signal


def gradient(network: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the gradient of the mean cross-entropy with respect to all weights of a ReLU network, as one vector."""
    outputs = [X]
    for coef, intercept in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        outputs.append(np.maximum(outputs[-1] @ coef + intercept, 0))
    errors = (network.predict_proba(X) - np.eye(len(network.classes_), dtype=X.dtype)[y]) / len(y)
    parts = []
    for coef, output in zip(reversed(network.coefs_), reversed(outputs), strict=True):
        parts += [(output.T @ errors).ravel(), errors.sum(axis=0)]
        errors = errors @ coef.T * (output > 0)
    return np.concatenate(parts)


if __name__ == "__main__":
    sys.exit(main())
