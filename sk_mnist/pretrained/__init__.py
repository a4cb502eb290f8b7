"""Trained Pipelines that come with the package."""

from sk_mnist.pretrained._load import load_pretrained

__all__ = ["load_pretrained"]


def __dir__() -> list[str]:
    return __all__
