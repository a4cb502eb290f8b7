"""The rows that a network is trained on or validated on: checked, encoded, weighted, held out."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, compute_class_weight
from sklearn.utils.multiclass import unique_labels

from sk_mnist._images import check_is_batch, shape_of
from sk_mnist._labels import encode_labels, shorten
from sk_mnist._sklearn import check_sample_weight

# In place of a label, in rows that belong to no class.
OUTLIER = -1


class Seen(NamedTuple):
    """What the estimator shows of the data that it was fitted on."""

    classes: np.ndarray  # labels that may occur, sorted
    feature_names: np.ndarray | None  # names of the features, if they have any


@dataclass(frozen=True)
class Rows:
    """Rows of ``X``, which is not copied, with their labels and weights."""

    X: Any  # {ndarray, sparse matrix} of shape (n_samples, n_features)
    positions: np.ndarray | None  # of the rows in X; None: all of them
    y: np.ndarray  # labels, as positions in classes_: int32, one per row
    weight: np.ndarray  # in the dtype of the network; in training rows, with the weights of the classes
    sample_weight: np.ndarray | None  # as given to fit; None if it was not given

    def __len__(self) -> int:
        return len(self.y)

    @property
    def selected(self) -> Any:
        """A copy of the rows, unless they are all of ``X``."""
        return self.X if self.positions is None else self.X[self.positions]

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    def gather(self, chosen: np.ndarray) -> np.ndarray:
        """Return some of the rows, given by their positions among these, as a dense array."""
        positions = chosen if self.positions is None else self.positions[chosen]
        return self.X[positions].toarray() if issparse(self.X) else self.X.take(positions, axis=0)

    def choose(self, chosen: np.ndarray) -> Rows:
        """Return some of the rows, given by their positions among these, as Rows."""
        return Rows(
            self.X,
            chosen if self.positions is None else self.positions[chosen],
            self.y[chosen],
            self.weight[chosen],
            None if self.sample_weight is None else self.sample_weight[chosen],
        )


class MixedRows:
    """Rows, followed by rows that belong to no class. Neither is copied.

    Parameters
    ----------
    rows : Rows
        The first ones.
    outliers : {ndarray, sparse matrix} of shape (n_outliers, n_features)
        The others. Their weight is the mean weight of the first ones, so their number sets their share of the loss.
    """

    def __init__(self, rows: Rows, outliers: Any) -> None:
        self.rows = rows
        self.outliers = outliers
        n_outliers = outliers.shape[0]
        self.y = np.append(rows.y, np.full(n_outliers, OUTLIER, rows.y.dtype))
        self.weight = np.append(rows.weight, np.full(n_outliers, rows.weight.mean(), rows.weight.dtype))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_features(self) -> int:
        return self.rows.n_features

    def gather(self, chosen: np.ndarray) -> np.ndarray:
        """Return some of the rows, given by their positions among these, as a dense array."""
        is_outlier = chosen >= len(self.rows)
        gathered = np.empty((len(chosen), self.n_features), self.weight.dtype)
        gathered[~is_outlier] = self.rows.gather(chosen[~is_outlier])
        outliers = self.outliers[chosen[is_outlier] - len(self.rows)]
        gathered[is_outlier] = outliers.toarray() if issparse(outliers) else outliers
        return gathered


def check_is_rows(X: Any, n_features: int | None = None) -> None:
    """Raise an error if ``X`` is a single row or images; ``n_features`` is that of an earlier fit."""
    check_is_batch(X, "KerasMLPClassifier", "(n_samples, n_features)", n_features)
    if len(shape := shape_of(X)) > 2:
        raise ValueError(
            f"X has shape {shape}; KerasMLPClassifier takes (n_samples, n_features). "
            "Put an ImageFlattener() before it, or reshape: np.reshape(X, (len(X), -1))."
        )


def check_is_one_label_a_row(y: Any) -> None:
    """Raise an error if ``y`` has several columns."""
    # scikit-learn's check accepts a single column, with a warning.
    if len(shape := shape_of(y)) == 2 and shape[1] > 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {shape} instead: KerasMLPClassifier takes one label for "
            "each row. If y is one-hot, give np.argmax(y, axis=1)."
        )


def check_classes(classes: np.ndarray) -> None:
    """Raise an error if there is only one class."""
    if len(classes) < 2:
        raise ValueError(f"y has 1 class, {classes.tolist()[0]!r}; KerasMLPClassifier needs at least 2 classes.")


def check_classes_of_outputs(classes: Any, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted labels of a network's outputs, and the position of the output of each."""
    if classes is None:
        return np.arange(n_outputs), np.arange(n_outputs)
    unique_labels(classes)  # rejects what is no label
    labels, positions = np.unique(np.asarray(classes), return_index=True)
    if np.shape(classes) != (n_outputs,) or len(labels) != n_outputs:
        raise ValueError(
            f"classes has {len(labels)} different labels and shape {np.shape(classes)}, but model has {n_outputs} "
            "outputs. Give one label for each output, in the order of the outputs."
        )
    return labels, positions


