"""Allowed attributes of this package's estimators: only those that their `fit` can set."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import prod
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from sk_mnist._sklearn import OUTPUT_CONFIG, validate_estimator
from sk_mnist.augmentation import RandomInk, RandomWarp
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.neural_network._job import changes_in, check_hidden_layer_sizes
from sk_mnist.neural_network._training import arrays_of
from sk_mnist.preprocessing import ImageFlattener, PixelScaler

_MAX_LAYERS = 1000
_MAX_COUNT = 2**31  # of features, pixels or epochs


def shown(value: Any) -> str:
    """Describe a value in a file, by its type unless it is plain, because printing it can take any amount of time."""
    if value is None or isinstance(value, str | Real):
        return f"{value!r:.100}"
    return f"a {type(value).__name__}"


def _read_defaults(estimator_class: Any) -> dict[str, Any]:
    """Names and defaults of an estimator's parameters."""
    if estimator_class.__init__ is object.__init__:
        return {}
    parameters = list(inspect.signature(estimator_class.__init__).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in parameters}


# Cached, because each attribute is looked up in it.
defaults: Callable[[Any], dict[str, Any]] = cache(_read_defaults)


class _Attribute(NamedTuple):
    is_right: Callable[[Any], bool]
    wanted: str


def is_int(value: Any, low: int, high: float = np.inf) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high


def _is_float(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_pixel(value: Any) -> bool:
    # Pixels are divided by it in float32.
    return isinstance(value, float) and bool(0 <= value <= np.finfo(np.float32).max)


def _is_list_of_float(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_float, value))


def _is_history(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and _is_list_of_float(v) for k, v in value.items())


def _is_plain_array(value: Any, kinds: str) -> bool:
    return type(value) is np.ndarray and value.dtype.kind in kinds and value.dtype.isnative


def _is_names(value: Any) -> bool:
    return _is_plain_array(value, "O") and value.ndim == 1 and all(isinstance(name, str) for name in value)


def is_labels(value: Any, n_min: int = 2) -> bool:
    if type(value) is not np.ndarray or value.dtype.kind not in "biufUOmM" or value.ndim != 1 or len(value) < n_min:
        return False
    if value.dtype.kind == "O" and not all(isinstance(label, str) for label in value):
        return False
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        return False
    # Sorted and unique, because labels are looked up by bisection. This also excludes NaT.
    return bool(np.all(value[:-1] < value[1:])) and not (value != value).any()


def _is_optimizer_state(value: Any) -> bool:
    if value is None:
        return True
    if type(value) is not tuple or [type(item) for item in value] != [str, list, list]:
        return False
    # An optimizer's counters are scalars.
    arrays = [*value[1], *value[2]]
    return all(isinstance(array, np.ndarray | np.generic) and array.dtype.kind in "biuf" for array in arrays)


def _is_image_shape(value: Any) -> bool:
    return type(value) is tuple and 1 <= len(value) <= 3 and all(is_int(length, 1) for length in value)


