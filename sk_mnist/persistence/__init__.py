"""Saving and loading fitted models without running what is in the file, and handing them to ONNX."""

from sk_mnist.persistence._onnx import to_onnx
from sk_mnist.persistence._skops import load, save

__all__ = ["load", "save", "to_onnx"]