def check_same_classes(classes: np.ndarray, known: np.ndarray) -> None:
    """Raise an error if a fit that continues from an earlier one has other classes."""
    if not np.array_equal(classes, known):
        raise ValueError(
            f"warm_start=True needs the same classes as the last fit, {shorten(known)}, but y has {shorten(classes)}. "
            "Set warm_start=False to start over."
        )


def make_rows(
    X: Any, y: np.ndarray, classes: np.ndarray, sample_weight: Any, dtype: str, suffix: Literal["", "_val"] = ""
) -> Rows:
    """Return all rows of ``X`` with encoded labels and with their weights.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        In ``dtype``.
    y : ndarray of shape (n_samples,)
        Labels.
    classes : ndarray of shape (n_classes,)
        All labels that may occur, sorted.
    sample_weight : array-like of shape (n_samples,), float or None
        Weights as given to ``fit``.
    dtype : {"float32", "float64"}
        Type in which the network computes.
    suffix : {"", "_val"}, default=""
        End of the arguments' names in error messages.

    Returns
    -------
    rows : Rows
    """
    try:
        given = check_sample_weight(sample_weight, X, ensure_non_negative=True)
        with np.errstate(over="ignore"):
            weight = given.astype(dtype)
        # What is finite in float64 may not be in float32.
        assert_all_finite(weight, input_name="sample_weight")
    except ValueError as error:
        if not suffix:
            raise
        raise ValueError(f"sample_weight{suffix}: {error}") from error
    encoded = encode_labels(y, classes, f"y{suffix}").astype(np.int32)
    return Rows(X, None, encoded, weight, None if sample_weight is None else given)


def weigh_classes(rows: Rows, class_weight: Any, classes: np.ndarray) -> Rows:
    """Multiply the weights of rows by the weights of their classes, and leave out rows of weight 0."""
    weight = rows.weight
    if class_weight is not None:
        of_classes = _class_weights(class_weight, classes, classes[rows.y]).astype(weight.dtype)
        weight = weight * of_classes[rows.y]
    is_used = weight > 0
    if not is_used.any():
        raise ValueError("sample_weight and class_weight leave no row with a weight above 0 to train on.")
    weighed = Rows(rows.X, rows.positions, rows.y, weight, rows.sample_weight)
    return weighed if is_used.all() else weighed.choose(np.flatnonzero(is_used))


def _class_weights(class_weight: Any, classes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weight of each class, in the order of ``classes``."""
    if isinstance(class_weight, dict):
        for label, weight in class_weight.items():
            if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
                raise ValueError(
                    f"class_weight must hold finite weights of at least 0; got {weight!r} for class {label!r}."
                )
    return compute_class_weight(class_weight, classes=classes, y=y)


def hold_out(rows: Rows, fraction: float, classes: np.ndarray, seed: int) -> tuple[Rows, Rows]:
    """Split rows at random into those to train on and those to validate on, in which each class has its share.

    Parameters
    ----------
    rows : Rows
        All rows.
    fraction : float
        Share in (0, 1) of the rows to hold out.
    classes : ndarray of shape (n_classes,)
        Labels, for error messages.
    seed : int
        Seed of the split.

    Returns
    -------
    training, validation : Rows
        The validation rows do not have class weights, because they are scored.
    """
    _check_can_hold_out(rows, fraction, classes)
    # Imported here, because predicting does not need it.
    from sklearn.model_selection import train_test_split

    # Rows are split by their positions, because X may be larger than memory.
    train, held_out = train_test_split(np.arange(len(rows)), test_size=fraction, stratify=rows.y, random_state=seed)
    training, scored = rows.choose(train), rows.choose(held_out)
    given = np.ones(len(scored)) if scored.sample_weight is None else scored.sample_weight
    return training, Rows(scored.X, scored.positions, scored.y, given.astype(rows.weight.dtype), scored.sample_weight)


def _check_can_hold_out(rows: Rows, fraction: float, classes: np.ndarray) -> None:
    counts = np.bincount(rows.y, minlength=len(classes))
    advice = "Give more rows, or your own validation data as X_val and y_val."
    if single := classes[counts == 1].tolist():
        raise ValueError(
            f"early_stopping=True holds out a stratified part of the rows, so each class needs at least 2 rows; "
            f"y has 1 row of class {single[0]!r}. {advice}"
        )
    n_held_out = int(np.ceil(fraction * len(rows)))
    n_classes = int((counts > 0).sum())
    if min(n_held_out, len(rows) - n_held_out) < n_classes:
        raise ValueError(
            f"validation_fraction={fraction} of {len(rows)} rows holds out {n_held_out} and "
            f"leaves {len(rows) - n_held_out} to train on; both parts need at least 1 row of each of the "
            f"{n_classes} classes. {advice}"
        )
