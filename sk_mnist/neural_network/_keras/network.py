"""Layers, loss, and the compiled loop over a block of batches."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sk_mnist.neural_network._batches import Block
from sk_mnist.neural_network._job import Settings, Specification
from sk_mnist.neural_network._keras.optimizers import OptimizerDescription
from sk_mnist.neural_network._keras.updates import apply_gradients
from sk_mnist.neural_network._rows import OUTLIER
from sk_mnist.neural_network._training import Layer, arrays_of, layers_of

# Keras keeps the names of layers and its defaults in global state.
_lock = threading.RLock()

# Placeholder for the dropout of a network that other fits will reuse. The masks are drawn outside, with the dropout of
# the fit.
_ANY_DROPOUT = 0.5


@contextmanager
def keras_defaults(dtype: str) -> Iterator[None]:
    """Build with Keras' original defaults instead of the current global settings, and restore these afterwards.

    Layers, variables and losses take the global policy, float type or epsilon when they are made or traced. Only one
    thread builds at a time.
    """
    with _lock:
        policy, floatx, epsilon = keras.config.dtype_policy(), keras.config.floatx(), keras.config.epsilon()
        if (policy.name, floatx, epsilon) == (dtype, "float32", 1e-7):
            yield
            return
        keras.config.set_dtype_policy(dtype)
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(policy)
            keras.config.set_floatx(floatx)
            keras.config.set_epsilon(epsilon)


def make_model(layer_sizes: Sequence[int], activation: str, dropout: float, dtype: str) -> keras.Sequential:
    """Make a Sequential: Flatten, the hidden Dense (and Dropout) layers, a Dense softmax; not compiled."""
    # These initial weights are replaced, but without a seed Keras would draw one from Python's global generator.
    common = {"kernel_initializer": keras.initializers.GlorotUniform(seed=0), "dtype": dtype}
    n_features, *hidden_layer_sizes, n_classes = layer_sizes
    layers = [keras.Input((n_features,), dtype=dtype), keras.layers.Flatten(dtype=dtype, name="flatten")]
    for number, n_units in enumerate(hidden_layer_sizes, start=1):
        layers.append(keras.layers.Dense(n_units, activation=activation, name=f"hidden_{number}", **common))
        if dropout:
            # The seed is not used, but without one Keras would draw one from Python's global generator.
            layers.append(keras.layers.Dropout(dropout, seed=0, dtype=dtype, name=f"dropout_{number}"))
    layers.append(keras.layers.Dense(n_classes, activation="softmax", name="output", **common))
    # Without a name, Keras would number the model, and TensorFlow keeps every name of a variable in memory.
    return keras.Sequential(layers, name="sequential")


def build_model(layers: Sequence[Layer], activation: str, dropout: float) -> keras.Sequential:
    """Return a model with a copy of these weights, not compiled."""
    layer_sizes = [len(layers[0].kernel), *(len(layer.bias) for layer in layers)]
    dtype = layers[0].kernel.dtype.name
    with keras_defaults(dtype):
        model = make_model(layer_sizes, activation, dropout, dtype)
    model.set_weights(arrays_of(layers))
    return model


def draw_layers(layer_sizes: Sequence[int], seed: int, dtype: str) -> list[Layer]:
    """Return layers initialized as in Keras' Dense, with Glorot uniform kernels and zero biases, from a given seed.

    The kernels are always drawn in float32, so that a seed gives the same weights in every dtype.
    """
    layers = []
    seeds = np.random.SeedSequence(seed).generate_state(len(layer_sizes) - 1)
    for n_in, n_out, layer_seed in zip(layer_sizes[:-1], layer_sizes[1:], seeds, strict=True):
        kernel = keras.initializers.GlorotUniform(seed=int(layer_seed >> 1))((n_in, n_out), dtype="float32")
        layers.append(Layer(np.asarray(kernel, dtype=dtype), np.zeros(n_out, dtype=dtype)))
    return layers


class Network:
    """A compiled Sequential, and a loop that trains it on a block of batches in one call.

    Parameters
    ----------
    specification : Specification
        What is compiled.
    optimizer : OptimizerDescription
        Its optimizer.
    dropout : float or None
        Dropout of the hidden layers; None in a network that other fits will reuse, where it is a run-time value.
    """

    def __init__(self, specification: Specification, optimizer: OptimizerDescription, dropout: float | None) -> None:
        self.specification = specification
        self.optimizer_key = optimizer.key
        self.optimizer = optimizer.make()
        self._has_dropout_of_its_own = dropout is not None
        self.model = make_model(
            specification.layer_sizes,
            specification.activation,
            (dropout or _ANY_DROPOUT) if specification.has_dropout else 0.0,
            specification.dtype,
        )
        # The loss is the one that _row_losses computes, before smoothing and penalty. Automatic loss scaling, which a
        # global mixed-precision policy enables, would wrap this optimizer in another.
        self.model.compile(
            optimizer=self.optimizer,
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            auto_scale_loss=False,
        )
        # There is only one device. Keras' sum of gradients over devices leaves a function in TensorFlow's gradient
        # registry, which keeps the network and its graphs in memory until the process ends.
        self.optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
        self._rate_variable = self.optimizer.learning_rate
        # Read once, because a callback may freeze a layer.
        self._weights = self.model.trainable_variables
        self.optimizer.build(self._weights)
        self._new_slots = [_compact(variable.numpy()) for variable in self.optimizer.variables]
        self._compiled: Any = None

    @property
    def n_bytes(self) -> int:
        """Bytes of the weights and the optimizer's variables."""
        variables = [*self.model.variables, *self.optimizer.variables]
        return sum(int(np.prod(variable.shape)) * np.dtype(variable.dtype).itemsize for variable in variables)

    def get_layers(self) -> list[Layer]:
        return layers_of([variable.numpy() for variable in self._weights])

    def set_layers(self, layers: Sequence[Layer]) -> None:
        for variable, value in zip(self._weights, arrays_of(layers), strict=True):
            variable.assign(value)

    def get_slots(self) -> list[np.ndarray]:
        """Return the optimizer's variables."""
        return [variable.numpy() for variable in self.optimizer.variables]

    def set_slots(self, slots: Sequence[np.ndarray] | None) -> None:
        """Set the optimizer's variables; None makes it a new optimizer."""
        values = self._new_slots if slots is None else slots
        for variable, value in zip(self.optimizer.variables, values, strict=True):
            variable.assign(value)

    @property
    def has_average(self) -> bool:
        """Whether the optimizer keeps an average of the weights, which replaces them at the end."""
        return bool(self.optimizer.use_ema)

    @property
    def learning_rate(self) -> np.float32:
        """Learning rate of the last step, or of the next one if it has been set since."""
        if self.model.optimizer is not self.optimizer or self.optimizer.learning_rate is not self._rate_variable:
            raise ValueError(
                "A callback recompiled the model, or gave its optimizer a learning-rate schedule; neither affects a "
                "fit in progress. Set optimizer and learning_rate_schedule of KerasMLPClassifier instead."
            )
        return np.float32(self._rate_variable.numpy())

    @learning_rate.setter
    def learning_rate(self, rate: np.float32) -> None:
        self._rate_variable.assign(rate)

    def use_average(self) -> None:
        """Replace the weights with the optimizer's average, if it keeps one."""
        self.optimizer.finalize_variable_values(self._weights)

    def restart_average(self) -> None:
        """Restart the optimizer's average, if it keeps one, from the current weights."""
        if self.has_average:
            for average, variable in zip(self.optimizer._model_variables_moving_average, self._weights, strict=True):
                average.assign(variable)

    def find_dropout(self, dropout: float) -> list[float]:
        """Return the dropout of each hidden layer that has any: ``dropout``, unless a callback has changed it."""
        layers = [layer for layer in self.model.layers if isinstance(layer, keras.layers.Dropout)]
        return [layer.rate if self._has_dropout_of_its_own else dropout for layer in layers]

    def as_tensors(self, block: Block) -> list[tf.Tensor]:
        return [tf.convert_to_tensor(value) for value in block]

    def make_hyperparameters(self, settings: Settings, dropout: Sequence[float]) -> tf.Tensor:
        """Return the run-time values of the compiled loop."""
        # The remaining outputs of a layer are scaled up; if all are dropped, none remain.
        scales = [1 / (1 - dropped) if dropped < 1 else 0.0 for dropped in dropout]
        return tf.constant([settings.alpha, settings.label_smoothing, *scales], self.specification.dtype)

    def train_block(self, tensors: Sequence[tf.Tensor], rates: np.ndarray, hyperparameters: tf.Tensor) -> list[float]:
        """Train on a block; return the sums over its rows, as `Network` in `_epochs.py` describes them."""
        n_batches = tensors[0].shape[0]
        rates = np.pad(rates, (0, n_batches - len(rates)))
        sums = self._compiled(*tensors, tf.convert_to_tensor(rates), hyperparameters)
        return [float(total) for total in sums]

    def compile(self) -> None:
        """Trace the loop if it has not been traced, including the changes that callbacks have made to the model."""
        with keras_defaults(self.specification.dtype):
            if self._compiled is None:
                self._compiled = self._compile_loop()

    def _compile_loop(self) -> Any:
        n_batches, batch_size = self.specification.xla_shape or (None, None)
        n_targets = self.specification.n_classes if self.specification.has_teacher else 0
        dropout_layer_sizes = self.specification.dropout_layer_sizes
        signature = [
            tf.TensorSpec((n_batches, batch_size, self.specification.n_features), self.specification.dtype),  # X
            tf.TensorSpec((n_batches, batch_size), tf.int32),  # y
            tf.TensorSpec((n_batches, batch_size), self.specification.dtype),  # sample_weight
            tf.TensorSpec((), tf.int32),  # n_steps
            tf.TensorSpec((n_batches, batch_size, n_targets), self.specification.dtype),  # targets
            tf.TensorSpec((n_batches, batch_size, sum(dropout_layer_sizes)), tf.bool),  # kept
            tf.TensorSpec((n_batches,), tf.float32),  # learning rates
            tf.TensorSpec((2 + len(dropout_layer_sizes),), self.specification.dtype),  # hyperparameters
        ]
        function = tf.function(
            self._loop, input_signature=signature, jit_compile=self.specification.xla_shape is not None, autograph=False
        )
        # Calls of a concrete function do not count as retracing when the next network has another shape.
        return function.get_concrete_function()

    def _loop(
        self,
        X: tf.Tensor,
        y: tf.Tensor,
        weight: tf.Tensor,
        n_steps: tf.Tensor,
        targets: tf.Tensor,
        kept: tf.Tensor,
        rates: tf.Tensor,
        hyperparameters: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Train on the batches of a block, each at its own learning rate.

        Keras' ``steps_per_execution`` does not fit here: it takes each batch from a ``tf.data`` iterator, and XLA
        compiles only the single step, whereas here it compiles the whole loop, over a block that NumPy has prepared.
        The learning rate would also be the same for all steps of a call, or a Keras schedule in the graph, which would
        hold the dropout rate too, so that the next fit with other values could not reuse the compiled network.
        """
        zeros = [tf.zeros((), self.specification.dtype)] * self.specification.n_sums

        def train_batch(step: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            # Written as rates[step], each would compute its own bounds, in four operations.
            begin = tf.stack([step])
            end = begin + 1
            values = (rates, X, y, weight, targets, kept)
            rate, *batch = (tf.strided_slice(value, begin, end, [1], shrink_axis_mask=1) for value in values)
            self._rate_variable.assign(rate)
            added = self._train_batch(batch, hyperparameters)
            return (step + 1, *(total + value for total, value in zip(sums, added, strict=True)))

        _, *sums = tf.while_loop(lambda step, *sums: step < n_steps, train_batch, (0, *zeros), parallel_iterations=1)
        return sums

    def _train_batch(self, batch: Sequence[tf.Tensor], hyperparameters: tf.Tensor) -> tuple[tf.Tensor, ...]:
        X, y, weight, targets, kept = batch
        alpha, label_smoothing, *dropout_scales = tf.unstack(hyperparameters)
        total_weight = tf.reduce_sum(weight)
        trainable = [variable for variable in self._weights if variable.trainable]
        with tf.GradientTape() as tape:
            probabilities = self._forward(X, kept, dropout_scales)
            row_losses = self._row_losses(y, targets, probabilities, label_smoothing)
            penalty = tf.zeros((), weight.dtype)
            weighted_loss = tf.reduce_sum(weight * row_losses)
            if self.specification.has_penalty:
                # scikit-learn's penalty and scale: MLPClassifier adds it to the sum over a batch, then divides.
                kernels = [layer.kernel for layer in self.model.layers if isinstance(layer, keras.layers.Dense)]
                squares = [tf.reduce_sum(tf.square(tf.convert_to_tensor(kernel))) for kernel in kernels]
                penalty = 0.5 * alpha * tf.add_n(squares)
                weighted_loss += penalty
            # An optimizer with a loss_scale_factor divides the gradients by it.
            loss = self.optimizer.scale_loss(weighted_loss / total_weight)
        gradients = tape.gradient(loss, trainable)
        apply_gradients(self.optimizer, list(zip(gradients, trainable, strict=True)))
        is_hit = tf.equal(tf.argmax(probabilities, axis=1, output_type=tf.int32), y)
        hits = tf.reduce_sum(weight * tf.cast(is_hit, weight.dtype))
        if not self.specification.has_outliers:
            return (weighted_loss, hits, total_weight, *([penalty] if self.specification.has_penalty else []))
        of_outliers = tf.where(tf.equal(y, OUTLIER), weight, tf.zeros((), weight.dtype))
        outlier_loss, outlier_weight = tf.reduce_sum(of_outliers * row_losses), tf.reduce_sum(of_outliers)
        # The penalty is shared in proportion to the weights.
        penalty *= 1 - outlier_weight / total_weight
        rest = tf.reduce_sum((weight - of_outliers) * row_losses) + penalty
        sums = (rest, hits, total_weight - outlier_weight, outlier_loss, outlier_weight)
        return (*sums, *([penalty] if self.specification.has_penalty else []))

    def _forward(self, X: tf.Tensor, kept: tf.Tensor, dropout_scales: Sequence[tf.Tensor]) -> tf.Tensor:
        sizes = self.specification.dropout_layer_sizes
        masks = iter(zip(tf.split(kept, sizes, axis=1), dropout_scales, strict=True)) if sizes else iter(())
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Flatten):
                continue  # the rows are flat
            if isinstance(layer, keras.layers.Dropout):
                # Same as the layer, but the random numbers are drawn outside, and the fraction is not a graph constant.
                mask, scale = next(masks)
                X = tf.where(mask, X * scale, tf.zeros((), X.dtype))
            else:
                X = layer(X, training=True)
        return X

    def _row_losses(
        self, y: tf.Tensor, targets: tf.Tensor, probabilities: tf.Tensor, label_smoothing: tf.Tensor
    ) -> tf.Tensor:
        if not self.specification.has_outliers:
            return self._losses_of_classes(y, targets, probabilities, label_smoothing)
        n_classes = self.specification.n_classes
        # Outliers have no label, so any one is put in its place.
        of_classes = self._losses_of_classes(tf.maximum(y, 0), targets, probabilities, label_smoothing)
        undecided = tf.fill(tf.shape(probabilities), tf.constant(1 / n_classes, probabilities.dtype))
        of_outliers = keras.losses.categorical_crossentropy(undecided, probabilities)
        return tf.where(tf.equal(y, OUTLIER), of_outliers, of_classes)

    def _losses_of_classes(
        self, y: tf.Tensor, targets: tf.Tensor, probabilities: tf.Tensor, label_smoothing: tf.Tensor
    ) -> tf.Tensor:
        if self.specification.has_teacher:
            return keras.losses.categorical_crossentropy(targets, probabilities)
        if not self.specification.has_smoothing:
            return keras.losses.sparse_categorical_crossentropy(y, probabilities)
        labels = tf.one_hot(y, self.specification.n_classes, dtype=probabilities.dtype)
        smoothed = labels * (1 - label_smoothing) + label_smoothing / self.specification.n_classes
        return keras.losses.categorical_crossentropy(smoothed, probabilities)


def _compact(value: np.ndarray) -> np.ndarray:
    """Return the same values; if all are equal, as in most variables of a new optimizer, only one is stored."""
    if value.size and (value == value.flat[0]).all():
        return np.broadcast_to(value.flat[0], value.shape)
    return value
