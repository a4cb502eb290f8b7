"""Find the ink of a picture: subtract the paper, find strokes, remove specks and isolated lines.

All steps use integer grey levels, so that the same steps in another language give the same image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sk_mnist.preprocessing._pictures import shrink

# Longest side, in pixels, of the image in which ink is detected, and of the one in which paper is estimated.
FINE_SIDE = 1024
COARSE_SIDE = 96

# Width of the widest stroke as a share of the picture's longest side. Anything wider is paper.
WIDEST_STROKE = 0.4

# Least contrast between paper and ink, in grey levels and as a multiple of the noise. Below either, a picture is blank.
MIN_CONTRAST = 24
MIN_CONTRAST_TO_NOISE = 4

# The weakest grey that belongs to a stroke, as a share of the ink level: on clean paper, and on other paper.
WEAKEST_ON_CLEAN, WEAKEST = 0.02, 0.12
WEAKEST_TO_NOISE = 4

# A line is at most this wide, as a share of its length. It is horizontal or touches the border, and is longer than
# everything else by this factor. A 1 is neither.
LINE_WIDTH, LINE_LENGTH = 0.12, 1.3
# Ink along at least this share of a side of the picture is the edge of the paper or a shadow, if there is ink away from
# the border that is at least this large, as a share of the shorter side.
EDGE_RUN, INNER_SIZE = 0.5, 0.1
# Specks are smaller and have less ink than these shares of the largest size and amount of ink.
SPECK_SIZE, SPECK_INK = 0.12, 0.03

_DIAGONALS_TOO = np.ones((3, 3), dtype=bool)


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
    """

    label: int
    top: int
    bottom: int
    left: int
    right: int
    ink: int

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
    """

    levels: NDArray[np.uint8]
    labels: NDArray[np.intp]
    components: list[Component]
    shrunk: int

    def crop(self, components: list[Component]) -> NDArray[np.uint8]:
        """Return the levels in the box around the given components, with all other components set to 0."""
        rows = slice(min(c.top for c in components), max(c.bottom for c in components))
        columns = slice(min(c.left for c in components), max(c.right for c in components))
        chosen = np.isin(self.labels[rows, columns], [c.label for c in components])
        return np.where(chosen, self.levels[rows, columns], 0).astype(np.uint8)


def find_ink(levels: NDArray[np.uint8]) -> Ink | None:
    """Find the strokes of a picture.

    Parameters
    ----------
    levels : ndarray of uint8 of shape (height, width)
        Grey levels, with ink that is darker or brighter than the paper.

    Returns
    -------
    ink : Ink or None
        None if the picture is blank.
    """
    levels, shrunk = shrink(levels, FINE_SIDE)
    contrast = _without_paper(levels)
    threshold = _otsu(np.maximum(contrast, 0))
    if threshold is None:
        return None
    paper = contrast[contrast <= threshold]
    offset = _quantile(paper, 0.5)
    noise = 1.4826 * _quantile(np.abs(paper - offset), 0.5)
    contrast = np.maximum(contrast - offset, 0)
    strong = contrast > threshold - offset
    if contrast[strong].mean() - contrast[~strong].mean() < max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise):
        return None
    full = _quantile(contrast[strong], 0.9)
    weakest = max(WEAKEST_TO_NOISE * noise, WEAKEST * full) if noise else WEAKEST_ON_CLEAN * full
    labels, _ = ndimage.label(contrast > min(weakest, threshold - offset), _DIAGONALS_TOO)
    inked = np.minimum((2 * 255 * contrast + full) // (2 * full), 255).astype(np.uint8)
    components = _components(inked, labels, np.unique(labels[strong]))
    return Ink(inked, labels, _without_lines_and_specks(components, labels), shrunk)


def _without_paper(levels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the difference of each pixel from the surrounding paper; higher where there is ink."""
    coarse, factor = shrink(levels, COARSE_SIDE)
    if _is_dark_on_light(coarse):
        levels, coarse = 255 - levels, 255 - coarse
    size = int(WIDEST_STROKE * max(coarse.shape)) | 1
    # No window of this size fits into a stroke. So the lowest level in each window, and the highest of these around
    # each pixel, belong to the paper, including its gradients and shadows.
    paper = ndimage.grey_opening(coarse, size=(size, size), mode="nearest")
    if paper.min() == paper.max():
        return levels.astype(np.int64) - int(paper.min())
    return levels.astype(np.int64) - np.floor(_enlarged(paper, levels.shape, factor) + 0.5).astype(np.int64)


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


def _otsu(levels: NDArray[np.int64]) -> int | None:
    """Return the level that best separates two classes; None if there is only one level."""
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    below, total = counts.cumsum(), levels.size
    sums = (counts * np.arange(256)).cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (sums[-1] * below - total * sums) ** 2 / (below * (total - below))
    between = np.nan_to_num(between, nan=0.0, posinf=0.0)
    if between.max() == 0:
        return None
    # Between the two classes lie levels that do not occur; take the middle one.
    best = np.flatnonzero(between == between.max())
    return int(best[0] + best[-1]) // 2


def _quantile(values: NDArray[np.int64], share: float) -> int:
    """Return a quantile of integers: the smallest value that at least this share of them does not exceed."""
    least = int(values.min())
    counts = np.bincount(values.ravel() - least)
    return least + int(np.searchsorted(counts.cumsum(), share * values.size))


def _components(levels: NDArray[np.uint8], labels: NDArray[np.intp], wanted: NDArray[np.intp]) -> list[Component]:
    boxes = ndimage.find_objects(labels)
    sums = ndimage.sum_labels(levels, labels, wanted)
    return [
        Component(int(label), rows.start, rows.stop, columns.start, columns.stop, int(ink))
        for label, ink, (rows, columns) in zip(wanted, sums, (boxes[label - 1] for label in wanted), strict=True)
    ]


def _without_lines_and_specks(components: list[Component], labels: NDArray[np.intp]) -> list[Component]:
    runs = _runs_along_the_border(labels)
    least = INNER_SIZE * min(labels.shape)
    others = [c.size for c in components if not _may_be_a_line(c, runs) and c.size >= least]
    kept = [c for c in components if not (others and _may_be_a_line(c, runs) and c.size >= LINE_LENGTH * max(others))]
    if any(not runs[c.label] and c.size >= least for c in kept):
        kept = [c for c in kept if runs[c.label] < EDGE_RUN]
    largest, most = max(c.size for c in kept), max(c.ink for c in kept)
    return [c for c in kept if c.size >= SPECK_SIZE * largest or c.ink >= SPECK_INK * most]


def _runs_along_the_border(labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return, for each label, the largest share of a side of the picture that it covers."""
    sides = labels[0], labels[-1], labels[:, 0], labels[:, -1]
    return np.max([np.bincount(side, minlength=labels.max() + 1) / len(side) for side in sides], axis=0)


def _may_be_a_line(component: Component, runs: NDArray[np.float64]) -> bool:
    is_thin = min(component.height, component.width) <= LINE_WIDTH * component.size
    return is_thin and bool(runs[component.label] or component.width > component.height)
