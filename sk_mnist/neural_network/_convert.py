"""Keras: a fitted network as a plain Keras model."""

from collections.abc import Sequence

import keras

from sk_mnist.neural_network._network import keras_defaults, make_model
from sk_mnist.neural_network._training import Layer, arrays_of


def build_model(layers: Sequence[Layer], activation: str, dropout: float) -> keras.Sequential:
    """Return a model with a copy of these weights, not compiled."""
    n_features, n_units = layers[0].kernel.shape[0], [len(layer.bias) for layer in layers]
    dtype = layers[0].kernel.dtype.name
    with keras_defaults(dtype):
        model = make_model(n_features, n_units[:-1], n_units[-1], activation, dropout, dtype)
    model.set_weights(arrays_of(layers))
    return model
