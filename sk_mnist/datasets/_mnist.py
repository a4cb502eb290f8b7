"""`fetch_mnist`: the handwritten digits."""

from os import PathLike
from typing import Any, Literal, Unpack, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sk_mnist._arguments import explain_wrong_names
from sk_mnist._sklearn import validate_params
from sk_mnist.datasets._bunch import ImageBunch
from sk_mnist.datasets._dataset import MNIST
from sk_mnist.datasets._fetch import CONSTRAINTS, OTHER_NAMES, FetchOptions, fetch_images


@overload
def fetch_mnist(
    *, return_X_y: Literal[False] = False, as_frame: Literal[False] = False, **options: Unpack[FetchOptions]
) -> ImageBunch: ...
@overload
def fetch_mnist(
    *, return_X_y: Literal[True], as_frame: Literal[False] = False, **options: Unpack[FetchOptions]
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
@overload
def fetch_mnist(*, return_X_y: Literal[False] = False, as_frame: bool, **options: Unpack[FetchOptions]) -> Bunch: ...
@overload
def fetch_mnist(*, return_X_y: Literal[True], as_frame: bool, **options: Unpack[FetchOptions]) -> tuple[Any, Any]: ...
@overload
def fetch_mnist(
    *, return_X_y: bool, as_frame: bool = False, **options: Unpack[FetchOptions]
) -> Bunch | tuple[Any, Any]: ...
@explain_wrong_names(OTHER_NAMES)
@validate_params(CONSTRAINTS)
def fetch_mnist(
    *,
    subset: Literal["train", "test", "all"] = "all",
    data_home: str | PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
    normalize: bool = True,
    shuffle: bool = False,
    random_state: int | np.random.RandomState | None = None,
    n_retries: int = 3,
    delay: float = 1.0,
    progressbar: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load the MNIST handwritten digits (classification).

    =================   ==============
    Classes                         10
    Training images             60,000
    Test images                 10,000
    Dimensionality         784 (28x28)
    Features            real, 0.0 - 1.0
    =================   ==============

    The arrays come from the first of these sources that has them: the data home; Keras' own cache, which is only read;
    the official URL; two mirrors of the original IDX files; the copy in this package. Their SHA-256 digests are always
    checked. The downloaded data or, if nothing can be downloaded, the package's copy is cached in the data home, so the
    next call needs no network.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 60,000 training images, the 10,000 test images, or the first followed by the second.
    data_home : str or path-like, default=None
        Directory of the cache. By default, the environment variable ``SK_MNIST_DATA`` or, if that is not set, the
        platform's user cache directory. See :func:`get_data_home`. A directory that already holds
        ``mnist.npz`` or the four IDX files, gzipped or not, is used as it is.
    download_if_missing : bool, default=True
        If False, open no connection and write nothing: only the caches and the package's copy are used.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` and `frame` are pandas DataFrames and `target` is a Series.
    normalize : bool, default=True
        If True, pixels are float32 in [0, 1]: the published bytes divided by 255 in float32. If False, they are the
        published bytes, uint8 in [0, 255].
    shuffle : bool, default=False
        If True, return the rows of the subset in random order.
    random_state : int, RandomState instance or None, default=None
        Determines the order if `shuffle` is True. Pass an int for the same order at each call.
    n_retries : int, default=3
        Number of retries after a temporary failure of a server: a timeout, a dropped connection, an HTTP status 408,
        429 or 5xx. Other failures are not retried.
    delay : float, default=1.0
        Seconds before each retry.
    progressbar : bool, default=False
        If True, show a progress bar on stderr.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes. The arrays belong to the caller: they are
        C-contiguous, aligned and writable, and no later call returns the same memory.

        data : ndarray of shape (n_samples, 784), float32 or uint8
            The pixels, row by row. A DataFrame if `as_frame` is True.
        target : ndarray of shape (n_samples,), int64
            The digits. A Series if `as_frame` is True.
        images : ndarray of shape (n_samples, 28, 28)
            The same pixels as images: a view of `data`.
        frame : DataFrame of shape (n_samples, 785) or None
            `data` and `target` together, if `as_frame` is True.
        feature_names : list of str
            ``pixel_r_c`` for row r and column c.
        target_names : list of str
            The digits, "0" to "9".
        DESCR : str
            Description of the data set.
        source : str
            Where the arrays came from: "cache: path", "keras cache: path", "download: URL" or "bundled: path".

    (data, target) : tuple if `return_X_y` is True
        `data` and `target` as above.

    Raises
    ------
    ValueError
        If `data_home` is empty or holds a null character.
    OSError
        If no source works. The message lists each source and its problem.
    ImportError
        If `as_frame` is True and pandas is not installed.

    See Also
    --------
    get_data_home : Where the cache is.
    clear_data_home : Delete what was cached.
    fetch_fashion_mnist : Load Fashion-MNIST, images of clothes in the same form.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
       Proceedings of the IEEE 86(11):2278-2324, 1998.

    Examples
    --------
    >>> from sk_mnist import fetch_mnist
    >>> mnist = fetch_mnist(subset="test", download_if_missing=False)
    >>> mnist.data.shape, mnist.data.dtype, mnist.images.shape
    ((10000, 784), dtype('float32'), (10000, 28, 28))
    >>> mnist.target[:5]
    array([7, 2, 1, 0, 4])
    """
    return fetch_images(
        MNIST,
        subset=subset,
        data_home=data_home,
        download_if_missing=download_if_missing,
        return_X_y=return_X_y,
        as_frame=as_frame,
        normalize=normalize,
        shuffle=shuffle,
        random_state=random_state,
        n_retries=n_retries,
        delay=delay,
        progressbar=progressbar,
    )
