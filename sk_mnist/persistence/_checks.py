"""What an estimator may be that is saved or was loaded: nothing but what fitting can leave behind.

`save` and `load` check the same. Unpickling does not: a pickle can run code, so checks would promise too much.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from math import prod
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.neural_network._classifier import check_hidden_layer_sizes
from sk_mnist.preprocessing import ImageFlattener, PixelScaler


def check_model(model: Any) -> None:
    """Raise ValueError unless a model, and every estimator in it, is what fitting can leave behind."""
    if not isinstance(model, BaseEstimator):
        raise ValueError(f"it holds a {type(model).__name__}, not an estimator")
    for part in parts_of(model):
        if isinstance(part, BaseEstimator):
            _check_attribute_names(part)
        for checked, check in _CHECKS.items():
            if isinstance(part, checked):
                check(part)


def parts_of(model: Any) -> Iterator[Any]:
    """Yield a model and all that it is made of, once each."""
    seen: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or part is None or isinstance(part, str | bytes | bool | Real | np.generic | type):
            continue
        # Kept, or another object might get its id.
        seen[id(part)] = part
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype.hasobject else []
        else:
            waiting += getattr(part, "__dict__", {}).values()


def _check_attribute_names(estimator: BaseEstimator) -> None:
    estimator_class = type(estimator)
    parameters = _defaults(estimator_class)
    for name in vars(estimator):
        if not isinstance(name, str):
            raise ValueError(f"its {estimator_class.__name__} has an attribute named by a {type(name).__name__}")
        # Such as "predict", or "__doc_link_template", which scikit-learn puts into its HTML as it is.
        if name.startswith("__") or (hasattr(estimator_class, name) and name not in parameters):
            raise ValueError(f"its {estimator_class.__name__} has an attribute {name!r:.100} that hides one of its own")


def _read_defaults(estimator_class: Any) -> dict[str, Any]:
    """Names and defaults of an estimator's parameters."""
    if estimator_class.__init__ is object.__init__:
        return {}
    parameters = list(inspect.signature(estimator_class.__init__).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in parameters}


# Looked up for each attribute.
_defaults: Callable[[Any], dict[str, Any]] = cache(_read_defaults)


def complete(model: Any) -> None:
    """Give the estimators of this package that an older version saved the parameters that it did not have."""
    for part in parts_of(model):
        if isinstance(part, tuple(_ATTRIBUTES)):
            for name, default in _defaults(type(part)).items():
                if name not in vars(part):
                    setattr(part, name, default)


# Attributes of this package's estimators. Each has a test, and words for what passes it.


class _Attribute(NamedTuple):
    is_right: Callable[[Any], bool]
    wanted: str


def _is_int(value: Any, low: int, high: float = np.inf) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high


def _is_float(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_float(value) and 0 < value < np.inf


def _is_list_of_float(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_float, value))


def _is_history(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and _is_list_of_float(v) for k, v in value.items())


def _is_plain_array(value: Any, kinds: str) -> bool:
    return type(value) is np.ndarray and value.dtype.kind in kinds and value.dtype.isnative


def _is_names(value: Any) -> bool:
    return _is_plain_array(value, "O") and value.ndim == 1 and all(isinstance(name, str) for name in value)


def _is_labels(value: Any) -> bool:
    if not _is_plain_array(value, "biufUSO") or value.ndim != 1 or len(value) < 2:
        return False
    if value.dtype.kind == "O" and not all(isinstance(label, str) for label in value):
        return False
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        return False
    # Sorted and none twice, because labels are looked up by bisection.
    return bool(np.all(value[:-1] < value[1:]))


def _is_optimizer_state(value: Any) -> bool:
    if value is None:
        return True
    if type(value) is not tuple or [type(item) for item in value] != [str, list]:
        return False
    # An optimizer's counters are scalars.
    return all(_is_plain_array(np.asarray(slot), "biuf") for slot in value[1])


def _is_image_shape(value: Any) -> bool:
    return type(value) is tuple and 1 <= len(value) <= 3 and all(_is_int(length, 1) for length in value)


