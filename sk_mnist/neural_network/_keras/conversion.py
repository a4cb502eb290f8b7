"""A trained Keras model as dense layers in NumPy, if it is a network of this package's form."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.models.functional import Functional

from sk_mnist.neural_network._forward import ACTIVATIONS
from sk_mnist.neural_network._training import Layer


class Converted(NamedTuple):
    """What a model is made of."""

    layers: list[Layer]  # the last one has a unit for each class, before the softmax
    activation: str | None  # of the hidden layers; None if there are none
    dropout: float  # of the hidden layers, if all have the same; 0 otherwise


def convert_model(model: Any) -> Converted:
    """Return the dense layers of a model, and what is between them.

    Parameters
    ----------
    model : keras.Model
        A Sequential or a functional model with weights.

    Returns
    -------
    converted : Converted

    Raises
    ------
    TypeError
        If ``model`` is something else.
    ValueError
        If dense layers with one activation and a softmax do not compute the same, or the weights are not finite.
    """
    network = _Network()
    for layer in _chain(model, network):
        network.add(layer)
    return network.convert()


class _Dense:
    """A dense layer and what follows it."""

    def __init__(self, name: str, kernel: np.ndarray, bias: np.ndarray) -> None:
        self.name = name
        self.dtype = kernel.dtype
        self.kernel, self.bias = kernel.astype(np.float64), bias.astype(np.float64)
        self.activation: str | None = None
        self.dropout = 0.0


class _Network:
    """Reads layers in their order. Factors and offsets are multiplied into the dense layer before or after them."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()  # of what the next layer takes, without the axis of the rows
        self._dense: list[_Dense] = []
        self._last = ""  # the name of the last layer
        # What the next dense layer takes is this factor times the output of the last one, plus the offset.
        self._scale: Any = 1.0
        self._offset: Any = 0.0

    def add(self, layer: Any) -> None:
        self._last = layer.name
        if type(layer) not in _HANDLERS:
            raise ValueError(
                f"from_keras cannot convert the layer {layer.name!r} of type {type(layer).__name__}. It converts "
                f"{', '.join(sorted(kind.__name__ for kind in _HANDLERS))}. Leave it out, or use the model as it is."
            )
        _HANDLERS[type(layer)](self, layer)

    def convert(self) -> Converted:
        if not self._dense:
            raise ValueError("model has no Dense layer, so it is no multilayer perceptron.")
        if np.any(self._scale != 1) or np.any(self._offset != 0):
            raise ValueError(f"from_keras cannot convert {self._last!r} after the activation of the last Dense layer.")
        *hidden, output = self._dense
        activations = {dense.activation for dense in hidden}
        if unknown := activations - ACTIVATIONS.keys():
            dense = next(dense for dense in hidden if dense.activation in unknown)
            raise ValueError(
                f"The hidden layer {dense.name!r} has the activation {dense.activation or 'linear'!r}; "
                f"KerasMLPClassifier has {', '.join(ACTIVATIONS)}."
            )
        if len(activations) > 1:
            found = ", ".join(f"{dense.activation!r} after {dense.name!r}" for dense in hidden)
            raise ValueError(
                f"All hidden layers of a KerasMLPClassifier have the same activation, but model has {found}."
            )
        rates = {dense.dropout for dense in hidden}
        dtype = np.float64 if any(dense.dtype == np.float64 for dense in self._dense) else np.float32
        return Converted(
            [_as_layer(dense, dtype) for dense in [*hidden, _as_logits(output)]],
            activations.pop() if activations else None,
            rates.pop() if len(rates) == 1 else 0.0,
        )

    def add_dense(self, layer: Any) -> None:
        if len(self.shape) != 1:
            raise ValueError(
                f"The Dense layer {layer.name!r} takes rows of shape {self.shape}; KerasMLPClassifier takes flat rows. "
                "Put a Flatten before it."
            )
        if layer.quantization_mode:
            raise ValueError(f"The Dense layer {layer.name!r} is quantized. Convert the model before quantizing it.")
        kernel = _as_array(layer.kernel)
        dense = _Dense(layer.name, kernel, _as_array(layer.bias) if layer.use_bias else np.zeros(kernel.shape[1]))
        dense.bias += np.broadcast_to(self._offset, len(kernel)) @ dense.kernel
        dense.kernel *= np.reshape(self._scale, (-1, 1))
        self._scale, self._offset = 1.0, 0.0
        self._dense.append(dense)
        self.shape = (kernel.shape[1],)
        self.add_activation(layer)

    def add_activation(self, layer: Any) -> None:
        """Add the activation of a Dense or an Activation."""
        if isinstance(layer.activation, keras.layers.Layer):
            self.add(layer.activation)
        else:
            self.activate(layer.name, _name_of(layer.activation))

    def activate(self, name: str, activation: str) -> None:
        if activation == "linear":
            return
        if not self._dense or self._dense[-1].activation or np.any(self._scale != 1) or np.any(self._offset != 0):
            raise ValueError(
                f"from_keras cannot convert {activation!r} in {name!r}: KerasMLPClassifier has one activation after "
                "each Dense layer, and nothing between the two but a Rescaling or BatchNormalization."
            )
        self._dense[-1].activation = activation

    def add_relu(self, layer: Any) -> None:
        if layer.max_value is not None or layer.negative_slope or layer.threshold:
            raise ValueError(
                f"The ReLU {layer.name!r} has max_value={layer.max_value}, negative_slope={layer.negative_slope} and "
                f"threshold={layer.threshold}; KerasMLPClassifier has only the plain one."
            )
        self.activate(layer.name, "relu")

    def add_elu(self, layer: Any) -> None:
        if layer.alpha != 1:
            raise ValueError(f"The ELU {layer.name!r} has alpha={layer.alpha}; KerasMLPClassifier has only alpha=1.")
        self.activate(layer.name, "elu")

    def add_softmax(self, layer: Any) -> None:
        if layer.axis not in (-1, 1):
            raise ValueError(f"The Softmax {layer.name!r} has axis={layer.axis}; KerasMLPClassifier has only -1.")
        self.activate(layer.name, "softmax")

    def add_rescaling(self, layer: Any) -> None:
        self.rescale(np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64))

    def add_batch_normalization(self, layer: Any) -> None:
        scale = 1 / np.sqrt(_as_array(layer.moving_variance).astype(np.float64) + layer.epsilon)
        if layer.scale:
            scale *= _as_array(layer.gamma)
        offset = -scale * _as_array(layer.moving_mean)
        if layer.center:
            offset += _as_array(layer.beta)
        # One value for each position along the axis, which Keras counts with the rows.
        axes = [1] * len(self.shape)
        axes[layer.axis - (layer.axis > 0)] = -1
        self.rescale(scale.reshape(axes), offset.reshape(axes))

    def rescale(self, scale: np.ndarray, offset: np.ndarray) -> None:
        scale, offset = (np.broadcast_to(value, self.shape).ravel() for value in (scale, offset))
        if self._dense and self._dense[-1].activation is None:
            self._dense[-1].kernel *= scale
            self._dense[-1].bias = self._dense[-1].bias * scale + offset
        else:
            self._scale, self._offset = self._scale * scale, self._offset * scale + offset

    def add_dropout(self, layer: Any) -> None:
        if self._dense:
            self._dense[-1].dropout = float(layer.rate)

    def reshape(self, layer: Any) -> None:
        """Add a layer that changes the shape of a row and keeps the order of its values."""
        if getattr(layer, "data_format", None) == "channels_first" and self.shape[:-1] and self.shape[0] != 1:
            raise ValueError(
                f"The Flatten {layer.name!r} has data_format='channels_first', which changes the order of the features."
            )
        self.shape = layer.compute_output_shape((None, *self.shape))[1:]


