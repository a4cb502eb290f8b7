"""What people photograph, scan and draw around a digit: desks, ruled paper, boxes, shadows, figures and more.

Each function takes an image of a digit in [0, 1], as in MNIST, and a generator. It returns a picture in [0, 1] of shape
(height, width) for grey, (height, width, 3) for RGB or (height, width, 4) for RGBA. Whatever is drawn around the digit
leaves it as readable for a person as it was.
"""

import io
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, shift, zoom

Generator = np.random.Generator
Picture = Callable[[np.ndarray, Generator], np.ndarray]
Box = tuple[int, int, int, int]  # top, left, bottom, right

# Sides of a photograph, in pixels. Phones take larger ones, which are averaged down to about 1,000 pixels.
LEAST_SIDE, LARGEST_SIDE = 320, 520
# Digits are redrawn at this many times their size.
ENLARGED = 4

BLACK, BLUE, PENCIL = (0.10, 0.10, 0.12), (0.12, 0.18, 0.55), (0.33, 0.33, 0.35)
MARKERS = ((0.12, 0.12, 0.14), (0.10, 0.20, 0.62), (0.78, 0.13, 0.15), (0.08, 0.45, 0.25))
DESKS = ((0.10, 0.09, 0.09), (0.24, 0.15, 0.10), (0.42, 0.28, 0.18), (0.62, 0.47, 0.31), (0.45, 0.46, 0.48))
PRINT = ((0.15, 0.15, 0.15), (0.55, 0.55, 0.55), (0.85, 0.40, 0.30), (0.25, 0.40, 0.70))
PENS = ((0.08, 0.08, 0.09), (0.10, 0.18, 0.55), (0.70, 0.10, 0.12), (0.85, 0.65, 0.15), (0.80, 0.81, 0.83))


# --- Pens: a digit as strokes ----------------------------------------------------------------------------------------


class Strokes(NamedTuple):
    """Distances of each pixel of an enlarged digit, and the mean width of its strokes, in its pixels."""

    to_edge: np.ndarray  # positive inside
    to_middle: np.ndarray
    width: float


def strokes_of(image: np.ndarray) -> Strokes:
    """Find the strokes of a digit."""
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 0.3) for axis in (1, 0))
    digit = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 2)
    large = gaussian_filter(zoom(digit, ENLARGED, order=1, grid_mode=True, mode="grid-constant"), ENLARGED / 2.5)
    inside = large > 0.4 * large.max()
    to_edge = distance_transform_edt(inside) - distance_transform_edt(~inside)
    middle = thinned(inside)
    return Strokes(to_edge, distance_transform_edt(~middle), 4 * to_edge[middle].mean() / 2)


def thinned(mask: np.ndarray) -> np.ndarray:
    """Thin strokes to lines of one pixel (Zhang and Suen, 1984)."""
    mask = np.pad(mask, 1)
    while True:
        before = mask.sum()
        for step in (0, 1):
            around = [np.roll(mask, (-down, -right), axis=(0, 1)) for down, right in
                      ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))]  # fmt: skip
            n_set = np.sum(around, axis=0)
            n_starts = sum(~here & following for here, following in zip(around, around[1:] + around[:1], strict=True))
            up, right, down, left = around[::2]
            right_and_down = right & down & (up | left)
            keeps = right_and_down if step == 0 else up & left & (right | down)
            mask = mask & ~((n_set >= 2) & (n_set <= 6) & (n_starts == 1) & ~keeps)
        if mask.sum() == before:
            return mask[1:-1, 1:-1]


def inked(strokes: Strokes, size: float, pen: float) -> np.ndarray:
    """Draw a digit whose longer side has ``size`` pixels, with a pen as wide as this share of it, or the digit's own.

    Blots stay: where strokes have run into each other, a narrower pen would draw another digit.
    """
    scale = size / (max(strokes.to_edge.shape) - 4 * ENLARGED)
    pen = min(pen * size / scale, strokes.width)
    level = np.maximum(pen / 2 - strokes.to_middle, strokes.to_edge - 0.9 * strokes.width / 2)
    return sharp(level, scale)


