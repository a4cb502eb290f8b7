"""Find the ink of a picture: several interpretations, because no single one is right for every picture.

Each interpretation is a contrast, which is high on ink and 0 on paper, and two masks: strong pixels, which are ink, and
weak pixels, which are ink if they are near a strong one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sk_mnist.preprocessing._pictures import shrink

# Longest side, in pixels, of the image in which ink is detected, and of the one in which paper is estimated.
FINE_SIDE = 1024
COARSE_SIDE = 96

# Width of the widest stroke as a share of the picture's longest side. Anything wider is paper.
WIDEST_STROKE = 0.4
# Evenly lit paper: two classes of levels account for this share of the variance, and the paper takes so many corners
# and this share of the border. A stroke of a closely cut digit may fill the fourth corner.
TWO_CLASSES, PAPER_IN_CORNERS, PAPER_ON_BORDER = 0.75, 3, 0.7

# With a hard shadow, three classes of levels account for this share of the variance. Of the class in the middle, this
# share may be as dark, or as bright, as the weakest ink.
THREE_CLASSES, BEYOND_PAPER = 0.85, 0.03

# Least contrast between paper and ink, in grey levels and as a multiple of the noise. Below either, a picture is blank.
MIN_CONTRAST = 24
MIN_CONTRAST_TO_NOISE = 4

# The weakest grey that belongs to a stroke, as a share of the ink level: on clean paper, and on other paper.
WEAKEST_ON_CLEAN, WEAKEST = 0.02, 0.12
WEAKEST_TO_NOISE = 4
# A grey pixel has at least this share of full contrast, and is no farther from a strong one than a stroke is wide, or
# than this share of the longer side. A weak pixel is only so many pixels away from a grey one. Others are rulings.
GREY, WEAK_REACH, LEAST_REACH = 0.25, 0.05, 2

# Ink has so many times the contrast of rulings, and covers less than this share of the border of the picture.
RULING_CONTRAST, RULING_BORDER = 3.0, 0.02

# The local contrast: window of the mean as a share of the longer side, and contrast in units of the local noise of a
# pixel that may be ink, and of one that is. In smaller pictures, the window has too few pixels.
WINDOW, WEAK_TO_NOISE, STRONG_TO_NOISE = 1 / 16, 4.5, 9.0
LEAST_SIDE_FOR_NOISE = 100
# Strokes are faint below so many times the contrast that is ink. Then noise is averaged by a blur of so many pixels,
# which leaves this share of it.
FAINT, FAINT_BLUR, AVERAGED_NOISE = 1.5, 1.5, 0.3

# A line is at most this wide, as a share of its length. It is horizontal or touches the border, and is longer than
# everything else by this factor. A 1 is neither.
LINE_WIDTH, LINE_LENGTH = 0.12, 1.3
# An underline is at most this high, as a share of its width, and at least this wide, as a share of what is above it.
UNDERLINE_HEIGHT, UNDERLINE_WIDTH = 0.2, 0.8
# Ink along at least this share of a side of the picture is the edge of the paper or a shadow, if there is ink away from
# the border that is at least this large, as a share of the shorter side.
EDGE_RUN, INNER_SIZE = 0.5, 0.1
# So is a band from one side to the opposite one, which covers at least this share of the picture.
BAND_WIDTH = 0.15
# Specks are smaller and have less ink than these shares of the largest size and amount of ink.
SPECK_SIZE, SPECK_INK = 0.12, 0.03

# A share of the ink that is nearly all.
COMPLETE = 0.95

# A picture with more separate strokes than this is a text or a photograph.
MAX_COMPONENTS = 1000

# A ruling covers at least this share of the picture's width or height, is so many times as long as it is wide, and at
# most so steep. It is straight up to a width in pixels. Seen in perspective, rulings have at most so many slopes.
RULING_LENGTH, RULING_LENGTH_IF_ALONE, LEAST_RUN, RUN_SLENDERNESS = 0.5, 0.7, 24, 12
STEEPEST, RULING_WIDTH, MAX_RULING_SLOPES = 0.2, 3, 12
# What is left of a ruling is at most so many pixels from it.
RULING_REACH = 8
# A region covers between these shares of the picture, and at least a share of the box around it.
LEAST_REGION, LARGEST_REGION, REGION_IN_BOX = 0.04, 0.95, 0.6
# How far from the edge of a region its inside begins, as a share of the longer side of the picture.
REGION_MARGIN = 0.01
# Not a digit: longer than this share of the picture, and thin or with little ink in its box.
LONG, THIN, SPARSE = 0.45, 0.3, 0.15
# Not a digit: lower than this share of the median height, weighted by ink.
LOWEST = 0.3
# A frame encloses something that is at least the first share of its size, and nothing between the other two, as a face
# does: smaller parts are specks.
ENCLOSED, LEAST_ENCLOSED, LARGEST_SPECK = 0.3, 0.2, 0.05
# The outer frame of a picture is at most this wide, as a share of each side, and inked along this share of the side.
FRAME_WIDTH, FRAME_RUN = 0.1, 0.9

_DIAGONALS_TOO = np.ones((3, 3), dtype=bool)


class NoInkError(Exception):
    """Says why an interpretation has no ink."""


@dataclass(frozen=True)
class Component:
    """A connected component of ink.

    Attributes
    ----------
    label : int
        Value of its pixels in the array of labels.
    top, bottom, left, right : int
        Its bounding box, in pixels; bottom and right are the first row and column after it.
    ink : int
        Sum of its grey levels.
    area : int
        Number of its pixels.
    """

    label: int
    top: int
    bottom: int
    left: int
    right: int
    ink: int
    area: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def size(self) -> int:
        """The longer side."""
        return max(self.height, self.width)

    def encloses(self, other: Component) -> bool:
        """Whether the box of another component lies inside the box of this one."""
        return (
            self.top < other.top and self.left < other.left and self.bottom > other.bottom and self.right > other.right
        )


@dataclass(frozen=True)
class Ink:
    """The strokes of a picture.

    Attributes
    ----------
    levels : ndarray of uint8 of shape (height, width)
        From 0 for paper to 255 for ink.
    labels : ndarray of int of shape (height, width)
        Label of the component that each pixel belongs to.
    components : list of Component
        Components that may be digits or parts of digits.
    shrunk : int
        Factor by which the picture was shrunk, along each side.
    is_complete : bool
        Whether no ink was left out and, because the paper has no noise, none was overlooked.
    """

    levels: NDArray[np.uint8]
    labels: NDArray[np.int32]
    components: list[Component]
    shrunk: int
    is_complete: bool

    def crop(self, components: list[Component]) -> NDArray[np.uint8]:
        """Return the levels in the box around the given components, with all other components set to 0."""
        rows = slice(min(c.top for c in components), max(c.bottom for c in components))
        columns = slice(min(c.left for c in components), max(c.right for c in components))
        chosen = np.isin(self.labels[rows, columns], [c.label for c in components])
        return np.where(chosen, self.levels[rows, columns], 0).astype(np.uint8)


@dataclass(frozen=True)
class Contrast:
    """An interpretation, before its ink is divided into components.

    Attributes
    ----------
    contrast : ndarray of shape (height, width)
        Difference of each pixel from the paper, 0 on paper.
    strong, weak : ndarray of bool of shape (height, width)
        Pixels that are ink, and those that are ink if they are near a strong one.
    full : float
        The contrast of full ink.
    is_clean : bool
        Whether the paper has no noise at all.
    """

    contrast: NDArray
    strong: NDArray[np.bool_]
    weak: NDArray[np.bool_]
    full: float
    is_clean: bool = False


def find_ink(levels: NDArray[np.uint8]) -> Ink | None:
    """Find the strokes of a picture, by the most likely interpretation.

    Parameters
    ----------
    levels : ndarray of uint8 of shape (height, width)
        Grey levels, with ink that is darker or brighter than the paper.

    Returns
    -------
    ink : Ink or None
        None if the picture is blank.
    """
    try:
        return interpretations(levels, alone=True)[0]()
    except NoInkError:
        return None


def interpretations(levels: NDArray[np.uint8], *, alone: bool) -> list[Callable[[], Ink]]:
    """Return functions that find the strokes of a picture in different ways, the most likely one first.

    Each raises NoInkError if it finds none.

    Parameters
    ----------
    levels : ndarray of uint8 of shape (height, width)
        Grey levels.
    alone : bool
        Whether the picture is of a single digit. Then straight strokes may be long.
    """
    ruling_length = RULING_LENGTH_IF_ALONE if alone else RULING_LENGTH
    fine, shrunk = shrink(levels, FINE_SIDE)
    above_paper = cache(lambda: _above_paper(fine))
    above_noise = cache(lambda: _above_noise(fine))
    rarer_region = cache(lambda: _region(fine, of_rarer=True))

    def divided(found: Contrast) -> Ink:
        return _divided(found, shrunk)

    def cleared(found: Contrast) -> Ink:
        return _without_enclosures(_without_margins(divided(found)))

    return [
        lambda: _without_enclosures(divided(above_paper())),
        lambda: cleared(above_noise()),
        lambda: (divided if alone else cleared)(_above_one_level(fine)),
        lambda: _without_enclosures(divided(_without_rulings(above_paper(), ruling_length))),
        lambda: cleared(_without_rulings(above_noise(), ruling_length)),
        lambda: divided(_inside(fine, rarer_region(), _above_paper)),
        lambda: cleared(_on_sheet(fine, rarer_region, ruling_length)),
        lambda: divided(_without_frame(fine)),
    ]


def _above_paper(levels: NDArray[np.uint8]) -> Contrast:
    """Subtract the paper, which may be unevenly lit, and separate the ink by Otsu's threshold."""
    return _thresholded(_without_paper(levels))


