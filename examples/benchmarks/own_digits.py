"""
Your own digits: the benefit of the normaliser
==============================================

Turn MNIST's digits into pictures that look like people's own digits: on canvases of any size, anywhere on them, large
and small, dark on light, with thick and thin strokes, blurred, on unevenly lit paper, as JPEG. Then score networks on
them, with :class:`~sk_mnist.DigitImageNormalizer` and with a common alternative: scaling the picture to 28 x 28 pixels.
The networks are the pretrained one and those of seed 0 in the files that ``recipes.py`` saves; "reference" is trained
if it has no file::

    python examples/benchmarks/own_digits.py                       # pictures of 10,000 test images
    python examples/benchmarks/own_digits.py --images 500

For the pretrained network, the script also prints, for several confidences, how many answers with at least that
confidence are wrong, and how many pictures without a digit are taken for one. ``training_pictures.py`` draws capital
letters and scribbles to train on as well, with other fonts and other code. The other kinds are only used here.

``sk_mnist.pretrained.SURE``, the confidence from which an answer counts as sure, was chosen on pictures of the last
10,000 training images, for a network that has not learned from them::

    python examples/benchmarks/ablation.py --only "as shipped" --epochs 900
    python examples/benchmarks/own_digits.py --split validation --images 2000 --network FILE  # where that network is
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measure import show_progress
from _networks import N_VALIDATION, SPLITS, fitted_networks
from _options import BenchmarkParser
from _report import count, print_table
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

import sk_mnist

SIZES = {"images": 10_000}
SIDE = 28
RECIPES = ("reference", "robust")

PRETRAINED = "pretrained"

# Ways to bring a picture to 28 x 28 pixels.
PLAIN, NORMALIZED = " ", "normalised"

# Sides of the canvases, in pixels.
LEAST_CANVAS, LARGEST_CANVAS = 100, 800
Generator = np.random.Generator
CONFIDENCES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
N_NO_DIGITS = 1000


def enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge an image with linear interpolation."""
    return np.clip(zoom(image, factor, order=1, grid_mode=True, mode="grid-constant"), 0, 1)


def with_strokes(image: np.ndarray, change: float, factor: int = 8) -> np.ndarray:
    """Enlarge a digit with sharp strokes, and widen the strokes by a share of their width."""
    large = enlarged(image, factor)
    inside = large > 0.5
    distance = distance_transform_edt(inside) - distance_transform_edt(~inside)
    # A stroke has an edge on both sides, so its width is twice its area divided by the length of its edges.
    width = 2 * large.sum() / np.hypot(*np.gradient(np.pad(large, 1))).sum()
    return np.clip(0.5 + distance + change * width / 2, 0, 1)


