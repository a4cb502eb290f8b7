"""A teacher: the classifier whose probabilities a network learns beside the labels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter

from sk_mnist.neural_network._training import MakeTargets, TrainingData


def fit_teacher(teacher: Any, data: TrainingData, classes: np.ndarray, sample_weight: np.ndarray | None) -> Any:
    """Fit a clone of a teacher on the rows that are trained on; a FrozenEstimator is returned as it is.

    Parameters
    ----------
    teacher : estimator instance
        With ``predict_proba``.
    data : TrainingData
        The rows.
    classes : ndarray of shape (n_classes,)
        Labels that ``data.y`` holds the positions of.
    sample_weight : ndarray of shape (len(data),) or None
        Weights of the rows; None if the user gave none.

    Returns
    -------
    teacher : estimator instance
        Fitted, with the classes and features of the data.

    Raises
    ------
    ValueError
        If a FrozenEstimator knows other classes, or another number of features.
    """
    if isinstance(teacher, FrozenEstimator):
        _check_frozen(teacher, data.X.shape[1], classes)
        return teacher
    weights = {}
    if sample_weight is not None:
        if has_fit_parameter(teacher, "sample_weight"):
            weights["sample_weight"] = sample_weight
        else:
            warnings.warn(
                f"teacher, a {type(teacher).__name__}, is fitted without sample_weight, because its fit does not take "
                "it.",
                UserWarning,
            )
    X = data.X if data.rows is None else data.X[data.rows]
    return clone(teacher).fit(X, classes[data.y], **weights)


def _check_frozen(teacher: Any, n_features: int, classes: np.ndarray) -> None:
    name = type(teacher.estimator).__name__
    known = getattr(teacher, "classes_", None)
    if known is None:
        raise ValueError(
            f"teacher is a FrozenEstimator of a {name} that is not fitted. Fit it first, or give it unfrozen."
        )
    if set(np.asarray(known).tolist()) != set(classes.tolist()):
        raise ValueError(
            f"teacher, a {name}, knows the classes {np.asarray(known).tolist()}, but y has {classes.tolist()}. Give a "
            "teacher that was fitted on the same classes."
        )
    expected = getattr(teacher, "n_features_in_", n_features)
    if expected != n_features:
        raise ValueError(
            f"teacher, a {name}, was fitted on {expected} features, but X has {n_features}. It gets the rows that the "
            "network gets: in a Pipeline, what the steps before make of them."
        )


def target_maker(teacher: Any, teacher_weight: float, label_smoothing: float, classes: np.ndarray) -> MakeTargets:
    """From rows and their encoded labels to the mean of labels and a fitted teacher's probabilities."""
    n_classes = len(classes)
    # The teacher's classes may come in another order, or, if rows of weight 0 were left out, be fewer.
    positions = {label: position for position, label in enumerate(classes.tolist())}
    columns = np.array([positions[label] for label in np.asarray(teacher.classes_).tolist()])
    smoothed = (1 - label_smoothing) * np.eye(n_classes) + label_smoothing / n_classes

    def make_targets(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
        probabilities = np.asarray(teacher.predict_proba(_as_fitted(teacher, rows)))
        if probabilities.shape != (len(rows), len(columns)) or not np.isfinite(probabilities).all():
            raise ValueError(
                f"predict_proba of teacher, a {type(teacher).__name__}, must return finite numbers of shape "
                f"({len(rows)}, {len(columns)}); it returned shape {probabilities.shape}."
            )
        targets = (1 - teacher_weight) * smoothed[y]
        targets[:, columns] += teacher_weight * probabilities
        return targets.astype(rows.dtype)

    return make_targets


def _as_fitted(teacher: Any, rows: np.ndarray) -> Any:
    """Rows as a teacher takes them: one that was fitted on a data frame warns of rows without names."""
    names = getattr(teacher, "feature_names_in_", None)
    if names is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=names)