def _above_one_level(levels: NDArray[np.uint8]) -> Contrast:
    """Take one of two or, with a hard shadow, three classes of levels for the ink: strokes may be of any width."""
    counts = _histogram(levels)
    threshold = _otsu(counts)
    if threshold is None:
        raise NoInkError("the contrast is too low")
    signed = levels.astype(np.int16)
    dark, middle, bright = _three_classes(counts)
    if middle.sum() >= LEAST_REGION * levels.size and _explained(dark, middle, bright) >= THREE_CLASSES:
        # Two of them are paper, in light and in shadow. Ink is beyond nearly all pixels of the one in the middle.
        if dark.sum() < bright.sum():
            contrast = _quantile(middle, BEYOND_PAPER) - signed
        else:
            contrast = signed - _quantile(middle, 1 - BEYOND_PAPER)
        return replace(_thresholded(np.maximum(contrast, 0)), is_clean=False)
    dark, bright = _split_at(counts, threshold)
    if dark.sum() > bright.sum():
        return _thresholded(signed - _quantile(dark, 0.5))
    return _thresholded(_quantile(bright, 0.5) - signed)


def _thresholded(contrast: NDArray[np.int16]) -> Contrast:
    """Separate the ink by Otsu's threshold; all that it needs is computed from the histogram, because this is fast."""
    values = np.arange(-255, 256)
    counts = np.bincount((contrast + 255).ravel(), minlength=511)
    threshold = _otsu(np.append(counts[:256].sum(), counts[256:]))
    if threshold is None:
        raise NoInkError("the contrast is too low")
    paper, _ = _split_at(counts, threshold + 255)
    offset = _quantile(paper, 0.5) - 255
    deviations = np.bincount(np.abs(values - offset), paper)
    noise = 1.4826 * _quantile(deviations, 0.5)
    levels = np.clip(contrast - offset, 0, 255).astype(np.uint8)
    counts = np.bincount(np.clip(values - offset, 0, 255), counts, minlength=256).astype(np.intp)
    others, strong = _split_at(counts, threshold - offset)
    if _mean(strong) - _mean(others) < max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise):
        raise NoInkError("the contrast is too low")
    above = least_weak = threshold - offset
    if (above_rulings := _above_rulings(levels, strong)) is not None:
        above, least_weak = above_rulings, above_rulings // 2
        noise = max(noise, least_weak / WEAKEST_TO_NOISE)
    full = _quantile(_split_at(counts, above)[1], 0.9)
    weakest = max(WEAKEST_TO_NOISE * noise, WEAKEST * full) if noise else WEAKEST_ON_CLEAN * full
    return Contrast(levels, levels > above, levels > min(weakest, least_weak), full, noise == 0)


