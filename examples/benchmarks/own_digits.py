"""
Your own digits: what is read in pictures by people
===================================================

Turn MNIST's digits into pictures that look like people's own, read them with :func:`~sk_mnist.read_digits`, as one
digit each, and print how many answers are right, how many are sure, how many of the sure ones are wrong, and in how
many pictures no digit is found::

    python examples/benchmarks/own_digits.py                 # 100 pictures of each kind
    python examples/benchmarks/own_digits.py --images 500
    python examples/benchmarks/own_digits.py --picture surroundings.png  # only show what is read in one of each kind

The first table has digits alone: on canvases of any size, anywhere on them, large and small, dark on light, with thick
and thin strokes, blurred, on unevenly lit paper, as JPEG. The second has them in surroundings: on a sheet on a desk, on
ruled and squared paper, in a box, next to a pen, in a shadow and others. The lines on ruled and squared paper are
darker than the paper by 12, 25 and 50 % of its level. Pictures of digits alone are faster to make and to read, so there
are twice as many. Each kind has other images, so that the means rest on many. The last kind has scikit-learn's own
digits of 8 x 8 pixels, enlarged eight times.

The script also prints, for several confidences, how many answers with at least that confidence are wrong, and how many
pictures without a digit are taken for one. ``training_pictures.py`` draws capital letters and scribbles to train on as
well, with other fonts and other code. The other kinds are only used here.

``sk_mnist.pretrained.SURE``, the confidence from which an answer counts as sure, was chosen on pictures of the last
10,000 training images, for a network that has not learned from them::

    python examples/benchmarks/ablation.py --only "as shipped" --epochs 150
    python examples/benchmarks/own_digits.py --split validation --network FILE  # where that network is

There, the pretrained network still chooses what is read, as in ``read_digits(picture, model)``.
"""

import io
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _measure import show_progress
from _networks import N_VALIDATION, SPLITS
from _options import BenchmarkParser
from _report import count, print_table
from _surroundings import SURROUNDINGS
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from sklearn.datasets import load_digits

import sk_mnist

SIZES = {"images": 100}
# As many times more images are drawn alone, without surroundings.
MORE_ALONE = 2
SIDE = 28
AS_THEY_ARE = "as they are"
SMALL_DIGITS = "scikit-learn's digits"

# Sides of the canvases, in pixels.
LEAST_CANVAS, LARGEST_CANVAS = 100, 800
Generator = np.random.Generator
CONFIDENCES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
N_NO_DIGITS = 200


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
    AS_THEY_ARE: lambda image, _: image,
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
WITHOUT_BAR = (AS_THEY_ARE, "cropped", "strokes 60 % thinner")


# load_digits() of scikit-learn has digits of 8 x 8 pixels, by other people.
KINDS = PICTURES | SURROUNDINGS | {SMALL_DIGITS: lambda image, _: np.clip(zoom(image, 8, order=3), 0, 1)}


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


class Answers(NamedTuple):
    """What was read in pictures of one kind.

    Attributes
    ----------
    found, is_right, is_sure : ndarray of bool of shape (n_pictures,)
        Whether a digit was found, whether the answer is right, and whether it is sure.
    confidence : ndarray of shape (n_pictures,)
        0 where no digit was found.
    is_right_resized : ndarray of bool of shape (n_pictures,)
        Whether the network is right if the picture is only scaled to 28 x 28 pixels.
    """

    found: np.ndarray
    is_right: np.ndarray
    is_sure: np.ndarray
    confidence: np.ndarray
    is_right_resized: np.ndarray