def _is_output_config(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str | None) for pair in value.items() for item in pair)


_COUNT = _Attribute(lambda value: _is_int(value, 1), "an integer of at least 1")
_NAMES = _Attribute(_is_names, "an array of strings")
_LIST_OF_ARRAYS = _Attribute(
    lambda value: type(value) is list and all(_is_plain_array(array, "f") for array in value),
    "a list of dense float arrays",
)

_SHARED = {"n_features_in_": _COUNT, "feature_names_in_": _NAMES}
_ATTRIBUTES: dict[type[BaseEstimator], dict[str, _Attribute]] = {
    KerasMLPClassifier: {
        **_SHARED,
        "classes_": _Attribute(_is_labels, "a sorted array of at least 2 different labels"),
        "coefs_": _LIST_OF_ARRAYS,
        "intercepts_": _LIST_OF_ARRAYS,
        "out_activation_": _Attribute(lambda value: value == "softmax", "'softmax'"),
        "n_layers_": _COUNT,
        "n_iter_": _Attribute(lambda value: _is_int(value, 0), "an integer of at least 0"),
        "loss_": _Attribute(_is_float, "a number"),
        "loss_curve_": _Attribute(_is_list_of_float, "a list of numbers"),
        "history_": _Attribute(_is_history, "a dict of lists of numbers"),
        "validation_scores_": _Attribute(lambda value: value is None or _is_list_of_float(value), "numbers or None"),
        "best_epoch_": _Attribute(lambda value: value is None or _is_int(value, 1), "an integer or None"),
        "_seed": _Attribute(lambda value: _is_int(value, 0, np.iinfo(np.int32).max), "an integer of 31 bits"),
        "_optimizer_state": _Attribute(_is_optimizer_state, "a configuration and arrays, or None"),
    },
    PixelScaler: {
        **_SHARED,
        "pixel_max_": _Attribute(_is_positive, "a number above 0"),
        "min_image_max_": _Attribute(lambda value: value == 0 or _is_positive(value), "a number of at least 0"),
        "_sklearn_output_config": _Attribute(_is_output_config, "set by set_output"),
    },
    ImageFlattener: {
        **_SHARED,
        "image_shape_": _Attribute(_is_image_shape, "a tuple of 1 to 3 integers"),
        "_sklearn_output_config": _Attribute(_is_output_config, "set by set_output"),
    },
}


def _check_own(estimator: BaseEstimator) -> None:
    name, own_class = type(estimator).__name__, next(own for own in _ATTRIBUTES if isinstance(estimator, own))
    estimator._validate_params()
    known = _ATTRIBUTES[own_class]
    for attribute, value in vars(estimator).items():
        if attribute in known:
            if not known[attribute].is_right(value):
                raise ValueError(f"{attribute} of its {name} is {value!r:.100}, not {known[attribute].wanted}")
        # A subclass may have more of its own.
        elif type(estimator) is own_class and attribute not in _defaults(own_class):
            raise ValueError(f"its {name} has an attribute {attribute!r:.100}, which fitting does not leave")
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and len(names) != getattr(estimator, "n_features_in_", None):
        raise ValueError(f"its {name} has {len(names)} feature names, but n_features_in_ differs")


