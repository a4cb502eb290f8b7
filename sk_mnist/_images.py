"""Images: MNIST's size, names of pixels, and conversion between images and rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from math import isqrt, prod
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array

SIDE = 28  # height and width of MNIST's images, in pixels

# Unscaled pixels are detected in images of at least 8 x 8, half of which have a pixel in the upper half of the bytes.
_MIN_PIXELS = 64
_BRIGHT, _WHITE = 128, 255
# Number of rows that are checked; fewer if they are long.
_MAX_ROWS = 100
_MAX_NUMBERS = 2**20


def pixel_names(height: int, width: int) -> list[str]:
    """Return "pixel_r_c" for each pixel of an image, row by row."""
    return [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]


def square_shape(n_pixels: int) -> tuple[int, int] | None:
    """Return the shape of a square image with this number of pixels; None if there is none."""
    side = isqrt(n_pixels)
    return (side, side) if side * side == n_pixels else None


def check_image_shape(shape: Any) -> tuple[int, int]:
    """Return a parameter as a height and a width, two integers of at least 1."""
    if not (
        isinstance(shape, tuple | list)
        and len(shape) == 2
        and all(isinstance(length, Integral) and int(length) > 0 for length in shape)
    ):
        raise ValueError(f"image_shape must be (height, width), two integers of at least 1, or None; got {shape!r}.")
    return int(shape[0]), int(shape[1])


def shape_of(X: Any) -> tuple[int, ...]:
    """Return the shape of an array-like; for a list, only its first item is checked."""
    if hasattr(X, "shape"):
        return tuple(X.shape)
    if isinstance(X, list | tuple) and len(X):
        return (len(X), *np.asarray(X[0]).shape)
    return np.asarray(X).shape


def items_of_column(X: Any) -> list | None:
    """Return the items of a Series, an array of objects or a frame of one column; None if ``X`` is none of these.

    A column of numbers is none of these either.
    """
    if not hasattr(X, "shape") or issparse(X) or (isinstance(X, np.ndarray) and X.dtype != object):
        return None
    shape = tuple(X.shape)
    if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
        return None
    column = np.asarray(X)
    if column.dtype == object:
        return column.ravel().tolist()
    return list(column) if column.ndim > len(shape) else None  # a Series of polars that knows the shape of its arrays


def stack_column(X: Any, name: str = "X") -> Any:
    """Stack a column of images or rows, as pickles and parquet files return it, into one array.

    Parameters
    ----------
    X : object
        Returned unchanged if it is not a column of arrays.
    name : str, default="X"
        Name of the argument in error messages.

    Returns
    -------
    X : object

    Raises
    ------
    ValueError
        If the items are not of one shape.
    """
    items = items_of_column(X)
    return X if items is None or not any(map(_is_array, items)) else _stack(items, name)


def _is_array(item: Any) -> bool:
    return _is_pillow(item) or isinstance(item, list | tuple) or bool(getattr(item, "shape", ()))


def _is_pillow(item: Any) -> bool:
    """Whether an item is a Pillow image, without importing Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(item, pillow.Image)


def _stack(items: Iterable, name: str) -> NDArray:
    arrays: list[NDArray] = []
    for row, item in enumerate(items):
        try:
            array = np.asarray(item)
        except ValueError as error:  # nested lists of different lengths
            raise ValueError(f"{name}[{row}] is not an array: {error}") from error
        if array.dtype == object and array.size and _is_array(array.flat[0]):  # parquet's arrays of arrays
            array = _stack(array, f"{name}[{row}]")
        if arrays and array.shape != arrays[0].shape:
            raise ValueError(
                f"{name} has items of different shapes: {name}[0] has {arrays[0].shape}, but {name}[{row}] has "
                f"{array.shape if array.ndim else f'the type {type(item).__name__}'}. To read pictures of digits of "
                "any size, use sk_mnist.read_digits(picture) for each."
            )
        arrays.append(array)
    return np.stack(arrays)


