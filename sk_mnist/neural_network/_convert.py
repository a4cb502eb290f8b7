"""Keras: optimizers and callbacks in, plain models out."""

import copy
import json
import re
from collections.abc import Sequence
from functools import cache
from numbers import Real
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from scikeras.wrappers import KerasClassifier

from sk_mnist.neural_network._network import keras_defaults, make_model

# Optimizers that hold others, and what to do about them.
_HOLDERS = {
    "LossScaleOptimizer": "it scales the losses of float16, and KerasMLPClassifier trains in float32 or float64. Give "
    "its inner optimizer",
    "MultiOptimizer": "it has a learning rate for each part of a network. Give one optimizer for all of it",
}

# What Keras and TensorFlow keep in every optimizer for their own use.
_BOOKKEEPING = re.compile(
    "_self_.*|_lock|_tracker|built|name|_trainable_variables_indices|_distribution_strategy|"
    "_exclude_from_weight_decay|_exclude_from_weight_decay_cache"
)


class OptimizerRecipe(NamedTuple):
    """All it takes to make an optimizer like a given one: its class, its settings and what it was given beyond them."""

    optimizer_class: type[keras.optimizers.Optimizer]
    config: dict[str, Any]
    extras: dict[str, Any]

    @property
    def key(self) -> str:
        """The settings but the learning rate, as JSON; saved models name an optimizer's state by it."""
        config = {name: value for name, value in self.config.items() if name not in ("learning_rate", "name")}
        if _is_keras_own(self.optimizer_class) and not self.extras:
            module, name = "keras.optimizers", self.optimizer_class.__name__
            described = {"class_name": name, "config": config, "module": module, "registered_name": None}
        else:
            module, name = self.optimizer_class.__module__, self.optimizer_class.__qualname__
            described = {"class_name": name, "config": config, "module": module, "extras": self.extras}
        return json.dumps(described, sort_keys=True, default=_as_json)

    @property
    def is_shareable(self) -> bool:
        """Whether optimizers of this class and key are the same: not with a class that may read anything else."""
        patterns_aside = [value for value in self.extras.values() if not isinstance(value, re.Pattern)]
        return _is_keras_own(self.optimizer_class) and _is_json([self.config, patterns_aside])

    def make(self) -> keras.optimizers.Optimizer:
        """Make a new optimizer."""
        optimizer = self.optimizer_class.from_config(dict(self.config))
        for name, value in self.extras.items():
            setattr(optimizer, name, copy.deepcopy(value))
        return optimizer