def _above_rulings(contrast: NDArray[np.integer], strong: NDArray[np.intp]) -> int | None:
    """Return the level that separates ink from faint rulings, both with this histogram; None if there are none.

    Rulings may have so many pixels that Otsu's threshold separates them and the ink from the paper.
    """
    threshold = _otsu(strong)
    if threshold is None:
        return None
    rulings, ink = _split_at(strong, threshold)
    if _mean(ink) < RULING_CONTRAST * _mean(rulings):
        return None
    # A desk around the paper is not ink.
    return threshold if (_border(contrast) > threshold).mean() < RULING_BORDER else None


def _above_noise(levels: NDArray[np.uint8]) -> Contrast:
    """Compare each pixel with the local mean, in units of the local noise, so that light and paper do not matter."""
    side = max(levels.shape)
    if side < LEAST_SIDE_FOR_NOISE:
        raise NoInkError("the picture is too small to measure its noise")
    window = int(side * WINDOW) | 1
    exact = levels.astype(np.float32)
    squares = (exact - ndimage.gaussian_filter(exact, 1.5)) ** 2
    # Edges of strokes are no noise.
    squares = np.minimum(squares, 4 * np.median(squares) + 1e-3)
    # Rounding makes a mean of nothing negative.
    noise = np.sqrt(np.maximum(ndimage.uniform_filter(squares, window), 0)) + 1
    paper = ndimage.uniform_filter(exact, window)
    difference, in_noise, highest = _in_noise(paper, ndimage.gaussian_filter(exact, side / 900), noise)
    if highest < FAINT * STRONG_TO_NOISE:
        # Faint strokes stand out when the noise is averaged.
        difference, in_noise, _ = _in_noise(paper, ndimage.gaussian_filter(exact, FAINT_BLUR), AVERAGED_NOISE * noise)
    strong = in_noise > STRONG_TO_NOISE
    if not strong.any():
        raise NoInkError("the contrast is too low")
    # On noisy paper, strokes are uneven, and most of each is full ink.
    full = float(np.percentile(difference[strong], 60 if np.median(squares) > 1 else 90))
    return Contrast(np.maximum(difference, 0), strong, in_noise > WEAK_TO_NOISE, full)


