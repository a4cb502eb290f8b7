"""The user's callbacks, called as ``keras.Sequential.fit`` would call them."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
import numpy as np

from sk_mnist.neural_network._job import Job

# Keras callbacks that would not work here as they do under Sequential.fit, and why.
_REFUSED = {
    "SwapEMAWeights": (
        "if the optimizer has use_ema=True, validation, early stopping and the fitted network already use the "
        "averaged weights. Remove it"
    ),
    "CallbackList": "keras_callbacks is already such a list. Give the callbacks themselves",
    "OrbaxCheckpoint": "it needs Orbax, which this package is not tested with. Use ModelCheckpoint or BackupAndRestore",
}

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def make_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return the given callback instances, and the callbacks that the given functions make."""
    made = []
    for given in callbacks or ():
        callback = given if isinstance(given, keras.callbacks.Callback) else given()
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "keras_callbacks must hold keras.callbacks.Callback instances, or functions without arguments "
                f"that return one; got {callback!r} from {given!r}."
            )
        for name, reason in _REFUSED.items():
            if isinstance(callback, getattr(keras.callbacks, name, ())):
                raise ValueError(f"keras_callbacks has a {name}, which is not supported: {reason}.")
        made.append(callback)
    return made


class KerasCallbacks:
    """Keras callbacks in a training run."""

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: keras.Sequential, job: Job) -> None:
        self._model = model
        self._recorder = _Recorder()
        self.has_batch_hooks = have_batch_hooks(callbacks)
        self.may_change_network = True
        _build_metrics(model)
        model.stop_training = False
        self._list = keras.callbacks.CallbackList(
            [*callbacks, self._recorder],
            add_history=True,
            model=model,
            epochs=job.settings.first_epoch + job.settings.n_epochs,
            steps=job.steps_per_epoch,
            verbose=int(job.verbose > 0),
        )

    @property
    def stops(self) -> bool:
        return bool(self._model.stop_training)

    @property
    def first_epoch(self) -> int:
        # BackupAndRestore stores the restored epoch here for Keras' fit.
        return int(getattr(self._model, "_initial_epoch", None) or 0)

    def call(self, hook: str, *arguments: Any) -> None:
        getattr(self._list, hook)(*arguments)

    def end_epoch(self, epoch: int, logs: dict[str, float]) -> dict[str, float]:
        """Return the logs with the values that the callbacks added."""
        self._list.on_epoch_end(epoch, logs)
        # Callbacks may add values, but not change our own.
        return self._recorder.logs | logs


def detach(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Remove the model from callbacks, so that copies of them do not copy it."""
    for callback in callbacks:
        # Not the callback's own set_model, which may use the model.
        keras.callbacks.Callback.set_model(callback, None)


class _Recorder(keras.callbacks.Callback):
    """Records the logs of an epoch after the callbacks before it have changed them."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.logs = {name: float(value) for name, value in (logs or {}).items() if isinstance(value, Real)}


def have_batch_hooks(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether any of the callbacks has batch hooks."""
    return any(_has_batch_hooks(callback) for callback in callbacks)


def _has_batch_hooks(callback: keras.callbacks.Callback) -> bool:
    if type(callback) in (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore):
        # Their hook does nothing unless they save after a number of batches.
        return bool(callback.save_freq != "epoch")
    # Hooks may be on the instance, as in LambdaCallback, or in its class.
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
        for hook in _BATCH_HOOKS
    )


def _build_metrics(model: keras.Sequential) -> None:
    """Build the model's metrics, from which callbacks infer whether higher values are better."""
    X = np.zeros((1, model.input_shape[1]), dtype=model.compute_dtype)
    model.compute_metrics(X, np.zeros(1, dtype="int32"), model(X))
    model.reset_metrics()