def sharp(level: np.ndarray, scale: float) -> np.ndarray:
    """Enlarge signed distances, and return 1 inside, 0 outside, with an edge of one pixel."""
    return np.clip(0.5 + scale * zoom(level.astype(np.float32), scale, order=1, grid_mode=True, mode="nearest"), 0, 1)


def with_wide_marker(strokes: Strokes, size: float) -> np.ndarray:
    """Draw a digit with the widest of some markers that closes no loop and no gap, and leaves bays wide enough to read.

    A wider marker than a fifth of the digit's longer side makes a blot of it, which no person can read.
    """
    scale = size / (max(strokes.to_edge.shape) - 4 * ENLARGED)
    margin = 2 * int(strokes.width)
    to_edge = -distance_transform_edt(np.pad(strokes.to_edge < 0, margin, constant_values=True))
    to_edge[margin:-margin, margin:-margin] += np.maximum(strokes.to_edge, 0)
    regions, n_regions = label(to_edge <= 0)

    def stays_open(wider: float) -> bool:
        outside = to_edge <= -wider
        return len(np.unique(regions[outside])) == n_regions and label(outside)[1] == n_regions

    widest = 0.2 * max(strokes.to_edge.shape)
    for change in (1.4, 1.1, 0.8, 0.5, 0.2):
        # Loops must not only stay, but also be seen.
        if (1 + change) * strokes.width <= widest and stays_open((change / 2 + 0.2) * strokes.width):
            return sharp(to_edge + change / 2 * strokes.width, scale)
    return sharp(to_edge, scale)


def curve(shape: tuple[int, int], points: np.ndarray, width: float) -> np.ndarray:
    """Draw a line through points (across, down) with soft edges."""
    picture = Image.new("L", (2 * shape[1], 2 * shape[0]))
    draw = ImageDraw.Draw(picture)
    draw.line([tuple(2 * point) for point in points], fill=255, width=max(2, round(2 * width)), joint="curve")
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BOX), dtype=np.float32) / 255


# --- Paper, light and camera -----------------------------------------------------------------------------------------


def photo_shape(generator: Generator) -> tuple[int, int]:
    """Height and width of a photograph."""
    height, width = generator.integers(LEAST_SIDE, LARGEST_SIDE + 1, 2)
    return int(height), int(width)