def _in_noise(paper: NDArray, picture: NDArray, noise: NDArray) -> tuple[NDArray, NDArray, float]:
    """Return the difference from the paper, higher where there is ink; that in units of noise; and how high this is."""
    difference = paper - picture
    in_noise = difference / noise
    of_dark, of_bright = np.percentile(in_noise, 99.8), np.percentile(-in_noise, 99.8)
    if of_bright > of_dark:
        return -difference, -in_noise, float(of_bright)
    return difference, in_noise, float(of_dark)


def _without_frame(levels: NDArray[np.uint8]) -> Contrast:
    """Leave out rows and columns along the border of the picture that differ from the rest as a whole."""
    is_ink = _rarer_class(levels)
    inside = np.ones(levels.shape, dtype=bool)
    for axis in (0, 1):
        is_frame = is_ink.mean(axis=1 - axis) >= FRAME_RUN
        for end in (1, -1):
            width = int((~is_frame[::end]).argmax())
            if 0 < width <= max(1, FRAME_WIDTH * len(is_frame)):
                # The pixel next to a frame is a mixture.
                np.moveaxis(inside, axis, 0)[::end][: width + 1] = False
    if inside.all():
        raise NoInkError("there is no frame")
    return _inside(levels, inside, _above_paper)


def _region(levels: NDArray[np.uint8], *, of_rarer: bool) -> NDArray[np.bool_]:
    """Return the inside of the largest region of one of two classes of levels: a sheet on a desk, a figure."""
    is_rarer = _rarer_class(levels)
    labels, n_labels = ndimage.label(is_rarer if of_rarer else ~is_rarer)
    sizes = np.bincount(labels.ravel(), minlength=n_labels + 1)
    sizes[0] = 0
    largest = int(sizes.argmax())
    box = ndimage.find_objects((labels == largest).astype(np.int8))[0]
    region = ndimage.binary_fill_holes(np.pad(labels[box] == largest, 1))
    margin = max(1, int(REGION_MARGIN * max(levels.shape)))
    share = region.sum() / levels.size
    if not LEAST_REGION <= share <= LARGEST_REGION or region.mean() < REGION_IN_BOX:
        raise NoInkError("there is no region that encloses others")
    inside = np.zeros(levels.shape, dtype=bool)
    inside[box] = ndimage.minimum_filter(region, 2 * margin + 1)[1:-1, 1:-1]
    return inside


def _on_sheet(
    levels: NDArray[np.uint8], rarer_region: Callable[[], NDArray[np.bool_]], ruling_length: float
) -> Contrast:
    """Look only inside the largest region, in units of the local noise, and without rulings if there are some."""

    def written_on(sheet: NDArray[np.uint8]) -> Contrast:
        found = _above_noise(sheet)
        try:
            return _without_rulings(found, ruling_length)
        except NoInkError:
            return found

    try:
        inside = rarer_region()
    except NoInkError:
        inside = _region(levels, of_rarer=False)
    return _inside(levels, inside, written_on)


