"""
A page of digits that looks like a photograph
=============================================

Draw ``sample_photo.jpg``, a picture to try ``sk-mnist predict`` on: three lines of MNIST's test digits in blue ink, on
paper with grain and fibres, on a desk, in uneven light, in perspective, a little blurred and noisy, as JPEG::

    python examples/sample_photo.py examples/sample_photo.jpg
    sk-mnist predict examples/sample_photo.jpg

Like MNIST's images, from which it is made, the picture is under CC BY-SA 3.0.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, zoom

from sk_mnist import fetch_mnist

Generator = np.random.Generator

LINES = ("01632", "960847", "2026")
SEED = 1

# All sizes are in pixels. The page is larger than the photograph, which shows a part of it.
PAGE = (1000, 1400)
PHOTO = (900, 1200)
DIGIT, SPACING, FIRST = 135, 270, (130, 200)  # height, distance of lines, place of the first digit (down, across)
# Images of a digit with narrow strokes look most like one ballpoint pen. The very narrowest have gaps.
LEAST_WIDE, MOST_WIDE = 0.15, 0.3  # shares of the images, in the order of their width
# Where the corners of the page are in the photograph (across, down), clockwise from top left.
CORNERS = ((-60, -50), (1130, 20), (1320, 1020), (-170, 960))

PAPER, INK, DESK = np.array([0.90, 0.89, 0.84]), np.array([0.12, 0.18, 0.50]), np.array([0.36, 0.23, 0.14])


def draw_photo(generator: Generator) -> Image.Image:
    """Draw the page, lay it on the desk, light it and photograph it."""
    page = draw_paper(generator)
    ink = write_lines(generator)[..., np.newaxis]
    page = page * (1 - ink) + INK * ink
    shown, cover = seen_from_an_angle(page)
    shadow = gaussian_filter(np.roll(cover, (8, -10), axis=(0, 1)), 9)
    scene = draw_desk(generator) * (1 - 0.6 * shadow) * (1 - cover) + shown * cover
    scene *= light()
    scene = gaussian_filter(scene, (0.8, 0.8, 0)) + generator.normal(0, 0.008, (*PHOTO, 1))
    return Image.fromarray(as_bytes(scene))


def draw_paper(generator: Generator) -> np.ndarray:
    """Draw paper that is a little wavy and has grain and fibres."""
    waves = gaussian_filter(generator.standard_normal(PAGE), 60)
    grain = gaussian_filter(generator.standard_normal(PAGE), 1.2)
    fibres = Image.new("L", PAGE[::-1])
    draw = ImageDraw.Draw(fibres)
    for _ in range(900):
        place, angle = generator.uniform(0, 1, 2) * PAGE[::-1], generator.uniform(0, 2 * np.pi)
        angles = angle + generator.uniform(-1.5, 1.5) * np.linspace(0, 1, 8)
        path = place + generator.uniform(1, 4) * np.stack([np.cos(angles), np.sin(angles)], axis=1).cumsum(axis=0)
        draw.line([tuple(point) for point in path], fill=int(generator.integers(60, 256)))
    soft = np.asarray(fibres.filter(ImageFilter.GaussianBlur(0.7))) / 255
    level = 1 + 0.025 * waves / waves.std() + 0.008 * grain / grain.std() - 0.07 * soft
    return PAPER * level[..., np.newaxis]


def write_lines(generator: Generator) -> np.ndarray:
    """Write the lines with digits of MNIST's test images; return how much ink there is, from 0 to 1."""
    mnist = fetch_mnist(subset="test")
    ink = np.zeros(PAGE)
    for number, line in enumerate(LINES):
        left = FIRST[1] + generator.integers(0, 40)
        for digit in line:
            images = mnist.images[mnist.target == int(digit)]
            by_width = np.argsort([stroke_width(image) for image in images])
            image = images[by_width[int(generator.uniform(LEAST_WIDE, MOST_WIDE) * len(images))]]
            strokes = draw_strokes(image, generator.uniform(0.92, 1.08) * DIGIT)
            top = FIRST[0] + number * SPACING + int(DIGIT - len(strokes) + generator.uniform(-8, 8))
            ink[top : top + strokes.shape[0], left : left + strokes.shape[1]] += strokes
            left += strokes.shape[1] + int(generator.uniform(0.35, 0.6) * DIGIT)
    # A ballpoint pen does not fill the hollows of the paper.
    hollows = gaussian_filter(generator.standard_normal(PAGE), 1)
    return np.clip(ink, 0, 1) * np.clip(0.9 + 0.1 * hollows / hollows.std(), 0.6, 1)


def stroke_width(image: np.ndarray) -> float:
    """Return the mean width of strokes, which have an edge on both sides."""
    return 2 * image.sum() / np.hypot(*np.gradient(image)).sum()


def draw_strokes(image: np.ndarray, height: float) -> np.ndarray:
    """Enlarge a digit to this height, with sharp edges."""
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 0.3) for axis in (1, 0))
    digit = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    scale = height / (len(digit) - 2)
    large = gaussian_filter(zoom(digit, scale, order=1, grid_mode=True, mode="grid-constant"), scale / 2.5)
    return np.clip(0.5 + 0.8 * scale * (large / large.max() - 0.42), 0, 1)


def seen_from_an_angle(page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Show the page in perspective; also return the share of each pixel that it covers."""
    (height, width), equations, values = PAGE, [], []
    for (x, y), (u, v) in zip(CORNERS, ((0, 0), (width, 0), (width, height), (0, height)), strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    coefficients = np.linalg.solve(equations, values)
    picture = Image.fromarray(as_bytes(page)).convert("RGBA")
    seen = picture.transform(PHOTO[::-1], Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    levels = np.asarray(seen) / 255
    return levels[..., :3], levels[..., 3:]


def draw_desk(generator: Generator) -> np.ndarray:
    """Draw wood."""
    fine, coarse = (gaussian_filter(generator.standard_normal(PHOTO), size) for size in ((60, 1.5), (120, 6)))
    grain = fine + coarse
    return DESK * (1 + 0.15 * grain / grain.std())[..., np.newaxis]


def light() -> np.ndarray:
    """Light from the upper left, that is weaker in the corners."""
    down, across = np.linspace(0, 1, PHOTO[0])[:, np.newaxis], np.linspace(0, 1, PHOTO[1])
    fall = 0.22 * (0.6 * across + 0.4 * down) + 0.25 * ((across - 0.45) ** 2 + (down - 0.45) ** 2)
    return (1.02 - fall)[..., np.newaxis] * np.array([1.0, 0.985, 0.95])


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """Round to whole levels from 0 to 255."""
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def main() -> None:
    """Draw the picture and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="where to save the picture")
    options = parser.parse_args()
    draw_photo(np.random.default_rng(SEED)).save(options.path, "JPEG", quality=78)
    print(f"{options.path}: {len(LINES)} lines, {', '.join(LINES)}")


if __name__ == "__main__":
    main()
