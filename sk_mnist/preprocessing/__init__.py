"""Preprocessing of pictures and images for the network."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sk_mnist.preprocessing._pixels import ImageFlattener, PixelScaler

if TYPE_CHECKING:
    from sk_mnist.preprocessing._handwriting import DigitCrop, DigitImageNormalizer, split_digits

__all__ = ["DigitCrop", "DigitImageNormalizer", "ImageFlattener", "PixelScaler", "split_digits"]


def __getattr__(name: str) -> Any:
    # Importing Pillow and scipy.ndimage takes a tenth of a second, and a model of rows of pixels does not need them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}._handwriting"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