def _rarer_class(levels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    threshold = _otsu(_histogram(levels))
    if threshold is None:
        raise NoInkError("the contrast is too low")
    is_bright = levels > threshold
    return ~is_bright if is_bright.mean() > 0.5 else is_bright


def _inside(
    levels: NDArray[np.uint8], inside: NDArray[np.bool_], find: Callable[[NDArray[np.uint8]], Contrast]
) -> Contrast:
    """Find contrast in a part of the picture, as if the rest was paper."""
    if not inside.any():
        raise NoInkError("the picture is too small")
    box = ndimage.find_objects(inside.astype(np.int8))[0]
    part = np.where(inside[box], levels[box], _quantile(_histogram(levels[inside]), 0.5)).astype(np.uint8)
    found = find(part)
    contrast = np.zeros(levels.shape, found.contrast.dtype)
    strong, weak = np.zeros(levels.shape, dtype=bool), np.zeros(levels.shape, dtype=bool)
    contrast[box], strong[box], weak[box] = found.contrast, found.strong & inside[box], found.weak & inside[box]
    return Contrast(contrast, strong, weak, found.full)


def _without_rulings(found: Contrast, share: float) -> Contrast:
    """Remove long, thin and straight lines, but not the strokes that cross them."""
    ink = found.weak & _near(found, found.weak.shape)
    across, beside_across, thin_across = _rulings(ink, share)
    down, beside_down, thin_down = (mask.T for mask in _rulings(ink.T, share))
    removed = across | down
    if not removed.any():
        raise NoInkError("there are no lines")
    # Lines are not quite straight, and dashes differ in width: what is left of them, and of their crossings, goes too.
    is_near = thin_across | thin_down | (beside_across & beside_down)
    labels, n_labels = ndimage.label(ink & ~removed, _DIAGONALS_TOO)
    is_apart = np.bincount(labels[~is_near], minlength=n_labels + 1) > 0
    removed |= ~is_apart[labels]
    # The blurred edges of a line go with it.
    around = ndimage.maximum_filter(removed, 3) & ~found.strong | removed
    return replace(found, strong=found.strong & ~around, weak=found.weak & ~around)


def _rulings(ink: NDArray[np.bool_], share: float) -> tuple[NDArray[np.bool_], ...]:
    """Find lines that cover this share of the columns, and are at most so far from horizontal.

    Returns
    -------
    removed : ndarray of bool of shape (height, width)
        Their pixels.
    is_beside : ndarray of bool of shape (height, width)
        Ink on them or beside them.
    is_thin : ndarray of bool of shape (height, width)
        The part of it that is no higher than the lines.
    """
    width = ink.shape[1]
    heights = _run_lengths(ink)
    # The upper ends of vertical runs that a thin line may consist of.
    is_end = ink & (heights <= width / RUN_SLENDERNESS)
    is_end[1:] &= ~ink[:-1]
    rows, columns = np.nonzero(is_end)
    removed, is_beside, is_thin = (np.zeros_like(ink) for _ in range(3))
    ink_rows, ink_columns = np.nonzero(ink)
    for _ in range(MAX_RULING_SLOPES):
        found = _lines_of_one_slope(rows, columns, ink.shape, share)
        if found is None:
            break
        slope, is_line = found
        on_line = is_line[_crossings(rows, columns, width, slope)]
        # Where the ink is much higher than elsewhere on the line, a stroke crosses it.
        highest = 1.5 * np.median(heights[rows[on_line], columns[on_line]]) + 1
        on_line &= heights[rows, columns] <= highest
        beside = ndimage.maximum_filter1d(is_line, 2 * RULING_REACH + 1)
        of_ink = beside[_crossings(ink_rows, ink_columns, width, slope)]
        is_beside[ink_rows, ink_columns] |= of_ink
        is_thin[ink_rows, ink_columns] |= of_ink & (heights[ink_rows, ink_columns] <= highest)
        tops, across = rows[on_line], columns[on_line]
        n_rows = heights[tops, across]
        for row in range(n_rows.max(initial=0)):
            removed[tops[n_rows > row] + row, across[n_rows > row]] = True
        rows, columns = rows[~on_line], columns[~on_line]
    return removed, is_beside, is_thin


def _lines_of_one_slope(
    rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...], share: float
) -> tuple[float, NDArray[np.bool_]] | None:
    """Find lines through points that cover this share of the columns, and have the slope of the clearest one.

    Returns
    -------
    slope : float
        Rows for each column.
    is_line : ndarray of bool
        Whether there is a line at each crossing with the middle column.
    """
    height, width = shape
    if width < LEAST_RUN or len(rows) < share * width:
        return None
    best, most, n_slopes = None, 0.0, 2 * int(STEEPEST * width / RULING_WIDTH) + 1
    for slope in np.linspace(-STEEPEST, STEEPEST, n_slopes):
        counts = np.bincount(_crossings(rows, columns, width, slope), minlength=height + width)
        n_points = RULING_WIDTH * ndimage.uniform_filter1d(counts.astype(float), RULING_WIDTH)
        if n_points.max() > most:
            best, most = (float(slope), n_points), n_points.max()
    if best is None or most < share * width:
        return None
    slope, n_points = best
    return slope, ndimage.maximum_filter1d(n_points >= share * width, RULING_WIDTH)


