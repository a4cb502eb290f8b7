"""read_digits: read the numbers in a picture, with the shipped network as the judge of what is a digit."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.pipeline import Pipeline

from sk_mnist._images import SIDE, items_of_column
from sk_mnist._optional import import_optional
from sk_mnist._tables import html_image
from sk_mnist.preprocessing import DigitImageNormalizer, PixelScaler
from sk_mnist.preprocessing._handwriting import DigitInPicture, Proposal, propose_digits
from sk_mnist.preprocessing._pictures import grey_levels, is_picture, shrink
from sk_mnist.pretrained import SURE, load_pretrained

__all__ = ["Digit", "DigitReading", "RejectedPiece", "read_digits"]

# A piece of which the network believes less than this is not a digit. If the piece is the only one, or about as high as
# a sure digit on its line, a badly written digit is more likely than anything else, and the limit is lower.
LEAST_CONFIDENCE, LEAST_IF_LIKELY = 0.5, 0.2
SAME_HEIGHT = 1.5

# When interpretations are compared, a 1 counts so much of another digit, because edges look like 1s. If others were
# found, but none on its line or about as high, it counts against the interpretation.
WORTH_OF_A_ONE = 0.3

# The shipped network sees each piece as it is and in these forms: turned by 8 degrees to each side, broader, narrower.
# Its mean answer counts, because a piece that looks like a digit in one form alone is doubtful. Each matrix leads from
# a place in the form to one in the piece, as (row, column) from the middle.
_COS, _SIN = math.cos(math.radians(8)), math.sin(math.radians(8))
FORMS = [
    [[_COS, _SIN], [-_SIN, _COS]],
    [[_COS, -_SIN], [_SIN, _COS]],
    [[1.0, 0.0], [0.0, 1 / 1.12]],
    [[1.0, 0.0], [0.0, 1 / 0.85]],
]

# Limits on the work that a picture can cause.
MAX_PROPOSALS, MAX_PIECES = 8, 300

# Longest side of the picture that a reading keeps to draw itself.
_SHOWN_SIDE = 1024
_SURE_COLOR, _UNSURE_COLOR, _REJECTED_COLOR = "#0072B2", "#D55E00", "#999999"


class Digit(NamedTuple):
    """A digit that was read.

    Attributes
    ----------
    label : object
        The answer of the model: one of its ``classes_``, as a Python object.
    confidence : float
        Its probability. Without a ``model``, the mean over five forms of the piece: as it is, turned by 8 degrees to
        each side, broader and narrower.
    is_sure : bool
        Whether the answer can be relied on: its probability, and that of the shipped network for this piece, are at
        least ``sk_mnist.pretrained.SURE``. It must not be a part of something that is no digit: if it was cut from a
        connected shape, the other parts must have a probability of at least 0.5, and if all ink of a clean drawing
        forms one piece, this must surely be a digit, or consist of several sure ones. With ``split=False``, no other
        interpretation may show another digit.
    runner_up : object
        The second most probable label.
    box : tuple of (int, int, int, int)
        Left, top, right and bottom in pixels of the picture, as in Pillow.
    image : ndarray of uint8 of shape (28, 28)
        What the model saw: the digit in the form of MNIST's images.
    line : int
        Number of its line in the picture, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import read_digits
    >>> paper = np.full((300, 400), 0.9)
    >>> paper[50:250, 90:105] = 0.2
    >>> (digit,) = read_digits(paper).digits
    >>> digit.label, digit.is_sure, digit.box
    (1, True, (90, 50, 105, 250))
    """

    label: Any
    confidence: float
    is_sure: bool
    runner_up: Any
    box: tuple[int, int, int, int]
    image: NDArray[np.uint8]
    line: int

    def __repr__(self) -> str:
        # The pixels of the image would take dozens of lines.
        answer = f"label={self.label!r}, confidence={self.confidence:.4f}, is_sure={self.is_sure}"
        return f"Digit({answer}, runner_up={self.runner_up!r}, box={self.box}, line={self.line})"

    def _repr_html_(self) -> str:
        return html_image(self.image, f"{self.label}{'' if self.is_sure else '?'} ({self.confidence:.1%})")


class RejectedPiece(NamedTuple):
    """Ink that is not a digit.

    Attributes
    ----------
    box : tuple of (int, int, int, int)
        Left, top, right and bottom in pixels of the picture, as in Pillow.
    image : ndarray of uint8 of shape (28, 28)
        The ink, brought into the form of MNIST's images.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import read_digits
    >>> read_digits(np.zeros((28, 28))).rejected
    []
    """

    box: tuple[int, int, int, int]
    image: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"RejectedPiece(box={self.box})"


@dataclass(frozen=True, eq=False, repr=False)
class DigitReading:
    """What was read in a picture.

    Its ``str`` is the text. Notebooks show the picture with the boxes and the answers.

    Attributes
    ----------
    digits : list of Digit
        Line by line, and from left to right.
    rejected : list of RejectedPiece
        Pieces that are not digits, and not in ``text``.
    reason : str or None
        Why there are no digits; None if there are.
    picture : ndarray of uint8 of shape (height, width)
        Grey levels of the picture, reduced to at most 1,024 pixels along each side.
    scale : int
        Number of pixels in the picture, along each side, for each pixel of ``picture``.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import read_digits
    >>> paper = np.full((200, 300), 255, dtype=np.uint8)
    >>> paper[40:160, 100:110] = paper[40:160, 200:210] = 0
    >>> reading = read_digits(paper)
    >>> print(reading)
    11
    >>> [digit.box for digit in reading.digits]
    [(100, 40, 110, 160), (200, 40, 210, 160)]
    """

    digits: list[Digit]
    rejected: list[RejectedPiece]
    reason: str | None
    picture: NDArray[np.uint8]
    scale: int

    @property
    def lines(self) -> list[list[Digit]]:
        """The digits of each line of the picture."""
        return [list(line) for _, line in groupby(self.digits, key=attrgetter("line"))]

    @property
    def text(self) -> str:
        """The digits, with a line for each line of the picture; empty if there are none."""
        return "\n".join("".join(str(digit.label) for digit in line) for line in self.lines)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        numbers = f"n_digits={len(self.digits)}, n_rejected={len(self.rejected)}"
        return f"DigitReading({self.text!r}, {numbers}, reason={self.reason!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the picture, with a box around each piece and the answers above.

        Answers that are not sure end in a question mark and have a dashed box. Boxes of rejected pieces are dotted.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        ax : matplotlib Axes
            The axes with the picture.

        Raises
        ------
        ImportError
            If matplotlib is missing.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import read_digits
        >>> ax = read_digits(np.zeros((28, 28))).plot()
        """
        plt = import_optional("matplotlib.pyplot", f"{type(self).__name__}.plot")
        from matplotlib.patches import Rectangle

        if ax is None:
            ax = plt.subplots(layout="constrained")[1]
        height, width = (self.scale * length for length in self.picture.shape)
        ax.imshow(self.picture, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
        for (left, top, right, bottom), caption, color, line in self._frames():
            ax.add_patch(
                Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=color, linestyle=line)
            )
            ax.text(left, top, caption, color=color, ha="left", va="bottom", fontweight="bold")
        ax.set_axis_off()
        if self.reason:
            ax.set_title(self.reason)
        return ax

    def _frames(self) -> Iterator[tuple[tuple[int, int, int, int], str, str, str]]:
        """Yield the box, caption, colour and style of line of each piece."""
        for digit in self.digits:
            if digit.is_sure:
                yield digit.box, str(digit.label), _SURE_COLOR, "-"
            else:
                yield digit.box, f"{digit.label}?", _UNSURE_COLOR, "--"
        for piece in self.rejected:
            yield piece.box, "", _REJECTED_COLOR, ":"

    def _repr_png_(self) -> bytes:
        # Pillow draws it, because matplotlib may be missing.
        zoom = max(1, 400 // max(self.picture.shape))
        image = Image.fromarray(self.picture).convert("RGB")
        image = image.resize((zoom * image.width, zoom * image.height), Image.Resampling.NEAREST)
        draw = ImageDraw.Draw(image)
        for box, caption, color, _ in self._frames():
            left, top, right, bottom = (zoom * value // self.scale for value in box)
            draw.rectangle((left, top, right, bottom), outline=color, width=2)
            draw.text((left + 1, max(0, top - 20)), caption, fill=color, font_size=18)
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()


def read_digits(picture: Any, model: Any = None, *, split: bool = True) -> DigitReading:
    """Read the digits in a picture.

    The picture is interpreted in several ways, and the shipped network decides in which of them the ink looks most
    like digits.

    Parameters
    ----------
    picture : str, path-like, bytes-like, binary file, PIL.Image.Image or array-like
        A photograph, a scan or a drawing, dark on light or light on dark. Files, and the bytes of files, may be PNG,
        JPEG, GIF, BMP, TIFF or WebP. Arrays have shape (height, width) or (height, width, 1) for grey,
        (height, width, 3) for RGB, (height, width, 4) for RGBA, with integers of 0 to 255, floats of 0 to 1, or
        booleans.
    model : classifier, default=None
        Fitted on MNIST's images, with ``predict_proba``: it reads the pieces that the shipped network has chosen. In a
        Pipeline, also nested or in a search, a PixelScaler sets the value of white; other models take pixels in [0, 1].
        None means the shipped network, :func:`~sk_mnist.load_pretrained`.
    split : bool, default=True
        Whether the picture may contain several digits. If not, it is read as one digit. A picture of 28 x 28 pixels in
        MNIST's form is split only if it does not look like a digit.

    Returns
    -------
    reading : DigitReading
        With ``text``, ``digits``, ``rejected`` and ``reason``.

    Raises
    ------
    OSError
        If a file cannot be opened.
    ValueError
        If the picture is damaged, has more than 50 million pixels, or is a stack of pictures, or if ``model`` is not
        such a classifier.

    Warns
    -----
    UserWarning
        If the picture is a TIFF with several pages. Only the first is read.

    See Also
    --------
    DigitImageNormalizer : Brings pictures of one digit each into the form of MNIST's images, for any model.
    load_pretrained : Loads the shipped network.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import fetch_mnist, read_digits
    >>> digits = fetch_mnist(subset="test", normalize=False).images[:3]
    >>> reading = read_digits(255 - np.hstack(digits))
    >>> reading.text
    '721'
    >>> all(digit.is_sure for digit in reading.digits)
    True
    """
    _check_is_one(picture)
    judge = shipped_model()
    reader = judge if model is None else DigitModel(model)
    name = os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else "picture"
    levels = grey_levels(picture, str(name))
    shown, scale = shrink(levels, _SHOWN_SIDE)
    best, reason = _best_proposal(levels, judge, split=split)
    digits: list[Digit] = []
    rejected: list[RejectedPiece] = []
    if best is not None:
        answers = best.probabilities if reader is judge else reader.probabilities(best.images)
        for number, (piece, image) in enumerate(zip(best.pieces, best.images, strict=True)):
            if piece.image is None and best.confidence[number] < _least_confidence(best, piece):
                rejected.append(RejectedPiece(piece.box, image))
                continue
            is_doubtful = best.is_doubtful or _is_cut_from_no_digit(best, piece)
            judged = 0.0 if is_doubtful else float(best.confidence[number])
            digits.append(reader.digit(piece, image, answers[number], judged))
        if not digits:
            reason = "no digit: looks like something else"
    return DigitReading(digits, rejected, reason, shown, scale)


class DigitModel:
    """A classifier of MNIST's images, whatever pixels it takes."""

    def __init__(self, model: Any) -> None:
        model = getattr(model, "best_estimator_", model)  # of a search
        if isinstance(model, Pipeline) and isinstance(model[0], DigitImageNormalizer):
            model = model[1:]  # pictures are normalised before they reach the model
        n_features = getattr(model, "n_features_in_", SIDE**2)
        is_classifier = hasattr(model, "predict_proba") and len(getattr(model, "classes_", ())) >= 2
        if not is_classifier or n_features != SIDE**2:
            raise ValueError(
                f"The model is a {type(model).__name__} for {n_features} pixels; it must be a fitted "
                f"classifier with predict_proba for images of {SIDE} x {SIDE} pixels, such as sk-mnist train writes."
            )
        self._model = model
        self.classes = np.asarray(model.classes_).tolist()
        self._white = _white_of(model) or 1.0

    def probabilities(self, images: NDArray[np.number]) -> NDArray:
        """Return the probability of each class, of shape (n_images, n_classes), for levels from 0 to 255."""
        rows = images.reshape(len(images), -1).astype(np.float32) * np.float32(self._white / 255)
        return self._model.predict_proba(rows)

    def digit(self, piece: DigitInPicture, image: NDArray[np.uint8], probabilities: NDArray, judged: float) -> Digit:
        """Return the answer for a piece; ``judged`` is how sure the judge is that it is a digit."""
        first, second = np.argsort(-probabilities, kind="stable")[:2]
        confidence = float(probabilities[first])
        is_sure = min(confidence, judged) >= SURE
        return Digit(self.classes[first], confidence, is_sure, self.classes[second], piece.box, image, piece.line)


class _Judge(DigitModel):
    """The shipped network, which sees each image in several forms."""

    def probabilities(self, images: NDArray[np.number]) -> NDArray:
        """Return the mean probability of each class, of shape (n_images, n_classes)."""
        pixels = images.astype(np.float32)
        forms = np.concatenate([pixels, *(_in_form(pixels, matrix) for matrix in FORMS)])
        probabilities = super().probabilities(forms)
        return probabilities.reshape(1 + len(FORMS), len(images), -1).mean(axis=0)


def _in_form(images: NDArray[np.float32], matrix: list[list[float]]) -> NDArray[np.float32]:
    """Return images that are turned or stretched around their middle, with bilinear interpolation."""
    middle = np.full(2, (SIDE - 1) / 2)
    offset = middle - matrix @ middle
    return np.stack(
        [ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant") for image in images]
    )


@cache
def shipped_model() -> DigitModel:
    # Without the steps before the network, whose checks by scikit-learn change the warning filters of all threads.
    return _Judge(load_pretrained()["mlp"])


def _white_of(model: Any) -> float | None:
    """Return the value of a white pixel in floats that a model takes; None if no scaler sets it."""
    model = getattr(model, "best_estimator_", model)  # of a search
    if isinstance(model, PixelScaler):
        return model._white_in(np.dtype(np.float32), model.float_pixel_max_)
    whites = (_white_of(step) for _, step in getattr(model, "steps", []))
    return next((white for white in whites if white is not None), None)


class _Judged(NamedTuple):
    """A proposal, and what the shipped network thinks of it."""

    pieces: list[DigitInPicture]
    images: NDArray[np.uint8]
    probabilities: NDArray
    is_complete: bool  # no ink was left out, and none overlooked
    is_doubtful: bool = False

    @property
    def confidence(self) -> NDArray:
        return self.probabilities.max(axis=1)

    @property
    def labels(self) -> list[int]:
        return self.probabilities.argmax(axis=1).tolist()

    @property
    def is_sure(self) -> bool:
        return bool((self.confidence >= SURE).all())


def _best_proposal(levels: NDArray[np.uint8], judge: DigitModel, *, split: bool) -> tuple[_Judged | None, str | None]:
    """Return the proposal whose pieces look most like digits, or the reason why there is none."""
    best, best_score, reason, n_pieces = None, -np.inf, None, 0
    tried = []
    for proposal in islice(propose_digits(levels, split=split), MAX_PROPOSALS):
        reason = reason or proposal.reason
        n_pieces += len(proposal.digits)
        if n_pieces > MAX_PIECES:
            reason = f"there are more than {MAX_PIECES} pieces"
            continue
        if not proposal.digits:
            continue
        judged = _judgement_of(proposal, judge)
        tried.append(judged)
        score = _score(judged)
        if score > best_score:
            best, best_score = judged, score
        # Two may agree on edges, which look like 1s.
        may_be_edges = split and set(judged.labels) == {1}
        if judged.is_sure and (judged.is_complete or (_n_agreeing(judged, tried) > 1 and not may_be_edges)):
            break
        # A picture in MNIST's form is a single digit, unless the network doubts that it is a digit.
        if proposal.digits[0].image is not None and judged.confidence[0] >= LEAST_CONFIDENCE:
            break
    if best is None:
        return None, reason
    if split:
        # In a frame, all ink is one piece, too. But what is no digit rarely consists of several sure ones.
        is_row = len(best.pieces) > 1 and best.is_sure
        return best._replace(is_doubtful=_is_no_digit_as_a_whole(tried) and not is_row), None
    return _elected(tried), None


def _judgement_of(proposal: Proposal, judge: DigitModel) -> _Judged:
    """Judge the pieces, and put those that were cut apart together again if the whole looks more like a digit."""
    pieces = proposal.digits
    wholes = {piece.whole.box: piece.whole for piece in pieces if piece.whole is not None}
    candidates = [*pieces, *wholes.values()]
    images = np.stack([candidate.normalized() for candidate in candidates])
    probabilities = judge.probabilities(images)
    confidence = probabilities.max(axis=1)
    kept = list(range(len(pieces)))
    for number, box in enumerate(wholes, len(pieces)):
        first, *others = (i for i, piece in enumerate(pieces) if piece.whole is not None and piece.whole.box == box)
        if confidence[number] > max(LEAST_CONFIDENCE, confidence[[first, *others]].mean()):
            candidates[number] = candidates[number]._replace(line=pieces[first].line)
            kept = [number if i == first else i for i in kept if i not in others]
    return _Judged([candidates[i] for i in kept], images[kept], probabilities[kept], proposal.is_complete)


def _n_agreeing(judged: _Judged, tried: list[_Judged]) -> int:
    """Return how many proposals surely read the same."""
    return sum(other.is_sure and other.labels == judged.labels for other in tried)


def _elected(tried: list[_Judged]) -> _Judged:
    """Return the reading of a single digit that most proposals are sure of.

    It is doubtful if another proposal is another digit, or if all of the ink, with nothing left out, is not surely one.
    """
    best = max(tried, key=lambda judged: (_n_agreeing(judged, tried), judged.confidence[0]))
    is_other_digit = any(other.labels != best.labels and other.confidence[0] >= LEAST_CONFIDENCE for other in tried)
    return best._replace(is_doubtful=is_other_digit or _is_no_digit_as_a_whole(tried))


def _is_no_digit_as_a_whole(tried: list[_Judged]) -> bool:
    """Return whether all of the ink, with nothing left out, is one piece that is not surely a digit."""
    return any(judged.is_complete and len(judged.pieces) == 1 and not judged.is_sure for judged in tried)


def _is_cut_from_no_digit(judged: _Judged, piece: DigitInPicture) -> bool:
    """Return whether a piece was cut from something of which another part is no digit, such as a letter."""
    return piece.whole is not None and any(
        other.whole is not None and other.whole.box == piece.whole.box and confidence < LEAST_CONFIDENCE
        for other, confidence in zip(judged.pieces, judged.confidence, strict=True)
    )


def _least_confidence(judged: _Judged, piece: DigitInPicture) -> float:
    """Return the confidence below which a piece is not a digit."""
    heights = [
        other.levels.shape[0]
        for other, confidence in zip(judged.pieces, judged.confidence, strict=True)
        if other.line == piece.line and confidence >= SURE
    ]
    height = piece.levels.shape[0]
    is_likely = len(judged.pieces) == 1 or _are_as_high(height, np.array(heights)).any()
    return LEAST_IF_LIKELY if is_likely else LEAST_CONFIDENCE


def _are_as_high(height: int | NDArray, others: NDArray) -> NDArray[np.bool_]:
    return np.maximum(height, others) <= SAME_HEIGHT * np.minimum(height, others)


def _score(judged: _Judged) -> float:
    """Return how much the pieces look like digits: the number of sure ones, 1s counting less, minus the others."""
    is_sure, is_one = judged.confidence >= SURE, np.array(judged.labels) == 1
    lines, heights = np.array([(piece.line, piece.levels.shape[0]) for piece in judged.pieces]).T
    others = is_sure & ~is_one
    is_as_high = _are_as_high(heights[:, np.newaxis], heights[others]).any(axis=1)
    may_be_edge = is_one & others.any() & ~is_as_high & ~np.isin(lines, lines[others])
    worth = np.where(may_be_edge, -WORTH_OF_A_ONE, np.where(is_one, WORTH_OF_A_ONE, 1))
    return float(np.where(is_sure, worth, -1).sum())


def _check_is_one(picture: Any) -> None:
    """Raise an error if several pictures are given."""
    items = picture if isinstance(picture, (list, tuple)) else items_of_column(picture)
    if items is not None:
        several = any(map(is_picture, items))
        given = f"a {type(picture).__name__} of {len(items)} pictures"
    elif isinstance(picture, np.ndarray):
        are_files = picture.ndim == 1 and picture.dtype.kind == "U"
        several = are_files or picture.ndim > 3 or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4))
        given = f"an array of shape {picture.shape}"
    else:
        return
    if several:
        raise ValueError(
            f"picture is {given}; read_digits takes one picture. For several: [read_digits(image) for image in images]."
        )


def __dir__() -> list[str]:
    return __all__
