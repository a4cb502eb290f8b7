"""Convert images to the network's input: flat rows of float32 pixels in [0, 1]."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sk_mnist._images import as_rows, check_is_batch, pixel_names, square_shape
from sk_mnist._sklearn import (
    Interval,
    StrOptions,
    begin_fit,
    check_feature_names_in,
    fit_context,
    with_callbacks,
)

# Interpolation may round pixels to slightly above white.
ABOVE_WHITE = 1 + 1e-6

# Shapes that the two transformers take, for error messages.
_IMAGES = "(n_samples, height, width) or (n_samples, n_pixels)"
_ROWS = "(n_samples, n_pixels)"

# The value of a white pixel with pixel_max="dtype", by kind of dtype: unsigned, signed, float and boolean.
_WHITE_OF_KIND = {"u": 255.0, "i": 255.0, "f": 1.0, "b": 1.0}


class ImageFlattener(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Flatten each image into a row of pixels.

    Takes images of shape (n_samples, height, width) or (n_samples, height, width, 1), or rows of pixels, which pass
    unchanged. Data is not copied if the memory layout allows it, and the dtype is kept.

    Attributes
    ----------
    image_shape_ : tuple of int
        Shape of an image in ``fit``: (height, width), (height, width, 1) or (n_pixels,).

    n_features_in_ : int
        Number of pixels in an image.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if ``fit`` saw a frame.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import ImageFlattener
    >>> images = np.zeros((5, 28, 28), dtype=np.uint8)
    >>> flattener = ImageFlattener().fit(images)
    >>> flattener.transform(images).shape
    (5, 784)
    >>> flattener.get_feature_names_out()[:2]
    array(['pixel_0_0', 'pixel_0_1'], dtype=object)
    """

    __module__ = "sk_mnist.preprocessing"  # what pickles and model files remember

    _parameter_constraints: dict = {}  # noqa: RUF012 (scikit-learn's own way of declaring it)

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the shape of an image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, 1) or (n_samples, n_pixels)
            Images.
        y : None
            Ignored.

        Returns
        -------
        self : ImageFlattener
            The fitted transformer.

        Raises
        ------
        ValueError
            If ``X`` has a different number of dimensions, or more than one channel.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import ImageFlattener
        >>> ImageFlattener().fit(np.zeros((5, 28, 28))).image_shape_
        (28, 28)
        """
        check_is_batch(X, type(self).__name__, _IMAGES)
        task = begin_fit(self, X=X, y=y)
        rows, image_shape = as_rows(X, type(self).__name__)
        validate_data(self, rows)
        self.image_shape_ = image_shape or (self.n_features_in_,)
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Flatten images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, 1) or (n_samples, n_pixels)
            Images with the same number of pixels as in ``fit``.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_pixels)
            In the dtype of ``X``.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import ImageFlattener
        >>> ImageFlattener().fit_transform([[[1, 2], [3, 4]]])
        array([[1, 2, 3, 4]])
        """
        check_is_fitted(self)
        check_is_batch(X, type(self).__name__, _IMAGES, self.n_features_in_)
        return validate_data(self, as_rows(X, type(self).__name__)[0], reset=False)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Reshape rows of pixels to the shape of the images in ``fit``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Rows of pixels.

        Returns
        -------
        images : ndarray of shape (n_samples, ...)
            Images of shape ``image_shape_``, in the dtype of ``X``.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import ImageFlattener
        >>> flattener = ImageFlattener().fit(np.zeros((5, 28, 28)))
        >>> flattener.inverse_transform(np.zeros((2, 784))).shape
        (2, 28, 28)
        """
        check_is_fitted(self)
        X = check_array(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} pixels per row, but images of shape {self.image_shape_} have "
                f"{self.n_features_in_}."
            )
        return X.reshape(-1, *self.image_shape_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the pixels by row and column.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Checked against the names in ``fit`` if it saw rows, and otherwise ignored.

        Returns
        -------
        names : ndarray of str objects of shape (n_pixels,)
            "pixel_r_c". Rows with a square number of pixels are treated as square images, others as one image row.

        Examples
        --------
        >>> import numpy as np
        >>> from sk_mnist import ImageFlattener
        >>> ImageFlattener().fit(np.zeros((5, 2, 2))).get_feature_names_out().tolist()
        ['pixel_0_0', 'pixel_0_1', 'pixel_1_0', 'pixel_1_1']
        """
        check_is_fitted(self)
        if len(self.image_shape_) == 1:
            check_feature_names_in(self, input_features)
            height, width = square_shape(self.n_features_in_) or (1, self.n_features_in_)
        else:
            height, width = self.image_shape_[:2]
        return np.array(pixel_names(height, width), dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "uint8"]
        return tags