def with_numpy_dtype(X: Any) -> Any:
    """Give integers and booleans the dtype that they have in plain arrays, where NumPy would make objects of them.

    It makes objects of frames with nullable or pyarrow columns, or with booleans beside numbers. scikit-learn converts
    objects to floats, which are on another scale than integers.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        A frame stays a frame. Anything but numbers is left to scikit-learn, and so are missing values, as NaN.

    Returns
    -------
    X : array-like of shape (n_samples, ...)
    """
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    is_frame = hasattr(X, "iloc") and hasattr(X, "columns")
    given = set(X.dtypes) if is_frame else {getattr(X, "dtype", None)}
    # The dtypes of nullable and pyarrow columns know NumPy's.
    dtypes = {getattr(dtype, "numpy_dtype", dtype) for dtype in given}
    dtype = None
    if np.dtype(object) in dtypes:
        dtype = _dtype_of_integers(np.asarray(X))
    elif is_frame and all(isinstance(dtype, np.dtype) and dtype.kind in "uibf" for dtype in dtypes):
        dtype = np.result_type(*dtypes)
    if given == {dtype}:
        return X
    if dtype is not None:
        with suppress(ValueError, TypeError, OverflowError):  # missing values, and integers of more than 64 bits
            return X.astype(dtype)
    return X.mask(X.isna(), np.nan) if is_frame and np.dtype(object) in dtypes else X


def _dtype_of_integers(objects: NDArray) -> np.dtype | None:
    """Return the dtype for an array of objects that are all integers or booleans; None for others."""
    types: set[type] = set()
    for row in objects:
        types.update(map(type, np.ravel(row).tolist()))
        if not all(issubclass(kind, Integral | np.bool_) for kind in types):
            return None
    return np.dtype(bool) if types <= {bool, np.bool_} else np.dtype(np.int64)


def as_numbers(X: Any, name: str) -> NDArray:
    """Convert an array-like to an array of numbers; pandas' missing values are scikit-learn's usual error."""
    converted = with_numpy_dtype(X)
    array = np.asarray(converted)
    if array.dtype != object and (converted is X or not hasattr(X, "iloc")):
        return array
    return check_array(converted, ensure_2d=False, allow_nd=True, input_name=name)


def check_is_batch(X: Any, caller: str, batch: str, n_features: int | None = None) -> None:
    """Raise an error if a batch is expected and ``X`` is a single image or row.

    Parameters
    ----------
    X : object
        The input. Anything that is neither an image nor a row is left to other checks.
    caller : str
        Name of the estimator, used in the error message.
    batch : str
        Shape that the estimator takes, in words.
    n_features : int, default=None
        Number of features that the estimator was fitted on.

    Raises
    ------
    TypeError
        If ``X`` is an image of Pillow.
    ValueError
        If ``X`` is one row, or one image of ``n_features`` pixels.
    """
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(X, pillow.Image):
        raise TypeError(
            f"X is a Pillow image of {X.width} x {X.height} pixels; {caller} takes arrays of shape {batch}. For an "
            "image in MNIST's form, white on black, use np.asarray(X.convert('L')).reshape(1, -1); for any other "
            "picture of digits, sk_mnist.read_digits(X)."
        )
    if given := _given_pictures(X):
        raise ValueError(
            f"X is {given}; {caller} takes arrays of shape {batch}. To read pictures of digits, use "
            "sk_mnist.read_digits(picture) for each, which also takes a model."
        )
    shape = shape_of(X)
    if len(shape) == 1:
        # The message begins and ends like scikit-learn's, without the whole array in between.
        other = "" if shape[0] == n_features else " if it is one row, np.reshape(X, (-1, 1)) if it is one feature"
        raise ValueError(
            f"Expected 2D array, got 1D array: X has shape {shape}, but {caller} takes {batch}. Reshape your data: "
            f"np.reshape(X, (1, -1)){other}."
        )
    is_images = len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)
    if is_images and n_features is not None and prod(shape[1:]) != n_features:
        raise ValueError(
            f"X has {prod(shape[1:])} features, but {caller} is expecting {n_features} features as input. X has shape "
            f"{shape}. To read pictures of digits of any size, use sk_mnist.read_digits(picture) for each."
        )
    if len(shape) == 2 and n_features is not None and shape[1] != n_features and prod(shape) == n_features:
        raise ValueError(
            f"X has {shape[1]} features, but {caller} is expecting {n_features} features as input. X has shape "
            f"{shape}, which is one image: np.reshape(X, (1, -1)) is a batch of one."
        )


