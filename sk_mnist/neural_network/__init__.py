"""The multilayer perceptron: a scikit-learn classifier that Keras trains and NumPy runs."""

from sk_mnist.neural_network._classifier import KerasMLPClassifier

__all__ = ["KerasMLPClassifier"]
