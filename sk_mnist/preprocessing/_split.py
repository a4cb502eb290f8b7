"""Group ink into digits, and sort digits in reading order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from sk_mnist.preprocessing._ink import MAX_COMPONENTS, Component, Ink

# A part is smaller than the first share of the size of its digit, and no farther away than the second.
PART_SIZE, PART_DISTANCE = 0.7, 0.25
# Ink is near a single digit if it is no farther away than this share of the size of its main stroke.
NEAR = 0.25
# Two halves of a broken digit, one above the other: their least horizontal overlap, as a share of the width of the
# narrower one, and the largest gap, as a share of their total height.
HALF_OVERLAP, HALF_GAP = 0.5, 0.06
# Anything lower than this share of its width is not a digit, but a dash or a piece of a line.
FLATTEST = 0.2
# Digits on the same line overlap vertically by at least this share of the lower height.
LINE_OVERLAP = 0.4
# Touching digits are together wider than TOUCHING_WIDTH times their height. They are cut at a column with one stroke of
# at most CUT_INK of the height, and both sides must have at least LEAST_WIDTH and LEAST_HEIGHT of the height.
TOUCHING_WIDTH, CUT_INK, LEAST_WIDTH, LEAST_HEIGHT = 1.2, 0.25, 0.3, 0.7


class TooManyStrokesError(ValueError):
    """The picture has more separate strokes than a page of digits."""


@dataclass(frozen=True)
class Piece:
    """The ink of one digit.

    Attributes
    ----------
    top, left : int
        First row and column in the picture.
    levels : ndarray of uint8 of shape (height, width)
        Grey levels in its bounding box, 0 outside its ink.
    whole : Piece or None
        What it was cut from.
    """

    top: int
    left: int
    levels: NDArray[np.uint8]
    whole: Piece | None = None

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.top + self.levels.shape[0]

    @property
    def right(self) -> int:
        """First column to the right of it."""
        return self.left + self.levels.shape[1]


def find_digits(ink: Ink) -> list[list[Piece]]:
    """Return the digits of each line, from left to right.

    Raises
    ------
    ValueError
        If there are too many separate strokes.
    """
    pieces = [piece_of(ink, components) for components in _joined(ink.components)]
    pieces = [piece for piece in pieces if piece.levels.shape[0] > FLATTEST * piece.levels.shape[1]] or pieces
    return _in_lines(
        [replace(part, whole=piece if part is not piece else None) for piece in pieces for part in _cut(piece)]
    )


def find_single(ink: Ink) -> Piece:
    """Return the only digit: the component with the most ink, and what is near it."""
    components = ink.components
    main = max(range(len(components)), key=lambda number: components[number].ink)
    top, bottom, left, right = np.array([(c.top, c.bottom, c.left, c.right) for c in components]).T
    distance = np.hypot(np.maximum(_gaps(top, bottom), 0), np.maximum(_gaps(left, right), 0))
    _, group = connected_components(distance <= NEAR * components[main].size, directed=False)
    return piece_of(ink, [c for c, number in zip(components, group, strict=True) if number == group[main]])


def piece_of(ink: Ink, components: list[Component]) -> Piece:
    """Join components into one piece."""
    top, left = min(c.top for c in components), min(c.left for c in components)
    return Piece(top, left, ink.crop(components))


def _joined(components: list[Component]) -> list[list[Component]]:
    """Group the components that are parts of the same digit."""
    if len(components) > MAX_COMPONENTS:
        raise TooManyStrokesError(f"the picture has more than {MAX_COMPONENTS:,} separate strokes")
    if len(components) == 1:
        return [components]
    top, bottom, left, right = np.array([(c.top, c.bottom, c.left, c.right) for c in components]).T
    height, width = bottom - top, right - left
    size = np.maximum(height, width)
    below, beside = _gaps(top, bottom), _gaps(left, right)
    larger, smaller = _pairwise(np.maximum, size), _pairwise(np.minimum, size)
    parts = (smaller < PART_SIZE * larger) & (
        np.hypot(np.maximum(below, 0), np.maximum(beside, 0)) <= PART_DISTANCE * larger
    )
    together = _pairwise(np.maximum, bottom) - _pairwise(np.minimum, top)
    halves = (-beside >= HALF_OVERLAP * _pairwise(np.minimum, width)) & (below <= HALF_GAP * together)
    n_digits, digit = connected_components(parts | halves, directed=False)
    return [[c for c, d in zip(components, digit, strict=True) if d == number] for number in range(n_digits)]


def _pairwise(function: np.ufunc, values: NDArray) -> NDArray:
    return function(values[:, np.newaxis], values)


def _gaps(start: NDArray, end: NDArray) -> NDArray:
    """Gap between each pair of intervals; the negative overlap if they overlap."""
    return _pairwise(np.maximum, start) - _pairwise(np.minimum, end)


def _cut(piece: Piece) -> Iterator[Piece]:
    """Cut touching digits apart where a single thin stroke connects them."""
    height, width = piece.levels.shape
    margin = max(1, int(LEAST_WIDTH * height))
    if width > max(TOUCHING_WIDTH * height, 2 * margin):
        thickness = _thickness_of_cuts(piece.levels > 127)[margin : width - margin]
        if thickness.min() <= CUT_INK * height:
            thinnest = np.flatnonzero(thickness == thickness.min())
            column = margin + int(thinnest[len(thinnest) // 2])
            yield from _cut(_tight(piece.top, piece.left, piece.levels[:, :column]))
            yield from _cut(_tight(piece.top, piece.left + column, piece.levels[:, column:]))
            return
    yield piece


def _thickness_of_cuts(inked: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of ink pixels in each column; the full height if a cut before it does not give two digits."""
    height = len(inked)
    # One run of ink starts and ends once.
    ends = np.diff(inked, axis=0, prepend=False, append=False).sum(axis=0)
    is_tall = (_heights_before(inked) >= LEAST_HEIGHT * height) & (
        _heights_before(inked[:, ::-1])[::-1] >= LEAST_HEIGHT * height
    )
    return np.where((ends <= 2) & is_tall, inked.sum(axis=0), height)


def _heights_before(inked: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Height of the ink in all columns up to and including each one."""
    before = np.logical_or.accumulate(inked, axis=1)
    return np.where(before.any(axis=0), len(inked) - before[::-1].argmax(axis=0) - before.argmax(axis=0), 0)


def _tight(top: int, left: int, levels: NDArray[np.uint8]) -> Piece:
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    return Piece(
        top + int(rows[0]), left + int(columns[0]), levels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    )


def _in_lines(pieces: list[Piece]) -> list[list[Piece]]:
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.top + piece.bottom):
        if lines and _share_a_line(lines[-1], piece):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [sorted(line, key=lambda piece: piece.left + piece.right) for line in lines]


def _share_a_line(line: list[Piece], piece: Piece) -> bool:
    top, bottom = (sum(getattr(p, side) for p in line) / len(line) for side in ("top", "bottom"))
    overlap = min(bottom, piece.bottom) - max(top, piece.top)
    return overlap >= LINE_OVERLAP * min(bottom - top, piece.bottom - piece.top)