def placed(digit: np.ndarray, generator: Generator, side: int | None = None) -> np.ndarray:
    """Put a digit at a random place on a canvas. Its side is random unless given."""
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > 0.05) for axis in (1, 0))
    digit = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(side or generator.integers(LEAST_CANVAS, LARGEST_CANVAS + 1), max(digit.shape) + 4)
    canvas = np.zeros((side, side), dtype=np.float32)
    top, left = (generator.integers(2, side - length - 1) for length in digit.shape)
    canvas[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return canvas


def on_paper(canvas: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw dark ink on paper, in light that falls by 25 % across it, with noise of 3 %."""
    angle = generator.uniform(0, 2 * np.pi)
    down, right = np.linspace(-1, 1, len(canvas))[:, np.newaxis], np.linspace(-1, 1, len(canvas))
    ramp = np.cos(angle) * right + np.sin(angle) * down
    light = 1 - 0.25 * (ramp - ramp.min()) / (ramp.max() - ramp.min())
    noise = 0.03 * generator.standard_normal(canvas.shape)
    return np.clip(light * (1 - 0.85 * canvas) + noise, 0, 1)


def as_jpeg(picture: np.ndarray) -> np.ndarray:
    """Compress as JPEG with a quality of 40."""
    file = io.BytesIO()
    Image.fromarray(as_bytes(picture)).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file)) / 255


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """Round to whole grey levels from 0 to 255."""
    return np.rint(255 * picture).astype(np.uint8)


def blurred(digit: np.ndarray) -> np.ndarray:
    """Blur by 2 % of the height of the digit."""
    margin = len(digit) // 10
    rows = np.flatnonzero(digit.max(axis=1) > 0.05)
    return gaussian_filter(np.pad(digit, margin), 0.02 * (rows[-1] - rows[0]))


# Each function takes an image in [0, 1] and a generator, and returns a picture in [0, 1].
PICTURES: dict[str, Callable[[np.ndarray, Generator], np.ndarray]] = {
    "as they are": lambda image, _: image,
    "canvas of 100 pixels": lambda image, generator: placed(enlarged(image, 2), generator, 100),
    "canvas of 800 pixels": lambda image, generator: placed(enlarged(image, 2), generator, 800),
    "moved": lambda image, generator: placed(image, generator, LEAST_CANVAS),
    "scaled 2 times": lambda image, generator: placed(enlarged(image, 2), generator),
    "scaled 4 times": lambda image, generator: placed(enlarged(image, 4), generator),
    "scaled 8 times": lambda image, generator: placed(enlarged(image, 8), generator),
    "inverted": lambda image, generator: 1 - placed(enlarged(image, 4), generator),
    "strokes 15 % thicker": lambda image, generator: placed(with_strokes(image, 0.15), generator),
    "strokes 15 % thinner": lambda image, generator: placed(with_strokes(image, -0.15), generator),
    "blurred": lambda image, generator: placed(blurred(enlarged(image, 4)), generator),
    "on paper": lambda image, generator: on_paper(placed(enlarged(image, 4), generator), generator),
    "JPEG": lambda image, generator: as_jpeg(1 - placed(enlarged(image, 4), generator)),
    "on paper, JPEG": lambda image, generator: as_jpeg(on_paper(placed(enlarged(image, 4), generator), generator)),
    "cropped": lambda image, _: cropped(enlarged(image, 4)),
    "strokes 60 % thinner": lambda image, generator: placed(with_strokes(image, -0.6), generator),
}
# Left out of the mean: MNIST's own images, and pictures that are unusually hard.
WITHOUT_BAR = ("as they are", "cropped", "strokes 60 % thinner")


def cropped(digit: np.ndarray) -> np.ndarray:
    """Crop a picture to its ink."""
    return digit[np.ix_(digit.any(axis=1), digit.any(axis=0))]


def letter(generator: Generator) -> np.ndarray:
    """Print a capital letter that does not look like a digit."""
    picture = Image.new("L", (200, 200))
    text = str(generator.choice(list("ACEFHJKMNPRTUVWX")))
    font = ImageFont.load_default(int(generator.integers(60, 140)))
    ImageDraw.Draw(picture).text((30, 10), text, fill=255, font=font, stroke_width=int(generator.integers(0, 4)))
    return np.asarray(picture) / 255


def scribble(generator: Generator) -> np.ndarray:
    """Draw a random stroke through 5 to 15 points."""
    picture = Image.new("L", (200, 200))
    points = generator.uniform(30, 170, size=(generator.integers(5, 16), 2))
    ImageDraw.Draw(picture).line([tuple(point) for point in points], fill=255, width=14, joint="curve")
    return np.asarray(picture) / 255


def empty_paper(generator: Generator) -> np.ndarray:
    """Simulate a photograph of empty paper."""
    return on_paper(np.zeros((200, 200)), generator)


def other_letter(generator: Generator) -> np.ndarray:
    """Print a Greek or Cyrillic letter that does not look like a digit."""
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf"
    picture = Image.new("L", (200, 200))
    text = str(generator.choice(list("ΔΞΠΣΨΩαγλμξπЖИЙЛФЦШЩЫЮЯджклфцшщыюя")))
    size = int(generator.integers(60, 120))
    ImageDraw.Draw(picture).text((100, 100), text, fill=255, font=ImageFont.truetype(str(font), size), anchor="mm")
    return np.asarray(picture) / 255


def drawn(lines: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Draw lines through points (across, down) in [0, 200]."""
    picture = Image.new("L", (200, 200))
    for points in lines:
        ImageDraw.Draw(picture).line([tuple(point) for point in points], fill=255, width=width, joint="curve")
    return np.asarray(picture) / 255


def hatching(generator: Generator) -> np.ndarray:
    """Draw parallel lines in two directions."""
    lines = []
    for angle in generator.uniform(0, np.pi) + np.array([0, generator.uniform(0.6, 1.6)]):
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        for offset in np.arange(-50, 51, generator.uniform(18, 34)):
            lines.append(100 + across * offset + np.outer([-60, 60], along))
    return drawn(lines, int(generator.integers(5, 10)))


def spiral(generator: Generator) -> np.ndarray:
    """Draw a spiral of two to four turns."""
    t = np.linspace(0, 1, 200)
    angle = generator.uniform(0, 2 * np.pi) + t * 2 * np.pi * generator.uniform(2, 4)
    radius = 8 + 60 * t
    return drawn([100 + radius[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)], 8)


def face(generator: Generator) -> np.ndarray:
    """Draw a round face with eyes and a mouth."""
    picture = Image.new("L", (200, 200))
    draw, width = ImageDraw.Draw(picture), int(generator.integers(6, 12))
    draw.ellipse([35, 35, 165, 165], outline=255, width=width)
    for x in (75, 125):
        draw.ellipse([x - 9, 70, x + 9, 88], fill=255)
    start = 20 if generator.random() < 0.5 else 200
    draw.arc([70, 90, 130, 140], start, start + 140, fill=255, width=width)
    return np.asarray(picture) / 255


def stave(generator: Generator) -> np.ndarray:
    """Draw five lines and a note."""
    picture = Image.new("L", (200, 200))
    draw = ImageDraw.Draw(picture)
    for y in range(50, 151, 25):
        draw.line([20, y, 180, y], fill=255, width=5)
    x, y = generator.uniform(50, 130), generator.uniform(80, 140)
    draw.ellipse([x, y, x + 28, y + 20], fill=255)
    draw.line([x + 26, y + 10, x + 26, y - 60], fill=255, width=6)
    return np.asarray(picture) / 255


def star(generator: Generator) -> np.ndarray:
    """Draw the outline of a star with five to seven points."""
    n = 2 * int(generator.integers(5, 8))
    angle = generator.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(n + 2) / n
    radius = np.where(np.arange(n + 2) % 2, generator.uniform(20, 40), 70)
    return drawn([100 + radius[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)], 9)


def arrow(generator: Generator) -> np.ndarray:
    """Draw an arrow."""
    angle = generator.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    lines = [np.array([[-65, 0], [65, 0]]), np.array([[30, -35], [65, 0], [30, 35]])]
    return drawn([100 + line @ turn for line in lines], int(generator.integers(8, 16)))


NO_DIGITS = {
    "letters": letter,
    "scribbles": scribble,
    "Greek and Cyrillic letters": other_letter,
    "hatching": hatching,
    "spirals": spiral,
    "faces": face,
    "staves": stave,
    "stars": star,
    "arrows": arrow,
    "empty paper": empty_paper,
}


def main() -> None:
    """Make the pictures, score and print."""
    parser = BenchmarkParser(__doc__, SIZES)
    models = Path("sk-mnist-output") / "networks"
    parser.add_argument("--models", type=Path, default=models, help="where recipes.py saves networks (%(default)s)")
    parser.add_argument("--split", choices=SPLITS, default="test", help="which images (default: %(default)s)")
    help_text = "score this network in place of the pretrained one, which has learned from all training images"
    parser.add_argument("--network", type=Path, help=help_text)
    options = parser.parse_options()
    if options.split == "validation" and options.network is None:
        parser.error("--split validation needs --network")
    images, y = digits(options.split, options.images)
    networks = dict(fitted_networks(RECIPES, options.models, options.split))
    networks[PRETRAINED] = sk_mnist.load(options.network) if options.network else sk_mnist.load_pretrained()["mlp"]
    accuracy: dict[str, dict[str, float]] = {}
    confidence, is_right = [], []
    for name, make in PICTURES.items():
        show_progress(f"reading: {name}")
        normalized, plain = pictures(make, images)
        accuracy[name] = {}
        for network, classifier in networks.items():
            for way, rows in ((PLAIN, plain), (NORMALIZED, normalized)):
                accuracy[name][network + way] = float(np.mean(classifier.predict(rows) == y))
        if name not in WITHOUT_BAR:
            probabilities = networks[PRETRAINED].predict_proba(normalized)
            confidence.append(probabilities.max(axis=1))
            is_right.append(probabilities.argmax(axis=1) == y)
    print_accuracies(accuracy, options)
    print_errors(np.concatenate(confidence), np.concatenate(is_right))
    print_no_digits(networks[PRETRAINED])


def digits(split: str, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images in [0, 1] and their labels."""
    if split == "test":
        X, y = sk_mnist.fetch_mnist(subset="test", return_X_y=True)
    else:
        X, y = (array[-N_VALIDATION:] for array in sk_mnist.fetch_mnist(subset="train", return_X_y=True))
    return X[:n_images].reshape(-1, SIDE, SIDE), y[:n_images]


def pictures(make: Callable, images: np.ndarray, at_a_time: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Make a picture of each digit; return rows of pixels in [0, 1], normalised and plainly scaled."""
    normalizer, generator = sk_mnist.DigitImageNormalizer(), np.random.default_rng(0)
    normalized, plain = [], []
    for start in range(0, len(images), at_a_time):
        chunk = [as_bytes(make(image, generator)) for image in images[start : start + at_a_time]]
        normalized.append(normalizer.transform(chunk))
        plain.extend(np.asarray(Image.fromarray(picture).resize((SIDE, SIDE))) for picture in chunk)
    return as_rows(np.concatenate(normalized)), as_rows(np.stack(plain))


def as_rows(images: np.ndarray) -> np.ndarray:
    """Scale and flatten images for the networks."""
    return images.reshape(len(images), -1) / np.float32(255)


def print_accuracies(accuracy: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print a row for each kind of picture and a column for each network, with and without the normaliser."""
    ways = list(next(iter(accuracy.values())))
    rows = [
        [name + " *" * (name in WITHOUT_BAR), *(f"{of_picture[way]:.2%}" for way in ways)]
        for name, of_picture in accuracy.items()
    ]
    counted = [of_picture for name, of_picture in accuracy.items() if name not in WITHOUT_BAR]
    mean = [f"{np.mean([of_picture[way] for of_picture in counted]):.2%}" for way in ways]
    images = {"test": "test image", "validation": "of the last training image"}[options.split]
    title = f"accuracy on pictures of {count(options.images, images)}, scored for this report only"
    columns = [way.removesuffix(PLAIN) if way.endswith(PLAIN) else NORMALIZED for way in ways]
    print_table(title, ["", *columns], [*rows, ["mean without *", *mean]])


def print_errors(confidence: np.ndarray, is_right: np.ndarray) -> None:
    """Print the share of answers with at least each confidence, and how many of them are wrong."""
    rows = []
    for least in CONFIDENCES:
        sure = confidence >= least
        rows.append(
            [
                f"{least:g}",
                f"{sure.mean():.2%}",
                f"{1 - is_right[sure].mean():.2%}",
                f"{is_right[~sure].mean():.2%}" if least else "",
            ]
        )
    columns = ["confidence of at least", "share of the answers", "wrong among them", "right among the others"]
    print_table(f"answers of the {PRETRAINED} network, normalised, to all pictures that the mean counts", columns, rows)


def print_no_digits(classifier: Any) -> None:
    """Print how many pictures without a digit are taken for one, with at least each confidence."""
    rows = []
    for name, make in NO_DIGITS.items():
        generator = np.random.default_rng(0)
        images = sk_mnist.DigitImageNormalizer().transform([as_bytes(make(generator)) for _ in range(N_NO_DIGITS)])
        is_blank = ~images.any(axis=(1, 2))
        confidence = np.where(is_blank, 0, classifier.predict_proba(as_rows(images)).max(axis=1))
        rows.append(
            [name, f"{is_blank.mean():.1%}", *(f"{np.mean(confidence >= least):.1%}" for least in CONFIDENCES[1:])]
        )
    columns = ["", "found to be blank", *(f"{least:g}" for least in CONFIDENCES[1:])]
    print_table(
        f"pictures of no digit, {N_NO_DIGITS:,} of each kind, taken for a digit with at least this confidence",
        columns,
        rows,
    )


if __name__ == "__main__":
    main()
