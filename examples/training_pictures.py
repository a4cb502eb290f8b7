"""
Pictures that MNIST lacks
=========================

Draw what ``train_pretrained.py`` trains on in addition to MNIST: digits with the strokes of other hands and pens
(:func:`draw_digits`), and pictures of no digit (:func:`draw_no_digits`). This prints how many there are of each kind,
and shows some::

    python examples/training_pictures.py pictures.png

Kinds that the benchmarks use to measure are not drawn: letters of other alphabets and of Pillow's font, scribbles of
one angular line, hatching, spirals, faces, staves, stars and arrows. One exception: the font cmmi10 has Greek letters,
musical signs, half-arrows and a star in place of some signs, in about 15 of 6,000 pictures. The changes of MNIST-C are
not drawn either: stripes, dotted and zigzag lines, edges, spatter and fog.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, map_coordinates, maximum_filter1d, zoom

from sk_mnist import DigitImageNormalizer, fetch_mnist

Generator = np.random.Generator

SIDE = 28
ENLARGED = 3  # digits are redrawn at this many times their size
CANVAS = 160  # side of the pictures of no digit, in pixels

# Digits to draw: the digit, what is drawn on it, and how many.
FLAGS, BLOCKS, BARS, NARROW_SEVENS, NARROW_TWOS = 3000, 800, 2000, 1500, 800
CLOSED, WRITTEN, FEET, PENS = 500, 1800, 600, 4000


# --- Digits ----------------------------------------------------------------------------------------------------------


def draw_digits(images: np.ndarray, labels: np.ndarray, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw digits of MNIST again, with strokes that are common elsewhere.

    1s get an up-stroke ("flag") and often a foot, or a flat pen, 7s get a bar, 2s and other 7s become narrow, open 4s
    are closed, 9s get a foot, and 4s with a short stem are new. Digits of all kinds become broader or narrower, with
    pens from one pixel to a marker's width. Each new image is centred and scaled like MNIST's.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n_samples, 28, 28)
        Training images.
    labels : ndarray of int of shape (n_samples,)
        Their digits.
    generator : numpy.random.Generator
        Draws the digits and the strokes.

    Returns
    -------
    drawn : ndarray of uint8 of shape (n_drawn, 28, 28)
        New images.
    labels : ndarray of int of shape (n_drawn,)
        Their digits.
    """
    drawn, drawn_labels = [], []
    for digit, n_images, add_strokes in (
        (1, FLAGS, add_flag), (1, BLOCKS, with_flat_pen), (7, BARS, add_bar), (7, NARROW_SEVENS, narrow),
        (2, NARROW_TWOS, narrow), (4, CLOSED, close_four), (4, WRITTEN, write_four), (9, FEET, add_foot),
        (None, PENS, broaden),
    ):  # fmt: skip
        candidates = np.arange(len(labels)) if digit is None else np.flatnonzero(labels == digit)
        for i in generator.choice(candidates, min(n_images, len(candidates)), replace=False):
            line = skeleton(enlarge(images[i]) > 0.5)
            if not line.any():
                continue
            line = add_strokes(line, generator)
            if line is None:
                continue
            # Pens of a pixel to a marker's width, in pixels of MNIST. A 1 may be a block.
            widest = 10.0 if digit is None and labels[i] == 1 else 5.0
            width = np.exp(generator.uniform(np.log(1.2), np.log(widest)))
            drawn.append(with_pen(line, width * ENLARGED))
            drawn_labels.append(labels[i])
    return normalized(drawn), np.array(drawn_labels)


def enlarge(image: np.ndarray) -> np.ndarray:
    """Return an image in [0, 1], enlarged, with a margin for longer strokes."""
    large = zoom(np.pad(image / 255, 6), ENLARGED, order=1, grid_mode=True, mode="grid-constant")
    return np.clip(large, 0, 1)


