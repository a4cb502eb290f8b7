"""DigitImageNormalizer and split_digits: convert pictures of handwritten digits to the form of MNIST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags

from sk_mnist._images import SIDE, items_of_column
from sk_mnist._sklearn import begin_fit, with_callbacks
from sk_mnist.preprocessing._ink import Ink, NoInkError, find_ink, interpretations
from sk_mnist.preprocessing._pictures import grey_levels, is_picture
from sk_mnist.preprocessing._split import Piece, TooManyStrokesError, find_digits, find_single

# Longer side of the box around each MNIST digit, in pixels.
DIGIT_SIDE = 20

# MNIST's strokes are 2 to 3 pixels wide. Thinner strokes are widened to this.
LEAST_STROKE = 2.0

# A picture of 28 x 28 pixels is in MNIST's form if its brightest pixel, its share of ink and its strokes are as in
# MNIST, which has no strokes of a single pixel, and its longer side and the middle of its mass are off by at most so
# many pixels.
BRIGHT, MOST_INKED, NARROWEST, OFF_SIDE, OFF_MIDDLE = 160, 0.6, 1.2, 4, 1.5

# Longer side, in pixels, that a digit is enlarged to before its strokes are widened.
LEAST_SIDE_TO_WIDEN = 80


class DigitImageNormalizer(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Convert pictures of handwritten digits to the form of MNIST's images.

    Takes pictures of any size and from any source, each of one digit: a photograph, a scan or a drawing, dark on light
    or light on dark. The ink is detected under any lighting, and everything else becomes black: paper, noise, specks,
    isolated lines, the edge of the sheet. As in MNIST [1]_, the digit is scaled to fit into a box of 20 x 20 pixels,
    keeping its proportions and without aliasing, and its centre of mass is placed in the middle of 28 x 28 pixels.
    Strokes that would be less than 2 pixels wide are widened, because MNIST has none.

    The transformer is stateless, so ``transform`` works without ``fit``.

    See Also
    --------
    read_digits : Reads a picture, with the pretrained network.
    split_digits : Splits a picture of several digits into pictures of one digit each.
    sk_mnist.load_pretrained : Loads a network that classifies the result.

    Notes
    -----
    The lowest grey level that counts as ink depends on Otsu's threshold [2]_ and on the noise of the paper. The
    lighting may vary smoothly across the picture, but the edge of a hard shadow may be mistaken for ink. In uneven
    light, solid shapes on more than a fifth of the picture, and strokes wider than 0.4 of its longer side, may be
    mistaken for paper. Ink that is far from the largest part of the digit is left out. A picture of 28 x 28 pixels that
    is already in MNIST's form stays as it is. There is only one interpretation of each picture;
    :func:`~sk_mnist.read_digits` tries several.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of
       the IEEE 86, 1998.
    .. [2] Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Transactions on Systems, Man, and
       Cybernetics 9, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sk_mnist import DigitImageNormalizer, load_pretrained
    >>> paper = np.full((300, 400), 0.9)
    >>> paper[50:250, 90:105] = 0.2  # a one, near the left edge
    >>> images = DigitImageNormalizer().fit_transform([paper])
    >>> images.shape, images.dtype
    ((1, 28, 28), dtype('uint8'))
    >>> make_pipeline(DigitImageNormalizer(), load_pretrained()).predict([paper])
    array([1])
    """

    __module__ = "sk_mnist.preprocessing"  # stored in pickles and model files

    _parameter_constraints: dict = {}  # noqa: RUF012 (scikit-learn's own way of declaring it)

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing, because the transformer is stateless.

        Parameters
        ----------
        X : sequence of pictures
            Ignored; see ``transform``.
        y : None
            Ignored.

        Returns
        -------
        self : DigitImageNormalizer
            The transformer itself.

        Examples
        --------
        >>> from sk_mnist import DigitImageNormalizer
        >>> DigitImageNormalizer().fit([])
        DigitImageNormalizer()
        """
        begin_fit(self, X=X, y=y).call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def transform(self, X: Any) -> NDArray[np.uint8]:
        """Normalise pictures of one digit each.

        Parameters
        ----------
        X : sequence of n_samples pictures
            A list, a tuple, a Series, a 1-D array or a frame of one column. Each picture is a file name (str or
            path-like), the bytes of a file, a binary file, a ``PIL.Image.Image``, or an array of shape (height, width)
            or (height, width, 1) for grey, (height, width, 3) for RGB, (height, width, 4) for RGBA. Arrays hold
            integers of 0 to 255, floats of 0 to 1 or booleans; masks of 0 and 1 must be booleans. ``X`` may also be an
            array of shape (n_samples, height, width) or (n_samples, height, width, n_channels). Files may be PNG, JPEG,
            GIF, BMP, TIFF or WebP; only the first image in a file is used.

        Returns
        -------
        images : ndarray of uint8 of shape (n_samples, 28, 28)
            White on black. All 0 if the picture is blank.

        Raises
        ------
        OSError
            If a file cannot be opened.
        ValueError
            If ``X`` is not a sequence of pictures, or one of them is damaged, or has more than 50 million pixels.

        Warns
        -----
        UserWarning
            If a file is a TIFF with several pages. Only the first is read.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import DigitImageNormalizer
        >>> small = np.zeros((1, 28, 28), dtype=np.uint8)
        >>> small[0, 3:13, 5:7] = 255
        >>> large = DigitImageNormalizer().transform(small)
        >>> np.flatnonzero(large[0].any(axis=1))[[0, -1]]  # 20 pixels high, and in the middle
        array([ 4, 23])
        """
        pictures = _as_sequence(X, type(self).__name__)
        images = np.zeros((len(pictures), SIDE, SIDE), dtype=np.uint8)
        for index, picture in enumerate(pictures):
            for digit in digits_in(picture, f"X[{index}]", split=False):
                images[index] = digit.normalized()
        return images

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        return tags


class DigitCrop(NamedTuple):
    """A digit in a picture.

    Attributes
    ----------
    box : tuple of (int, int, int, int)
        Left, top, right and bottom in pixels of the picture, as in Pillow: the digit starts in column ``left`` and
        ends before column ``right``.
    image : ndarray of uint8 of shape (height, width)
        Only this digit, white on black, with a margin.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist.preprocessing import split_digits
    >>> picture = np.zeros((60, 60), dtype=np.uint8)
    >>> picture[20:40, 28:32] = 255
    >>> (digit,) = split_digits(picture)
    >>> digit.box
    (28, 20, 32, 40)
    """

    box: tuple[int, int, int, int]
    image: NDArray[np.uint8]


DigitCrop.__module__ = "sk_mnist.preprocessing"  # stored in pickles


def split_digits(image: Any) -> list[DigitCrop]:
    """Split a picture of several digits into pictures of one digit each.

    Connected strokes form a digit. Parts of a broken digit, such as the loose bar of a 5, are joined; digits that touch
    are separated where a single thin stroke connects them.

    Parameters
    ----------
    image : str, path-like, bytes-like, binary file, PIL.Image.Image or array-like
        A picture in any form that :meth:`DigitImageNormalizer.transform` accepts.

    Returns
    -------
    digits : list of DigitCrop
        Digits with ``box`` and ``image``, line by line and from left to right. Empty if the picture is blank.

    Raises
    ------
    OSError
        If a file cannot be opened.
    ValueError
        If ``image`` is not a picture, is damaged, or has more than 50 million pixels or 1,000 separate strokes.

    Warns
    -----
    UserWarning
        If the file is a TIFF with several pages. Only the first is read.

    See Also
    --------
    DigitImageNormalizer : Converts the digits to the form of MNIST's images.

    Notes
    -----
    The function uses only the shape of the ink and does not recognize digits. It cannot separate digits that overlap or
    are connected by more than a thin stroke. It returns letters, signs and stains of the same size as digits. A digit
    that touches a ruled line is not separated from it.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist.preprocessing import split_digits
    >>> paper = np.full((120, 200), 255, dtype=np.uint8)
    >>> paper[20:100, 40:50] = paper[20:100, 90:100] = 0
    >>> [digit.box for digit in split_digits(paper)]
    [(40, 20, 50, 100), (90, 20, 100, 100)]
    """
    digits = digits_in(image, "image", split=True)
    return [DigitCrop(digit.box, np.pad(digit.levels, max(digit.levels.shape) // 2)) for digit in digits]


class DigitInPicture(NamedTuple):
    """A digit that was found in a picture.

    Attributes
    ----------
    box : tuple of (int, int, int, int)
        Left, top, right and bottom in pixels of the picture.
    levels : ndarray of uint8 of shape (height, width)
        Only this digit, white on black, without a margin.
    line : int
        Number of its line of text, from 0.
    image : ndarray of uint8 of shape (28, 28) or None
        The whole picture, white on black, if it is already in MNIST's form.
    whole : DigitInPicture or None
        What the digit was cut from, if digits seemed to touch.
    """

    box: tuple[int, int, int, int]
    levels: NDArray[np.uint8]
    line: int
    image: NDArray[np.uint8] | None = None
    whole: DigitInPicture | None = None

    def normalized(self) -> NDArray[np.uint8]:
        """Return the digit in the form of MNIST's images: uint8 of shape (28, 28)."""
        if self.image is not None:
            return self.image
        strokes = _scaled(_with_wide_strokes((self.levels / 255).astype(np.float32)))
        pixels = np.floor(255 * (strokes / strokes.max()) + 0.5).astype(np.uint8)
        image = np.zeros((SIDE, SIDE), dtype=np.uint8)
        top, left = (_start(pixels.sum(axis=axis, dtype=np.int64)) for axis in (1, 0))
        image[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return image


class Proposal(NamedTuple):
    """One interpretation of a picture.

    Attributes
    ----------
    digits : list of DigitInPicture
        Line by line, and from left to right.
    is_complete : bool
        Whether no ink was left out and, because the paper has no noise, none was overlooked.
    reason : str or None
        Why there are no digits.
    """

    digits: list[DigitInPicture]
    is_complete: bool
    reason: str | None = None


def digits_in(picture: Any, name: str, *, split: bool) -> list[DigitInPicture]:
    """Find the digits in a picture.

    Parameters
    ----------
    picture : str, path-like, bytes-like, binary file, PIL.Image.Image or array-like
        The picture, in any form that :meth:`DigitImageNormalizer.transform` accepts.
    name : str
        Name of the picture in error messages.
    split : bool
        Whether the picture may contain several digits. If not, the main group of ink is one digit.

    Returns
    -------
    digits : list of DigitInPicture
        Line by line and from left to right. Empty if the picture is blank.
    """
    levels = grey_levels(picture, name)
    if (mnist := _as_in_mnist(levels)) is not None:
        return [mnist]
    ink = find_ink(levels)
    return [] if ink is None else _digits_of(ink, levels.shape, split=split)


def propose_digits(levels: NDArray[np.uint8], *, split: bool) -> Iterator[Proposal]:
    """Interpret a picture in several ways, the most likely one first.

    Parameters
    ----------
    levels : ndarray of uint8 of shape (height, width)
        Grey levels.
    split : bool
        Whether the picture may contain several digits. If not, the main group of ink is one digit.

    Yields
    ------
    proposal : Proposal
        Without digits, it says why.
    """
    if (mnist := _as_in_mnist(levels)) is not None:
        yield Proposal([mnist], is_complete=True)
    for interpretation in interpretations(levels, alone=not split):
        try:
            ink = interpretation()
            yield Proposal(_digits_of(ink, levels.shape, split=split), ink.is_complete)
        except (NoInkError, TooManyStrokesError) as error:
            yield Proposal([], False, str(error))


def _as_in_mnist(levels: NDArray[np.uint8]) -> DigitInPicture | None:
    """Return the digit of a picture that is already in MNIST's form, white on black or inverted; None of others.

    It stays as it is, because a second time in a box would change digits that have been rotated or sheared.
    """
    if levels.shape != (SIDE, SIDE):
        return None
    image = 255 - levels if levels[0, 0] == 255 else levels
    inked = image > 0
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if image.max() < BRIGHT or not 0 < inked.mean() < MOST_INKED:
        return None
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    crop = image[box[1] : box[3], box[0] : box[2]]
    middles = (np.arange(SIDE) + 0.5) @ image / image.sum(), (np.arange(SIDE) + 0.5) @ image.T / image.sum()
    in_middle = all(abs(float(middle.sum()) - SIDE / 2) <= OFF_MIDDLE for middle in middles)
    is_wide = _stroke_width((crop / 255).astype(np.float32)) >= NARROWEST
    if in_middle and is_wide and abs(max(crop.shape) - DIGIT_SIDE) <= OFF_SIDE:
        return DigitInPicture(box, crop, 0, image)
    return None


def _digits_of(ink: Ink, shape: tuple[int, ...], *, split: bool) -> list[DigitInPicture]:
    scale, (height, width) = ink.shrunk, shape

    def digit_of(piece: Piece, line: int) -> DigitInPicture:
        left, top, right, bottom = (scale * n for n in (piece.left, piece.top, piece.right, piece.bottom))
        whole = None if piece.whole is None else digit_of(piece.whole, line)
        return DigitInPicture((left, top, min(right, width), min(bottom, height)), piece.levels, line, whole=whole)

    lines = find_digits(ink) if split else [[find_single(ink)]]
    return [digit_of(piece, number) for number, line in enumerate(lines) for piece in line]


def _as_sequence(X: Any, caller: str) -> Any:
    # An array of shape (height, width, 3 or 4) is one picture in colour, not many narrow ones.
    if isinstance(X, np.ndarray) and (X.ndim == 4 or (X.ndim == 3 and X.shape[2] not in (3, 4))):
        return X
    if isinstance(X, (list, tuple)):
        return X
    if (items := items_of_column(X)) is not None:
        return items
    if hasattr(X, "to_numpy") and getattr(X, "ndim", 1) == 1:  # a column of Arrow
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUT" and X.ndim == 1:
        return X
    given = f"an array of shape {X.shape}" if isinstance(X, np.ndarray) else f"a {type(X).__name__}"
    advice = "Put a single one into a list: [X]." if _may_be_picture(X) else "Give a list of file names, for example."
    raise ValueError(f"X is {given}; {caller} takes a sequence of pictures. {advice}")


def _may_be_picture(X: Any) -> bool:
    if isinstance(X, np.ndarray):
        return (X.ndim in (2, 3) and X.dtype.kind in "biuf") or (X.ndim == 1 and X.dtype == np.uint8)
    return is_picture(X) and not hasattr(X, "columns")


def _with_wide_strokes(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    if _missing_width(levels) <= 0:
        return levels
    # Strokes grow by whole pixels, which would be too much in a tiny picture.
    if max(levels.shape) < LEAST_SIDE_TO_WIDEN:
        factor = -(-LEAST_SIDE_TO_WIDEN // max(levels.shape))
        size = (factor * levels.shape[1], factor * levels.shape[0])
        levels = np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BILINEAR))
    margin = int(_missing_width(levels) / 2 + 0.5)
    if margin <= 0:
        return levels
    return ndimage.maximum_filter(np.pad(levels, margin), size=2 * margin + 1, mode="constant")


def _missing_width(levels: NDArray[np.float32]) -> float:
    """Return how many pixels the strokes are narrower than most of MNIST's."""
    return LEAST_STROKE * max(levels.shape) / DIGIT_SIDE - _stroke_width(levels)


def _stroke_width(levels: NDArray[np.float32]) -> float:
    # A stroke has an edge on both sides, so its width is twice its area divided by the length of its edges.
    padded = np.pad(levels, 1)
    edges = np.sqrt(np.diff(padded, axis=0)[:, :-1] ** 2 + np.diff(padded, axis=1)[:-1] ** 2).sum()
    return 2 * float(levels.sum() / edges)


def _scaled(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = levels.shape
    scale = DIGIT_SIDE / max(height, width)
    size = (max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))
    if size == (width, height):
        return levels
    resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(levels).resize(size, resampling))


def _start(profile: NDArray[np.int64]) -> int:
    """Return the start of a digit that puts its centre of mass into the middle pixel."""
    middle = float((profile * (2 * np.arange(len(profile)) + 1)).sum()) / float(2 * profile.sum())
    # In MNIST's images the centre of mass lies in pixel 14, counted from 0.
    return min(max(int(np.floor(SIDE / 2 + 1 - middle)), 0), SIDE - len(profile))