class PixelScaler(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale pixels to float32 in [0, 1].

    Bytes of 0 to 255 and pixels that are already in [0, 1] give the same output, so one Pipeline works with both
    ``fetch_mnist(normalize=False)`` and ``fetch_mnist()``. ``fit`` determines the scale, and data on the other scale is
    rejected afterwards, unless ``pixel_max="dtype"``.

    Parameters
    ----------
    pixel_max : {"auto", "dtype"} or float, default="auto"
        The value of a white pixel.

        - "auto" uses 255 if ``fit`` sees integers or values above 1, and 1 otherwise.
        - "dtype" uses the dtype of the data in each call, independently of ``fit``: white is 255 in integers, and 1 in
          floats and booleans. Brighter pixels are rejected, and integers of at most 1 cause a warning. Lists, frames
          with columns of several dtypes, and arrays of objects have the dtype that scikit-learn converts them to:
          ``[0, 0.5]`` becomes floats, and so do objects and pandas' nullable integers.
        - A number is the value of a white pixel in all data.

        With "auto" and "dtype", ``fit`` warns if no pixel is at least half as bright as white.

    Attributes
    ----------
    pixel_max_ : float
        The value of a white pixel in the data of ``fit``.

    min_image_max_ : float
        The brightest pixel of the darkest image in ``fit`` that is not blank; 0 if all are blank. Used to detect images
        on another scale, unless ``pixel_max="dtype"``.

    max_image_mean_ : float
        The mean pixel of the brightest image in ``fit``. Used to detect images of black on white.

    n_features_in_ : int
        Number of pixels.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if ``fit`` saw a frame.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mnist import PixelScaler
    >>> PixelScaler().fit_transform(np.array([[0, 51, 255]], dtype=np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)

    Pixels that are sometimes integers and sometimes floats:

    >>> scaler = PixelScaler(pixel_max="dtype").fit([[0, 51, 255]])
    >>> scaler.transform([[0.0, 0.2, 1.0]])
    array([[0. , 0.2, 1. ]], dtype=float32)
    """

    __module__ = "sk_mnist.preprocessing"  # what pickles and model files remember

    _parameter_constraints: dict = {  # noqa: RUF012 (scikit-learn's own way of declaring it)
        "pixel_max": [StrOptions({"auto", "dtype"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, pixel_max: Any = "auto") -> None:
        self.pixel_max = pixel_max

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the scale of the pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Non-negative pixels.
        y : None
            Ignored.

        Returns
        -------
        self : PixelScaler
            The fitted transformer.

        Raises
        ------
        ValueError
            If a pixel is negative, or brighter than white.

        Warns
        -----
        UserWarning
            If ``pixel_max`` is not a number, and no pixel is at least half as bright as white.

        Examples
        --------
        >>> from sk_mnist import PixelScaler
        >>> PixelScaler().fit([[0, 128, 255]]).pixel_max_
        255.0
        >>> PixelScaler().fit([[0.0, 0.5, 1.0]]).pixel_max_
        1.0
        """
        check_is_batch(X, type(self).__name__, _ROWS)
        task = begin_fit(self, X=X, y=y)
        X = validate_data(self, X)
        self._check_not_negative(X)
        image_max = X.max(axis=1)
        # First, because it rejects data that is not numeric, such as times.
        self.pixel_max_ = self._white_in_fit(X.dtype, image_max.max())
        brightest = float(image_max.max())
        # A blank image is on any scale.
        self.min_image_max_ = float(image_max[image_max > 0].min()) if brightest > 0 else 0.0
        self._check_not_above_white(brightest, self.pixel_max_)
        # The mean of white pixels may be rounded to above white.
        self.max_image_mean_ = min(float(X.mean(axis=1, dtype=_dtype_of_sums(X)).max()), self.pixel_max_)
        if isinstance(self.pixel_max, str) and 0 < brightest < self.pixel_max_ / 2:
            warnings.warn(
                f"The brightest pixel of X is {brightest:g}, but pixel_max={self.pixel_max!r} takes white to be "
                f"{self.pixel_max_:g}, so all pixels become dark. If white is {brightest:g} here, set "
                f"pixel_max={brightest:g}."
            )
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Scale pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Pixels on the same scale as in ``fit``, or, with ``pixel_max="dtype"``, on the scale of their dtype.

        Returns
        -------
        X_scaled : ndarray of float32 of shape (n_samples, n_pixels)
            Pixels in [0, 1]. ``X`` itself if it is already scaled.

        Raises
        ------
        ValueError
            If ``X`` is on a different scale than the data of ``fit``, or than its dtype implies.

        Warns
        -----
        UserWarning
            If ``pixel_max="dtype"``, and ``X`` has integers of at most 1 that are not all 0. If the mean of ``X`` is
            closer to white than to ``max_image_mean_``, which indicates black on white.

        Examples
        --------
        >>> from sk_mnist import PixelScaler
        >>> PixelScaler().fit([[0, 255]]).transform([[51, 102]])
        array([[0.2, 0.4]], dtype=float32)
        """
        check_is_fitted(self)
        check_is_batch(X, type(self).__name__, _ROWS, self.n_features_in_)
        X = validate_data(self, X, reset=False)
        self._check_not_negative(X)
        white = _white_of_dtype(X.dtype) if self.pixel_max == "dtype" else self.pixel_max_
        brightest = float(X.max())
        self._check_not_above_white(brightest, white)
        if self.pixel_max == "dtype":
            if 0 < brightest <= 1 < white:
                warnings.warn(
                    f"The brightest pixel of X is {brightest:g}, but X has integers, for which pixel_max='dtype' takes "
                    f"white to be {white:g}, so all pixels become dark. If white is 1 here, use X.astype(float)."
                )
        elif X.dtype.kind == "f" and 0 < brightest <= 1 < min(white, self.min_image_max_):
            raise ValueError(
                f"X has pixels of 0 to {brightest:g}, but this PixelScaler was fitted on pixels of 0 to "
                f"{white:g}. Give it images on the same scale as in fit (see normalize= of fetch_mnist)."
            )
        self._warn_if_black_on_white(X, white)
        if white == 1 and brightest <= 1:
            return X.astype(np.float32, copy=False)
        scaled = np.divide(X, np.float32(white), dtype=np.float32, casting="same_kind")
        return scaled if brightest <= white else np.minimum(scaled, 1, out=scaled)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Scale pixels back to the scale of the data in ``fit``, for any ``pixel_max``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Pixels in [0, 1].

        Returns
        -------
        X_original : ndarray of float32 of shape (n_samples, n_pixels)
            Pixels in [0, ``pixel_max_``].

        Examples
        --------
        >>> from sk_mnist import PixelScaler
        >>> PixelScaler().fit([[0, 255]]).inverse_transform([[0.0, 1.0]])
        array([[  0., 255.]], dtype=float32)
        """
        check_is_fitted(self)
        return check_array(X, dtype=np.float32) * np.float32(self.pixel_max_)

    def _white_in_fit(self, dtype: np.dtype, brightest: Any) -> float:
        if self.pixel_max == "auto":
            return 255.0 if dtype.kind in "iu" or brightest > ABOVE_WHITE else 1.0
        if self.pixel_max == "dtype":
            return _white_of_dtype(dtype)
        return float(self.pixel_max)

    def _check_not_negative(self, X: np.ndarray) -> None:
        # The message begins like that of scikit-learn's check, which does not suggest a fix.
        if (darkest := X.min()) < 0:
            raise ValueError(
                f"Negative values in data passed to X in {type(self).__name__}: the smallest is {darkest:g}, and "
                "pixels are 0 for black and up to 255 or 1 for white. Standardized data needs no PixelScaler; for "
                "pixels of -1 to 1, give (X + 1) / 2."
            )

    def _warn_if_black_on_white(self, X: np.ndarray, white: float) -> None:
        # Models saved by earlier versions do not have this attribute.
        brightest_in_fit = getattr(self, "max_image_mean_", self.pixel_max_) / self.pixel_max_
        # A thousand images are enough.
        mean = float(X[:: max(1, len(X) // 1000)].mean(dtype=_dtype_of_sums(X))) / white
        if mean > (brightest_in_fit + 1) / 2:
            warnings.warn(
                f"The mean pixel of X is {mean:.0%} of white, but only {brightest_in_fit:.0%} in the brightest image "
                f"that this PixelScaler was fitted on. If X is black on white, give {white:g} - X."
            )

    def _check_not_above_white(self, brightest: float, white: float) -> None:
        if brightest <= white * ABOVE_WHITE:
            return
        if self.pixel_max == "dtype":
            advice = "Scale X to floats of 0 to 1" if white > 1 else "Convert pixels of 0 to 255 by X.astype('uint8')"
            raise ValueError(
                f"X has {'integers' if white > 1 else 'floats'} of up to {brightest:g}, but "
                f"PixelScaler(pixel_max='dtype') takes integers of 0 to 255, and floats of 0 to 1. {advice}, or set "
                "pixel_max to the value of a white pixel."
            )
        raise ValueError(
            f"X has pixels of up to {brightest:g}, but white is {white:g} for this PixelScaler"
            + (" (fitted on pixels of 0 to 1)." if white == 1 else ".")
            + " Give it images on the same scale as in fit, or set pixel_max to the value of a white pixel."
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _dtype_of_sums(X: np.ndarray) -> np.dtype:
    # float16 cannot hold the sum of an image, and bytes are summed faster in float32.
    return np.result_type(X.dtype, np.float32)


def _white_of_dtype(dtype: np.dtype) -> float:
    """Return the value of a white pixel in data of a dtype, with ``pixel_max="dtype"``."""
    if dtype.kind not in _WHITE_OF_KIND:
        raise ValueError(f"X has dtype {dtype}; PixelScaler(pixel_max='dtype') takes integers, floats and booleans.")
    return _WHITE_OF_KIND[dtype.kind]
