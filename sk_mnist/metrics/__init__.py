"""Metrics for classifiers that give probabilities, and `evaluate`, which computes them all."""

from sk_mnist.metrics._evaluation import EvaluationResult, evaluate
from sk_mnist.metrics._scores import label_broadcast_mse

__all__ = ["EvaluationResult", "evaluate", "label_broadcast_mse"]