_HANDLERS: dict[type, Callable[[_Network, Any], None]] = {
    keras.layers.Flatten: _Network.reshape,
    keras.layers.Reshape: _Network.reshape,
    keras.layers.Dense: _Network.add_dense,
    keras.layers.Dropout: _Network.add_dropout,
    keras.layers.Activation: _Network.add_activation,
    keras.layers.ReLU: _Network.add_relu,
    keras.layers.ELU: _Network.add_elu,
    keras.layers.Softmax: _Network.add_softmax,
    keras.layers.Rescaling: _Network.add_rescaling,
    keras.layers.BatchNormalization: _Network.add_batch_normalization,
}


def _chain(model: Any, network: _Network) -> list[Any]:
    """Return the layers of a model in their order, and tell the network the shape of a row."""
    if not isinstance(model, keras.Model) or type(model).call not in (keras.Sequential.call, Functional.call):
        raise TypeError(
            f"model must be a keras.Sequential or a functional keras.Model; got {type(model).__name__}. A file is "
            "read by keras.models.load_model, and a scikeras classifier has its model in model_."
        )
    if isinstance(model, keras.Sequential) and not model.built:
        raise ValueError("model has no weights yet. Train it, or give it a keras.Input and load its weights.")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"model must have one input and one output; got {len(model.inputs)} and {len(model.outputs)}.")
    network.shape = tuple(model.inputs[0].shape[1:])
    if None in network.shape or not network.shape:
        raise ValueError(
            f"model takes rows of shape {network.shape}; KerasMLPClassifier takes a fixed number of features."
        )
    return list(_layers_of(model))


