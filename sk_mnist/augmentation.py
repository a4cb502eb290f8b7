"""Random affine and elastic distortions of small images, for training."""

from __future__ import annotations

from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metadata_routing import UNUSED

from sk_mnist._images import as_rows, check_image_shape, square_shape
from sk_mnist._sklearn import Interval, validate_estimator

__all__ = ["RandomWarp"]

# Number of random values along each side of an image, between which displacements are interpolated. Fewer are smoother.
_N_CONTROL = 7

# Supported dtypes of images; others are converted to the first.
_DTYPES = ["float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]

# Strength to which distortions fade by the end of training.
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


class RandomWarp(BaseEstimator):
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
        "fade": [Interval(Real, 0, 1, closed="both")],
        "image_shape": [tuple, list, None],
    }

    # Not metadata for a meta-estimator to route, because only users call transform.
    __metadata_request__transform = {"random_state": UNUSED}  # noqa: RUF012 (scikit-learn's own way of declaring it)

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

    def transform(self, X: Any, random_state: int | np.random.RandomState | None = None) -> NDArray:
        """Distort each image independently.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, 1) or (n_samples, n_pixels)
            Images with a background of 0: integers or floats, finite.
        random_state : int, RandomState instance or None, default=None
            Seeds the distortions.

        Returns
        -------
        X_distorted : ndarray of the shape and dtype of ``X``
            Integers are rounded. Booleans and float16 become float32.

        Raises
        ------
        ValueError
            If a parameter is not valid, or ``image_shape`` does not fit ``X``.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import RandomWarp
        >>> image = np.zeros((1, 28, 28), dtype=np.uint8)
        >>> image[:, 6:22, 13:15] = 255
        >>> variants = RandomWarp().transform(np.repeat(image, 10, axis=0), random_state=0)
        >>> variants.shape, variants.dtype
        ((10, 28, 28), dtype('uint8'))
        """
        validate_estimator(self)
        rows, shape = as_rows(X, type(self).__name__)
        rows = check_array(rows, dtype=_DTYPES, input_name="X")
        shape = find_image_shape(self, rows.shape[1], shape)
        generator = np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))
        warped = np.empty_like(rows)
        step = max(1, _PIXELS_AT_A_TIME // rows.shape[1])
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            # float32 represents all 16-bit integers exactly, but not all 32-bit integers.
            values = chunk.astype(np.result_type(chunk.dtype, np.float32), copy=False)
            values = warp_rows(self, values, shape, generator, n_warps=len(chunk))
            # Rounding in the interpolation must not make a pixel brighter than the brightest.
            np.clip(values, min(0, chunk.min()), max(0, chunk.max()), out=values)
            warped[start : start + step] = np.rint(values) if rows.dtype.kind in "iu" else values
        return warped.reshape(np.shape(X))


def find_image_shape(warp: RandomWarp, n_pixels: int, given: tuple[int, ...] | None = None) -> tuple[int, int]:
    """Return height and width of the images that a RandomWarp will distort.

    Parameters
    ----------
    warp : RandomWarp
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
    shape = warp.image_shape
    if shape is None:
        found = given or square_shape(n_pixels)
        if found is None:
            raise ValueError(
                f"Rows of {n_pixels} pixels are not square images, which image_shape=None requires. Give "
                f"RandomWarp(image_shape=(height, width)), with height * width = {n_pixels}."
            )
        return found[0], found[1]
    height, width = check_image_shape(shape)
    if given is not None and tuple(given[:2]) != (height, width):
        raise ValueError(
            f"image_shape={shape!r} of RandomWarp differs from X, whose images are {given[0]} x {given[1]}. Set it to "
            f"({given[0]}, {given[1]}) or None."
        )
    if height * width != n_pixels:
        raise ValueError(
            f"image_shape={shape!r} of RandomWarp has {height * width} pixels, but X has {n_pixels} features. Set it "
            f"to (height, width) with height * width = {n_pixels}."
        )
    return height, width


def find_strength(warp: RandomWarp, done: float) -> float:
    """Return the strength of distortions in an epoch: ``done`` is 0 in the first of a fit and 1 in the last."""
    faded = done - (1 - warp.fade)
    return 1.0 if faded <= 0 else 1 - (1 - _FINAL_STRENGTH) * faded / warp.fade


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
