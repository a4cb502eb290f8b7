"""Random changes of small images, for training: of their shape (RandomWarp) and of their strokes (RandomInk)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metadata_routing import UNUSED

from sk_mnist._images import as_numbers, as_rows, check_image_shape, square_shape, stack_column
from sk_mnist._sklearn import Interval, validate_estimator

__all__ = ["RandomInk", "RandomWarp"]

# Number of random values along each side of an image, between which displacements are interpolated. Fewer are smoother.
_N_CONTROL = 7

# Supported dtypes of images; others are converted to the first.
_DTYPES = ["float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]

# Strength to which changes fade by the end of training.
_FINAL_STRENGTH = 0.5

# Largest number of images that share a warp in training, and smallest number of warps. Images with the same warp are
# interpolated by one sparse matrix, which is several times as fast; docs/accuracy.md measures the effect on accuracy.
_MAX_SHARING = 16
_MIN_WARPS = 256

# Number of pixels that `transform` converts to floats at a time.
_PIXELS_AT_A_TIME = 512 * 784

# Number of warps, and of their pixels, that are computed at a time: small enough to stay in the cache.
_WARPS_AT_A_TIME = 32
_POINTS_AT_A_TIME = _WARPS_AT_A_TIME * 784

# Largest strength in pixels: more than any image has, and small enough that no float32 overflows. An index computed
# from NaN could point anywhere in memory.
_MAX_PIXELS = 1e6

# Largest change of a stroke in pixels, which bounds the time that it takes.
_MAX_INK_PIXELS = 100

# Number of images whose ink is changed at a time: small enough to stay in the cache.
_INKS_AT_A_TIME = 64

# Number of images that share a pattern of noise in training.
_MAX_SHARING_NOISE = 8

# Largest variance, in square pixels, of one pass of a blur with three weights. The middle weight is the largest.
_VARIANCE_OF_A_PASS = 0.6

# Factor that allows for rounding in pixels of floats: this much above white is white.
_ABOVE_WHITE = 1 + 1e-6


class _RandomChange(BaseEstimator, ABC):
    """Random changes of images, drawn anew for each image or, in training, for a few images at a time."""

    _parameter_constraints: dict = {  # noqa: RUF012 (scikit-learn's own way of declaring it)
        "fade": [Interval(Real, 0, 1, closed="both")],
        "image_shape": [tuple, list, None],
    }

    # Not metadata for a meta-estimator to route, because only users call transform.
    __metadata_request__transform = {"random_state": UNUSED}  # noqa: RUF012 (scikit-learn's own way of declaring it)

    fade: float
    image_shape: tuple[int, int] | None

    def transform(self, X: Any, random_state: int | np.random.RandomState | None = None) -> NDArray:
        """Change each image independently.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, 1) or (n_samples, n_pixels)
            Images with a background of 0: integers or floats, finite.
        random_state : int, RandomState instance or None, default=None
            Seeds the changes.

        Returns
        -------
        X_changed : ndarray of the shape and dtype of ``X``
            Integers are rounded. Booleans and float16 become float32.

        Raises
        ------
        ValueError
            If a parameter or a pixel is not valid, or ``image_shape`` does not fit ``X``.
        """
        validate_estimator(self)
        X = stack_column(X)
        rows, shape = as_rows(X, type(self).__name__)
        rows = check_array(as_numbers(rows, "X"), dtype=_DTYPES, input_name="X")
        shape = find_image_shape(self, rows.shape[1], shape)
        white = 255.0 if rows.dtype.kind in "iu" else 1.0
        self._check_pixels(rows, white)
        generator = np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))
        changed = np.empty_like(rows)
        step = max(1, _PIXELS_AT_A_TIME // rows.shape[1])
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            # float32 represents all 16-bit integers exactly, but not all 32-bit integers.
            values = chunk.astype(np.result_type(chunk.dtype, np.float32))
            values = self._change(values, shape, generator, white=white, n_draws=len(chunk))
            # Rounding must not make a pixel brighter than the brightest.
            np.clip(values, *self._find_limits(chunk, white), out=values)
            changed[start : start + step] = np.rint(values) if rows.dtype.kind in "iu" else values
        return changed.reshape(np.shape(X))

    def _check_pixels(self, X: Any, white: float, name: str = "X") -> None:
        """Raise a ValueError if a pixel is not valid; ``X`` is an array or a sparse matrix, called ``name``."""

    @abstractmethod
    def _find_limits(self, rows: NDArray, white: float) -> tuple[float, float]:
        """Return the smallest and the largest value that a pixel of these images can have after a change."""

    @abstractmethod
    def _change(
        self,
        rows: NDArray,
        shape: tuple[int, int],
        generator: np.random.Generator,
        *,
        white: float = 1.0,
        n_draws: int | None = None,
        strength: float = 1.0,
    ) -> NDArray:
        """Return changed images.

        Parameters
        ----------
        rows : ndarray of float32 or float64 of shape (n_samples, height * width)
            Images. May be changed in place.
        shape : tuple of (int, int)
            Height and width.
        generator : numpy.random.Generator
            Draws the changes.
        white : float, default=1.0
            The largest value of a pixel.
        n_draws : int, default=None
            Number of changes to draw; None draws as many as training does for these rows.
        strength : float, default=1.0
            Factor for all strengths.

        Returns
        -------
        changed : ndarray of shape (n_samples, height * width)
            In the dtype of ``rows``.
        """


class RandomWarp(_RandomChange):
    """Random affine and elastic distortions of images.

    Each image is rotated, scaled, sheared and shifted by amounts drawn uniformly from intervals symmetric about 0, and
    bent by a smooth random displacement field, in a single bilinear interpolation [1]_. The background must be 0,
    because pixels from outside the image are 0.

    Pass an instance as ``augmentation`` to :class:`~sk_mnist.KerasMLPClassifier`. It cannot be a step of a Pipeline,
    because only training data is distorted.

    Parameters
    ----------
    rotation : float, default=10.0
        Largest rotation, in degrees.

    scale : float, default=0.12
        Largest natural logarithm of the factors by which height and width are scaled independently.

    shear : float, default=0.12
        Largest vertical shift from one column of pixels to the next, in pixels.

    translation : float, default=1.5
        Largest shift in each direction, in pixels.

    elastic : float, default=1.0
        Root mean square of the elastic displacement in each direction, in pixels.

    fade : float, default=0.3
        Share of the epochs of a ``fit``, at its end, over which all strengths fall to half. Weaker distortions at the
        end make the network fit real images better. ``partial_fit`` and ``transform`` do not fade.

    image_shape : tuple of (int, int), default=None
        Height and width of images given as rows. None treats rows as square images.

    See Also
    --------
    KerasMLPClassifier : Trains on images that are distorted differently in each epoch.

    Notes
    -----
    The displacements in each direction are cubic B-splines with a grid of 7 x 7 normally distributed coefficients. In
    [1]_, they are random numbers at each pixel, smoothed by a Gaussian filter, which is slower.

    References
    ----------
    .. [1] Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document
       Analysis", ICDAR 2003.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist import RandomWarp
    >>> images = load_digits().images
    >>> RandomWarp(translation=0.5, elastic=0.3).transform(images, random_state=0).shape
    (1797, 8, 8)
    """

    __module__ = "sk_mnist.augmentation"  # stored in pickles and model files

    _parameter_constraints: dict = {  # noqa: RUF012 (scikit-learn's own way of declaring it)
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "scale": [Interval(Real, 0, 5, closed="both")],
        "shear": [Interval(Real, 0, _MAX_PIXELS, closed="both")],
        "translation": [Interval(Real, 0, _MAX_PIXELS, closed="both")],
        "elastic": [Interval(Real, 0, _MAX_PIXELS, closed="both")],
        **_RandomChange._parameter_constraints,
    }

    def __init__(
        self,
        *,
        rotation: float = 10.0,
        scale: float = 0.12,
        shear: float = 0.12,
        translation: float = 1.5,
        elastic: float = 1.0,
        fade: float = 0.3,
        image_shape: tuple[int, int] | None = None,
    ) -> None:
        self.rotation = rotation
        self.scale = scale
        self.shear = shear
        self.translation = translation
        self.elastic = elastic
        self.fade = fade
        self.image_shape = image_shape

    def _change(
        self,
        rows: NDArray,
        shape: tuple[int, int],
        generator: np.random.Generator,
        *,
        white: float = 1.0,
        n_draws: int | None = None,
        strength: float = 1.0,
    ) -> NDArray:
        n_warps = count_shared_warps(len(rows)) if n_draws is None else n_draws
        return warp_rows(self, rows, shape, generator, n_warps=n_warps, strength=strength)

    def _find_limits(self, rows: NDArray, white: float) -> tuple[float, float]:
        return min(0, rows.min()), max(0, rows.max())


class RandomInk(_RandomChange):
    """Random changes of the strokes in images: thicker or thinner, blurred, stronger or fainter, noisy.

    Each of the four changes applies to a random ``share`` of the images, by an amount that is drawn uniformly. A
    network that learned such images stays right on bad pictures. White is 1 in floats and 255 in integers, and the
    background is 0.

    Pass an instance as ``augmentation`` to :class:`~sk_mnist.KerasMLPClassifier`, alone or in a list after a
    :class:`~sk_mnist.RandomWarp`. It cannot be a step of a Pipeline, because only training data is changed.

    Parameters
    ----------
    thickness : float, default=1.0
        Largest distance by which the edges of strokes move outwards or inwards, in pixels.

    blur : float, default=1.3
        Largest standard deviation of a blur that is nearly Gaussian, in pixels.

    contrast : float, default=0.6
        Largest natural logarithm of the factor that makes pixels brighter or darker.

    noise : float, default=0.3
        Largest standard deviation of normal noise, where white is 1.

    share : float, default=0.2
        Probability of each change in an image.

    fade : float, default=0.3
        Share of the epochs of a ``fit``, at its end, over which all amounts fall to half. ``partial_fit`` and
        ``transform`` do not fade.

    image_shape : tuple of (int, int), default=None
        Height and width of images given as rows. None treats rows as square images.

    See Also
    --------
    RandomWarp : Random changes of the shape.
    KerasMLPClassifier : Trains on images that are changed differently in each epoch.

    Notes
    -----
    A stroke becomes thicker by a weighted mean of each pixel and the brightest of it and its two neighbours, first in
    each column, then in each row, and thinner with the darkest. The distance is the weight. Distances of more than a
    pixel, and blurs of more than 0.77 pixels, take several passes. In training, up to 8 images share a pattern of
    noise.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_mnist import RandomInk
    >>> images = load_digits().images / 16
    >>> changed = RandomInk(share=1.0, noise=0.1).transform(images, random_state=0)
    >>> changed.shape, ((changed >= 0) & (changed <= 1)).all().item()
    ((1797, 8, 8), True)

    In training, together with a change of shape:

    >>> from sk_mnist import KerasMLPClassifier, RandomWarp
    >>> clf = KerasMLPClassifier(augmentation=[RandomWarp(), RandomInk(blur=1.0)])
    """

    __module__ = "sk_mnist.augmentation"  # stored in pickles and model files

    _parameter_constraints: dict = {  # noqa: RUF012 (scikit-learn's own way of declaring it)
        "thickness": [Interval(Real, 0, _MAX_INK_PIXELS, closed="both")],
        "blur": [Interval(Real, 0, _MAX_INK_PIXELS, closed="both")],
        "contrast": [Interval(Real, 0, 5, closed="both")],
        "noise": [Interval(Real, 0, 10, closed="both")],
        "share": [Interval(Real, 0, 1, closed="both")],
        **_RandomChange._parameter_constraints,
    }

    def __init__(
        self,
        *,
        thickness: float = 1.0,
        blur: float = 1.3,
        contrast: float = 0.6,
        noise: float = 0.3,
        share: float = 0.2,
        fade: float = 0.3,
        image_shape: tuple[int, int] | None = None,
    ) -> None:
        self.thickness = thickness
        self.blur = blur
        self.contrast = contrast
        self.noise = noise
        self.share = share
        self.fade = fade
        self.image_shape = image_shape

    def _change(
        self,
        rows: NDArray,
        shape: tuple[int, int],
        generator: np.random.Generator,
        *,
        white: float = 1.0,
        n_draws: int | None = None,
        strength: float = 1.0,
    ) -> NDArray:
        images = rows.reshape(-1, *shape)

        def draw(largest: float) -> Iterator[tuple[NDArray, NDArray]]:
            """Yield the positions of the images to change, a part at a time, and their amounts."""
            chosen = np.flatnonzero(generator.random(len(images)) < self.share)
            amounts = generator.uniform(0, largest * strength, len(chosen)).astype(rows.dtype)
            for start in range(0, len(chosen) if largest else 0, _INKS_AT_A_TIME):
                part = slice(start, start + _INKS_AT_A_TIME)
                yield chosen[part], amounts[part, np.newaxis, np.newaxis]

        def draw_signs(n: int) -> NDArray:
            return generator.random(n) < 0.5

        # In the order in which they happen: ink on paper, then a picture of it.
        n_passes = ceil(self.thickness)
        for chosen, distances in draw(self.thickness):
            is_thicker = draw_signs(len(chosen))
            for extreme, moved in ((np.maximum, is_thicker), (np.minimum, ~is_thicker)):
                changed = _move_edges(images[chosen[moved]], distances[moved], extreme, n_passes)
                images[chosen[moved]] = changed
        for chosen, deviations in draw(self.blur):
            passes = (deviations.ravel() ** 2 / _VARIANCE_OF_A_PASS).astype(int) + 1
            for n_passes in np.unique(passes):
                alike = passes == n_passes
                images[chosen[alike]] = _blur(images[chosen[alike]], deviations[alike], n_passes)
        for chosen, logarithms in draw(self.contrast):
            factors = np.exp(np.where(draw_signs(len(chosen))[:, np.newaxis, np.newaxis], logarithms, -logarithms))
            images[chosen] = np.minimum(images[chosen] * factors, white)
        for chosen, deviations in draw(self.noise):
            # In training, several images share a pattern, because most of the time is for drawing it.
            n_patterns = len(chosen) if n_draws else ceil(len(chosen) / _MAX_SHARING_NOISE)
            patterns = generator.standard_normal((n_patterns, *shape), dtype=rows.dtype)
            noise = patterns[np.arange(len(chosen)) % n_patterns]
            noise *= white * deviations
            noise += images[chosen]
            images[chosen] = np.clip(noise, 0, white, out=noise)
        return images.reshape(rows.shape)

    def _check_pixels(self, X: Any, white: float, name: str = "X") -> None:
        pixels = X.data if issparse(X) else X
        least, largest = (pixels.min(), pixels.max()) if pixels.size else (0, 0)
        if least < 0 or largest > white * _ABOVE_WHITE:
            wrong = least if least < 0 else largest
            kind = "integers" if white > 1 else "floats"
            through = "" if name == "X" else f" and {name} in its transform_input"
            raise ValueError(
                f"RandomInk changes images with a background of 0 and, in {kind}, a white of {white:g}, but {name} has "
                f"a pixel of {wrong:g}. Scale {name} to [0, {white:g}]: in a Pipeline, with PixelScaler() as the only "
                f"scaler{through}."
            )

    def _find_limits(self, rows: NDArray, white: float) -> tuple[float, float]:
        largest = np.iinfo(rows.dtype).max if rows.dtype.kind in "iu" else white
        return 0.0, min(white, largest)


def find_image_shape(
    change: RandomWarp | RandomInk, n_pixels: int, given: tuple[int, ...] | None = None
) -> tuple[int, int]:
    """Return height and width of the images that a RandomWarp or RandomInk will change.

    Parameters
    ----------
    change : RandomWarp or RandomInk
        Its ``image_shape`` is the shape of images given as rows.
    n_pixels : int
        Number of pixels in an image.
    given : tuple of int or None
        Shape of the images; None if they are given as rows.

    Returns
    -------
    shape : tuple of (int, int)

    Raises
    ------
    ValueError
        If ``image_shape`` is not a valid shape, does not match, or is missing for rows that are not square images.
    """
    name, shape = type(change).__name__, change.image_shape
    if shape is None:
        found = given or square_shape(n_pixels)
        if found is None:
            raise ValueError(
                f"Rows of {n_pixels} pixels are not square images, which image_shape=None requires. Give "
                f"{name}(image_shape=(height, width)), with height * width = {n_pixels}."
            )
        return found[0], found[1]
    height, width = check_image_shape(shape)
    if given is not None and tuple(given[:2]) != (height, width):
        raise ValueError(
            f"image_shape={shape!r} of {name} differs from X, whose images are {given[0]} x {given[1]}. Set it to "
            f"({given[0]}, {given[1]}) or None."
        )
    if height * width != n_pixels:
        raise ValueError(
            f"image_shape={shape!r} of {name} has {height * width} pixels, but X has {n_pixels} features. Set it "
            f"to (height, width) with height * width = {n_pixels}."
        )
    return height, width


def find_strength(change: RandomWarp | RandomInk, done: float) -> float:
    """Return the strength of a change in an epoch: ``done`` is 0 in the first of a fit and 1 in the last."""
    faded = done - (1 - change.fade)
    return 1.0 if faded <= 0 else 1 - (1 - _FINAL_STRENGTH) * faded / change.fade


def change_rows(
    change: RandomWarp | RandomInk, rows: NDArray, shape: tuple[int, int], generator: np.random.Generator, done: float
) -> NDArray:
    """Return changed rows of training data, perhaps in place; ``done`` is 0 in the first epoch and 1 in the last."""
    return change._change(rows, shape, generator, strength=find_strength(change, done))


def check_scaled(change: RandomWarp | RandomInk, X: Any, name: str) -> None:
    """Raise a ValueError if training data has pixels that a RandomWarp or RandomInk does not take."""
    change._check_pixels(X, white=1.0, name=name)


def count_shared_warps(n_rows: int) -> int:
    """Return the number of warps that these rows of training data share."""
    return max(_MIN_WARPS, -(-n_rows // _MAX_SHARING))


def warp_rows(
    warp: RandomWarp,
    rows: NDArray,
    shape: tuple[int, int],
    generator: np.random.Generator,
    *,
    n_warps: int,
    strength: float = 1.0,
) -> NDArray:
    """Distort images given as rows.

    Parameters
    ----------
    warp : RandomWarp
        Parameters of the distortions.
    rows : ndarray of float32 or float64 of shape (n_samples, height * width)
        Images.
    shape : tuple of (int, int)
        Height and width.
    generator : numpy.random.Generator
        Draws the distortions.
    n_warps : int
        Number of distortions. They are assigned to the rows in turn, so that a batch of consecutive rows gets many.
    strength : float, default=1.0
        Factor for all strengths.

    Returns
    -------
    warped : ndarray of shape (n_samples, height * width)
        In the dtype of ``rows``.
    """
    n_rows, (height, width) = len(rows), shape
    n_groups = min(n_warps, n_rows)
    group_size = -(-n_rows // n_groups)
    if n_rows < n_groups * group_size:
        rows = np.concatenate([rows, np.zeros((n_groups * group_size - n_rows, height * width), rows.dtype)])
    images = rows.reshape(group_size, n_groups, height, width)
    warped = np.empty((group_size, n_groups, height * width), rows.dtype)
    step = max(1, min(_WARPS_AT_A_TIME, _POINTS_AT_A_TIME // (height * width)))
    for start in range(0, n_groups, step):
        groups = slice(start, min(start + step, n_groups))
        points = _source_points(warp, shape, generator, groups.stop - start, strength)
        # The pixels of a group lie side by side, and a frame of zeros around each image supplies pixels from outside.
        framed = np.zeros((groups.stop - start, height + 3, width + 3, group_size), rows.dtype)
        framed[:, 1 : height + 1, 1 : width + 1] = images[:, groups].transpose(1, 2, 3, 0)
        values = _interpolation(points, shape, rows.dtype) @ framed.reshape(-1, group_size)
        warped[:, groups] = values.reshape(-1, height * width, group_size).transpose(2, 0, 1)
    return warped.reshape(-1, height * width)[:n_rows]


def _move_edges(images: NDArray, distances: NDArray, extreme: np.ufunc, n_passes: int) -> NDArray:
    """Move the edges of strokes by some pixels, in place: outwards with np.maximum, inwards with np.minimum."""
    weights = distances / n_passes
    for _ in range(n_passes):
        for axis in (1, 2):
            lines = images.swapaxes(1, axis)
            change = lines.copy(order="K")
            extreme(change[:, 1:], lines[:, :-1], out=change[:, 1:])
            extreme(change[:, :-1], lines[:, 1:], out=change[:, :-1])
            change -= lines
            change *= weights
            lines += change
    return images


def _blur(images: NDArray, deviations: NDArray, n_passes: int) -> NDArray:
    """Blur images by a standard deviation in pixels, in place."""
    # Variances add up; weights of w, 1 - 2 w and w have a variance of 2 w.
    weights = deviations**2 / (2 * n_passes)
    for _ in range(n_passes):
        for axis in (1, 2):
            lines = images.swapaxes(1, axis)
            change = -2 * lines
            change[:, 1:] += lines[:, :-1]
            change[:, :-1] += lines[:, 1:]
            change *= weights
            lines += change
    return images


def _source_points(
    warp: RandomWarp, shape: tuple[int, int], generator: np.random.Generator, n_warps: int, strength: float
) -> NDArray:
    """Source position of each pixel in the image: (2, n_warps, height * width), rows first, in pixels."""

    def draw(limit: float) -> NDArray:
        return generator.uniform(-limit * strength, limit * strength, n_warps)

    angle = np.deg2rad(draw(warp.rotation))
    row_factor, column_factor = np.exp(draw(warp.scale)), np.exp(draw(warp.scale))
    shear, row_shift, column_shift = draw(warp.shear), draw(warp.translation), draw(warp.translation)
    bends = generator.standard_normal((2, n_warps, _N_CONTROL, _N_CONTROL), dtype=np.float32)
    cos, sin = np.cos(angle), np.sin(angle)
    # Each warp is a sum of products of a function of the row and one of the column: constant, linear, and splines.
    coefficients = np.zeros((2, n_warps, 2 + _N_CONTROL, 2 + _N_CONTROL), np.float32)
    coefficients[0, :, 0, 0] = row_shift + (shape[0] - 1) / 2
    coefficients[1, :, 0, 0] = column_shift + (shape[1] - 1) / 2
    # From a pixel of the result to its source position, relative to the centre.
    coefficients[0, :, 1, 0] = row_factor * cos
    coefficients[1, :, 1, 0] = row_factor * sin
    coefficients[0, :, 0, 1] = column_factor * (shear * cos - sin)
    coefficients[1, :, 0, 1] = column_factor * (shear * sin + cos)
    coefficients[:, :, 2:, 2:] = bends * np.float32(warp.elastic * strength)
    # One small product per image: for a large one, BLAS would use several threads, which the training needs.
    points = _functions(shape[0]).T @ (coefficients @ _functions(shape[1]))
    return points.reshape(2, n_warps, -1)


@lru_cache(maxsize=16)
def _functions(length: int) -> NDArray:
    """Basis functions of warps along a side of an image, (2 + 7, length): constant, linear, and cubic B-splines.

    Standard normal coefficients of the products of row and column splines give displacements of rms 1.
    """
    positions = (np.arange(length) + 0.5) / length * (_N_CONTROL - 3)
    distances = np.abs(positions - (np.arange(_N_CONTROL)[:, np.newaxis] - 1))
    splines = np.where(distances < 1, 2 / 3 - distances**2 + distances**3 / 2, np.clip(2 - distances, 0, None) ** 3 / 6)
    splines /= np.sqrt((splines**2).sum(axis=0).mean())
    return np.vstack([np.ones(length), np.arange(length) - (length - 1) / 2, splines]).astype(np.float32)


def _interpolation(points: NDArray, shape: tuple[int, int], dtype: np.dtype) -> csr_array:
    """Return the matrix of bilinear interpolation: four weights for each pixel of each warp."""
    (height, width), n_points = shape, points[0].size
    framed_width, framed_size = width + 3, (height + 3) * (width + 3)
    # Positions outside the image are moved into the frame of zeros, whose corner is at (-1, -1).
    y, x = points
    row = np.floor(np.clip(y, -1, height, out=y))
    column = np.floor(np.clip(x, -1, width, out=x))
    y -= row
    x -= column
    weights = np.empty((*y.shape, 4), dtype)
    np.multiply(y, x, out=weights[..., 3])
    np.subtract(y, weights[..., 3], out=weights[..., 2])
    np.subtract(x, weights[..., 3], out=weights[..., 1])
    y += weights[..., 1]
    np.subtract(1, y, out=weights[..., 0])
    # SciPy does not check indices, so they must not overflow.
    index_dtype = np.int32 if 4 * max(n_points, len(y) * framed_size) < 2**31 else np.int64
    corner = row.astype(index_dtype)
    corner *= framed_width
    corner += column.astype(index_dtype)
    corner += np.arange(len(corner), dtype=index_dtype)[:, np.newaxis] * framed_size + framed_width + 1
    indices = np.empty((*y.shape, 4), index_dtype)
    # One neighbour at a time, because NumPy is slow at adding four numbers to each of many.
    for neighbour, offset in enumerate((0, 1, framed_width, framed_width + 1)):
        np.add(corner, offset, out=indices[..., neighbour])
    starts = np.arange(0, 4 * n_points + 1, 4, dtype=index_dtype)
    return csr_array((weights.ravel(), indices.ravel(), starts), shape=(n_points, len(corner) * framed_size))


def __dir__() -> list[str]:
    return __all__