def _layers_of(model: Any) -> Iterator[Any]:
    """Yield the layers of a model and of the models in it."""
    for layer in model.layers if isinstance(model, keras.Sequential) else _path(model):
        if type(layer) not in _HANDLERS and getattr(type(layer), "call", None) in (
            keras.Sequential.call,
            Functional.call,
        ):
            yield from _layers_of(layer)
        else:
            yield layer


def _path(model: Any) -> list[Any]:
    """Return the layers between the input and the output of a functional model, which must be a chain."""
    layers = []
    tensor = model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, node_index, _ = tensor._keras_history
        inputs = layer._inbound_nodes[node_index].input_tensors
        if len(inputs) != 1:
            raise ValueError(
                f"The layer {layer.name!r} of type {type(layer).__name__} takes {len(inputs)} inputs; "
                "KerasMLPClassifier is a chain of layers."
            )
        layers.append(layer)
        tensor = inputs[0]
    return layers[::-1]


def _as_array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def _name_of(activation: Any) -> str:
    """Return Keras' name of an activation function."""
    names = (*ACTIVATIONS, "softmax")
    known = {keras.activations.linear: "linear"} | {getattr(keras.activations, name): name for name in names}
    if tensorflow := sys.modules.get("tensorflow"):
        known |= {getattr(tensorflow.nn, name): name for name in names}
    # The name alone would let a function of the user's own pass for Keras'.
    return known.get(activation) or f"{activation.__module__}.{getattr(activation, '__qualname__', '')}"


def _as_logits(output: _Dense) -> _Dense:
    """Return the output layer with a unit for each class, before the softmax."""
    n_units = len(output.bias)
    if n_units == 1 and output.activation in (None, "sigmoid"):
        # The softmax of (0, z) is (1 - sigmoid(z), sigmoid(z)).
        output.kernel = np.pad(output.kernel, ((0, 0), (1, 0)))
        output.bias = np.pad(output.bias, (1, 0))
    elif n_units == 1 or output.activation not in (None, "softmax"):
        raise ValueError(
            f"The last Dense layer {output.name!r} has {n_units} units and the activation {output.activation!r}; "
            "KerasMLPClassifier has a softmax over at least two classes. from_keras converts a softmax or none, or a "
            "sigmoid of one unit for two classes."
        )
    return output


def _as_layer(dense: _Dense, dtype: Any) -> Layer:
    layer = Layer(dense.kernel.astype(dtype), dense.bias.astype(dtype))
    if not all(np.isfinite(array).all() for array in layer):
        raise ValueError(f"The weights of the Dense layer {dense.name!r} are not finite.")
    return layer
