"""Descriptions of the user's optimizers, from which each fit can make its own."""

import copy
import json
import re
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from sk_mnist.neural_network._keras.code import describe_code

# Optimizers that wrap others, and what to use instead.
_HOLDERS = {
    "LossScaleOptimizer": "it scales losses for float16, but KerasMLPClassifier trains in float32 or float64. Give its "
    "inner optimizer",
    "MultiOptimizer": "it has a learning rate for each part of a network. Give one optimizer for the whole network",
}

# Attributes that Keras and TensorFlow keep in every optimizer for internal use.
_BOOKKEEPING = re.compile(
    "_self_.*|_lock|_tracker|built|name|_trainable_variables_indices|_distribution_strategy|"
    "_exclude_from_weight_decay|_exclude_from_weight_decay_cache"
)


class OptimizerDescription(NamedTuple):
    """Everything needed to recreate an optimizer: its class, its settings and attributes that were set later."""

    optimizer_class: type[keras.optimizers.Optimizer]
    config: dict[str, Any]
    extras: dict[str, Any]

    @property
    def key(self) -> str:
        """The settings except the learning rate, as JSON; saved models use it to identify an optimizer's state."""
        config = self.identifying_config
        if _is_keras_own(self.optimizer_class) and not self.extras:
            module, name = "keras.optimizers", self.optimizer_class.__name__
            described = {"class_name": name, "config": config, "module": module, "registered_name": None}
        else:
            module, name = self.optimizer_class.__module__, self.optimizer_class.__qualname__
            described = {"class_name": name, "config": config, "module": module, "extras": self.extras}
        return json.dumps(described, sort_keys=True, default=_as_json)

    @property
    def is_shareable(self) -> bool:
        """Whether optimizers with this class and key are interchangeable; custom classes may depend on more."""
        patterns_aside = [value for value in self.extras.values() if not isinstance(value, re.Pattern)]
        return _is_keras_own(self.optimizer_class) and _is_json([self.config, patterns_aside])

    @property
    def identifying_config(self) -> dict[str, Any]:
        """The settings except the learning rate."""
        return {name: value for name, value in self.config.items() if name not in ("learning_rate", "name")}

    def make(self) -> keras.optimizers.Optimizer:
        """Make a new optimizer."""
        optimizer = self.optimizer_class.from_config(dict(self.config))
        for name, value in self.extras.items():
            setattr(optimizer, name, copy.deepcopy(value))
        return optimizer


def describe_optimizer(optimizer: Any) -> OptimizerDescription:
    """Describe an optimizer, given by name or as an instance; raise an error if it cannot be recreated."""
    if isinstance(optimizer, str):
        return _describe_name(optimizer)
    name = type(optimizer).__name__
    if name in _HOLDERS and _is_keras_own(type(optimizer)):
        raise ValueError(f"optimizer is a {name}, which is not supported: {_HOLDERS[name]}.")
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise ValueError(
            "optimizer.exclude_from_weight_decay(var_list=...) refers to variables of another network. Select them by "
            'name instead: exclude_from_weight_decay(var_names=["bias"]).'
        )
    try:
        config = _without_tracking(optimizer.get_config())
        fresh = type(optimizer).from_config(dict(config))
        extras = {
            attribute: value
            for attribute, value in vars(optimizer).items()
            if not _BOOKKEEPING.fullmatch(attribute) and _is_beyond(value, vars(fresh).get(attribute))
        }
        _check_variables(optimizer, fresh)
        description = OptimizerDescription(type(optimizer), config, copy.deepcopy(_without_tracking(extras)))
        if type(fresh) is not type(optimizer):
            raise TypeError(f"from_config returns a {type(fresh).__name__}")
    except Exception as error:
        raise TypeError(
            f"optimizer is a {name}, which cannot be recreated from its settings ({error}). Its get_config must return "
            "every argument of its constructor, and its attributes must allow copy.deepcopy."
        ) from error
    return description


@cache
def _describe_name(name: str) -> OptimizerDescription:
    # Cached, because Keras numbers its optimizers, and TensorFlow keeps every name of a variable in memory.
    return describe_optimizer(keras.optimizers.get(name))


def identify_optimizer(description: OptimizerDescription) -> str:
    """Return all settings of an optimizer except the learning rate, with the content of arrays, and its code.

    Raises
    ------
    ValueError
        If a setting, or a value that a user's own class uses, is neither a plain value nor an array, so that two
        optimizers cannot be told apart.
    """
    versions = [keras.__version__, tf.__version__]
    settings = [description.key, description.identifying_config, description.extras]
    try:
        code = describe_code(description.optimizer_class)
        return json.dumps([versions, settings, code], sort_keys=True, default=_with_content)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "checkpoint_dir needs an optimizer whose settings, and what its code uses, are plain values or arrays, "
            f"because they identify the checkpoint; optimizer is a {description.optimizer_class.__name__} ({error}). "
            "Change them, or set checkpoint_dir=None."
        ) from error


def read_learning_rate(optimizer: Any) -> float:
    """Return the learning rate of an optimizer instance; raise an error if it is a Keras schedule."""
    # The property learning_rate would evaluate a schedule.
    rate = optimizer._learning_rate
    if not isinstance(rate, keras.Variable):
        raise ValueError(
            "optimizer has a Keras learning-rate schedule. Give it a number as learning rate, and set "
            "learning_rate_schedule='cosine' or 'one_cycle'."
        )
    return float(rate.numpy())


def _is_keras_own(optimizer_class: type) -> bool:
    return getattr(keras.optimizers, optimizer_class.__name__, None) is optimizer_class


def _as_json(value: Any) -> Any:
    if isinstance(value, re.Pattern):
        return [value.pattern, value.flags]
    return _full_name(type(value))


def _with_content(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return [repr(value.dtype), value.shape, value.tobytes().hex()]
    if isinstance(value, re.Pattern):
        return _as_json(value)
    raise TypeError(f"one value is of type {_full_name(type(value))}")


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _without_tracking(value: Any) -> Any:
    """Turn the lists and dicts that Keras tracks into plain ones, which can be pickled."""
    if isinstance(value, dict):
        return {name: _without_tracking(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_tracking(item) for item in value]
    return set(value) if isinstance(value, set) else value


def _check_variables(optimizer: Any, fresh: Any) -> None:
    """Raise an error if a variable of a custom optimizer has a changed value, which would be lost."""
    if optimizer.built or _is_keras_own(type(optimizer)):
        return
    for attribute, value in vars(optimizer).items():
        if attribute == "_learning_rate" or not isinstance(value, keras.Variable | tf.Variable):
            continue
        if not np.array_equal(value.numpy(), getattr(fresh, attribute).numpy()):
            raise TypeError(f"its variable {attribute} has a value that get_config does not return")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_beyond(value: Any, fresh: Any) -> bool:
    """Whether an attribute differs from that of a fresh optimizer; variables are state, not settings."""
    if _holds_variables(value) or _holds_variables(fresh):
        return False
    try:
        return bool(value != fresh)
    except (TypeError, ValueError):  # the comparison of arrays has no single truth value
        return True


def _holds_variables(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return bool(value) and all(item is None or isinstance(item, keras.Variable | tf.Variable) for item in value)
    return isinstance(value, keras.Variable | tf.Variable)