def _given_pictures(X: Any) -> str | None:
    """Return what ``X`` is if it is a file name, or a list of files or of pictures of several sizes."""
    if isinstance(X, str | bytes | PathLike) or hasattr(X, "read"):
        return f"a {type(X).__name__}"
    items = X if isinstance(X, list | tuple) else items_of_column(X)
    if not items:
        return None
    if isinstance(items[0], str | bytes | PathLike) or hasattr(items[0], "read"):
        return f"a {type(X).__name__} of {type(items[0]).__name__}"
    if _is_pillow(items[0]):
        shapes = {item.size[::-1] for item in items if _is_pillow(item)}
    else:
        shapes = {item.shape for item in items if hasattr(item, "shape")}
    if len(shapes) > 1 and min(map(len, shapes)) > 1:
        return f"a {type(X).__name__} of pictures of shapes {', '.join(map(str, sorted(shapes)))}"
    return None


def look_like_bytes(X: Any) -> bool:
    """Whether rows look like images with pixels of 0 to 255, judging by about a hundred evenly spaced rows.

    They do if there are at least 64 features, all values are whole numbers from 0 to 255, some are 0, and half of the
    rows have a value of at least 128. Ordinary tables have fewer columns, fractions, negative numbers or numbers above
    255. Word counts are rarely as large as 128.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Only the checked rows are read.
    """
    n_samples, n_features = X.shape
    if n_features < _MIN_PIXELS:
        return False
    n_rows = min(_MAX_ROWS, max(1, _MAX_NUMBERS // n_features))
    rows = X[:: max(1, n_samples // n_rows)]
    largest = rows.max(axis=1)
    if issparse(rows):
        largest = largest.toarray()
    if np.median(largest) < _BRIGHT or largest.max() > _WHITE:
        return False
    values = rows.data if issparse(rows) else rows
    has_zero = np.count_nonzero(values) < n_features * rows.shape[0]
    return has_zero and values.min() >= 0 and bool((values == np.rint(values)).all())


def as_rows(X: Any, caller: str) -> tuple[Any, tuple[int, ...] | None]:
    """Flatten each image into a row of pixels.

    Parameters
    ----------
    X : array-like of shape (n_samples, height, width), (n_samples, height, width, 1) or (n_samples, n_pixels)
        Grey images, or rows, which are returned unchanged.
    caller : str
        Name of the estimator or function, used in the error message.

    Returns
    -------
    rows : array-like of shape (n_samples, n_pixels)
        A view of ``X`` if its memory layout allows it.
    image_shape : tuple of int or None
        Shape of an image, (height, width) or (height, width, 1); None if ``X`` has rows.

    Raises
    ------
    ValueError
        If ``X`` has more dimensions, or more than one channel.
    """
    X = with_numpy_dtype(X)
    # Frames and sparse matrices have a shape and hold rows; anything else is an array by now, or becomes one.
    array = X if hasattr(X, "shape") else np.asarray(X)
    if len(array.shape) <= 2:
        return X, None
    image_shape = tuple(array.shape[1:])
    if len(image_shape) > 3 or (len(image_shape) == 3 and image_shape[2] != 1):
        raise ValueError(
            f"X has shape {tuple(array.shape)}; {caller} takes grey images of shape (n_samples, height, width) "
            "or (n_samples, height, width, 1), or rows of shape (n_samples, n_pixels)."
        )
    return np.asarray(array).reshape(array.shape[0], prod(image_shape)), image_shape


def as_images(X: ArrayLike, image_shape: tuple[int, int] | None, name: str = "X") -> NDArray:
    """Reshape rows of pixels to images.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_pixels), (n_samples, height, width) or (n_samples, height, width, 1)
        Rows of pixels, or images.
    image_shape : tuple of (int, int) or None
        Height and width of images given as rows; None means square images.
    name : str, default="X"
        Name of the argument, used in the error message.

    Returns
    -------
    images : ndarray of shape (n_samples, height, width)

    Raises
    ------
    ValueError
        If ``X`` has a different number of dimensions, its rows do not have as many pixels as an image, or
        ``image_shape`` is not a pair of positive integers.
    """
    if image_shape is not None:
        image_shape = check_image_shape(image_shape)
    X = as_numbers(stack_column(X, name), name)
    if X.ndim == 4 and X.shape[3] == 1:
        X = X[..., 0]
    if X.ndim == 3:
        return X
    if X.ndim != 2:
        raise ValueError(f"{name} has shape {X.shape}; expected (n_samples, height, width) or (n_samples, n_pixels).")
    height, width = image_shape or (round(X.shape[1] ** 0.5),) * 2
    if X.shape[1] != height * width:
        raise ValueError(
            f"{name} has {X.shape[1]} pixels per row, which do not make an image of {height} x {width}. "
            "Pass image_shape=(height, width)."
        )
    return X.reshape(len(X), height, width)