def smooth_noise(shape: tuple[int, int], size: tuple[float, float], generator: Generator) -> np.ndarray:
    """Noise with a standard deviation of 1 and details of about ``size`` (down, across) pixels."""
    coarse = [int(np.ceil(side / length)) for side, length in zip(shape, size, strict=True)]
    noise = Image.fromarray(generator.standard_normal(coarse, dtype=np.float32))
    levels = np.asarray(noise.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return levels / levels.std()


def softened(mask: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a mask of 0 to 1."""
    picture = Image.fromarray(as_bytes(mask)).filter(ImageFilter.GaussianBlur(sigma))
    return np.asarray(picture, dtype=np.float32) / 255


def paper(shape: tuple[int, int], generator: Generator) -> np.ndarray:
    """White or yellowish paper with grain."""
    colour = generator.uniform(0.8, 0.95) * np.array([1, generator.uniform(0.97, 1), generator.uniform(0.88, 1)])
    grain = 1 + 0.01 * smooth_noise(shape, (1.5, 1.5), generator)
    return grain[..., np.newaxis] * colour.astype(np.float32)


def stain(scene: np.ndarray, ink: np.ndarray, colour: Sequence[float]) -> np.ndarray:
    """Let the scene take a colour where there is ink."""
    share = ink[..., np.newaxis]
    return scene * (1 - share) + share * np.array(colour, dtype=np.float32)


def any_of(colours: Sequence[tuple[float, ...]], generator: Generator) -> tuple[float, ...]:
    """Choose a colour."""
    return colours[generator.integers(len(colours))]


def ink_on(shape: tuple[int, int], image: np.ndarray, generator: Generator, **options: Any) -> tuple[np.ndarray, Box]:
    """Write a digit somewhere on a sheet; return the ink and the digit's box.

    Options: ``sizes``, the least and largest size as a share of the shorter side; ``pens``, the least and largest width
    of the pen as a share of the digit; ``margin``, the least distance from the border as a share of the shorter side.
    """
    least, largest = options.get("sizes", (0.3, 0.6))
    ink = inked(strokes_of(image), generator.uniform(least, largest) * min(shape),
                generator.uniform(*options.get("pens", (0.045, 0.12))))  # fmt: skip
    return put(shape, ink, generator, options.get("margin", 0.1))


def put(shape: tuple[int, int], ink: np.ndarray, generator: Generator, margin: float) -> tuple[np.ndarray, Box]:
    """Put ink somewhere on an empty sheet."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.05) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    least = int(margin * min(shape))
    last = np.maximum(least, np.array(shape) - ink.shape - least)
    top, left = (int(start) for start in generator.integers(least, last + 1))
    sheet = np.zeros(shape, dtype=np.float32)
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet, (top, left, top + ink.shape[0], left + ink.shape[1])


def written(image: np.ndarray, generator: Generator, **options: Any) -> np.ndarray:
    """Paper with a digit in ink."""
    shape = photo_shape(generator)
    ink, _ = ink_on(shape, image, generator, **options)
    return stain(paper(shape, generator), ink, any_of((BLACK, BLUE), generator))


def lit(scene: np.ndarray, generator: Generator, fall: float = 0.2) -> np.ndarray:
    """Light that falls off across the scene, by at most ``fall``."""
    angle, (height, width) = generator.uniform(0, 2 * np.pi), scene.shape[:2]
    ramp = np.sin(angle) * np.linspace(-1, 1, height)[:, np.newaxis] + np.cos(angle) * np.linspace(-1, 1, width)
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    return scene * (1 - generator.uniform(0, fall) * ramp[..., np.newaxis].astype(np.float32))


def photographed(scene: np.ndarray, generator: Generator) -> np.ndarray:
    """Blur and noise of a camera, and JPEG."""
    scene = softened(scene, generator.uniform(0.4, 1.1))
    noise = generator.standard_normal((*scene.shape[:2], 1), dtype=np.float32)
    scene = scene + generator.uniform(0.006, 0.02) * noise
    file = io.BytesIO()
    Image.fromarray(as_bytes(scene)).save(file, "JPEG", quality=int(generator.integers(60, 93)))
    return np.asarray(Image.open(file)) / np.float32(255)


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """Round to whole levels from 0 to 255."""
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def warped(sheet: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Show a sheet in perspective, with its corners at the given points (across, down), clockwise from top left.

    Returns the picture and the share of each pixel that the sheet covers.
    """
    height, width = sheet.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=float)
    equations, values = [], []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    rgba = np.dstack([as_bytes(sheet), np.full((height, width), 255, np.uint8)])
    coefficients = np.linalg.solve(equations, values)
    picture = Image.fromarray(rgba).transform(
        (shape[1], shape[0]), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    levels = np.asarray(picture, dtype=np.float32) / 255
    return levels[..., :3], levels[..., 3]


def corners_around(size: np.ndarray, turn: float, centre: np.ndarray) -> np.ndarray:
    """Corners of a rectangle of this height and width, turned around its centre (across, down)."""
    half = size[::-1] / 2
    cos, sin = np.cos(turn), np.sin(turn)
    return centre + (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half) @ np.array([[cos, sin], [-sin, cos]])


def held_crookedly(sheet: np.ndarray, generator: Generator) -> np.ndarray:
    """A photograph of a part of the sheet, turned and tilted a little."""
    shape = sheet.shape[:2]
    corners = corners_around(1.14 * np.array(shape), generator.uniform(-0.05, 0.05), np.array(shape[::-1]) / 2)
    return warped(sheet, corners + generator.uniform(-0.02, 0.02, (4, 2)) * min(shape), shape)[0]


# --- Surroundings ----------------------------------------------------------------------------------------------------


def on_a_desk(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A sheet on a desk of another colour, seen whole or in part."""
    shape = photo_shape(generator)
    sheet = written(image, generator, sizes=(0.3, 0.6), margin=0.2)
    grain = 1 + 0.12 * smooth_noise(shape, (3, 150), generator) + 0.05 * smooth_noise(shape, (15, 250), generator)
    desk = grain[..., np.newaxis] * np.array(any_of(DESKS, generator), dtype=np.float32)
    centre = np.array(shape[::-1]) * generator.uniform(0.42, 0.58, 2)
    size = generator.uniform(0.55, 0.95) * np.min(np.divide(shape, sheet.shape[:2])) * np.array(sheet.shape[:2])
    corners = corners_around(size, generator.uniform(-0.2, 0.2), centre)
    picture, cover = warped(sheet, corners + generator.uniform(-0.04, 0.04, (4, 2)) * min(shape), shape)
    shadow = softened(shift(cover, (5, 4), order=0), 4)
    desk = desk * (1 - 0.45 * shadow[..., np.newaxis])
    share_of_sheet = cover[..., np.newaxis]
    return photographed(lit(desk * (1 - share_of_sheet) + picture * share_of_sheet, generator), generator)


def rulings(length: int, spacing: float, phase: float, width: float) -> np.ndarray:
    """The profile of parallel lines: 1 in a line, 0 between them."""
    position = (np.arange(length) - phase + spacing / 2) % spacing - spacing / 2
    return np.clip(0.5 + width / 2 - np.abs(position), 0, 1).astype(np.float32)


def on_printed_paper(image: np.ndarray, generator: Generator, *, strength: float, squared: bool) -> np.ndarray:
    """Ruled or squared paper, whose lines are darker than the paper by a share of its level."""
    shape = photo_shape(generator)
    ink, (top, left, bottom, right) = ink_on(shape, image, generator, margin=0.14)
    size = max(bottom - top, right - left)
    spacing = size * (generator.uniform(0.25, 0.6) if squared else generator.uniform(0.45, 1.0))
    width = max(1.2, 0.035 * spacing)
    # People write on the line, not always exactly.
    lines = rulings(shape[0], spacing, bottom + generator.uniform(-0.12, 0.12) * spacing, width)[:, np.newaxis]
    if squared:
        lines = np.maximum(lines, rulings(shape[1], spacing, left + generator.uniform(0, spacing), width))
    lines = np.broadcast_to(lines, shape)
    sheet = paper(shape, generator)
    colour = np.array(any_of(((0.8, 0.95, 1.25), (1, 1, 1), (0.95, 1.0, 1.1)), generator), dtype=np.float32)
    sheet = sheet * (1 - lines[..., np.newaxis] * np.clip(1 - (1 - strength) * colour, 0, 1))
    sheet = stain(sheet, ink, any_of((BLACK, BLUE), generator))
    return photographed(lit(held_crookedly(sheet, generator), generator), generator)


def in_a_box(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A scan of a box of a form, often between other boxes. The digit may touch the frame."""
    size = generator.uniform(90, 260)
    ink = inked(strokes_of(image), size, generator.uniform(0.05, 0.12))
    height, width = int(size * generator.uniform(1.2, 1.7)), int(size * generator.uniform(1.1, 1.6))
    margin = int(size * generator.uniform(0.15, 0.5))
    shape = (height + 2 * margin, width + 2 * margin)
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.05) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    free = np.maximum([height - ink.shape[0], width - ink.shape[1]], 0) / 2
    top, left = (margin + free * (1 + generator.uniform(-1.05, 1.05, 2))).astype(int)
    sheet = np.zeros(shape, dtype=np.float32)
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink[: shape[0] - top, : shape[1] - left]
    line = max(1, round(size * generator.uniform(0.01, 0.025)))
    printed = Image.new("L", (shape[1], shape[0]))
    neighbours = (-1, 0, 1) if generator.random() < 0.5 else (0,)
    for place in neighbours:
        start = margin + place * (width - line)
        ImageDraw.Draw(printed).rectangle([start, margin, start + width, margin + height], outline=255, width=line)
    scene = stain(paper(shape, generator), np.asarray(printed, dtype=np.float32) / 255, any_of(PRINT, generator))
    scene = stain(scene, sheet, any_of((BLACK, BLUE), generator))
    return photographed(scene, generator)


def circled(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A circle around the digit, drawn with the same pen."""
    shape, pen = photo_shape(generator), generator.uniform(0.045, 0.1)
    ink, (top, left, bottom, right) = ink_on(shape, image, generator, sizes=(0.22, 0.38), pens=(pen, pen), margin=0.27)
    angle = generator.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi * generator.uniform(0.93, 1.1), 120)
    radius = np.hypot(bottom - top, right - left) / 2 * generator.uniform(1.2, 1.45)
    bumps = 0.05 * np.sin(2 * angle + generator.uniform(0, 6)) + 0.02 * np.sin(3 * angle + generator.uniform(0, 6))
    wobble = 1 + bumps + 0.06 * np.linspace(0, generator.uniform(-1, 1), 120)
    across, down = radius * wobble * np.cos(angle) * generator.uniform(0.9, 1.15), radius * wobble * np.sin(angle)
    points = np.stack([(left + right) / 2 + across, (top + bottom) / 2 + down], axis=1)
    ink = np.maximum(ink, curve(shape, points, pen * max(bottom - top, right - left)))
    scene = stain(paper(shape, generator), ink, any_of((BLACK, BLUE), generator))
    return photographed(lit(scene, generator), generator)


def underlined(image: np.ndarray, generator: Generator) -> np.ndarray:
    """One line or two below the digit, drawn with the same pen."""
    shape, pen = photo_shape(generator), generator.uniform(0.045, 0.1)
    ink, (top, left, bottom, right) = ink_on(shape, image, generator, sizes=(0.3, 0.5), pens=(pen, pen), margin=0.24)
    size = max(bottom - top, right - left)
    y = bottom + size * (pen + generator.uniform(0.03, 0.15))
    for _ in range(generator.integers(1, 3)):
        half = max(size * 0.35, (right - left) / 2) * generator.uniform(0.9, 1.6)
        t = np.linspace(-1, 1, 30)
        slope, bend = generator.uniform(-0.05, 0.02), generator.uniform(0, 0.02) * size
        points = np.stack([(left + right) / 2 + half * t, y + slope * half * (t + 1) + bend * (1 - t**2)], axis=1)
        ink = np.maximum(ink, curve(shape, points, pen * size))
        y += size * (pen + generator.uniform(0.05, 0.1))
    scene = stain(paper(shape, generator), ink, any_of((BLACK, BLUE), generator))
    return photographed(lit(scene, generator), generator)


def beside_a_pen(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A pen that lies next to the digit, with its shadow."""
    height, width = sorted(photo_shape(generator))
    shape = (height, width)
    ink, (top, left, bottom, right) = ink_on(shape, image, generator, sizes=(0.3, 0.5), margin=0.06)
    scene = stain(paper(shape, generator), ink, any_of((BLACK, BLUE), generator))
    half = height * generator.uniform(0.022, 0.035)
    turn = generator.uniform(-0.4, 0.4)
    side = 1 if left + right < width else -1
    reach = (right - left) / 2 + (bottom - top) / 2 * abs(np.sin(turn)) + 2.5 * half
    across = (left + right) / 2 + side * (reach + generator.uniform(0.02, 0.15) * width)
    down = (top + bottom) / 2 + generator.uniform(-0.2, 0.2) * height
    y, x = np.mgrid[:height, :width].astype(np.float32)
    # Along the pen, its tip at the lower end, and across it.
    along = (x - across) * np.sin(turn) + (y - down) * np.cos(turn)
    off = (x - across) * np.cos(turn) - (y - down) * np.sin(turn)
    length = height * generator.uniform(0.35, 0.8)
    taper = np.clip((length - along) / (5 * half), 0.12, 1)
    body = np.clip(half * taper - np.abs(off), 0, 1) * np.clip(length - along, 0, 1) * np.clip(length + along, 0, 1)
    scene = scene * (1 - 0.5 * softened(shift(body, (4, 6 * side), order=0), 4)[..., np.newaxis])
    round_light = 0.55 + 0.45 * np.sqrt(np.clip(1 - (off / (half * taper + 1)) ** 2, 0, 1))[..., np.newaxis]
    shine = 0.5 * np.exp(-(((off / half + 0.35) / 0.15) ** 2))[..., np.newaxis]
    colour = np.array(any_of(PENS, generator), dtype=np.float32)
    metal = ((taper < 0.75) | (along < -0.85 * length))[..., np.newaxis]
    surface = np.where(metal, np.float32([0.6, 0.6, 0.62]), colour) * round_light + shine
    cover = body[..., np.newaxis]
    return photographed(lit(scene * (1 - cover) + surface * cover, generator), generator)


def with_vignette(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Corners that are darker than the middle by 40 to 75 %."""
    scene = written(image, generator)
    down, across = (np.linspace(-1, 1, n, dtype=np.float32) for n in scene.shape[:2])
    distance = np.sqrt((down[:, np.newaxis] ** 2 + across**2) / 2)
    fall = generator.uniform(0.4, 0.75) * distance ** generator.uniform(1.8, 3)
    return photographed(scene * (1 - fall[..., np.newaxis]), generator)


def in_shadow(image: np.ndarray, generator: Generator, *, softness: float) -> np.ndarray:
    """The shadow of a hand or a phone over a part of the picture; ``softness`` is a share of the shorter side."""
    scene = written(image, generator)
    shape = scene.shape[:2]
    angle = generator.uniform(0, 2 * np.pi)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) - np.array(shape)[:, None, None] / 2
    along, off = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    side = min(shape)
    edge = generator.uniform(-0.25, 0.3) * side
    if generator.random() < 0.5:  # the corner of a phone
        covered = (along > edge) & (off > generator.uniform(-0.3, 0.1) * side)
    else:  # an arm
        bend = 0.05 * side * np.sin(off / side * generator.uniform(2, 5) + generator.uniform(0, 6))
        covered = along > edge + bend
    shadow = softened(covered, max(1.0, softness * side))
    return photographed(lit(scene * (1 - generator.uniform(0.3, 0.55) * shadow[..., np.newaxis]), generator), generator)


def in_faint_pencil(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Pencil that darkens the paper by 15 to 35 %, and less in its hollows."""
    shape = photo_shape(generator)
    ink, _ = ink_on(shape, image, generator, pens=(0.045, 0.08))
    hollows = np.clip(0.8 + 0.25 * smooth_noise(shape, (2, 2), generator), 0, 1)
    strength = generator.uniform(0.15, 0.35) / 0.8
    sheet = paper(shape, generator)
    return photographed(lit(stain(sheet, strength * ink * hollows, PENCIL[:1] * 3), generator), generator)


def in_perspective(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Paper seen from the side: its far end appears smaller by 20 to 45 %, and the digit lower or narrower."""
    side = min(photo_shape(generator))
    ink, _ = ink_on((side, side), image, generator, sizes=(0.4, 0.6))
    # Turned before and back afterwards, so that the far end is above, to the left or to the right.
    turns = int(generator.choice([0, 1, 3]))
    ink = np.pad(np.rot90(ink, turns), ((0, 0), (side // 2, side // 2)))
    sheet = stain(paper(ink.shape, generator), ink, any_of((BLACK, BLUE), generator))
    far, height = generator.uniform(0.55, 0.8), int(generator.uniform(0.5, 0.75) * side)
    across = side / 2 + side * np.array([-far, far, 1, -1])
    scene, _ = warped(sheet, np.stack([across, [0, 0, height, height]], axis=1), (height, side))
    return photographed(lit(np.rot90(scene, -turns), generator), generator)


@cache
def matplotlib_figure() -> tuple[Any, Any]:
    """A figure of matplotlib's default size that shows an image, and the image in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot().imshow(np.zeros((28, 28)), cmap="gray", vmin=0, vmax=1)


def in_a_figure(image: np.ndarray, _: Generator) -> np.ndarray:
    """The file that matplotlib saves after ``imshow(image, cmap="gray")``, with its axes."""
    figure, shown = matplotlib_figure()
    shown.set_data(image)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()) / np.float32(255)


def with_marker(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A thick marker on a whiteboard that reflects a lamp."""
    shape = photo_shape(generator)
    ink = with_wide_marker(strokes_of(image), generator.uniform(0.4, 0.7) * min(shape))
    ink, _ = put(shape, ink, generator, 0.04)
    board = np.full((*shape, 3), generator.uniform(0.78, 0.9), dtype=np.float32)
    scene = stain(board, ink * generator.uniform(0.85, 1), any_of(MARKERS, generator))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    centre = generator.uniform(0, 1, 2) * shape
    lamp = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * (0.2 * min(shape)) ** 2))
    return photographed(lit(scene + 0.1 * lamp[..., np.newaxis], generator), generator)


def in_one_pixel_lines(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Black lines of one pixel on white, as in Paint."""
    strokes, size = strokes_of(image), generator.uniform(40, 200)
    scale = size / (max(strokes.to_edge.shape) - 4 * ENLARGED)
    line = thinned(sharp(strokes.to_edge, scale) > 0.5).astype(np.float32)
    side = int(max(line.shape) * generator.uniform(1.05, 3)) + 8
    return 1 - put((side, side), line, generator, 0.02)[0]


def across_a_stripe(image: np.ndarray, generator: Generator) -> np.ndarray:
    """Paper with a brighter or darker band across it, behind the digit or beside it."""
    shape = photo_shape(generator)
    ink, _ = ink_on(shape, image, generator)
    levels = generator.uniform(0.5, 0.65), generator.uniform(0.8, 0.95)
    around, within = levels if generator.random() < 0.5 else levels[::-1]
    angle = generator.choice([0, np.pi / 2]) + generator.uniform(-0.1, 0.1)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) - np.array(shape)[:, None, None] / 2
    off = np.abs(x * np.cos(angle) + y * np.sin(angle) - generator.uniform(-0.2, 0.2) * min(shape))
    band = np.clip(generator.uniform(0.1, 0.25) * min(shape) - off, 0, 1)
    tint = np.array([1, generator.uniform(0.93, 1), generator.uniform(0.85, 1)], dtype=np.float32)
    scene = (around + (within - around) * band)[..., np.newaxis] * tint
    return photographed(lit(stain(scene, ink, any_of((BLACK, BLUE), generator)), generator), generator)


def with_transparent_margin(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A sheet that was cut out of its background."""
    sheet = photographed(lit(written(image, generator, margin=0.12), generator), generator)
    shape = sheet.shape[:2]
    size = generator.uniform(0.7, 0.9) * np.array(shape)
    corners = corners_around(size, generator.uniform(-0.12, 0.12), np.array(shape[::-1]) / 2)
    return np.dstack(warped(sheet, corners, shape))


def red_on_green(image: np.ndarray, generator: Generator) -> np.ndarray:
    """A drawing in a red and a green of the same grey level."""
    side = int(generator.integers(100, 401))
    size, pen = generator.uniform(0.4, 0.8) * side, generator.uniform(0.07, 0.14)
    ink, _ = put((side, side), inked(strokes_of(image), size, pen), generator, 0.04)
    red, green = np.array([generator.uniform(0.75, 0.95), 0.1, 0.1]), np.array([0.08, 0.0, 0.12])
    luma = np.array([0.299, 0.587, 0.114])
    green[1] = (red - green) @ luma / luma[1]
    colours = (red, green) if generator.random() < 0.5 else (green, red)
    return stain(np.broadcast_to(np.float32(colours[0]), (side, side, 3)), ink, colours[1])


SURROUNDINGS: dict[str, Picture] = {
    "sheet on a desk": on_a_desk,
    "ruled paper, faint": partial(on_printed_paper, strength=0.12, squared=False),
    "ruled paper, medium": partial(on_printed_paper, strength=0.25, squared=False),
    "ruled paper, strong": partial(on_printed_paper, strength=0.5, squared=False),
    "squared paper, faint": partial(on_printed_paper, strength=0.12, squared=True),
    "squared paper, medium": partial(on_printed_paper, strength=0.25, squared=True),
    "squared paper, strong": partial(on_printed_paper, strength=0.5, squared=True),
    "box of a form": in_a_box,
    "circled": circled,
    "underlined": underlined,
    "pen beside it": beside_a_pen,
    "vignette": with_vignette,
    "hard shadow": partial(in_shadow, softness=0),
    "soft shadow": partial(in_shadow, softness=0.08),
    "faint pencil": in_faint_pencil,
    "perspective": in_perspective,
    "matplotlib figure": in_a_figure,
    "marker on a whiteboard": with_marker,
    "lines of one pixel": in_one_pixel_lines,
    "stripe": across_a_stripe,
    "transparent margin": with_transparent_margin,
    "red on green": red_on_green,
}