def skeleton(ink: np.ndarray) -> np.ndarray:
    """Return the lines in the middle of strokes, one pixel wide (Zhang and Suen, 1984)."""
    line = np.pad(ink, 1)
    is_changed = True
    while is_changed:
        is_changed = False
        for step in (0, 1):
            # The eight neighbours, clockwise from the one above.
            n = [
                np.roll(line, shift, axis=(0, 1))
                for shift in ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
            ]
            n_set = np.sum(n, axis=0)
            n_rises = np.sum([~a & b for a, b in zip(n, [*n[1:], n[0]], strict=True)], axis=0)
            up, right, down, left = n[0], n[2], n[4], n[6]
            is_edge = (
                ~(up & right & down) & ~(right & down & left)
                if step == 0
                else ~(up & right & left) & ~(up & down & left)
            )
            removed = line & (n_set >= 2) & (n_set <= 6) & (n_rises == 1) & is_edge
            if removed.any():
                line = line & ~removed
                is_changed = True
    return line[1:-1, 1:-1]


def with_pen(line: np.ndarray, width: float) -> np.ndarray:
    """Draw lines with a round pen; return grey levels in [0, 1]."""
    return np.clip(0.5 + width / 2 - distance_transform_edt(~line), 0, 1)


def add_flag(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Add an up-stroke to the top of a 1 and, to every other one, a foot."""
    rows, columns = np.nonzero(line)
    height = np.ptp(rows) + 1
    top, bottom = rows.argmin(), rows.argmax()
    # The up-stroke arrives from the lower left at 20 to 55 degrees from the vertical.
    length, angle = generator.uniform(0.2, 0.6) * height, np.deg2rad(generator.uniform(20, 55))
    start = (rows[top] + length * np.cos(angle), columns[top] - length * np.sin(angle))
    strokes = [bent(start, (rows[top], columns[top]), generator)]
    if generator.random() < 0.5:
        half, tilt = generator.uniform(0.15, 0.35) * height, generator.uniform(-2, 2)
        left, right = columns[bottom] - half, columns[bottom] + half
        strokes.append(bent((rows[bottom] + tilt, left), (rows[bottom] - tilt, right), generator))
    return add_lines(line, strokes)


def add_bar(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Add a bar across the stem of a 7."""
    rows, columns = np.nonzero(line)
    height = np.ptp(rows) + 1
    row = rows.min() + generator.uniform(0.4, 0.65) * height
    on_row = columns[np.abs(rows - row) < 1.5]
    middle = on_row.mean() if len(on_row) else columns.mean()
    half, tilt = generator.uniform(0.12, 0.3) * height, generator.uniform(-0.1, 0.1) * height
    return add_lines(line, [bent((row + tilt, middle - half), (row - tilt, middle + half), generator)])


def with_flat_pen(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Broaden the line of a 1, before a pen draws it, by up to 0.3 times its height."""
    height = np.ptp(np.nonzero(line)[0]) + 1
    return maximum_filter1d(line, 1 + int(generator.uniform(0.05, 0.3) * height), axis=1)


def narrow(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Make a 2 or a 7 narrower."""
    return stretched(line, generator.uniform(0.55, 0.9))


def broaden(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Make most digits broader, and some narrower."""
    return stretched(line, generator.uniform(0.8, 1.4))


def stretched(line: np.ndarray, factor: float) -> np.ndarray:
    """Stretch lines sideways by a factor; what leaves the picture is left out."""
    rows, columns = np.nonzero(line)
    middle = columns.mean()
    columns = np.rint(middle + factor * (columns - middle)).astype(int)
    return add_lines(np.zeros_like(line), [np.stack([rows, columns], axis=1)])


def close_four(line: np.ndarray, generator: Generator) -> np.ndarray | None:
    """Join the two upper ends of an open 4 by straight lines in a peak; None if there are not two."""
    rows, columns = np.nonzero(line)
    n_neighbours = sum(
        np.roll(line, (i, j), axis=(0, 1))[line].astype(int) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j
    )
    is_end = (n_neighbours == 1) & (rows < rows.min() + 0.4 * np.ptp(rows))
    ends = np.flatnonzero(is_end)
    if len(ends) != 2:
        return None
    (one, other) = sorted(ends, key=lambda end: columns[end])
    # With a flat or round top, it would look like a 9.
    peak = (rows.min() - generator.uniform(0.1, 0.3) * np.ptp(rows), columns[other])
    return add_lines(line, [np.linspace((rows[end], columns[end]), peak, 60) for end in (one, other)])


def write_four(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Write a new 4: a slanted stroke, the bar where it ends, and a short stem; only the shape of ``line`` matters."""
    corner = (generator.uniform(0.55, 0.88), generator.uniform(0.0, 0.12))
    end = (corner[0] + generator.uniform(-0.2, 0.06), generator.uniform(0.85, 1.1))
    stem, lean = generator.uniform(0.5, 0.9), generator.uniform(-0.3, 0.05)
    top = (0.0, generator.uniform(0.25, 0.75))
    height = 20 * ENLARGED
    size, margin = (height, height * generator.uniform(0.5, 0.85)), (len(line) - height) / 2
    strokes = [[top, corner], [corner, end], [(generator.uniform(0.2, 0.6), stem), (1.0, stem + lean)]]
    places = [[np.array(point) * size + margin for point in stroke] for stroke in strokes]
    points = [bent(*ends, generator) for ends in places]
    if generator.random() < 0.5:  # without lifting the pen, so that the corner is round
        points[:2] = [smooth(np.array([*places[0], places[1][1]]))]
    return add_lines(np.zeros_like(line), points)


def add_foot(line: np.ndarray, generator: Generator) -> np.ndarray:
    """Add a foot to a 9, which reaches farther to the left than to the right."""
    rows, columns = np.nonzero(line)
    height, bottom = np.ptp(rows) + 1, rows.argmax()
    left = columns[bottom] - generator.uniform(0.2, 0.5) * height
    right = columns[bottom] + generator.uniform(0.0, 0.2) * height
    tilt = generator.uniform(-0.06, 0.06) * height
    return add_lines(line, [bent((rows[bottom] + tilt, left), (rows[bottom] - tilt, right), generator)])


def bent(start: tuple[float, float], end: tuple[float, float], generator: Generator) -> np.ndarray:
    """Return points of a slightly bent line: an array of shape (n_points, 2), rows first."""
    start, end = np.array(start, float), np.array(end, float)
    across = (end - start)[::-1] * [1, -1]
    t = np.linspace(0, 1, 60)[:, np.newaxis]
    return start + t * (end - start) + generator.uniform(-0.12, 0.12) * 4 * t * (1 - t) * across


def add_lines(line: np.ndarray, strokes: list[np.ndarray]) -> np.ndarray:
    """Add lines through these points; what lies outside of the picture is left out."""
    line = line.copy()
    for points in strokes:
        rows, columns = np.rint(points).astype(int).T
        is_inside = (rows >= 0) & (columns >= 0) & (rows < line.shape[0]) & (columns < line.shape[1])
        line[rows[is_inside], columns[is_inside]] = True
    return line


def normalized(pictures: list[np.ndarray], at_a_time: int = 500) -> np.ndarray:
    """Bring pictures in [0, 1] to the form of MNIST's images."""
    normalizer = DigitImageNormalizer()
    parts = [
        normalizer.transform(
            [np.rint(255 * picture).astype(np.uint8) for picture in pictures[start : start + at_a_time]]
        )
        for start in range(0, len(pictures), at_a_time)
    ]
    return np.concatenate(parts)


# --- No digits -------------------------------------------------------------------------------------------------------

# Letters and signs that nobody reads as a digit: without O, I, l, S, Z, B, G, D, Q, b, g, i, j, o, q, s, z, ...
SIGNS = list("ACEFHJKLMNPRTUVWXYadefhkmnprtuvwxÄÖÜäéèñ&@#?%+=<>*{}[]$!~^€£")
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono")
FONTS += ("STIXGeneral", "STIXGeneralItalic", "cmr10", "cmtt10", "cmss10", "cmmi10")
ASCII_FONTS = ("cmr10", "cmtt10", "cmss10", "cmmi10")  # these fonts have no letters outside of ASCII

# Letters as strokes: polygonal lines through points (across, down) in [0, 1].
STROKES = {
    "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.6), (0.8, 0.6)]],
    "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.5), (0.8, 0.5)]],
    "F": [[(1, 0), (0, 0), (0, 1)], [(0, 0.5), (0.8, 0.5)]],
    "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.5), (1, 0.5)]],
    "K": [[(0, 0), (0, 1)], [(1, 0), (0, 0.5), (1, 1)]],
    "L": [[(0, 0), (0, 1), (1, 1)]],
    "M": [[(0, 1), (0.1, 0), (0.5, 0.7), (0.9, 0), (1, 1)]],
    "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
    "P": [[(0, 1), (0, 0), (0.8, 0.05), (0.9, 0.3), (0.7, 0.5), (0, 0.5)]],
    "R": [[(0, 1), (0, 0), (0.8, 0.05), (0.9, 0.3), (0.7, 0.5), (0, 0.5), (1, 1)]],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "U": [[(0, 0), (0, 0.7), (0.2, 0.95), (0.5, 1), (0.8, 0.95), (1, 0.7), (1, 0)]],
    "V": [[(0, 0), (0.5, 1), (1, 0)]],
    "W": [[(0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0)]],
    "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
    "Y": [[(0, 0), (0.5, 0.5), (1, 0)], [(0.5, 0.5), (0.5, 1)]],
    "+": [[(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 1)]],
    "=": [[(0, 0.35), (1, 0.35)], [(0, 0.65), (1, 0.65)]],
    "a": [[(0.9, 0.3), (0.4, 0), (0, 0.4), (0.1, 0.9), (0.5, 0.9), (0.9, 0.5), (0.9, 0.2), (0.9, 0.8), (1.1, 1)]],
    "h": [[(0, 0), (0, 1)], [(0, 0.6), (0.4, 0.45), (0.7, 0.6), (0.7, 1)]],
    "m": [
        [(0, 0.3), (0, 1)],
        [(0, 0.5), (0.25, 0.3), (0.5, 0.5), (0.5, 1)],
        [(0.5, 0.5), (0.8, 0.3), (1, 0.5), (1, 1)],
    ],
    "n": [[(0, 0.3), (0, 1)], [(0, 0.5), (0.4, 0.3), (0.7, 0.5), (0.7, 1)]],
    "r": [[(0, 0.2), (0, 1)], [(0, 0.5), (0.3, 0.2), (0.6, 0.25)]],
    "t": [[(0.4, 0), (0.4, 0.9), (0.8, 1)], [(0, 0.3), (0.8, 0.3)]],
    "u": [[(0, 0), (0, 0.7), (0.4, 1), (0.8, 0.7), (0.8, 0), (0.8, 1)]],
    "w": [[(0, 0), (0.2, 0.9), (0.5, 0.4), (0.8, 0.9), (1, 0)]],
}


def draw_no_digits(images: np.ndarray, n_pictures: int, generator: Generator) -> np.ndarray:
    """Draw pictures that show no digit, and bring them to the form of MNIST's images.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n_samples, 28, 28)
        Training images, from which some kinds are made.
    n_pictures : int
        Number of pictures.
    generator : numpy.random.Generator
        Draws them.

    Returns
    -------
    pictures : ndarray of uint8 of shape (n_pictures, 28, 28)
        None of them is blank.
    """
    kinds, shares = list(NO_DIGITS.values()), np.array([SHARES[name] for name in NO_DIGITS])
    found: list[np.ndarray] = []
    n_found = 0
    while n_found < n_pictures:
        chosen = generator.choice(len(kinds), 500, p=shares / shares.sum())
        drawn = normalized([kinds[kind](images, generator) for kind in chosen])
        drawn = drawn[drawn.any(axis=(1, 2))]
        found.append(drawn)
        n_found += len(drawn)
    return np.concatenate(found)[:n_pictures]


def printed_letter(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Print a letter or a sign."""
    picture, draw = canvas()
    font_name, sign = str(generator.choice(FONTS)), str(generator.choice(SIGNS))
    while font_name in ASCII_FONTS and not sign.isascii():
        sign = str(generator.choice(SIGNS))
    font = ImageFont.truetype(str(font_folder() / f"{font_name}.ttf"), int(generator.integers(60, 120)))
    draw.text(
        (CANVAS / 2, CANVAS / 2), sign, fill=255, font=font, anchor="mm", stroke_width=int(generator.integers(0, 6))
    )
    return as_array(picture.rotate(generator.uniform(-12, 12), Image.Resampling.BILINEAR))


def written_letter(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Write a letter with an unsteady hand."""
    picture, draw = canvas()
    width = int(generator.integers(4, 20))
    matrix = np.eye(2) * generator.uniform(0.6, 1.3, 2) + generator.normal(0, 0.12, (2, 2))
    for line in STROKES[str(generator.choice(list(STROKES)))]:
        points = (np.array(line) - 0.5) @ matrix * 80 + CANVAS / 2 + generator.normal(0, 4, (len(line), 2))
        draw_line(draw, smooth(points) if generator.random() < 0.5 else points, width)
    return as_array(picture)


def smooth_scribble(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw a random curve with loops."""
    picture, draw = canvas()
    n_waves = int(generator.integers(2, 9))
    t = np.linspace(0, 1, 150) * generator.uniform(0.4, 1.3)
    waves = np.arange(1, n_waves + 1)
    amplitudes = generator.normal(size=(2, n_waves)) / waves ** generator.uniform(0.3, 1.2)
    phases = generator.uniform(0, 2 * np.pi, (2, n_waves))
    points = np.einsum("dk,dkt->td", amplitudes, np.sin(2 * np.pi * waves[:, None] * t + phases[..., None]))
    points -= points.min(axis=0)
    points *= 110 / max(np.ptp(points, axis=0).max(), 1e-6)
    draw_line(draw, points + 25, int(generator.integers(4, 18)))
    return as_array(picture)


def crossing_lines(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw two to five lines that cross."""
    picture, draw = canvas()
    width = int(generator.integers(4, 18))
    for _ in range(generator.integers(2, 6)):
        points = generator.uniform(20, CANVAS - 20, (int(generator.integers(2, 5)), 2))
        draw_line(draw, smooth(points) if generator.random() < 0.4 else points, width)
    return as_array(picture)


def tangle(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw a line that turns many times, as people try out a pen."""
    picture, draw = canvas()
    points = np.cumsum(generator.normal(0, 25, (int(generator.integers(8, 25)), 2)), axis=0)
    points -= points.min(axis=0)
    points *= 110 / np.ptp(points, axis=0).max()
    draw_line(draw, smooth(points + 25), int(generator.integers(4, 14)))
    return as_array(picture)


def closed_shape(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw one or two polygons of three to eight corners, as outlines or filled."""
    picture, draw = canvas()
    width = int(generator.integers(5, 18))
    for _ in range(1 if generator.random() < 0.7 else 2):
        n_corners = int(generator.integers(3, 9))
        # A polygon of many corners whose outline is smooth would look like a 0.
        angles = 2 * np.pi * (np.arange(n_corners) + generator.uniform(-0.3, 0.3, n_corners)) / n_corners
        angles += generator.uniform(0, 2 * np.pi)
        radii = generator.uniform(0.35 if n_corners > 5 else 0.7, 1, n_corners) * generator.uniform(25, 60)
        centre = CANVAS / 2 + generator.uniform(-15, 15, 2)
        corners = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        if generator.random() < 0.15:
            draw.polygon([tuple(corner) for corner in corners], fill=255)
        else:
            draw_line(draw, np.vstack([corners, corners[:2]]), width)
    return as_array(picture)


def simple_shape(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw a rectangle, blots, a short dash, an arc with a line, or concentric ovals."""
    picture, draw = canvas()
    width = int(generator.integers(5, 18))
    x0, y0 = generator.uniform(20, 60, 2)
    x1, y1 = generator.uniform(100, 140, 2)
    kind = generator.integers(6)
    if kind == 0:
        draw.rectangle([x0, y0, x1, y1], outline=255, width=width)
    elif kind == 1:
        for _ in range(generator.integers(1, 5)):
            x, y = generator.uniform(30, 110, 2)
            draw.ellipse([x, y, x + generator.uniform(15, 45), y + generator.uniform(15, 45)], fill=255)
    elif kind == 2:
        for _ in range(generator.integers(1, 4)):
            y = generator.uniform(40, 120)
            draw.line([x0, y, x1, y + generator.uniform(-15, 15)], fill=255, width=width)
    elif kind == 3:
        start = int(generator.integers(360))
        draw.arc([x0, y0, x1, y1], start, start + int(generator.integers(90, 300)), fill=255, width=width)
        draw_line(draw, generator.uniform(20, 140, (2, 2)), width)
    elif kind == 4:
        # The gap stays open in the narrowest oval: a solid one would be a broad 1.
        width = min(width, 7)
        inset = width + generator.uniform(7, 12)
        draw.ellipse([x0, y0, x1, y1], outline=255, width=width)
        draw.ellipse([x0 + inset, y0 + inset, x1 - inset, y1 - inset], fill=255)
    else:  # not upright: that would be a broad 1
        draw.rectangle([x0, max(y0, y1 - (x1 - x0)), x1, y1], fill=255)
    return as_array(picture)


def crossed_out(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Cross out a digit with one to four lines."""
    digit = Image.fromarray(np.rint(255 * some_digit(images, generator)).astype(np.uint8))
    draw = ImageDraw.Draw(digit)
    middle, reach = np.array(digit.size) / 2, 12 * ENLARGED * generator.uniform(0.8, 1.1)
    width = round(ENLARGED * generator.uniform(1.2, 3.5))
    if generator.random() < 0.5:  # an X
        for sign in (-1, 1):
            offsets = generator.normal(0, 1.5 * ENLARGED, (2, 2))
            ends = middle + np.array([[-reach, -sign * reach], [reach, sign * reach]]) * 0.8 + offsets
            draw_line(draw, ends, width)
    else:
        angle = generator.uniform(0, np.pi)
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        n_lines = int(generator.integers(2, 5))
        for offset in np.linspace(-5.5, 5.5, n_lines) * ENLARGED:
            draw_line(draw, middle + np.stack([-along * reach, along * reach]) + across * offset, width)
    return as_array(digit)


def two_on_top(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Put two digits on top of each other, a little apart."""
    one, other = some_digit(images, generator), some_digit(images, generator)
    return np.maximum(one, np.roll(other, generator.integers(-7 * ENLARGED, 7 * ENLARGED + 1, 2), axis=(0, 1)))


def side_by_side(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Put two to five digits side by side, so close that they touch, as in a badly cut row."""
    digits = [some_digit(images, generator) for _ in range(generator.integers(2, 6))]
    gap = int(generator.integers(12 * ENLARGED, 18 * ENLARGED))
    height, width = digits[0].shape
    wide = np.zeros((height, width + gap * (len(digits) - 1)))
    for k, digit in enumerate(digits):
        wide[:, k * gap : k * gap + width] = np.maximum(wide[:, k * gap : k * gap + width], digit)
    # One piece of ink, because the normaliser would drop all but one.
    row = height // 2 + int(generator.integers(-2 * ENLARGED, 2 * ENLARGED))
    wide[row : row + ENLARGED, width // 2 : -width // 2] = 1
    return wide


def word(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Print three to seven letters in a row, as they stand on forms and on labels."""
    picture = Image.new("L", (4 * CANVAS, CANVAS))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(font_folder() / f"{generator.choice(FONTS)}.ttf"), int(generator.integers(40, 80)))
    text = "".join(generator.choice([sign for sign in SIGNS if sign.isalpha() and sign.isascii()], 5))
    draw.text((2 * CANVAS, CANVAS / 2), text[: generator.integers(3, 6)], fill=255, font=font, anchor="mm")
    left, top, right, bottom = draw.textbbox((2 * CANVAS, CANVAS / 2), text, font=font, anchor="mm")
    # One piece of ink, as above.
    row = generator.uniform(0.4, 0.9) * bottom + generator.uniform(0.1, 0.6) * top
    draw.line([left, row, right, row], fill=255, width=3)
    return as_array(picture)


def corner_of_a_box(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw a corner, a T or a crossing of the lines of a form, and often a part of a digit at it."""
    picture, draw = canvas()
    width = int(generator.integers(3, 12))
    x, y = generator.uniform(30, 130, 2)
    for points in ([(x, y), (x, 160)], [(x, y), (160, y)], [(0, y), (x, y)], [(x, 0), (x, y)])[
        : generator.integers(2, 5)
    ]:
        draw.line(points, fill=255, width=width)
    pixels = as_array(picture)
    if generator.random() < 0.6:
        digit = zoom(some_digit(images, generator), 2, order=1)[:CANVAS, :CANVAS]
        rows, columns = digit.shape
        cut = generator.integers(rows // 3, rows // 2)
        part_of_digit = digit[:cut] if generator.random() < 0.5 else digit[-cut:]
        shown = pixels[: len(part_of_digit), :columns]
        np.maximum(shown, part_of_digit, out=shown)
    return pixels


def inside_of_a_ring(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Draw a ring or a box, and a digit, a letter, short marks or lines through the middle inside of it."""
    picture, draw = canvas()
    width = int(generator.integers(9, 18))
    radii = generator.uniform(45, 70, 2)
    (x0, y0), (x1, y1) = CANVAS / 2 - radii, CANVAS / 2 + radii
    if generator.random() < 0.6:
        angles = np.linspace(0, 2 * np.pi * generator.uniform(0.95, 1.1), 80) + generator.uniform(0, 2 * np.pi)
        wave = 1 + generator.uniform(0, 0.08) * np.sin(2 * angles + generator.uniform(0, 2 * np.pi))
        draw_line(draw, CANVAS / 2 + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1) * wave[:, None], width)
    else:
        draw.rectangle([x0, y0, x1, y1], outline=255, width=width)
    pixels = as_array(picture)
    kind = generator.integers(5)
    if kind == 0:
        inside = some_digit(images, generator)
        inside = zoom(inside, generator.uniform(0.8, 1.2), order=1)
    elif kind == 1:
        letter = Image.fromarray(np.rint(255 * written_letter(images, generator)).astype(np.uint8))
        inside = as_array(letter.resize([int(generator.integers(60, 110))] * 2))
    elif kind == 2:
        inner, pen = canvas()
        for start in CANVAS / 2 + generator.uniform(-0.5, 0.5, (int(generator.integers(3, 7)), 2)) * radii:
            draw_line(pen, np.stack([start, start + generator.normal(0, 10, 2)]), width)
        inside = as_array(inner)
    else:
        # Two to four lines through the middle: with a single one, it could be a 0.
        inner, pen = canvas()
        n_lines, first = int(generator.integers(2, 5)), generator.uniform(0, np.pi)
        for angle in first + np.pi * (np.arange(n_lines) + generator.uniform(-0.2, 0.2, n_lines)) / n_lines:
            end = generator.uniform(0.5, 1) * radii * [np.cos(angle), np.sin(angle)]
            draw_line(pen, CANVAS / 2 + np.stack([end, -end]) + generator.normal(0, 6, (2, 2)), width)
        inside = as_array(inner)
    rows, columns = inside.shape
    top, left = (np.array(pixels.shape) - inside.shape) // 2
    shown = pixels[top : top + rows, left : left + columns]
    np.maximum(shown, inside, out=shown)
    # In the form of MNIST's images, which the normaliser leaves as they are; from others, it would take the ring away.
    digit = Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).crop(picture.getbbox())
    digit.thumbnail((20, 20))
    image = np.zeros((SIDE, SIDE))
    top, left = (SIDE - digit.height) // 2, (SIDE - digit.width) // 2
    image[top : top + digit.height, left : left + digit.width] = as_array(digit)
    middle = np.arange(SIDE) @ image.sum(axis=1), np.arange(SIDE) @ image.sum(axis=0)
    offset = np.rint((SIDE - 1) / 2 - np.array(middle) / image.sum()).astype(int)
    return np.roll(image, offset, axis=(0, 1))


def halves(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Join half of one digit to the wrong half of another, or exchange their quarters."""
    one, other = some_digit(images, generator), some_digit(images, generator)
    middle = len(one) // 2
    kind = generator.integers(3)
    if kind == 0:  # the lower half above the upper half
        return np.vstack([one[middle:], other[:middle]])
    if kind == 1:
        return np.hstack([one[:, middle:], other[:, :middle]])
    return np.block(
        [[one[middle:, middle:], other[middle:, :middle]], [other[:middle, middle:], one[:middle, :middle]]]
    )


def part(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Cut a part out of four digits."""
    four = np.block([[some_digit(images, generator) for _ in range(2)] for _ in range(2)])
    side = len(four) // 2
    # Near the middle: the normaliser keeps the largest part, which must not be a whole digit.
    row, column = generator.integers(2 * side // 5, 3 * side // 5, 2)
    return four[row : row + side, column : column + side]


# Each function takes training images and a generator, and returns a picture in [0, 1], light on dark.
NO_DIGITS: dict[str, Callable[[np.ndarray, Generator], np.ndarray]] = {
    "printed letters and signs": printed_letter,
    "written letters": written_letter,
    "smooth scribbles": smooth_scribble,
    "crossing lines": crossing_lines,
    "tangles": tangle,
    "closed shapes": closed_shape,
    "simple shapes": simple_shape,
    "crossed-out digits": crossed_out,
    "two digits on top of each other": two_on_top,
    "digits side by side": side_by_side,
    "words": word,
    "corners of boxes": corner_of_a_box,
    "rings and boxes with something inside": inside_of_a_ring,
    "wrong halves": halves,
    "parts of digits": part,
}
# Parts of digits are few, because some of them look like other digits.
SHARES = dict(zip(NO_DIGITS, [3, 2.5, 3, 2.5, 2, 2, 1, 1.5, 1.2, 1.2, 0.7, 0.7, 1.8, 0.4, 0.4], strict=True))


def some_digit(images: np.ndarray, generator: Generator) -> np.ndarray:
    """Return an enlarged training image in [0, 1]."""
    return np.clip(zoom(images[generator.integers(len(images))] / 255, ENLARGED, order=1), 0, 1)


def smooth(points: np.ndarray) -> np.ndarray:
    """Return points of a smooth curve through these points: cubic interpolation along their order."""
    t = np.linspace(0, len(points) - 1, 20 * len(points))
    return np.stack([map_coordinates(column, [t], order=3, mode="nearest") for column in points.T], axis=1)


def draw_line(draw: ImageDraw.ImageDraw, points: np.ndarray, width: int) -> None:
    """Draw a line through points (across, down), with round ends."""
    draw.line([tuple(point) for point in points], fill=255, width=width, joint="curve")
    for x, y in (points[0], points[-1]):
        draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=255)


def canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a black picture, and what draws on it."""
    picture = Image.new("L", (CANVAS, CANVAS))
    return picture, ImageDraw.Draw(picture)


def as_array(picture: Image.Image) -> np.ndarray:
    """Return the pixels of a picture in [0, 1]."""
    return np.asarray(picture) / 255


def font_folder() -> Path:
    """Return the folder of the fonts that come with Matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


# --- A look at them --------------------------------------------------------------------------------------------------


def main() -> None:
    """Print the kinds and show some pictures of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="the PNG file to write")
    options = parser.parse_args()
    train = fetch_mnist(subset="train", normalize=False)
    generator = np.random.default_rng(0)
    drawn, labels = draw_digits(train.images[:5000], train.target[:5000], generator)
    rows = []
    for digit in range(10):
        rows.append(drawn[labels == digit][:20])
        print(f"drawn digits: {np.sum(labels == digit):5} of {digit}")
    for name, make in NO_DIGITS.items():
        pictures = normalized([make(train.images, generator) for _ in range(20)])
        rows.append(pictures)
        print(f"no digits: {SHARES[name] / sum(SHARES.values()):4.0%} {name}")
    sheet = np.zeros((len(rows), 20, SIDE, SIDE), np.uint8)
    for row, pictures in zip(sheet, rows, strict=True):
        row[: len(pictures)] = pictures
    sheet = sheet.transpose(0, 2, 1, 3).reshape(len(rows) * SIDE, 20 * SIDE)
    Image.fromarray(sheet).resize((2 * sheet.shape[1], 2 * sheet.shape[0])).save(options.picture)


if __name__ == "__main__":
    main()