def _check_mlp(mlp: KerasMLPClassifier) -> None:
    _check_own(mlp)
    check_hidden_layer_sizes(mlp.hidden_layer_sizes)
    if not hasattr(mlp, "coefs_"):
        return
    _check_all_or_none(mlp, _ATTRIBUTES[KerasMLPClassifier].keys() - {"feature_names_in_"})
    sizes = [mlp.n_features_in_, *(len(intercept) for intercept in mlp.intercepts_ if intercept.ndim == 1)]
    shapes = list(pairwise(sizes))
    if [coef.shape for coef in mlp.coefs_] != shapes or len(mlp.coefs_) != len(mlp.intercepts_):
        raise ValueError(
            f"the layers of its {type(mlp).__name__} do not fit together: coefs_ of shapes "
            f"{[coef.shape for coef in mlp.coefs_]}, intercepts_ of shapes {[item.shape for item in mlp.intercepts_]}, "
            f"{mlp.n_features_in_} features"
        )
    if not sizes[-1] == len(mlp.classes_) or 0 in sizes:
        raise ValueError(f"its {type(mlp).__name__} has {sizes[-1]} outputs for {len(mlp.classes_)} classes")
    for array in [*mlp.coefs_, *mlp.intercepts_]:
        if array.dtype != mlp.dtype or not np.isfinite(array).all():
            raise ValueError(
                f"its {type(mlp).__name__} has weights of {array.dtype} that are not all finite, or not of "
                f"dtype={mlp.dtype!r}"
            )
    if mlp.n_layers_ != len(mlp.coefs_) + 1 or len(mlp.loss_curve_) != mlp.n_iter_:
        raise ValueError(f"n_layers_ or n_iter_ of its {type(mlp).__name__} does not fit its other attributes")


def _check_scaler(scaler: PixelScaler) -> None:
    _check_own(scaler)
    _check_all_or_none(scaler, {"pixel_max_", "min_image_max_", "n_features_in_"})


def _check_flattener(flattener: ImageFlattener) -> None:
    _check_own(flattener)
    _check_all_or_none(flattener, {"image_shape_", "n_features_in_"})
    shape = getattr(flattener, "image_shape_", None)
    if shape is not None and prod(shape) != flattener.n_features_in_:
        raise ValueError(f"its ImageFlattener has {flattener.n_features_in_} pixels in images of shape {shape}")


def _check_all_or_none(estimator: BaseEstimator, attributes: set[str]) -> None:
    missing = attributes - vars(estimator).keys()
    if missing and missing != attributes:
        raise ValueError(f"its {type(estimator).__name__} is fitted, but lacks {', '.join(sorted(missing))}")


def _check_pipeline(pipeline: Pipeline) -> None:
    steps = getattr(pipeline, "steps", None)
    if not isinstance(steps, list | tuple):
        raise ValueError(f"the steps of its Pipeline are {steps!r:.100}")
    for position, step in enumerate(steps):
        if not isinstance(step, list | tuple) or len(step) != 2 or not isinstance(step[0], str):
            raise ValueError(f"a step of its Pipeline is {step!r:.100}, not a name and an estimator")
        name, estimator = step
        method = "fit" if position == len(steps) - 1 else "transform"
        is_usable = hasattr(estimator, method) and not isinstance(estimator, type)
        if not is_usable and not (estimator is None or (isinstance(estimator, str) and estimator == "passthrough")):
            raise ValueError(f"step {name!r:.100} of its Pipeline is {estimator!r:.100}, which has no {method}")


def _check_sparse(matrix: Any) -> None:
    if matrix.format not in ("csr", "csc"):
        raise ValueError(f"it holds a sparse {matrix.format} matrix; only CSR and CSC can be checked")
    # Without this, SciPy's compiled code would follow an index anywhere.
    matrix.check_format(full_check=True)


def _check_random_state(random_state: np.random.RandomState) -> None:
    state = random_state.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise ValueError(f"it holds a RandomState of {state['bit_generator']}; only MT19937 can be saved")
    key, position = state["state"]["key"], state["state"]["pos"]
    # NumPy's compiled code reads the key at any position, and draws for ever from a key of zeros.
    if not 0 <= position <= len(key) or not (key[1:].any() or key[0] >> 31):
        raise ValueError(f"it holds a RandomState at position {position} of {len(key)} numbers, or of zeros only")


_CHECKS: dict[Any, Callable[[Any], None]] = {
    KerasMLPClassifier: _check_mlp,
    PixelScaler: _check_scaler,
    ImageFlattener: _check_flattener,
    Pipeline: _check_pipeline,
    (sparse.spmatrix, sparse.sparray): _check_sparse,
    np.random.RandomState: _check_random_state,
}
