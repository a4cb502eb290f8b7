"""MNIST and a Keras multilayer perceptron as first-class scikit-learn citizens."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sk_mnist._tensorflow import start_tensorflow as start_tensorflow
    from sk_mnist._versions import show_versions as show_versions
    from sk_mnist.augmentation import RandomInk as RandomInk
    from sk_mnist.augmentation import RandomWarp as RandomWarp
    from sk_mnist.datasets import clear_data_home as clear_data_home
    from sk_mnist.datasets import fetch_fashion_mnist as fetch_fashion_mnist
    from sk_mnist.datasets import fetch_mnist as fetch_mnist
    from sk_mnist.datasets import get_data_home as get_data_home
    from sk_mnist.metrics import evaluate as evaluate
    from sk_mnist.model_selection import cross_validation_report as cross_validation_report
    from sk_mnist.neural_network import KerasMLPClassifier as KerasMLPClassifier
    from sk_mnist.persistence import load as load
    from sk_mnist.persistence import save as save
    from sk_mnist.persistence import to_onnx as to_onnx
    from sk_mnist.pipeline import make_mnist_pipeline as make_mnist_pipeline
    from sk_mnist.preprocessing import DigitImageNormalizer as DigitImageNormalizer
    from sk_mnist.preprocessing import ImageFlattener as ImageFlattener
    from sk_mnist.preprocessing import PixelScaler as PixelScaler
    from sk_mnist.pretrained import load_pretrained as load_pretrained
    from sk_mnist.reading import read_digits as read_digits

__version__ = "0.2.0.dev0"

# The module of each public name. A name is imported on first access (PEP 562), so `import sk_mnist` is fast.
_HOME = {
    "KerasMLPClassifier": "sk_mnist.neural_network",
    "RandomInk": "sk_mnist.augmentation",
    "RandomWarp": "sk_mnist.augmentation",
    "fetch_mnist": "sk_mnist.datasets",
    "fetch_fashion_mnist": "sk_mnist.datasets",
    "get_data_home": "sk_mnist.datasets",
    "clear_data_home": "sk_mnist.datasets",
    "DigitImageNormalizer": "sk_mnist.preprocessing",
    "ImageFlattener": "sk_mnist.preprocessing",
    "PixelScaler": "sk_mnist.preprocessing",
    "make_mnist_pipeline": "sk_mnist.pipeline",
    "load_pretrained": "sk_mnist.pretrained",
    "read_digits": "sk_mnist.reading",
    "evaluate": "sk_mnist.metrics",
    "cross_validation_report": "sk_mnist.model_selection",
    "start_tensorflow": "sk_mnist._tensorflow",
    "show_versions": "sk_mnist._versions",
    "save": "sk_mnist.persistence",
    "load": "sk_mnist.persistence",
    "to_onnx": "sk_mnist.persistence",
}
_MODULES = (
    "augmentation",
    "datasets",
    "metrics",
    "model_selection",
    "neural_network",
    "persistence",
    "pipeline",
    "plotting",
    "preprocessing",
    "pretrained",
    "reading",
)

__all__ = sorted([*_HOME, *_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
