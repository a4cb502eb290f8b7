"""Metrics for classifiers that predict probabilities, and `evaluate`, which computes all of them."""

from sk_mnist.metrics._calibration import expected_calibration_error
from sk_mnist.metrics._comparison import ClassifierComparison, compare_classifiers
from sk_mnist.metrics._errors import ConfusedPair, most_confident_errors, most_confused_pairs
from sk_mnist.metrics._evaluation import EvaluationResult, evaluate
from sk_mnist.metrics._label_broadcast_mse import label_broadcast_mse
from sk_mnist.metrics._scorers import SCORING, neg_brier_scorer, neg_ece_scorer, neg_log_loss_scorer

__all__ = [
    "SCORING",
    "ClassifierComparison",
    "ConfusedPair",
    "EvaluationResult",
    "compare_classifiers",
    "evaluate",
    "expected_calibration_error",
    "label_broadcast_mse",
    "most_confident_errors",
    "most_confused_pairs",
    "neg_brier_scorer",
    "neg_ece_scorer",
    "neg_log_loss_scorer",
]


def __dir__() -> list[str]:
    return __all__
