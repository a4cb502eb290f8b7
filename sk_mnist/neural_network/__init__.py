"""The multilayer perceptron: a scikit-learn classifier that trains with Keras and predicts with NumPy."""

import sys

from sk_mnist.neural_network._classifier import KerasMLPClassifier

__all__ = ["KerasMLPClassifier", "clear_workspaces"]


def clear_workspaces() -> None:
    """Free the compiled networks that are cached for the next fit.

    Each fit caches its compiled network for the next fit of the same architecture. A process keeps the last 8 networks,
    with at most 256 MiB of weights and optimizer variables. The cache only affects the time and memory that a fit
    takes.

    Examples
    --------
    >>> from sk_mnist.neural_network import clear_workspaces
    >>> clear_workspaces()
    """
    # If the module has not been imported, nothing has been compiled.
    if module := sys.modules.get("sk_mnist.neural_network._keras.workspace"):
        module.clear_workspaces()


def __dir__() -> list[str]:
    return __all__
