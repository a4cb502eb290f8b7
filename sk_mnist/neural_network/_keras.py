"""Keras and scikeras, and the only module that imports them: build, compile, reuse and train the network."""

import copy
import json
import logging
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import sklearn
import tensorflow as tf
from scikeras.wrappers import KerasClassifier

from sk_mnist._tensorflow import limit_threads
from sk_mnist.neural_network._batches import Block, epoch_blocks, epoch_order, learning_rates, prefetched
from sk_mnist.neural_network._forward import log_softmax, logits

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on {keras.backend.backend()!r} here; sk-mnist trains with its TensorFlow backend. "
        "Unset KERAS_BACKEND, or set it to 'tensorflow', before Keras is first imported."
    )

logger = logging.getLogger(__name__)

limit_threads()

# TensorFlow's threads do not survive a fork.
_process = os.getpid()

# Idle workspaces kept for the next fit; a compiled network of the reference size takes about 10 MB.
MAX_IDLE_WORKSPACES = 8

# Rows in a block, which one call trains on. With XLA, enough to hide the call, and few enough to stay in the cache.
# Without it the call is the least of the costs, and small blocks save memory.
XLA_BLOCK_ROWS = 4096
BLOCK_ROWS = 2048

# A training of at least this many steps is worth the second or so that XLA takes to compile it.
XLA_MIN_STEPS = 2000


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that changes the compiled graph, and nothing else; what is not here is a run-time value."""

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    n_classes: int
    activation: str
    dropout: float
    label_smoothing: float
    has_penalty: bool
    optimizer: str  # Keras' configuration of it as JSON, without the learning rate
    dtype: str
    batch_size: int
    use_xla: bool

    @property
    def batches_per_block(self) -> int:
        """Number of batches in a block, which is part of the compiled graph's shapes."""
        return max(1, (XLA_BLOCK_ROWS if self.use_xla else BLOCK_ROWS) // self.batch_size)


@dataclass
class NetworkState:
    """Where a training stands: all it takes to go on from here, in NumPy."""

    weights: list[np.ndarray]  # kernel, bias, kernel, bias, ...
    # The optimizer's variables and the configuration (NetworkSpec.optimizer) they belong to; None: a new optimizer.
    optimizer: tuple[str, list[np.ndarray]] | None = None


@dataclass
class TrainingData:
    """What a training is fed with."""

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray


@dataclass
class TrainingPlan:
    """The run-time values of a training."""

    n_epochs: int
    first_epoch: int
    seed: int
    learning_rate: float
    schedule: str = "constant"
    alpha: float = 0.0
    verbose: bool = False
    patience: int | None = None  # epochs without a better validation accuracy before stopping; None: never stop
    callbacks: Sequence[Any] = ()
    on_epoch_begin: Callable[[], None] = lambda: None
    # Takes the weights as a function, for copying them costs; returns True to stop the training.
    on_epoch_end: Callable[[Callable[[], list[np.ndarray]]], bool] = lambda weights: False


@dataclass
class TrainingResult:
    """What a training leaves behind."""

    state: NetworkState
    history: dict[str, list[float]]


@dataclass
class _Task:
    """One call of ``_FusedNetwork.fit``: what scikeras carries to the network without looking into it."""

    data: TrainingData
    plan: TrainingPlan
    history: dict[str, list[float]] = field(default_factory=dict)


class _FusedNetwork(keras.Sequential):
    """A Sequential whose ``fit`` trains a block of batches in one compiled call."""

    spec: NetworkSpec

    def fit(self, x: Any, y: Any, *, task: _Task, callbacks: list, **_keras_arguments: Any) -> Any:
        """Run the epochs of a task; called by scikeras, whose arrays are those of the task."""
        data, plan = task.data, task.plan
        n_steps = math.ceil(len(data.y) / self.spec.batch_size)
        last_epoch = plan.first_epoch + plan.n_epochs
        callback_list = keras.callbacks.CallbackList(
            callbacks, add_history=True, model=self, epochs=last_epoch, steps=n_steps, verbose=0
        )
        self.stop_training = False
        logs: dict[str, float] = {}
        callback_list.on_train_begin()
        for epoch in range(plan.first_epoch, last_epoch):
            callback_list.on_epoch_begin(epoch)
            self._seed_dropout(plan.seed, epoch)
            first_step = (epoch - plan.first_epoch) * n_steps
            rates = learning_rates(
                plan.schedule,
                plan.learning_rate,
                np.arange(first_step, first_step + n_steps),
                plan.n_epochs * n_steps,
            )
            order = epoch_order(plan.seed, epoch, len(data.y))
            logs = self._train_epoch(
                epoch_blocks(
                    data.X, data.y, data.sample_weight, order, self.spec.batch_size, self.spec.batches_per_block, rates
                ),
                plan.alpha,
            )
            callback_list.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        self.optimizer.finalize_variable_values(self.trainable_variables)
        callback_list.on_train_end(logs)
        task.history = self.history.history
        return self.history

    def _train_epoch(self, blocks: Iterator[Block], alpha: float) -> dict[str, float]:
        strength = tf.constant(alpha, self.spec.dtype)
        sums = np.zeros(3)
        # Tensors are made in the thread that gathers the rows, for copying them takes a tenth as long as training.
        for X, y, weight, rates, n_steps in prefetched(map(_as_tensors, blocks)):
            sums += [float(total) for total in self.train_block(X, y, weight, rates, strength, n_steps)]
        loss, hits, weight = sums
        return {"loss": loss / weight, "accuracy": hits / weight}

    def compile_block(self) -> None:
        """Make ``train_block``: the loop over the batches of a block as one call."""
        self.train_block = tf.function(self._train_block, jit_compile=self.spec.use_xla, autograph=False)

    def _train_block(
        self,
        X: tf.Tensor,
        y: tf.Tensor,
        weight: tf.Tensor,
        rates: tf.Tensor,
        alpha: tf.Tensor,
        n_steps: tf.Tensor,
    ) -> list[tf.Tensor]:
        zero = tf.zeros((), self.spec.dtype)

        def train_batch(step: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            self.optimizer.learning_rate.assign(rates[step])
            batch = self._train_batch(X[step], y[step], weight[step], alpha)
            return (step + 1, *(total + value for total, value in zip(sums, batch, strict=True)))

        _, *sums = tf.while_loop(
            lambda step, *sums: step < n_steps, train_batch, (0, zero, zero, zero), parallel_iterations=1
        )
        return sums

    def _train_batch(
        self, X: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, alpha: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        total_weight = tf.reduce_sum(weight)
        with tf.GradientTape() as tape:
            probabilities = self(X, training=True)
            weighted_loss = tf.reduce_sum(weight * self._row_losses(y, probabilities))
            if self.spec.has_penalty:
                # scikit-learn's penalty and scale: MLPClassifier adds it to the sum over a batch, then divides.
                kernels = [layer.kernel for layer in self.layers if isinstance(layer, keras.layers.Dense)]
                squares = [tf.reduce_sum(tf.square(tf.convert_to_tensor(kernel))) for kernel in kernels]
                weighted_loss += 0.5 * alpha * tf.add_n(squares)
            loss = weighted_loss / total_weight
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        is_hit = tf.equal(tf.argmax(probabilities, axis=1, output_type=tf.int32), y)
        return weighted_loss, tf.reduce_sum(weight * tf.cast(is_hit, weight.dtype)), total_weight

    def _row_losses(self, y: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        if not self.spec.label_smoothing:
            return keras.losses.sparse_categorical_crossentropy(y, probabilities)
        return keras.losses.categorical_crossentropy(
            tf.one_hot(y, self.spec.n_classes, dtype=probabilities.dtype),
            probabilities,
            label_smoothing=self.spec.label_smoothing,
        )

    def _seed_dropout(self, seed: int, epoch: int) -> None:
        dropouts = [layer for layer in self.layers if isinstance(layer, keras.layers.Dropout)]
        for position, layer in enumerate(dropouts):
            state = layer.seed_generator.state
            state.assign(np.random.SeedSequence((seed, epoch, position)).generate_state(2).astype(state.dtype))


def _as_tensors(block: Block) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(value) for value in block]


class _EpochEnd(keras.callbacks.Callback):
    """Adds the validation scores to an epoch's logs, and tells scikit-learn's callbacks of it."""

    def __init__(self, plan: TrainingPlan, validation: TrainingData | None, activation: str) -> None:
        super().__init__()
        self.plan = plan
        self.validation = validation
        self.activation = activation

    def on_epoch_begin(self, epoch: int, logs: Mapping | None = None) -> None:
        self.plan.on_epoch_begin()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.validation is not None and logs is not None:
            logs.update(_validation_scores(self.validation, self.model.get_weights(), self.activation))
        if self.plan.verbose and logs is not None:
            logger.info("Epoch %d: %s", epoch + 1, ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        if self.plan.on_epoch_end(self.model.get_weights):
            self.model.stop_training = True


def _validation_scores(data: TrainingData, weights: list[np.ndarray], activation: str) -> dict[str, float]:
    # The forward pass that predicts also validates, so the scores are those that `score` would give.
    log_proba = log_softmax(logits(data.X, weights[::2], weights[1::2], activation))
    row_losses = -log_proba[np.arange(len(data.y)), data.y]
    return {
        "val_loss": float(np.average(row_losses, weights=data.sample_weight)),
        "val_accuracy": float(np.average(log_proba.argmax(axis=1) == data.y, weights=data.sample_weight)),
    }


def layer_list(
    n_features: int,
    hidden_layer_sizes: Sequence[int],
    n_classes: int,
    activation: str,
    dropout: float = 0.0,
    dtype: str = "float32",
) -> list[Any]:
    """Layers of the network: Flatten, the hidden Dense (and Dropout) layers, a Dense softmax."""
    # Weights are set, never drawn, but without a seed Keras would take one from Python's global generator.
    common = {"kernel_initializer": keras.initializers.GlorotUniform(seed=0), "dtype": dtype}
    layers = [keras.Input((n_features,), dtype=dtype), keras.layers.Flatten(dtype=dtype, name="flatten")]
    for number, n_units in enumerate(hidden_layer_sizes, start=1):
        layers.append(keras.layers.Dense(n_units, activation=activation, name=f"hidden_{number}", **common))
        if dropout:
            # This seed is overwritten at each epoch.
            layers.append(keras.layers.Dropout(dropout, seed=0, dtype=dtype, name=f"dropout_{number}"))
    layers.append(keras.layers.Dense(n_classes, activation="softmax", name="output", **common))
    return layers


def initial_weights(layer_sizes: Sequence[int], seed: int, dtype: str) -> list[np.ndarray]:
    """Weights as Keras' Dense layers start with: Glorot uniform kernels, zero biases, from a seed of their own."""
    weights = []
    seeds = np.random.SeedSequence(seed).generate_state(len(layer_sizes) - 1)
    for n_in, n_out, layer_seed in zip(layer_sizes[:-1], layer_sizes[1:], seeds, strict=True):
        kernel = keras.initializers.GlorotUniform(seed=int(layer_seed >> 1))((n_in, n_out), dtype=dtype)
        weights += [np.asarray(kernel), np.zeros(n_out, dtype=dtype)]
    return weights


def optimizer_config(optimizer: Any) -> str:
    """Configuration of an optimizer, given by name or as an instance, as JSON without its learning rate."""
    if isinstance(optimizer, str):
        optimizer = keras.optimizers.get(optimizer)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"optimizer must be a name or a keras.optimizers.Optimizer; got {optimizer!r}.")
    config = keras.optimizers.serialize(optimizer)
    config["config"].pop("learning_rate")
    config["config"].pop("name")
    return json.dumps(config, sort_keys=True)


def optimizer_learning_rate(optimizer: Any) -> float:
    """Learning rate of an optimizer instance; a schedule of Keras' own is refused."""
    rate = optimizer.get_config()["learning_rate"]
    if not isinstance(rate, float):
        raise ValueError(
            "optimizer has a learning-rate schedule of Keras' own; give it a number, and the schedule as "
            "learning_rate_schedule='cosine' or 'one_cycle'."
        )
    return rate


class _Workspace:
    """A compiled network: a machine to train with, reset before each use."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.network = _FusedNetwork(
            layer_list(
                spec.n_features,
                spec.hidden_layer_sizes,
                spec.n_classes,
                spec.activation,
                spec.dropout,
                spec.dtype,
            )
        )
        self.network.spec = spec
        config = json.loads(spec.optimizer)
        config["config"]["learning_rate"] = 1.0  # assigned at each step
        # scikeras wants a compiled model; the loss it names is the one that _row_losses computes.
        self.network.compile(optimizer=keras.optimizers.deserialize(config), loss="sparse_categorical_crossentropy")
        self.network.optimizer.build(self.network.trainable_variables)
        self.network.compile_block()
        self._new_optimizer = [variable.numpy() for variable in self.network.optimizer.variables]
        self._wrapper_data = (
            np.zeros((spec.n_classes, spec.n_features), dtype=spec.dtype),
            np.arange(spec.n_classes),
        )

    def run(
        self, state: NetworkState, data: TrainingData, validation: TrainingData | None, plan: TrainingPlan
    ) -> TrainingResult:
        """Train from a state, through scikeras, and return what came of it."""
        self.network.set_weights(state.weights)
        config, slots = state.optimizer or (self.spec.optimizer, self._new_optimizer)
        if config != self.spec.optimizer:
            slots = self._new_optimizer
        for variable, value in zip(self.network.optimizer.variables, slots, strict=True):
            variable.assign(value)
        callbacks: list[Any] = [_EpochEnd(plan, validation, self.spec.activation)]
        if plan.patience is not None:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    monitor="val_accuracy", mode="max", patience=plan.patience, restore_best_weights=True
                )
            )
        task = _Task(data, plan)
        wrapper = KerasClassifier(
            model=self.network,
            warm_start=True,  # keeps the encoder that `initialize` fits on all classes
            callbacks=[*callbacks, *plan.callbacks],
            verbose=0,
            # Not through scikeras' own argument: it would cast the weights to float32 and copy the rows of X.
            fit__task=task,
        )
        # The estimator has checked the data; scikeras' checks would read all of it a second time.
        with sklearn.config_context(assume_finite=True):
            wrapper.initialize(*self._wrapper_data).fit(data.X, data.y)
        return TrainingResult(
            NetworkState(
                self.network.get_weights(),
                (self.spec.optimizer, [variable.numpy() for variable in self.network.optimizer.variables]),
            ),
            task.history,
        )


_idle: list[_Workspace] = []  # the least recently used first
_idle_lock = threading.Lock()
# Keras names layers through state that is global to the process.
_build_lock = threading.Lock()


@contextmanager
def workspace(spec: NetworkSpec) -> Iterator[_Workspace]:
    """Lend a compiled network of this specification, to one fit at a time."""
    if os.getpid() != _process:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow was running, and cannot train. Use joblib's default "
            "backend (loky) or threads, or multiprocessing's start method 'spawn'."
        )
    with _idle_lock:
        found = next((idle for idle in reversed(_idle) if idle.spec == spec), None)
        if found is not None:
            _idle.remove(found)
    if found is None:
        with _build_lock:
            found = _Workspace(spec)
    yield found
    # Not in a `finally`: a fit that failed may have left its network in any state.
    with _idle_lock:
        _idle.append(found)
        del _idle[:-MAX_IDLE_WORKSPACES]


def clear_workspaces() -> None:
    """Forget every idle compiled network."""
    with _idle_lock:
        _idle.clear()


def make_callbacks(callbacks: Any) -> list[Any]:
    """Copies of callback instances, and what callback factories return."""
    made = []
    for callback in callbacks or ():
        made.append(copy.deepcopy(callback) if isinstance(callback, keras.callbacks.Callback) else callback())
        if not isinstance(made[-1], keras.callbacks.Callback):
            raise TypeError(
                "keras_callbacks must hold keras.callbacks.Callback instances, or functions without arguments "
                f"that return one; got {callback!r}."
            )
    return made


def build_classifier(
    model: keras.Sequential, classes: np.ndarray, optimizer: Any, learning_rate: float
) -> KerasClassifier:
    """Return a scikeras classifier around a trained model, ready to predict and to go on training."""
    if isinstance(optimizer, str):
        optimizer = keras.optimizers.get(optimizer)
        optimizer.learning_rate = learning_rate
    else:
        optimizer = copy.deepcopy(optimizer)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    wrapper = KerasClassifier(model=model, warm_start=True, verbose=0)
    # One row for each class is all that its encoders need to see.
    return wrapper.initialize(np.zeros((len(classes), model.input_shape[1]), dtype=model.dtype), classes)


def build_model(
    coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str, dropout: float
) -> keras.Sequential:
    """Return a plain Keras model with these weights."""
    sizes = [coef.shape[1] for coef in coefs]
    model = keras.Sequential(
        layer_list(coefs[0].shape[0], sizes[:-1], sizes[-1], activation, dropout, coefs[0].dtype.name)
    )
    model.set_weights([array for pair in zip(coefs, intercepts, strict=True) for array in pair])
    return model
