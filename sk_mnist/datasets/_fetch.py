"""What the fetchers share: their parameters, and how arrays of a data set become a Bunch."""

from importlib import resources
from numbers import Integral, Real
from os import PathLike
from typing import Any, Literal, TypedDict

import numpy as np
from sklearn.utils import check_random_state

from sk_mnist._images import SIDE, pixel_names
from sk_mnist._optional import import_optional
from sk_mnist._sklearn import Interval, StrOptions
from sk_mnist.datasets._bunch import ImageBunch
from sk_mnist.datasets._dataset import DataSet
from sk_mnist.datasets._sources import read_data_set

# Names that Hugging Face's datasets and torchvision use.
OTHER_NAMES = {
    "split": "subset",
    "train": "Give subset='train' or subset='test'.",
    "root": "data_home",
    "download": "download_if_missing",
}

_PARTS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}

CONSTRAINTS: dict[str, Any] = {
    "subset": [StrOptions(set(_PARTS))],
    "data_home": [str, PathLike, None],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "as_frame": ["boolean"],
    "normalize": ["boolean"],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "n_retries": [Interval(Integral, 0, None, closed="left")],
    "delay": [Interval(Real, 0.0, None, closed="left")],
    "progressbar": ["boolean"],
}


class FetchOptions(TypedDict, total=False):
    """The parameters that do not decide what is returned, for type checkers."""

    subset: Literal["train", "test", "all"]
    data_home: str | PathLike | None
    download_if_missing: bool
    normalize: bool
    shuffle: bool
    random_state: int | np.random.RandomState | None
    n_retries: int
    delay: float
    progressbar: bool


def fetch_images(
    data_set: DataSet,
    *,
    subset: str,
    data_home: str | PathLike | None,
    download_if_missing: bool,
    return_X_y: bool,
    as_frame: bool,
    normalize: bool,
    shuffle: bool,
    random_state: int | np.random.RandomState | None,
    n_retries: int,
    delay: float,
    progressbar: bool,
) -> ImageBunch | tuple[Any, Any]:
    """Load a data set as :func:`~sk_mnist.fetch_mnist` and :func:`~sk_mnist.fetch_fashion_mnist` do."""
    pandas = import_optional("pandas", "as_frame=True") if as_frame else None
    parts = _PARTS[subset]
    names = [f"{kind}_{part}" for kind in "xy" for part in parts]
    arrays, source = read_data_set(
        data_set,
        names,
        data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
        progressbar=progressbar,
    )
    # Concatenating copies even a single part, so the caller always owns contiguous memory.
    data = np.concatenate([arrays.pop(f"x_{part}").reshape(-1, SIDE * SIDE) for part in parts])
    target = np.concatenate([arrays.pop(f"y_{part}") for part in parts], dtype=np.int64)
    if shuffle:
        order = check_random_state(random_state).permutation(len(target))
        data, target = data[order], target[order]
    if normalize:
        data = np.divide(data, np.float32(255), dtype=np.float32)
    images = data.reshape(-1, SIDE, SIDE)

    X: Any = data
    y: Any = target
    frame = None
    if pandas is not None:
        X = pandas.DataFrame(data, columns=pixel_names(SIDE, SIDE), copy=False)
        y = pandas.Series(target, name="target", copy=False)
        frame = X.assign(target=y)
    if return_X_y:
        return X, y
    return ImageBunch(
        data_set.name,
        data=X,
        target=y,
        images=images,
        frame=frame,
        feature_names=pixel_names(SIDE, SIDE),
        target_names=list(data_set.target_names),
        DESCR=_load_descr(data_set.description),
        source=str(source),
    )


def _load_descr(name: str) -> str:
    return resources.files("sk_mnist.datasets").joinpath("descr", name).read_text(encoding="utf-8")
