"""Trained Pipelines that come with the package."""

from sk_mnist.pretrained._load import load_pretrained

__all__ = ["SURE", "load_pretrained"]

# An answer of the pretrained model is sure if its probability is at least this. Chosen on pictures that are made from
# the last 10,000 training images: examples/benchmarks/own_digits.py --split validation.
SURE = 0.9


def __dir__() -> list[str]:
    return __all__