def _crossings(rows: NDArray[np.intp], columns: NDArray[np.intp], width: int, slope: float) -> NDArray[np.intp]:
    """Return the rows, at least 0, in which lines of this slope through points cross the middle column."""
    return (rows - slope * (columns - width / 2) + STEEPEST * width).astype(np.intp)


def _run_lengths(ink: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return, for each pixel of ink, the length of the vertical run that it is in; 0 elsewhere."""
    rows = np.arange(1, len(ink) + 1)[:, np.newaxis]
    above = np.maximum.accumulate(np.where(ink, 0, rows), axis=0)
    below = np.minimum.accumulate(np.where(ink, len(ink) + 1, rows)[::-1], axis=0)[::-1]
    return np.where(ink, below - above - 1, 0)


def _box_around(weak: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns of weak pixels, and of grey ones beside them."""
    inked = np.flatnonzero(weak.any(axis=1)), np.flatnonzero(weak.any(axis=0))
    rows, columns = (slice(max(0, int(n[0]) - LEAST_REACH), int(n[-1]) + LEAST_REACH + 1) for n in inked)
    return rows, columns


def _near(found: Contrast, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels that are near enough to strong ones, in a part of a picture of this shape."""
    strong = found.strong
    n_edges = np.count_nonzero(np.diff(strong, axis=0)) + np.count_nonzero(np.diff(strong, axis=1))
    width = 2.5 * strong.sum() / max(1, n_edges)
    reach = int(max(LEAST_REACH, min(width, WEAK_REACH * max(shape))))
    grey = (found.contrast > GREY * found.full) & _dilated(strong, reach)
    return _dilated(grey | strong, LEAST_REACH)


def _dilated(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return the pixels of squares around those of a mask: a fast ``ndimage.maximum_filter``."""
    size = 2 * reach + 1
    for _ in range(2):
        mask = np.pad(mask.T, ((reach, reach), (0, 0)))
        covered = 1
        while covered < size:
            step = min(covered, size - covered)
            mask = mask[:-step] | mask[step:]
            covered += step
    return mask


def _divided(found: Contrast, shrunk: int) -> Ink:
    """Divide the ink into components."""
    if not found.strong.any():
        raise NoInkError("the contrast is too low")
    # Most of a picture is paper, which need not be searched.
    box = _box_around(found.weak)
    part = replace(found, contrast=found.contrast[box], strong=found.strong[box], weak=found.weak[box])
    inked: NDArray[np.uint8] = np.zeros(found.weak.shape, dtype=np.uint8)
    labels: NDArray[np.int32] = np.zeros(found.weak.shape, dtype=np.int32)
    inked[box] = _as_levels(part)
    labels[box], _ = ndimage.label(part.weak & _near(part, found.weak.shape), _DIAGONALS_TOO)
    of_ink = labels[box] > 0
    areas = np.bincount(labels[box][of_ink])
    sums = np.bincount(labels[box][of_ink], inked[box][of_ink])
    wanted = np.flatnonzero(np.bincount(labels[box][part.strong]))
    wanted = wanted[np.argsort(-sums[wanted], kind="stable")[: MAX_COMPONENTS + 1]]
    boxes = ndimage.find_objects(labels[box])
    top, left = (side.start for side in box)
    components = [
        Component(
            label,
            top + rows.start,
            top + rows.stop,
            left + columns.start,
            left + columns.stop,
            int(sums[label]),
            int(areas[label]),
        )
        for label, (rows, columns) in ((int(label), boxes[label - 1]) for label in wanted)
    ]
    kept = _without_lines_and_specks(components, labels)
    is_complete = found.is_clean and sum(c.ink for c in kept) >= COMPLETE * sum(c.ink for c in components)
    return Ink(inked, labels, kept, shrunk, is_complete)


def _as_levels(found: Contrast) -> NDArray[np.uint8]:
    """Return contrast as levels, from 0 on paper to 255 on full ink."""
    is_whole = found.contrast.dtype == np.uint8
    contrast = np.arange(256) if is_whole else found.contrast
    levels = np.minimum(255 * contrast / found.full + 0.5, 255).astype(np.uint8)
    return levels[found.contrast] if is_whole else levels


def _without_margins(ink: Ink) -> Ink:
    """Leave out what no digit is: long and thin or sparse, along the border, or much lower than most ink."""
    height, width = ink.levels.shape
    kept = [
        c
        for c in ink.components
        if not (
            c.size > LONG * max(height, width)
            and (min(c.height, c.width) < THIN * c.size or c.area < SPARSE * c.height * c.width)
        )
        and not (c.top == 0 or c.left == 0 or c.bottom == height or c.right == width)
    ]
    if not kept:
        raise NoInkError("only lines and edges were found")
    heights, inks = np.array([c.height for c in kept]), np.array([c.ink for c in kept])
    order = np.argsort(heights)
    middle = heights[order][np.searchsorted(inks[order].cumsum(), inks.sum() / 2)]
    return replace(ink, components=[c for c in kept if c.height >= LOWEST * middle])


def _without_enclosures(ink: Ink) -> Ink:
    """Leave out the frames around others: boxes of forms, circles, tables."""
    return replace(ink, components=[c for c in ink.components if not _is_frame(c, ink.components)])


def _is_frame(component: Component, components: list[Component]) -> bool:
    sizes = [other.size / component.size for other in components if component.encloses(other)]
    return max(sizes, default=0) >= ENCLOSED and not any(LARGEST_SPECK < size < LEAST_ENCLOSED for size in sizes)


def _without_paper(levels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the difference of each pixel from the surrounding paper; higher where there is ink."""
    if (plain := _plain_paper(levels)) is not None:
        level, is_bright = plain
        difference = levels.astype(np.int16) - level
        return -difference if is_bright else difference
    coarse, factor = shrink(levels, COARSE_SIDE)
    if _is_dark_on_light(coarse):
        levels, coarse = 255 - levels, 255 - coarse
    size = int(WIDEST_STROKE * max(coarse.shape)) | 1
    # No window of this size fits into a stroke. So the lowest level in each window, and the highest of these around
    # each pixel, belong to the paper, including its gradients and shadows.
    paper = ndimage.grey_opening(coarse, size=(size, size), mode="nearest")
    if paper.min() == paper.max():
        return levels.astype(np.int16) - int(paper.min())
    return levels.astype(np.int16) - np.floor(_enlarged(paper, levels.shape, factor) + 0.5).astype(np.int16)


def _plain_paper(levels: NDArray[np.uint8]) -> tuple[int, bool] | None:
    """Return the level of evenly lit paper around the ink, and whether it is brighter than the ink.

    None if the light is uneven, or the picture is cut closely. Then strokes may be of any width, and may touch the
    border.
    """
    counts = _histogram(levels)
    threshold = _otsu(counts)
    if threshold is None:
        return None
    dark, bright = _split_at(counts, threshold)
    if _explained(dark, bright) < TWO_CLASSES:
        return None
    corners = levels[[0, 0, -1, -1], [0, -1, 0, -1]] > threshold
    is_bright = bool(corners.sum() >= PAPER_IN_CORNERS)
    is_paper = (_border(levels) > threshold) == is_bright
    if (corners == is_bright).sum() < PAPER_IN_CORNERS or is_paper.mean() < PAPER_ON_BORDER:
        return None
    return _quantile(bright if is_bright else dark, 0.5), is_bright


def _border(values: NDArray) -> NDArray:
    """Return the values along the four sides of a picture."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _histogram(levels: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.array(Image.fromarray(np.atleast_2d(levels)).histogram())  # faster than np.bincount


def _split_at(counts: NDArray[np.intp], threshold: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the histograms of the levels up to a threshold, and of those above it."""
    is_above = np.arange(len(counts)) > threshold
    return np.where(is_above, 0, counts), np.where(is_above, counts, 0)


def _mean(counts: NDArray[np.intp], power: int = 1) -> float:
    """Return the mean level of a histogram, or that of its squares."""
    return float((counts * np.arange(len(counts)) ** power).sum() / counts.sum())


def _is_dark_on_light(levels: NDArray[np.uint8]) -> bool:
    # Strokes are few pixels that differ strongly from their surroundings, under any lighting.
    size = max(levels.shape) // 2 | 1
    differences = levels - ndimage.uniform_filter(levels.astype(np.float64), size, mode="nearest")
    return float((differences**3).sum()) < 0


def _enlarged(levels: NDArray[np.uint8], shape: tuple[int, ...], factor: int) -> NDArray[np.float64]:
    """Interpolate linearly between the centres of blocks."""
    rows, columns = (_linear(n_small, n_large, factor) for n_small, n_large in zip(levels.shape, shape, strict=True))
    return rows @ levels.astype(np.float64) @ columns.T


def _linear(n_small: int, n_large: int, factor: int) -> NDArray[np.float64]:
    """Return the weight of each block for each pixel."""
    position = np.clip((np.arange(n_large) + 0.5) / factor - 0.5, 0, n_small - 1)
    return np.maximum(0, 1 - np.abs(position[:, np.newaxis] - np.arange(n_small)))


def _otsu(counts: NDArray[np.intp]) -> int | None:
    """Return the level of a histogram that best separates two classes; None if there is only one level."""
    below = counts.cumsum().astype(np.float64)
    total = below[-1]
    sums = (counts * np.arange(256)).cumsum().astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (sums[-1] * below - total * sums) ** 2 / (below * (total - below))
    between = np.nan_to_num(between, nan=0.0, posinf=0.0)
    if between.max() == 0:
        return None
    # Between the two classes lie levels that do not occur; take the middle one.
    best = np.flatnonzero(between == between.max())
    return int(best[0] + best[-1]) // 2


def _three_classes(counts: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the histograms of the three classes of levels that Otsu's criterion separates best."""
    n = counts.cumsum().astype(np.float64)
    sums = (counts * np.arange(256)).cumsum().astype(np.float64)
    # All pairs of thresholds: the first along rows, the second along columns.
    n_first, n_second, first, second = n[:, np.newaxis], n, sums[:, np.newaxis], sums
    with np.errstate(invalid="ignore", divide="ignore"):
        between = first**2 / n_first + (second - first) ** 2 / (n_second - n_first)
        between += (sums[-1] - second) ** 2 / (n[-1] - n_second)
    between = np.where(np.isfinite(between) & (n_second > n_first), between, 0.0)
    low, high = np.unravel_index(between.argmax(), between.shape)
    dark, others = _split_at(counts, int(low))
    return [dark, *_split_at(others, int(high))]


def _explained(*classes: NDArray[np.intp]) -> float:
    """Return the share of the variance of levels that classes account for."""
    counts = np.sum(classes, axis=0)
    mean = _mean(counts)
    between = sum(of_class.sum() * (_mean(of_class) - mean) ** 2 for of_class in classes if of_class.any())
    return float(between / (counts.sum() * (_mean(counts, 2) - mean**2)))


def _quantile(counts: NDArray, share: float) -> int:
    """Return a quantile of a histogram: the lowest level that at least this share of the pixels does not exceed."""
    return int(np.searchsorted(counts.cumsum(), share * counts.sum()))


def _without_lines_and_specks(components: list[Component], labels: NDArray[np.int32]) -> list[Component]:
    runs = _runs_along_the_border(labels)
    least = INNER_SIZE * min(labels.shape)
    others = [c.size for c in components if not _may_be_a_line(c, runs) and c.size >= least]
    kept = [c for c in components if not (others and _may_be_a_line(c, runs) and c.size >= LINE_LENGTH * max(others))]
    if any(not runs[c.label] and c.size >= least for c in kept):
        kept = [c for c in kept if runs[c.label] < EDGE_RUN and not _is_band(c, labels.shape)]
    kept = [c for c in kept if not any(_underlines(c, other) for other in kept)]
    largest, most = max(c.size for c in kept), max(c.ink for c in kept)
    return [c for c in kept if c.size >= SPECK_SIZE * largest or c.ink >= SPECK_INK * most]


def _is_band(component: Component, shape: tuple[int, ...]) -> bool:
    """Return whether a component is a wide band from one side of the picture to the opposite one."""
    height, width = shape
    is_across = component.height == height or component.width == width
    return is_across and component.area >= BAND_WIDTH * height * width


def _underlines(line: Component, other: Component) -> bool:
    return (
        line.height <= UNDERLINE_HEIGHT * line.width
        and other.height > UNDERLINE_HEIGHT * other.width
        and other.bottom <= line.top
        and line.width >= UNDERLINE_WIDTH * other.width
        and min(line.right, other.right) - max(line.left, other.left) >= UNDERLINE_WIDTH * other.width
    )


def _runs_along_the_border(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return, for each label, the largest share of a side of the picture that it covers."""
    sides = labels[0], labels[-1], labels[:, 0], labels[:, -1]
    return np.max([np.bincount(side, minlength=labels.max() + 1) / len(side) for side in sides], axis=0)


def _may_be_a_line(component: Component, runs: NDArray[np.float64]) -> bool:
    is_thin = min(component.height, component.width) <= LINE_WIDTH * component.size
    return is_thin and bool(runs[component.label] or component.width > component.height)
