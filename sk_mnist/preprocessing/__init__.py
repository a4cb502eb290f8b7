"""From pictures and images to what the network takes."""

from sk_mnist.preprocessing._handwriting import DigitCrop, DigitImageNormalizer, split_digits
from sk_mnist.preprocessing._pixels import ImageFlattener, PixelScaler

__all__ = ["DigitCrop", "DigitImageNormalizer", "ImageFlattener", "PixelScaler", "split_digits"]
