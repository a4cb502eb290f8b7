"""A teacher: the classifier whose probabilities a network learns in addition to the labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter

from sk_mnist.neural_network._batches import MakeTargets
from sk_mnist.neural_network._rows import Rows, Seen


@dataclass(frozen=True, eq=False)
class Teacher:
    """A teacher, and how its probabilities and the labels become targets."""

    estimator: Any  # a FrozenEstimator, or an estimator of which a clone is fitted
    weight: float  # of its probabilities; the labels have the remaining weight
    label_smoothing: float
    classes: np.ndarray  # labels to which the positions in Rows.y refer


def check_teacher(teacher: Any, n_features: int, seen: Seen) -> None:
    """Check that a teacher can be cloned or, if it is a FrozenEstimator, that it fits to the data.

    Parameters
    ----------
    teacher : estimator instance
        The teacher, with ``predict_proba``.
    n_features : int
        Number of features of the data.
    seen : Seen
        Its labels, and the names of its features.

    Raises
    ------
    ValueError
        If a FrozenEstimator is not fitted, or was fitted on other classes or features.
    """
    if not isinstance(teacher, FrozenEstimator):
        with naming_the_teacher(teacher):
            clone(teacher)
        return
    name = _name_of(teacher)
    if not teacher.__sklearn_is_fitted__():
        raise ValueError(
            f"teacher is a FrozenEstimator of a {name} that is not fitted. Fit it first, or give the {name} itself."
        )
    known = _labels_of(teacher)
    if set(known) != set(seen.classes.tolist()):
        raise ValueError(
            f"teacher, a {name}, was fitted on the classes {known}, but y has {seen.classes.tolist()}. Give a teacher "
            "that was fitted on the same classes."
        )
    expected = getattr(teacher, "n_features_in_", n_features)
    if expected != n_features:
        raise ValueError(
            f"teacher, a {name}, was fitted on {expected} features, but X has {n_features}. The teacher gets the same "
            "rows as the network: in a Pipeline, the output of the previous steps."
        )
    names = getattr(teacher, "feature_names_in_", None)
    if names is not None and seen.feature_names is not None and not np.array_equal(names, seen.feature_names):
        position = int(np.flatnonzero(names != seen.feature_names)[0])
        raise ValueError(
            f"teacher, a {name}, was fitted on other features than X has, or in another order: the first difference is "
            f"{names[position]!r} for the teacher and {seen.feature_names[position]!r} in X. Give both the same "
            "columns."
        )


def fit_teacher(teacher: Teacher | None, rows: Rows) -> MakeTargets | None:
    """Fit a teacher on the training rows, unless it is a FrozenEstimator.

    Parameters
    ----------
    teacher : Teacher or None
        None gives None.
    rows : Rows
        The training rows.

    Returns
    -------
    make_targets : callable or None
        Takes rows and encoded labels; returns the weighted mean of smoothed labels and the teacher's probabilities.
    """
    if teacher is None:
        return None
    fitted = teacher.estimator
    if not isinstance(fitted, FrozenEstimator):
        weights = _weights_for(fitted, rows)
        with naming_the_teacher(fitted):
            fitted = clone(fitted).fit(rows.selected, teacher.classes[rows.y], **weights)
    return _make_targets_with(fitted, teacher)


def _weights_for(estimator: Any, rows: Rows) -> dict[str, np.ndarray]:
    """Return the argument sample_weight of the fit of a teacher, if there are weights and it takes them."""
    if rows.sample_weight is None:
        return {}
    if _takes_weights(estimator):
        return {"sample_weight": rows.sample_weight}
    warnings.warn(
        f"teacher, a {_name_of(estimator)}, is fitted without sample_weight, because its fit does not take it.",
        UserWarning,
    )
    return {}


def _make_targets_with(fitted: Any, teacher: Teacher) -> MakeTargets:
    n_classes = len(teacher.classes)
    # The teacher's classes may have another order, or be fewer if rows of weight 0 were left out.
    positions = {label: position for position, label in enumerate(teacher.classes.tolist())}
    known = _labels_of(fitted)
    if not set(known) <= set(positions):
        raise ValueError(
            f"teacher, a {_name_of(fitted)}, has the classes {known} after its fit on {list(positions)}. Its classes_ "
            "must be labels that it was fitted on."
        )
    columns = np.array([positions[label] for label in known])
    smoothed = (1 - teacher.label_smoothing) * np.eye(n_classes) + teacher.label_smoothing / n_classes
    # A new thread has scikit-learn's default configuration, not that of the thread that starts it.
    config = get_config()

    def make_targets(X: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not len(X):  # a block of outliers alone
            return np.empty((0, n_classes), X.dtype)
        with naming_the_teacher(fitted), config_context(**config):
            probabilities = np.asarray(fitted.predict_proba(_as_fitted(fitted, X)))
            _check_probabilities(probabilities, (len(X), len(columns)))
        targets = (1 - teacher.weight) * smoothed[y]
        targets[:, columns] += teacher.weight * probabilities
        return targets.astype(X.dtype)

    return make_targets


@contextmanager
def naming_the_teacher(teacher: Any) -> Iterator[None]:
    """Add a note to an error that it comes from the teacher, without changing its type."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This error comes from the teacher of KerasMLPClassifier, a {_name_of(teacher)}.")
        raise


def _name_of(teacher: Any) -> str:
    return type(teacher.estimator if isinstance(teacher, FrozenEstimator) else teacher).__name__


def _labels_of(teacher: Any) -> list[Any]:
    """Labels that a teacher was fitted on, in its order."""
    known = getattr(teacher, "classes_", None)
    if known is None:
        raise ValueError(f"teacher, a {_name_of(teacher)}, has no classes_ though it is fitted. Give a classifier.")
    if any(np.ndim(labels) > 0 for labels in known):
        raise ValueError(
            f"teacher, a {_name_of(teacher)}, was fitted on {len(known)} outputs. Give a teacher that was fitted on y "
            "only."
        )
    return np.asarray(known).tolist()


def _takes_weights(teacher: Any) -> bool:
    """Whether ``fit`` accepts sample_weight; for voting and stacking, whether the ``fit`` of every part does."""
    # Imported here, because it takes a tenth of a second, and predicting does not need it.
    from sklearn.ensemble import StackingClassifier, VotingClassifier

    if isinstance(teacher, VotingClassifier | StackingClassifier):
        parts = [part for _, part in teacher.estimators if part != "drop"]
        if getattr(teacher, "final_estimator", None) is not None:
            parts.append(teacher.final_estimator)
        return all(map(_takes_weights, parts))
    return has_fit_parameter(teacher, "sample_weight")


def _as_fitted(teacher: Any, rows: np.ndarray) -> Any:
    """Return rows as the teacher expects them: a teacher fitted on a data frame warns if rows have no names."""
    names = getattr(teacher, "feature_names_in_", None)
    if names is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=names)


def _check_probabilities(probabilities: np.ndarray, shape: tuple[int, int]) -> None:
    if probabilities.shape != shape:
        raise ValueError(
            f"predict_proba of teacher returned shape {probabilities.shape} for {shape[0]} rows and {shape[1]} "
            f"classes; it must return {shape}."
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("predict_proba of teacher returned NaN or infinity; give one that returns probabilities.")
    # Far from its training data, the sums of GaussianNB in float32 are off by a few percent.
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=0.1):
        raise ValueError(
            "predict_proba of teacher returned rows that are not probabilities. Each number must be at least 0, and "
            "each row must sum to 1."
        )
