"""Cross-validation with a report, MNIST's official split, and parameter spaces for scikit-learn's searches."""

from sk_mnist.model_selection._report import CrossValidationReport, cross_validation_report
from sk_mnist.model_selection._spaces import mnist_param_distributions, mnist_param_grid
from sk_mnist.model_selection._split import official_split

__all__ = [
    "CrossValidationReport",
    "cross_validation_report",
    "mnist_param_distributions",
    "mnist_param_grid",
    "official_split",
]


def __dir__() -> list[str]:
    return __all__
