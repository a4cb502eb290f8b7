"""
Accuracy on changed images
==========================

Score the networks of the recipes on the 10,000 test images and on distorted versions of them: shifted, rotated,
noisy, blurred, with thicker and thinner strokes, and inverted. The networks are those of seed 0 in the files that
``recipes.py --split test`` saves; "reference" and "fast" are trained if they have no file, others are left out. The
test images are scored to report on the networks, not to choose among them. ``--networks`` adds networks from files::

    python examples/benchmarks/robustness.py
    python examples/benchmarks/robustness.py --models sk-mnist-output/networks --output sk-mnist-output
    python examples/benchmarks/robustness.py --images 1000

The script prints a table, and writes it as ``robustness.json`` and as a picture, ``robustness.png``.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from _measure import describe_environment, show_progress
from _networks import fitted_networks
from _options import BenchmarkParser
from _report import count, print_table
from scipy.ndimage import gaussian_filter, grey_dilation, grey_erosion, rotate

import sk_mnist

SIZES = {"images": 10_000}
SHAPE = (28, 28)

RECIPES = ("reference", "fast", "robust", "wide")

# Up, down, left, right, and the diagonals.
DIRECTIONS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]
STROKE = (1, 3, 3)


def shifted(images: np.ndarray, generator: np.random.Generator, pixels: int) -> np.ndarray:
    """Shift each image in one of 8 directions. Diagonal shifts are by this many pixels both ways."""
    height, width = images.shape[1:]
    framed = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))
    result = np.empty_like(images)
    chosen = generator.integers(len(DIRECTIONS), size=len(images))
    for number, (down, right) in enumerate(DIRECTIONS):
        top, left = pixels * (1 - down), pixels * (1 - right)
        rows = chosen == number
        result[rows] = framed[rows, top : top + height, left : left + width]
    return result


def rotated(images: np.ndarray, generator: np.random.Generator, degrees: float) -> np.ndarray:
    """Rotate each image to the left or to the right, with bilinear interpolation."""
    left = generator.random(len(images)) < 0.5
    result = np.empty_like(images)
    for rows, angle in ((left, degrees), (~left, -degrees)):
        result[rows] = rotate(images[rows], angle, axes=(2, 1), reshape=False, order=1)
    return result


def noisy(images: np.ndarray, generator: np.random.Generator, sd: float) -> np.ndarray:
    """Add Gaussian noise to each pixel, and clip."""
    return np.clip(images + sd * generator.standard_normal(images.shape, dtype=np.float32), 0, 1)


def blurred(images: np.ndarray, _generator: np.random.Generator, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of this standard deviation in pixels."""
    return gaussian_filter(images, (0, sigma, sigma))


def thickened(images: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    """Replace each pixel by the brightest of the 3 x 3 pixels around it."""
    return grey_dilation(images, STROKE)


def thinned(images: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    """Replace each pixel by the darkest of the 3 x 3 pixels around it, which nearly erases thin strokes."""
    return grey_erosion(images, STROKE)


def inverted(images: np.ndarray, _generator: np.random.Generator) -> np.ndarray:
    """Swap black and white."""
    return 1 - images


Change = Callable[..., np.ndarray]
# Names of the distortions, with their functions and amounts.
CHANGES: dict[str, tuple[Change, tuple]] = {
    "shifted by {} px": (shifted, (1, 2, 3, 4)),
    "rotated by {}°": (rotated, (5, 10, 20, 30)),
    "noise, sd {}": (noisy, (0.1, 0.2, 0.4)),
    "blurred, sigma {} px": (blurred, (0.5, 1.0, 1.5)),
    "strokes thickened": (thickened, ()),
    "strokes thinned": (thinned, ()),
    "inverted": (inverted, ()),
}


def distorted_versions(images: np.ndarray, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Distort images in all ways, one at a time.

    Parameters
    ----------
    images : ndarray of float32 of shape (n_images, height, width)
        Pixels in [0, 1] on a background of 0.
    seed : int, default=0
        Seeds directions and noise. Each version has its own generator.

    Yields
    ------
    name : str
        Name of the distortion; the first is "as they are".
    distorted : ndarray of float32 of shape (n_images, height, width)
        Pixels in [0, 1].
    """
    yield "as they are", images
    for name, (change, amounts) in CHANGES.items():
        for amount in amounts or (None,):
            arguments = () if amount is None else (amount,)
            yield name.format(amount), change(images, np.random.default_rng(seed), *arguments)


def accuracies(classifier: Any, images: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Accuracy of a fitted classifier, which takes rows of pixels in [0, 1], by distortion."""
    return {
        name: float(np.mean(classifier.predict(distorted.reshape(len(distorted), -1)) == y))
        for name, distorted in distorted_versions(images)
    }


def main() -> None:
    """Score, print and write."""
    parser = BenchmarkParser(__doc__, SIZES)
    output = Path("sk-mnist-output")
    parser.add_argument(
        "--models", type=Path, default=output / "networks", help="where recipes.py saves networks (%(default)s)"
    )
    parser.add_argument("--networks", type=Path, nargs="+", default=[], help="files of other networks to score")
    parser.add_argument("--output", type=Path, default=output, help="directory of the files written (%(default)s)")
    options = parser.parse_options()
    X, y = sk_mnist.fetch_mnist(subset="test", return_X_y=True)
    images, y = X[: options.images].reshape(-1, *SHAPE), y[: options.images]
    networks = dict(fitted_networks(RECIPES, options.models))
    networks |= {path.stem: sk_mnist.load(path) for path in options.networks}
    networks["pretrained"] = sk_mnist.load_pretrained()
    results = {}
    for name, classifier in networks.items():
        show_progress(f"scoring {name}")
        results[name] = accuracies(classifier, images, y)
    print_accuracies(results, options)
    options.output.mkdir(parents=True, exist_ok=True)
    write_json(options.output / "robustness.json", results, options)
    if util.find_spec("matplotlib") is None:
        print("matplotlib is not installed, so there is no picture: pip install matplotlib")
    else:
        draw(options.output / "robustness.png", results, options)


def print_accuracies(results: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print a row for each distortion, and a column for each network."""
    rows = [[name, *(f"{result[name]:.2%}" for result in results.values())] for name in next(iter(results.values()))]
    title = f"accuracy on {count(options.images, 'test image')}, scored for this report only"
    print_table(title, ["", *results], rows)


def write_json(path: Path, results: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Write accuracies by network and distortion."""
    content = {
        "benchmark": "robustness",
        "settings": options.settings,
        "environment": describe_environment(),
        "accuracy": results,
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten: {path}")


def draw(path: Path, results: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Draw a line for each distortion, with the share of wrong answers of each network."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(next(iter(results.values())))
    figure = Figure(figsize=(9, 0.3 * len(names) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for (network, accuracy), marker in zip(results.items(), itertools.cycle("os^Dv<>*"), strict=False):
        # A network without mistakes is drawn as if it had one, because the scale is logarithmic.
        wrong = [100 * max(1 - accuracy[name], 1 / options.images) for name in names]
        axes.plot(wrong, range(len(names)), marker, markersize=7, markerfacecolor="none", markeredgewidth=1.4,
                  label=network)  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"wrong answers on {count(options.images, 'test image')}, in %")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(color="0.85")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=len(results), frameon=False)
    figure.savefig(path, dpi=150)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
