"""Check, copy and describe parameters that hold Keras objects: an optimizer or callbacks.

The checks do not import Keras. If it has not been imported, no instance of its classes exists, and a bad argument is
reported without the seconds that the import takes.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

# Keras optimizers that need no argument except a learning rate.
OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop",
    "sgd",
)  # fmt: skip

DEFAULT_LEARNING_RATE = 1e-3


def check_keras_parameters(optimizer: Any, learning_rate: float, keras_callbacks: Any) -> None:
    """Raise an error if optimizer or callbacks have the wrong type, or the optimizer would ignore the learning rate."""
    keras_module = sys.modules.get("keras")
    callback_classes = (keras_module.callbacks.Callback,) if keras_module else ()
    if not isinstance(optimizer, str) and not _is_keras_optimizer(optimizer):
        raise TypeError(f"optimizer must be a name or a keras.optimizers.Optimizer; got {optimizer!r}.")
    if not isinstance(optimizer, str) and learning_rate != DEFAULT_LEARNING_RATE:
        raise ValueError(
            f"optimizer is an instance with its own learning rate, but learning_rate={learning_rate} is given too. "
            "Set the rate of the instance, or give the optimizer by name."
        )
    for callback in keras_callbacks or ():
        if not isinstance(callback, callback_classes) and not callable(callback):
            raise TypeError(
                "keras_callbacks must hold keras.callbacks.Callback instances, or functions without arguments "
                f"that return one; got {callback!r}."
            )


def copy_optimizer(optimizer: Any) -> Any:
    """Return a copy that shares nothing with an optimizer instance; a name is returned as it is."""
    if isinstance(optimizer, str):
        return optimizer
    if not _is_keras_optimizer(optimizer):
        return copy.deepcopy(optimizer)
    from sk_mnist.neural_network._keras.optimizers import describe_optimizer

    return describe_optimizer(optimizer).make()


def make_picklable(optimizer: Any) -> Any:
    """Return an optimizer instance as a tuple from which an equal one can be made; return a name unchanged."""
    if not _is_keras_optimizer(optimizer):
        return optimizer
    from sk_mnist.neural_network._keras.optimizers import describe_optimizer as describe

    # A plain tuple, so that pickles do not refer to a private module.
    return tuple(describe(optimizer))


def make_optimizer(value: Any) -> Any:
    """Return an optimizer for what ``make_picklable`` has returned, and any other value unchanged.

    If Keras has not been imported, a tuple does not come from there: unpickling the optimizer's class would have
    imported Keras. A model file may hold any tuple, which must not cause Keras to be imported.
    """
    keras_module = sys.modules.get("keras")
    if keras_module is None or not isinstance(value, tuple) or len(value) != 3:
        return value
    if not isinstance(value[0], type) or not issubclass(value[0], keras_module.optimizers.Optimizer):
        return value
    from sk_mnist.neural_network._keras.optimizers import OptimizerDescription

    return OptimizerDescription(*value).make()


def _is_keras_optimizer(optimizer: Any) -> bool:
    keras_module = sys.modules.get("keras")
    return keras_module is not None and isinstance(optimizer, keras_module.optimizers.Optimizer)


def copy_callbacks(callbacks: Any) -> Any:
    """Return copies of callbacks; functions that make callbacks are copied by reference."""
    if not isinstance(callbacks, list | tuple):
        return copy.deepcopy(callbacks)
    copied = []
    for callback in callbacks:
        try:
            copied.append(copy.deepcopy(callback))
        except Exception as error:
            raise TypeError(
                f"keras_callbacks has a {type(callback).__name__} that cannot be copied ({error}), but scikit-learn "
                "clones an estimator before it fits it on other data. Give a function without arguments that returns a "
                "new callback."
            ) from error
    return type(callbacks)(copied)
