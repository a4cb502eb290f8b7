"""Save and load fitted models without running code in the file, and convert them to ONNX."""

from sk_mnist.persistence._load import load
from sk_mnist.persistence._onnx import register_onnx_converters, to_onnx
from sk_mnist.persistence._save import save
from sk_mnist.persistence._types import TRUSTED_TYPES

__all__ = ["TRUSTED_TYPES", "load", "register_onnx_converters", "save", "to_onnx"]


def __dir__() -> list[str]:
    return __all__