def main() -> None:
    """Make the pictures, read them and print."""
    parser = BenchmarkParser(__doc__, SIZES)
    parser.add_argument("--split", choices=SPLITS, default="test", help="which images (default: %(default)s)")
    help_text = "read with this network in place of the pretrained one, which has learned from all training images"
    parser.add_argument("--network", type=Path, help=help_text)
    parser.add_argument("--picture", type=Path, help="only draw a picture of each kind in surroundings to this file")
    parser.add_argument("--only", default=".*", help="kinds in that picture: a regular expression for the whole name")
    options = parser.parse_options()
    if options.picture:
        draw_examples(options.picture, [kind for kind in SURROUNDINGS if re.fullmatch(options.only, kind)])
        return
    if options.split == "validation" and options.network is None:
        parser.error("--split validation needs --network")
    n_images = {name: options.images * (MORE_ALONE if name in PICTURES else 1) for name in KINDS}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        kinds = {
            name: pool.submit(read_pictures, name, options.split, n, options.network) for name, n in n_images.items()
        }
        no_digits = {name: pool.submit(read_no_digits, name, N_NO_DIGITS, options.network) for name in NO_DIGITS}
        for name, future in (kinds | no_digits).items():
            future.result()
            show_progress(f"read: {name}")
    answers = {name: future.result() for name, future in kinds.items()}
    noun = {"test": "test image", "validation": "of the last training image"}[options.split]
    for place, names in (("alone", PICTURES), ("in surroundings", KINDS.keys() - PICTURES.keys())):
        of_place = {name: answers[name] for name in KINDS if name in names}
        n_pictures = max(len(of_kind.found) for of_kind in of_place.values())
        print_answers(f"digits {place}: pictures of {count(n_pictures, noun)}, read for this report only", of_place)
    print_errors([of_kind for name, of_kind in answers.items() if name not in WITHOUT_BAR])
    print_no_digits({name: future.result() for name, future in no_digits.items()})


def read_pictures(kind: str, split: str, n_images: int, network: Path | None) -> Answers:
    """Draw and read pictures of one kind."""
    generator, answers, resized = np.random.default_rng(list(KINDS).index(kind)), [], []
    images, y = small_digits() if kind == SMALL_DIGITS else digits(split)
    chosen = generator.permutation(len(y))[:n_images]
    images, y = images[chosen], y[chosen]
    classifier = sk_mnist.load(network) if network else sk_mnist.load_pretrained()["mlp"]
    for image, label in zip(images, y, strict=True):
        picture = as_bytes(KINDS[kind](image, generator))
        answers.append(answer(picture, network and classifier, label))
        resized.append(np.asarray(Image.fromarray(picture).convert("L").resize((SIDE, SIDE))).ravel())
    is_right_resized = classifier.predict(np.stack(resized) / np.float32(255)) == y
    return Answers(*map(np.array, zip(*answers, strict=True)), is_right_resized)


def read_no_digits(kind: str, n_pictures: int, network: Path | None) -> tuple[np.ndarray, ...]:
    """Read pictures of no digit: whether a digit was found, whether the answer is sure, and the confidence.

    The fourth array says whether an answer is sure if the picture may be split.
    """
    classifier, generator = network and sk_mnist.load(network), np.random.default_rng(0)
    pictures = [as_bytes(NO_DIGITS[kind](generator)) for _ in range(n_pictures)]
    answers = [answer(picture, classifier, None) for picture in pictures]
    found, _, is_sure, confidence = map(np.array, zip(*answers, strict=True))
    split = [sk_mnist.read_digits(picture, classifier).digits for picture in pictures]
    return found, is_sure, confidence, np.array([any(digit.is_sure for digit in digits) for digits in split])


def answer(picture: np.ndarray, classifier: Any, label: int | None) -> tuple[bool, bool, bool, float]:
    """Read a picture of one digit: whether it was found, whether it is right and sure, and the confidence."""
    found = sk_mnist.read_digits(picture, classifier, split=False).digits
    if not found:
        return False, False, False, 0.0
    return True, found[0].label == label, found[0].is_sure, found[0].confidence


def digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images in [0, 1] and their labels."""
    if split == "test":
        X, y = sk_mnist.fetch_mnist(subset="test", return_X_y=True)
    else:
        X, y = (array[-N_VALIDATION:] for array in sk_mnist.fetch_mnist(subset="train", return_X_y=True))
    return X.reshape(-1, SIDE, SIDE), y


def small_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's images of 8 x 8 pixels, in [0, 1], and their labels."""
    small = load_digits()
    return small.images / 16, small.target


