"""Displays in scikit-learn's manner. They need matplotlib: ``pip install 'sk-mnist[plots]'``."""

from sk_mnist.plotting._digits import DigitsDisplay
from sk_mnist.plotting._history import TrainingHistoryDisplay

__all__ = ["DigitsDisplay", "TrainingHistoryDisplay"]
