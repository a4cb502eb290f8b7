"""MNIST and Fashion-MNIST, from the first source that has them: a cache, the network, a copy in this package."""

from sk_mnist.datasets._cache import clear_data_home, get_data_home
from sk_mnist.datasets._fashion_mnist import fetch_fashion_mnist
from sk_mnist.datasets._mnist import fetch_mnist

__all__ = ["clear_data_home", "fetch_fashion_mnist", "fetch_mnist", "get_data_home"]


def __dir__() -> list[str]:
    return __all__
