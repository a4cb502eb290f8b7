"""Convert images to the network's input: flat rows of float32 pixels in [0, 1]."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sk_mnist._images import as_rows, check_is_batch, pixel_names, square_shape, stack_column, with_numpy_dtype
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

# The kinds of dtype that pixels may have.
_KINDS = {"u": "integers", "i": "integers", "f": "floats", "b": "booleans"}


class ImageFlattener(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Flatten each image into a row of pixels.

    Takes images of shape (n_samples, height, width) or (n_samples, height, width, 1), or rows of pixels, which pass
    unchanged. Data is not copied if the memory layout allows it, and the dtype is kept. The values are not read: NaN is
    left for the next step to reject.

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

    n_features_in_: int
    feature_names_in_: np.ndarray

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
        X = stack_column(X)
        check_is_batch(X, type(self).__name__, _IMAGES)
        task = begin_fit(self, X=X, y=y)
        rows, image_shape = as_rows(X, type(self).__name__)
        validate_data(self, rows, ensure_all_finite=False)
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
        X = stack_column(X)
        check_is_batch(X, type(self).__name__, _IMAGES, self.n_features_in_)
        return validate_data(self, as_rows(X, type(self).__name__)[0], reset=False, ensure_all_finite=False)

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
        X = check_array(stack_column(X))
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
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "uint8"]
        return tags


class PixelScaler(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale pixels to float32 in [0, 1].

    Bytes of 0 to 255 and floats of 0 to 1 give the same output, so one Pipeline reads both
    ``fetch_mnist(normalize=False)`` and ``fetch_mnist()``, whichever of them it was fitted on.

    Parameters
    ----------
    pixel_max : "auto" or float, default="auto"
        The value of a white pixel.

        - "auto" uses the dtype of the data in each call: white is 255 in integers and 1 in booleans. In floats it is
          255 if ``fit`` saw floats above 1, and 1 otherwise. Brighter pixels are rejected, and so are integers of
          which the largest is 1, which would become nearly black. Nullable and pyarrow columns count as NumPy's. Lists,
          frames with columns of several dtypes, and objects have the dtype of all their numbers together: ``[0, 0.5]``
          are floats, integers beside booleans are integers. ``fit`` warns if no pixel is at least half as bright as
          white.
        - A number is the value of a white pixel in integers and floats. In booleans it is 1.

    Attributes
    ----------
    pixel_max_ : float
        The value of a white pixel in the data of ``fit``.

    float_pixel_max_ : float
        The value of a white pixel in floats.

    min_image_max_ : float
        The brightest pixel of the darkest image in ``fit`` that is not blank; 0 if all are blank. Used to detect floats
        of 0 to 1 where white is brighter.

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

    Fitted on integers, it reads floats as well:

    >>> scaler = PixelScaler().fit([[0, 51, 255]])
    >>> scaler.transform([[0.0, 0.2, 1.0]])
    array([[0. , 0.2, 1. ]], dtype=float32)
    """

    __module__ = "sk_mnist.preprocessing"  # what pickles and model files remember

    _parameter_constraints: dict = {  # noqa: RUF012 (scikit-learn's own way of declaring it)
        "pixel_max": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(self, pixel_max: Any = "auto") -> None:
        self.pixel_max = pixel_max

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    @np.errstate(under="ignore")  # tiny pixels round to 0
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
            If a pixel is negative or brighter than white. With ``pixel_max="auto"``, also if ``X`` has integers of
            which the largest is 1.

        Warns
        -----
        UserWarning
            If ``pixel_max="auto"``, and no pixel is at least half as bright as white.

        Examples
        --------
        >>> from sk_mnist import PixelScaler
        >>> PixelScaler().fit([[0, 128, 255]]).pixel_max_
        255.0
        >>> PixelScaler().fit([[0.0, 0.5, 1.0]]).pixel_max_
        1.0
        """
        self._fit(X, y)
        return self

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    @np.errstate(under="ignore")  # tiny pixels round to 0
    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Learn the scale of the pixels, and scale them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Non-negative pixels.
        y : None
            Ignored.

        Returns
        -------
        X_scaled : ndarray of float32 of shape (n_samples, n_pixels)
            Pixels in [0, 1]. ``X`` itself if it is already scaled.
        """
        if type(self).fit is not PixelScaler.fit or type(self).transform is not PixelScaler.transform:
            # The short cut would leave out what a subclass does.
            return self.fit(X, y).transform(X)
        X, brightest = self._fit(X, y)
        return _scale(X, self.pixel_max_, brightest)

    def _fit(self, X: Any, y: Any) -> tuple[np.ndarray, float]:
        """Learn the scale of the pixels, and return these as an array with the brightest of them."""
        X = stack_column(X)
        check_is_batch(X, type(self).__name__, _ROWS)
        task = begin_fit(self, X=X, y=y)
        X = self._as_array(X, reset=True)
        image_max = X.max(axis=1)
        brightest = float(image_max.max())
        self._check_values(X, brightest)
        float_white = 255.0 if X.dtype.kind == "f" and brightest > ABOVE_WHITE else 1.0
        white = self._white_in(X.dtype, float_white)
        # A blank image is on any scale.
        min_image_max = float(image_max[image_max > 0].min()) if brightest > 0 else 0.0
        self._check_scale(X.dtype, brightest, white, min_image_max)
        self.pixel_max_, self.min_image_max_ = white, min_image_max
        self.float_pixel_max_ = float_white if self.pixel_max == "auto" else float(self.pixel_max)
        # The mean of white pixels may be rounded to above white.
        self.max_image_mean_ = min(float(X.mean(axis=1, dtype=_dtype_of_sums(X)).max()), white)
        if self.pixel_max == "auto" and 0 < brightest < white / 2:
            warnings.warn(
                f"The brightest pixel of X is {brightest:g}, but pixel_max='auto' takes white to be {white:g}, so all "
                f"pixels become dark. If white is {brightest:g} here, set pixel_max={brightest:g}."
            )
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return X, brightest

    @np.errstate(under="ignore")  # tiny pixels round to 0
    def transform(self, X: Any) -> np.ndarray:
        """Scale pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels)
            Pixels on the scale of their dtype or, if ``pixel_max`` is a number, from 0 to that number.

        Returns
        -------
        X_scaled : ndarray of float32 of shape (n_samples, n_pixels)
            Pixels in [0, 1]. ``X`` itself if it is already scaled.

        Raises
        ------
        ValueError
            If a pixel is negative or brighter than white. If white is above 1 in floats, also if ``X`` has floats of 0
            to 1, unless ``fit`` saw images that are as dark. With ``pixel_max="auto"``, also if ``X`` has integers of
            which the largest is 1.

        Warns
        -----
        UserWarning
            If the mean of ``X`` is closer to white than to ``max_image_mean_``, which indicates black on white.

        Examples
        --------
        >>> from sk_mnist import PixelScaler
        >>> PixelScaler().fit([[0, 255]]).transform([[51, 102]])
        array([[0.2, 0.4]], dtype=float32)
        """
        check_is_fitted(self, "pixel_max_")
        X = stack_column(X)
        check_is_batch(X, type(self).__name__, _ROWS, self.n_features_in_)
        X = self._as_array(X, reset=False)
        brightest = float(X.max())
        self._check_values(X, brightest)
        white = self._white_in(X.dtype, self.float_pixel_max_)
        self._check_scale(X.dtype, brightest, white, self.min_image_max_)
        self._warn_if_black_on_white(X, white)
        return _scale(X, white, brightest)

    @np.errstate(under="ignore")  # tiny pixels round to 0
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
        check_is_fitted(self, "pixel_max_")
        return check_array(stack_column(X), dtype=np.float32) * np.float32(self.pixel_max_)

    def __setstate__(self, state: dict) -> None:
        # Version 0.1 took white to be the same in all data or, with pixel_max="dtype", to be 1 in floats. Before that,
        # it did not know the brightest image.
        by_dtype = isinstance(state.get("pixel_max"), str) and state["pixel_max"] == "dtype"
        if "pixel_max_" in state:
            white = state["pixel_max_"]
            state = {"float_pixel_max_": 1.0 if by_dtype else white, "max_image_mean_": white, **state}
        super().__setstate__({**state, "pixel_max": "auto"} if by_dtype else state)

    def _as_array(self, X: Any, *, reset: bool) -> np.ndarray:
        X = validate_data(self, with_numpy_dtype(X), reset=reset, ensure_all_finite=False)
        if X.dtype.kind not in _KINDS:
            raise ValueError(f"X has dtype {X.dtype}; {type(self).__name__} takes integers, floats and booleans.")
        return X

    def _white_in(self, dtype: np.dtype, float_white: float) -> float:
        """Return the value of a white pixel in data of a dtype."""
        if dtype.kind == "b":
            return 1.0
        if self.pixel_max != "auto":
            return float(self.pixel_max)
        return float_white if dtype.kind == "f" else 255.0

    def _check_values(self, X: np.ndarray, brightest: float) -> None:
        """Raise an error for NaN, infinity and negative pixels."""
        if X.dtype.kind in "ub":
            return
        darkest = X.min()
        # NaN is both the minimum and the maximum, so that X is only read again for scikit-learn's error message.
        if not np.isfinite([darkest, brightest]).all():
            assert_all_finite(X, estimator_name=type(self).__name__, input_name="X")
        if darkest < 0:
            # The message begins like that of scikit-learn's check, which does not suggest a fix.
            raise ValueError(
                f"Negative values in data passed to X in {type(self).__name__}: the smallest is {darkest:g}, and "
                "pixels are 0 for black and up to 255 or 1 for white. Standardized data needs no PixelScaler; for "
                "pixels of -1 to 1, give (X + 1) / 2."
            )

    def _warn_if_black_on_white(self, X: np.ndarray, white: float) -> None:
        brightest_in_fit = self.max_image_mean_ / self.pixel_max_
        # A thousand images are enough.
        mean = float(X[:: max(1, len(X) // 1000)].mean(dtype=_dtype_of_sums(X))) / white
        if mean > (brightest_in_fit + 1) / 2:
            inverted = "~X" if X.dtype.kind == "b" else f"{white:g} - X"
            warnings.warn(
                f"The mean pixel of X is {mean:.0%} of white, but only {brightest_in_fit:.0%} in the brightest image "
                f"that this PixelScaler was fitted on. If X is black on white, give {inverted}."
            )

    def _check_scale(self, dtype: np.dtype, brightest: float, white: float, min_image_max: float) -> None:
        if brightest > white * ABOVE_WHITE:
            kind = _KINDS[dtype.kind]
            if self.pixel_max == "auto" and white == 1:
                advice = (
                    "It was not fitted on floats above 1. If white is 255 in X, give X / 255, or fit with "
                    "pixel_max=255."
                )
            else:
                advice = "Scale X, or set pixel_max to the value of a white pixel."
            raise ValueError(
                f"X has {kind} of up to {brightest:g}, but white is {white:g} in {kind} for this PixelScaler. {advice}"
            )
        if not 0 < brightest <= 1 < white:
            return
        if self.pixel_max == "auto" and dtype.kind in "ui":
            raise ValueError(
                "X has integers of at most 1, but white is 255 in integers for this PixelScaler, so all pixels would "
                "become nearly black. If white is 1 in X, give X.astype(bool). If X is that dark, fit with "
                "pixel_max=255."
            )
        if dtype.kind == "f" and min_image_max > 1:
            raise ValueError(
                f"X has pixels of 0 to {brightest:g}, but this PixelScaler was fitted on pixels of 0 to "
                f"{white:g}. Give it images on the same scale as in fit (see normalize= of fetch_mnist)."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _scale(X: np.ndarray, white: float, brightest: float) -> np.ndarray:
    if white == 1 and brightest <= 1:
        return X.astype(np.float32, copy=False)
    scaled = np.divide(X, np.float32(white), dtype=np.float32, casting="same_kind")
    return scaled if brightest <= white else np.minimum(scaled, 1, out=scaled)


def _dtype_of_sums(X: np.ndarray) -> np.dtype:
    # float16 cannot hold the sum of an image, and bytes are summed faster in float32.
    return np.result_type(X.dtype, np.float32)
