"""The multilayer perceptron: a scikit-learn classifier that Keras trains and NumPy runs."""

import sys

from sk_mnist.neural_network._classifier import KerasMLPClassifier

__all__ = ["KerasMLPClassifier", "clear_workspaces"]


def clear_workspaces() -> None:
    """Free the compiled networks that wait for the next fit.

    A fit leaves its compiled network behind for the next one of the same architecture. A process keeps the last 8, and
    at most 256 MiB of weights and optimizers' variables. They change nothing but the time and the memory that a fit
    takes.

    Examples
    --------
    >>> from sk_mnist.neural_network import clear_workspaces
    >>> clear_workspaces()
    """
    # Not imported for this: without it nothing has been compiled.
    if module := sys.modules.get("sk_mnist.neural_network._workspace"):
        module.clear_workspaces()


def __dir__() -> list[str]:
    return __all__