def optimizer_recipe(optimizer: Any) -> OptimizerRecipe:
    """Describe an optimizer, given by name or as an instance; one that cannot be made again is refused by name."""
    if isinstance(optimizer, str):
        return _recipe_of_name(optimizer)
    name = type(optimizer).__name__
    if name in _HOLDERS and _is_keras_own(type(optimizer)):
        raise ValueError(f"optimizer is a {name}, which is not supported: {_HOLDERS[name]}.")
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise ValueError(
            "optimizer.exclude_from_weight_decay(var_list=...) names variables of another network. Name them by "
            'their kind: exclude_from_weight_decay(var_names=["bias"]).'
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
        recipe = OptimizerRecipe(type(optimizer), config, copy.deepcopy(_without_tracking(extras)))
        if type(fresh) is not type(optimizer):
            raise TypeError(f"from_config makes a {type(fresh).__name__}")
    except Exception as error:
        raise TypeError(
            f"optimizer is a {name}, which cannot be made a second time from its settings ({error}). Its get_config "
            "must return every argument of its constructor, and its attributes must allow copy.deepcopy."
        ) from error
    return recipe


@cache
def _recipe_of_name(name: str) -> OptimizerRecipe:
    # Once: Keras numbers its optimizers in their names, and TensorFlow never forgets a name of a variable.
    return optimizer_recipe(keras.optimizers.get(name))


def optimizer_learning_rate(optimizer: Any) -> float:
    """Learning rate of an optimizer instance; a schedule of Keras' own is refused."""
    # Its property learning_rate would evaluate a schedule.
    rate = optimizer._learning_rate
    if not isinstance(rate, keras.Variable):
        raise ValueError(
            "optimizer has a learning-rate schedule of Keras' own; give it a number, and the schedule as "
            "learning_rate_schedule='cosine' or 'one_cycle'."
        )
    return float(rate.numpy())


def _is_keras_own(optimizer_class: type) -> bool:
    return getattr(keras.optimizers, optimizer_class.__name__, None) is optimizer_class


def _as_json(value: Any) -> Any:
    if isinstance(value, re.Pattern):
        return [value.pattern, value.flags]
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _without_tracking(value: Any) -> Any:
    """Turn the lists and dicts that Keras tracks into plain ones, which can be pickled."""
    if isinstance(value, dict):
        return {name: _without_tracking(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_tracking(item) for item in value]
    return set(value) if isinstance(value, set) else value


def _check_variables(optimizer: Any, fresh: Any) -> None:
    """Refuse a variable of an own optimizer that was given another value: it would be lost."""
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
    """Whether an attribute says more than a fresh optimizer's does; variables are state, not settings."""
    if _holds_variables(value) or _holds_variables(fresh):
        return False
    try:
        return bool(value != fresh)
    except (TypeError, ValueError):  # arrays have no single answer
        return True


def _holds_variables(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return bool(value) and all(item is None or isinstance(item, keras.Variable | tf.Variable) for item in value)
    return isinstance(value, keras.Variable | tf.Variable)


# Keras' own callbacks that would not do here what they do under Sequential.fit, and why.
_REFUSED = {
    "SwapEMAWeights": (
        "with an optimizer of use_ema=True, validation, early stopping and the fitted network already take the "
        "average of the weights. Leave it out"
    ),
    "CallbackList": "keras_callbacks is that list. Give the callbacks themselves",
    "OrbaxCheckpoint": "it needs Orbax, which this package is not tested with. Take ModelCheckpoint or "
    "BackupAndRestore",
}

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def make_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return callback instances as given, and what callback factories return."""
    made = []
    for given in callbacks or ():
        callback = given if isinstance(given, keras.callbacks.Callback) else given()
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "keras_callbacks must hold keras.callbacks.Callback instances, or functions without arguments "
                f"that return one; got {callback!r}" + ("." if callback is given else f" from {given!r}.")
            )
        for name, reason in _REFUSED.items():
            if isinstance(callback, getattr(keras.callbacks, name, ())):
                raise ValueError(f"keras_callbacks has a {name}, which is not supported: {reason}.")
        made.append(callback)
    return made


class KerasCallbacks:
    """Keras' callbacks in a training of ours."""

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: keras.Sequential,
        n_epochs: int,
        n_steps: int,
        verbose: int,
    ) -> None:
        self._model = model
        self._recorder = _Recorder()
        self.has_batch_hooks = have_batch_hooks(callbacks)
        _build_metrics(model)
        model.stop_training = False
        self._list = keras.callbacks.CallbackList(
            [*callbacks, self._recorder],
            add_history=True,
            model=model,
            epochs=n_epochs,
            steps=n_steps,
            verbose=verbose,
        )

    @property
    def stops(self) -> bool:
        return bool(self._model.stop_training)

    @property
    def first_epoch(self) -> int:
        # Where Keras' fit finds what BackupAndRestore has restored.
        return int(getattr(self._model, "_initial_epoch", None) or 0)

    def call(self, hook: str, *arguments: Any) -> None:
        getattr(self._list, hook)(*arguments)

    def end_epoch(self, epoch: int, logs: dict[str, float]) -> dict[str, float]:
        """Return the logs with what the callbacks added to them."""
        self._list.on_epoch_end(epoch, logs)
        # What was trained and validated stands, whatever a callback makes of it.
        return self._recorder.logs | logs


def detach(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Take the model from callbacks, so that copies of them do not copy it."""
    for callback in callbacks:
        # Not the callback's own set_model, which may ask the model for something.
        keras.callbacks.Callback.set_model(callback, None)


class _Recorder(keras.callbacks.Callback):
    """Sees what the callbacks before it have added to an epoch's logs."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.logs = {name: float(value) for name, value in (logs or {}).items() if isinstance(value, Real)}


def have_batch_hooks(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether any of the callbacks has hooks for batches."""
    return any(_has_batch_hooks(callback) for callback in callbacks)


def _has_batch_hooks(callback: keras.callbacks.Callback) -> bool:
    if type(callback) in (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore):
        # Their hook does nothing unless they are to save after a number of batches.
        return bool(callback.save_freq != "epoch")
    # On the instance, where LambdaCallback has its hooks, or in its class.
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
        for hook in _BATCH_HOOKS
    )


def _build_metrics(model: keras.Sequential) -> None:
    """Make the model's metrics, by which callbacks tell whether more is better."""
    X = np.zeros((1, model.input_shape[1]), dtype=model.compute_dtype)
    model.compute_metrics(X, np.zeros(1, dtype="int32"), model(X))
    model.reset_metrics()


def build_classifier(
    model: keras.Sequential, classes: np.ndarray, optimizer: Any, learning_rate: float
) -> KerasClassifier:
    """Return a scikeras classifier around a trained model, ready to predict and to go on training."""
    optimizer_of_its_own = optimizer_recipe(optimizer).make()
    if isinstance(optimizer, str):
        optimizer_of_its_own.learning_rate = learning_rate
    model.compile(optimizer=optimizer_of_its_own, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    wrapper = KerasClassifier(model=model, warm_start=True, verbose=0)
    # One row for each class is all that its encoders need to see.
    return wrapper.initialize(np.zeros((len(classes), model.input_shape[1]), dtype=model.dtype), classes)


def build_model(
    coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str, dropout: float
) -> keras.Sequential:
    """Return a plain Keras model with these weights."""
    sizes = [coef.shape[1] for coef in coefs]
    dtype = coefs[0].dtype.name
    with keras_defaults(dtype):
        model = make_model(coefs[0].shape[0], sizes[:-1], sizes[-1], activation, dropout, dtype)
    model.set_weights([array for pair in zip(coefs, intercepts, strict=True) for array in pair])
    return model
