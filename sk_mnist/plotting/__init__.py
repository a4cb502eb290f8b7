"""Displays in the style of scikit-learn. They need matplotlib: ``pip install matplotlib``."""

from sk_mnist.plotting._digits import DigitsDisplay
from sk_mnist.plotting._history import TrainingHistoryDisplay
from sk_mnist.plotting._reliability import ReliabilityDisplay
from sk_mnist.plotting._search import SearchResultsDisplay
from sk_mnist.plotting._weights import WeightsDisplay

__all__ = [
    "DigitsDisplay",
    "ReliabilityDisplay",
    "SearchResultsDisplay",
    "TrainingHistoryDisplay",
    "WeightsDisplay",
]


def __dir__() -> list[str]:
    return __all__