def draw_examples(path: Path, kinds: list[str]) -> None:
    """Draw a picture of each of these kinds, with what is read in it."""
    import matplotlib.pyplot as plt

    n_columns = min(6, len(kinds))
    n_rows = -(-len(kinds) // n_columns)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(2 * n_columns, 2.15 * n_rows), layout="constrained")
    images, _ = digits("test")
    for ax, kind in zip(np.atleast_1d(axes).flat, kinds, strict=False):
        k = list(SURROUNDINGS).index(kind)
        picture = as_bytes(SURROUNDINGS[kind](images[k], np.random.default_rng(k)))
        sk_mnist.read_digits(picture, split=False).plot(ax).set_title(kind)
    for ax in np.atleast_1d(axes).flat[len(kinds) :]:
        ax.set_axis_off()
    figure.savefig(path, dpi=80 if n_rows > 1 else 120)


def print_answers(title: str, answers: dict[str, Answers]) -> None:
    """Print a row for each kind of picture, their mean, and what scaling alone achieves."""
    rows = [[name + " *" * (name in WITHOUT_BAR), *shares(of_kind)] for name, of_kind in answers.items()]
    counted = [of_kind for name, of_kind in answers.items() if name not in WITHOUT_BAR]
    together = Answers(*map(np.concatenate, zip(*counted, strict=True)))
    mean = "mean without *" if len(counted) < len(answers) else "mean"
    print_table(title, ["", "right", "sure", "wrong among sure", "no digit"], [*rows, [mean, *shares(together)]])
    print(f"  scaled to 28 x 28 pixels instead, right: {together.is_right_resized.mean():.2%}")
    if AS_THEY_ARE in answers:
        print(f"  {AS_THEY_ARE}, given to the network, right: {answers[AS_THEY_ARE].is_right_resized.mean():.2%}")


def shares(answers: Answers) -> list[str]:
    """Return the shares of answers that are right, sure, wrong among the sure ones, and none."""
    wrong = f"{1 - answers.is_right[answers.is_sure].mean():.2%}" if answers.is_sure.any() else ""
    return [f"{answers.is_right.mean():.2%}", f"{answers.is_sure.mean():.2%}", wrong, f"{1 - answers.found.mean():.2%}"]


def print_errors(answers: list[Answers]) -> None:
    """Print the share of answers with at least each confidence, and how many of them are wrong."""
    confidence, is_right = (np.concatenate([getattr(a, name) for a in answers]) for name in ("confidence", "is_right"))
    rows = []
    for least in CONFIDENCES:
        has_least = confidence >= least
        if not has_least.any():
            break
        right_among_others = f"{is_right[~has_least].mean():.2%}" if not has_least.all() else ""
        wrong = f"{1 - is_right[has_least].mean():.2%}"
        rows.append([f"{least:g}", f"{has_least.mean():.2%}", wrong, right_among_others])
    columns = ["confidence of at least", "share of the answers", "wrong among them", "right among the others"]
    print_table("answers to all pictures of both tables without *", columns, rows)


def print_no_digits(answers: dict[str, tuple[np.ndarray, ...]]) -> None:
    """Print how many pictures without a digit are taken for one, with at least each confidence."""
    rows = [
        [name, f"{1 - found.mean():.1%}", f"{is_sure.mean():.1%}", f"{is_sure_if_split.mean():.1%}",
         *(f"{np.mean(confidence >= least):.1%}" for least in CONFIDENCES[1:])]
        for name, (found, is_sure, confidence, is_sure_if_split) in answers.items()
    ]  # fmt: skip
    columns = ["", "no digit", "sure", "sure if split", *(f"{least:g}" for least in CONFIDENCES[1:])]
    title = f"pictures of no digit, {N_NO_DIGITS:,} of each kind, taken for a digit with at least this confidence"
    print_table(title, columns, rows)


if __name__ == "__main__":
    main()