def is_output_config(value: Any) -> bool:
    outputs = (None, "default", "pandas", "polars")
    if type(value) is not dict or set(value) - {"transform"}:
        return False
    return all(isinstance(output, str | None) and output in outputs for output in value.values())


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a parameter holds plain data only and prints quickly."""
    if isinstance(value, dict) and depth < 3:
        return all(is_plain(item, depth + 1) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple) and depth < 3:
        return all(is_plain(item, depth + 1) for item in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "O"
    return value is None or isinstance(value, str | Real | np.generic | np.random.RandomState)


_COUNT = _Attribute(lambda value: is_int(value, 1, _MAX_COUNT), "an integer of at least 1")
_NAMES = _Attribute(_is_names, "an array of strings")
_LIST_OF_ARRAYS = _Attribute(
    lambda value: type(value) is list and all(_is_plain_array(array, "f") for array in value),
    "a list of dense float arrays",
)
_WHITE = _Attribute(lambda value: _is_pixel(value) and bool(np.float32(value) > 0), "a number above 0")
_OUTPUT_CONFIG = _Attribute(is_output_config, "set by set_output")

# Parameters that can hold an estimator, and which ones. It is checked like any other part of the model.
_ESTIMATORS: dict[str, Callable[[Any], bool]] = {
    "augmentation": lambda value: all(
        isinstance(change, RandomWarp | RandomInk | str)
        for change in (value if isinstance(value, list | tuple) else [value])
    ),
    "teacher": lambda value: isinstance(value, BaseEstimator) and hasattr(value, "predict_proba"),
}

_SHARED = {"n_features_in_": _COUNT, "feature_names_in_": _NAMES}
_ATTRIBUTES: dict[type[BaseEstimator], dict[str, _Attribute]] = {
    KerasMLPClassifier: {
        **_SHARED,
        "classes_": _Attribute(is_labels, "a sorted array of at least 2 different labels"),
        "coefs_": _LIST_OF_ARRAYS,
        "intercepts_": _LIST_OF_ARRAYS,
        "n_iter_": _Attribute(lambda value: is_int(value, 0, _MAX_COUNT), "an integer of at least 0"),
        "history_": _Attribute(_is_history, "a dict of lists of numbers"),
        "best_epoch_": _Attribute(lambda value: value is None or is_int(value, 1), "an integer or None"),
        "_seed": _Attribute(
            lambda value: value is None or is_int(value, 0, np.iinfo(np.int32).max), "an integer of 31 bits or None"
        ),
        "_optimizer_state": _Attribute(_is_optimizer_state, "a configuration and arrays, or None"),
    },
    PixelScaler: {
        **_SHARED,
        "pixel_max_": _WHITE,
        "float_pixel_max_": _WHITE,
        "min_image_max_": _Attribute(_is_pixel, "a number of at least 0"),
        "max_image_mean_": _Attribute(_is_pixel, "a number of at least 0"),
        OUTPUT_CONFIG: _OUTPUT_CONFIG,
    },
    ImageFlattener: {
        **_SHARED,
        "image_shape_": _Attribute(_is_image_shape, "a tuple of 1 to 3 integers"),
        OUTPUT_CONFIG: _OUTPUT_CONFIG,
    },
}


def _check_own(estimator: BaseEstimator) -> None:
    name = type(estimator).__name__
    parameters, known = defaults(type(estimator)), _ATTRIBUTES.get(type(estimator), {})
    for attribute, value in vars(estimator).items():
        if attribute in parameters:
            holds_estimator = isinstance(estimator, KerasMLPClassifier) and attribute in _ESTIMATORS
            if not is_plain(value) and not (holds_estimator and _ESTIMATORS[attribute](value)):
                raise ValueError(f"{attribute} of its {name} is or holds {shown(value)}")
        elif attribute in known:
            if not known[attribute].is_right(value):
                raise ValueError(f"{attribute} of its {name} is {shown(value)}, not {known[attribute].wanted}")
        else:
            raise ValueError(f"its {name} has an attribute {attribute!r:.100}, which fit does not set")
    validate_estimator(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and len(names) != getattr(estimator, "n_features_in_", None):
        raise ValueError(f"its {name} has {len(names)} feature names, but a different number of features")


def _check_mlp(mlp: KerasMLPClassifier) -> None:
    _check_own(mlp)
    name = type(mlp).__name__
    if not isinstance(mlp.hidden_layer_sizes, Integral) and len(mlp.hidden_layer_sizes) > _MAX_LAYERS:
        raise ValueError(f"hidden_layer_sizes of its {name} names {len(mlp.hidden_layer_sizes)} layers")
    check_hidden_layer_sizes(mlp.hidden_layer_sizes)
    changes_in(mlp.augmentation)
    if not hasattr(mlp, "coefs_"):
        return
    _check_all_or_none(mlp, _ATTRIBUTES[KerasMLPClassifier].keys() - {"feature_names_in_"})
    sizes = [mlp.n_features_in_, *(len(intercept) for intercept in mlp.intercepts_ if intercept.ndim == 1)]
    shapes = [coef.shape for coef in mlp.coefs_]
    if shapes != list(pairwise(sizes)) or len(mlp.coefs_) != len(mlp.intercepts_) or not mlp.coefs_:
        raise ValueError(
            f"the layers of its {name} do not fit together: coefs_ of shapes {shapes}, intercepts_ of shapes "
            f"{[intercept.shape for intercept in mlp.intercepts_]}, {mlp.n_features_in_} features"
        )
    if 0 in sizes or sizes[-1] != len(mlp.classes_):
        raise ValueError(f"its {name} has layers of {sizes[1:]} units for {len(mlp.classes_)} classes")
    trained = mlp._optimizer_state[2] if mlp._optimizer_state else []
    expected = arrays_of(zip(mlp.coefs_, mlp.intercepts_, strict=True))
    if trained and [array.shape for array in trained] != [array.shape for array in expected]:
        raise ValueError(f"_optimizer_state of its {name} has weights of other shapes than coefs_ and intercepts_")
    for array in [*mlp.coefs_, *mlp.intercepts_, *trained]:
        if array.dtype != mlp.dtype:
            raise ValueError(f"its {name} has weights of {array.dtype}, but dtype={mlp.dtype!r}")
        if not np.isfinite(array).all():
            raise ValueError(f"its {name} has weights that are not all finite")
    n_epochs = {len(values) for values in mlp.history_.values()}
    if (
        len(n_epochs) != 1
        or "loss" not in mlp.history_
        or mlp.n_iter_ > len(mlp.loss_curve_)
        or (mlp.best_epoch_ or 0) > len(mlp.validation_scores_ or [])
    ):
        raise ValueError(f"n_iter_ or best_epoch_ of its {name} does not match history_")


def _check_scaler(scaler: PixelScaler) -> None:
    _check_own(scaler)
    learned = {"pixel_max_", "float_pixel_max_", "min_image_max_", "max_image_mean_", "n_features_in_"}
    _check_all_or_none(scaler, learned)
    if hasattr(scaler, "pixel_max_") and max(scaler.min_image_max_, scaler.max_image_mean_) > scaler.pixel_max_:
        raise ValueError(f"its {type(scaler).__name__} was fitted on pixels brighter than white")


def _check_flattener(flattener: ImageFlattener) -> None:
    _check_own(flattener)
    _check_all_or_none(flattener, {"image_shape_", "n_features_in_"})
    shape = getattr(flattener, "image_shape_", None)
    if shape is not None and prod(shape) != flattener.n_features_in_:
        raise ValueError(f"its ImageFlattener has {flattener.n_features_in_} pixels in images of shape {shape}")


def _check_change(change: RandomWarp | RandomInk) -> None:
    _check_own(change)
    shape = change.image_shape
    if shape is not None and not (len(shape) == 2 and all(is_int(length, 1, _MAX_COUNT) for length in shape)):
        raise ValueError(f"image_shape of its {type(change).__name__} is not two integers of at least 1")


def _check_all_or_none(estimator: BaseEstimator, attributes: set[str]) -> None:
    missing = attributes - vars(estimator).keys()
    if missing and missing != attributes:
        raise ValueError(f"its {type(estimator).__name__} is fitted, but lacks {', '.join(sorted(missing))}")


# By name, because importing DigitImageNormalizer takes time and most files do not need it.
OWN_CHECKS: dict[str, Callable[[Any], None]] = {
    "sk_mnist.augmentation.RandomInk": _check_change,
    "sk_mnist.augmentation.RandomWarp": _check_change,
    "sk_mnist.neural_network.KerasMLPClassifier": _check_mlp,
    "sk_mnist.preprocessing.DigitImageNormalizer": _check_own,
    "sk_mnist.preprocessing.ImageFlattener": _check_flattener,
    "sk_mnist.preprocessing.PixelScaler": _check_scaler,
}
