"""A job: one fit, described completely. Every check that NumPy can make is made while it is built."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator

from sk_mnist._sklearn import validate_estimator
from sk_mnist.augmentation import RandomInk, RandomWarp, change_rows, check_scaled, find_image_shape
from sk_mnist.neural_network._batches import BlockShape, count_batches, count_row_bytes, round_up_batch
from sk_mnist.neural_network._keras.parameters import check_keras_parameters
from sk_mnist.neural_network._rows import MixedRows, Rows, Seen
from sk_mnist.neural_network._teacher import Teacher, check_teacher
from sk_mnist.neural_network._training import State

# Distortions by name.
AUGMENTATIONS: dict[str, dict[str, Any]] = {"affine": {"elastic": 0.0}, "elastic": {}}

# From this number of steps, training with XLA saves more than compiling takes: examples/benchmarks/training_profile.py
# prints 1,361 steps in batches of 32, and 1,485 in batches of 128. Larger networks gain earlier, and networks with few
# inputs later. All gain later beside other work, which slows compiling.
XLA_MIN_STEPS = 1500


@dataclass(frozen=True)
class Specification:
    """Everything that changes the compiled graph, except the optimizer; everything else is a run-time value."""

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    n_classes: int
    activation: str
    has_dropout: bool
    has_smoothing: bool
    has_penalty: bool
    has_teacher: bool
    has_outliers: bool
    dtype: str
    xla_shape: BlockShape | None  # of the blocks that XLA compiles for; None: no XLA, and blocks of any shape

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Number of units of each layer, input and output included."""
        return (self.n_features, *self.hidden_layer_sizes, self.n_classes)

    @property
    def n_sums(self) -> int:
        """Number of sums over rows that the compiled loop returns."""
        return 3 + 2 * self.has_outliers + self.has_penalty

    @property
    def dropout_layer_sizes(self) -> tuple[int, ...]:
        """Number of units of each layer that dropout follows."""
        return self.hidden_layer_sizes if self.has_dropout else ()


@dataclass(frozen=True)
class Settings:
    """The run-time values of a training that change its result."""

    n_epochs: int
    first_epoch: int  # number of epochs that the network was trained before
    seed: int
    learning_rate: float | None  # the largest of the schedule; None until Keras has read that of an optimizer
    schedule: str
    block: BlockShape
    alpha: float
    dropout: float
    label_smoothing: float
    monitor: str  # name of the validation score that determines the best epoch
    patience: float | None  # epochs without a better one before stopping; None: never stop


class Distortion(NamedTuple):
    """Random changes of rows that are images, made in turn."""

    changes: tuple[RandomWarp | RandomInk, ...]
    image_shape: tuple[int, int]

    def distort(self, rows: np.ndarray, generator: np.random.Generator, done: float) -> np.ndarray:
        """Return distorted rows, perhaps in place; ``done`` is 0 in the first epoch of a fit and 1 in the last."""
        for change in self.changes:
            rows = change_rows(change, rows, self.image_shape, generator, done)
        return rows


@dataclass(frozen=True, eq=False)
class Job:
    """One fit."""

    specification: Specification
    settings: Settings
    rows: Rows  # of X
    training: Rows | MixedRows  # all that is trained on: those of X, and outliers, if any
    validation: Rows | None
    y: np.ndarray  # labels of all rows of X
    seen: Seen
    start: State | None  # what training continues from; None: new weights, from the seed
    distortion: Distortion | None
    teacher: Teacher | None
    optimizer: Any
    keras_callbacks: Any
    may_choose_xla: bool
    checkpoint_dir: Path | None
    verbose: int
    keeps_optimizer: bool  # whether a later fit may continue from this one

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.training) // self.settings.block.batch_size)

    def in_single_batches(self) -> Job:
        """Return the same job with one batch in each block, for callbacks that are called at each batch."""
        block = BlockShape(1, self.settings.block.batch_size)
        xla_shape = None if self.specification.xla_shape is None or self.may_choose_xla else block
        return replace(
            self,
            specification=replace(self.specification, xla_shape=xla_shape),
            settings=replace(self.settings, block=block),
        )

    def with_learning_rate(self, learning_rate: float) -> Job:
        """Return the same job with the largest learning rate of its schedule."""
        return replace(self, settings=replace(self.settings, learning_rate=learning_rate))


def check_parameters(parameters: SimpleNamespace) -> None:
    """Raise an error if parameters are wrong in a way that shows without data.

    Parameters
    ----------
    parameters : SimpleNamespace
        The parameters of KerasMLPClassifier, each of which meets its own constraint.
    """
    check_keras_parameters(parameters.optimizer, parameters.learning_rate, parameters.keras_callbacks)
    check_hidden_layer_sizes(parameters.hidden_layer_sizes)
    if parameters.checkpoint_dir is not None:
        _check_checkpoints(parameters)
    for change in changes_in(parameters.augmentation):
        validate_estimator(change)


def check_partial_fit(parameters: SimpleNamespace) -> None:
    """Raise an error for parameters that only ``fit`` supports."""
    if parameters.early_stopping:
        raise ValueError("partial_fit cannot hold out validation data; set early_stopping=False.")
    if parameters.class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' needs all labels, but partial_fit sees only some of them. Give the weights as "
            "a dict, from sklearn.utils.compute_class_weight('balanced', classes=classes, y=y)."
        )
    if parameters.checkpoint_dir is not None:
        raise ValueError(
            "partial_fit keeps no checkpoints, because each call is one epoch. Set checkpoint_dir=None, and save "
            "the estimator between calls."
        )
    if parameters.teacher is not None and not isinstance(parameters.teacher, FrozenEstimator):
        raise ValueError(
            "partial_fit does not fit a teacher, because it sees only part of the data. Fit the teacher first, and "
            "set teacher=FrozenEstimator(fitted), from sklearn.frozen."
        )


def make_job(
    parameters: SimpleNamespace,
    rows: Rows,
    validation: Rows | None,
    outliers: Any,
    y: np.ndarray,
    seen: Seen,
    seed: int,
    start: State | None,
) -> Job:
    """Describe a fit.

    Parameters
    ----------
    parameters : SimpleNamespace
        The parameters of KerasMLPClassifier, which ``check_parameters`` accepts.
    rows, validation : Rows
        The rows to train on, and those to validate on, if any.
    outliers : {ndarray, sparse matrix} of shape (n_outliers, n_features) or None
        Rows that belong to no class.
    y : ndarray of shape (n_samples,)
        Labels of all rows of ``X``.
    seen : Seen
        The classes and the names of the features.
    seed : int
        Seed of everything that is random in the fit.
    start : State or None
        What training continues from.

    Returns
    -------
    job : Job

    Raises
    ------
    ValueError
        If parameters do not fit to the data, to the start, or into memory.
    """
    n_features = rows.n_features
    training = rows if outliers is None else MixedRows(rows, outliers)
    hidden_layer_sizes = check_hidden_layer_sizes(parameters.hidden_layer_sizes)
    uses_xla = _uses_xla(parameters, len(training))
    block = _block_shape(parameters, training, hidden_layer_sizes, uses_xla=uses_xla)
    specification = Specification(
        n_features=n_features,
        hidden_layer_sizes=hidden_layer_sizes,
        n_classes=len(seen.classes),
        activation=parameters.activation,
        has_dropout=parameters.dropout > 0,
        # A teacher's targets already contain the smoothed labels.
        has_smoothing=parameters.label_smoothing > 0 and parameters.teacher is None,
        has_penalty=parameters.alpha > 0,
        has_teacher=parameters.teacher is not None,
        has_outliers=outliers is not None,
        dtype=parameters.dtype,
        xla_shape=block if uses_xla else None,
    )
    distortion = _make_distortion(parameters.augmentation, rows, outliers)
    if start is None:
        _check_memory(specification)
    else:
        _check_continues(specification, start)
    return Job(
        specification=specification,
        settings=Settings(
            n_epochs=int(parameters.epochs),
            first_epoch=0 if start is None else start.n_epochs,
            seed=seed,
            learning_rate=float(parameters.learning_rate) if isinstance(parameters.optimizer, str) else None,
            schedule=parameters.learning_rate_schedule,
            block=block,
            alpha=float(parameters.alpha),
            dropout=float(parameters.dropout),
            label_smoothing=float(parameters.label_smoothing),
            monitor=parameters.monitor,
            patience=parameters.n_iter_no_change if parameters.early_stopping else None,
        ),
        rows=rows,
        training=training,
        validation=validation,
        y=y,
        seen=seen,
        start=start,
        distortion=distortion,
        teacher=_make_teacher(parameters, n_features, seen),
        optimizer=parameters.optimizer,
        keras_callbacks=parameters.keras_callbacks,
        may_choose_xla=isinstance(parameters.jit_compile, str),
        checkpoint_dir=None if parameters.checkpoint_dir is None else Path(parameters.checkpoint_dir).expanduser(),
        verbose=int(parameters.verbose),
        keeps_optimizer=bool(parameters.warm_start),
    )


def check_hidden_layer_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the number of units of each hidden layer; raise a ValueError if they are no positive integers."""
    if isinstance(hidden_layer_sizes, (set, frozenset, dict)):
        raise ValueError(
            f"hidden_layer_sizes must be a sequence, such as a tuple, because layers have an order; got "
            f"{hidden_layer_sizes!r}."
        )
    sizes = (hidden_layer_sizes,) if isinstance(hidden_layer_sizes, Integral) else tuple(hidden_layer_sizes)
    if not all(isinstance(size, Integral) and not isinstance(size, bool) and int(size) >= 1 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be integers of at least 1; got {hidden_layer_sizes!r}.")
    return tuple(int(size) for size in sizes)


def _check_checkpoints(parameters: SimpleNamespace) -> None:
    """Check the parameters that checkpoints depend on."""
    if os.fspath(parameters.checkpoint_dir) == "":
        raise ValueError(
            "checkpoint_dir is an empty string. Give the path of a directory, or None for no checkpoints; '.' is "
            "the current directory."
        )
    if parameters.random_state is None:
        raise ValueError(
            "checkpoint_dir needs a random_state, because a resumed fit must draw the same random numbers; got "
            "random_state=None. Give an integer."
        )
    if parameters.keras_callbacks:
        raise ValueError(
            "checkpoint_dir and keras_callbacks cannot be combined, because a checkpoint does not store the state "
            "of callbacks. Set one of them to None; the callback keras.callbacks.BackupAndRestore keeps "
            "checkpoints."
        )
    path = Path(parameters.checkpoint_dir).expanduser()
    # A link to nothing exists, too.
    existing = next((place for place in (path, *path.parents) if os.path.lexists(place)), None)
    if existing is not None and not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "checkpoint_dir is not a directory", os.fspath(path))


def changes_in(augmentation: Any) -> tuple[RandomWarp | RandomInk, ...]:
    """Return the changes that a value of ``augmentation`` names or holds, in their order."""
    if augmentation is None:
        return ()
    if not isinstance(augmentation, list | tuple):
        augmentation = [augmentation]
    elif not len(augmentation):
        raise ValueError("augmentation is an empty list. Give None for no augmentation.")
    for change in augmentation:
        is_known = change in AUGMENTATIONS if isinstance(change, str) else isinstance(change, RandomWarp | RandomInk)
        if not is_known:
            raise ValueError(
                f"augmentation must hold RandomWarp and RandomInk instances or names from {sorted(AUGMENTATIONS)}; got "
                f"{change!r}."
            )
        # Training does not call it, because it changes rows in blocks.
        if not isinstance(change, str) and getattr(change.transform, "__func__", None) is not RandomWarp.transform:
            raise ValueError(
                f"augmentation holds a {type(change).__name__} with a transform of its own, which training would not "
                "call. Give a RandomWarp or RandomInk without one, or add transformed images to X."
            )
    return tuple(RandomWarp(**AUGMENTATIONS[change]) if isinstance(change, str) else change for change in augmentation)


def _make_distortion(augmentation: Any, rows: Rows, outliers: Any) -> Distortion | None:
    changes = changes_in(augmentation)
    if not changes:
        return None
    shapes = [find_image_shape(change, rows.n_features) for change in changes]
    if len(set(shapes)) > 1:
        raise ValueError(f"augmentation holds changes of images of different shapes: {shapes}. Give one image_shape.")
    for change in changes:
        check_scaled(change, rows.X, "X")
        if outliers is not None:
            check_scaled(change, outliers, "X_outliers")
    return Distortion(changes, shapes[0])


def _make_teacher(parameters: SimpleNamespace, n_features: int, seen: Seen) -> Teacher | None:
    if parameters.teacher is None:
        return None
    check_teacher(parameters.teacher, n_features, seen)
    return Teacher(parameters.teacher, parameters.teacher_weight, parameters.label_smoothing, seen.classes)


def _uses_xla(parameters: SimpleNamespace, n_rows: int) -> bool:
    if not isinstance(parameters.jit_compile, str):
        return bool(parameters.jit_compile)
    # XLA needs fixed shapes. They pay off only in long trainings, and only if every batch has the requested size.
    batch_size = int(parameters.batch_size)  # an 8-bit NumPy integer is too small for the number of rows
    n_steps = int(parameters.epochs) * -(-n_rows // batch_size)
    return n_steps >= XLA_MIN_STEPS and batch_size <= n_rows


def _block_shape(
    parameters: SimpleNamespace, rows: Rows | MixedRows, hidden_layer_sizes: Sequence[int], *, uses_xla: bool
) -> BlockShape:
    batch_size = min(int(parameters.batch_size), round_up_batch(len(rows)) if uses_xla else len(rows))
    row_bytes = count_row_bytes(rows, sum(hidden_layer_sizes) if parameters.dropout else 0)
    return BlockShape(count_batches(batch_size, row_bytes, use_xla=uses_xla), batch_size)


def _check_continues(specification: Specification, start: State) -> None:
    fitted = tuple(len(layer.bias) for layer in start.layers)
    if fitted != specification.layer_sizes[1:]:
        raise ValueError(
            f"hidden_layer_sizes={specification.hidden_layer_sizes} differs from the fitted network's {fitted[:-1]}, "
            "from which training would continue. Set warm_start=False to start over."
        )


def _check_memory(specification: Specification) -> None:
    dtype = np.dtype(specification.dtype)
    for shape in pairwise(specification.layer_sizes):
        try:
            # Nothing is written to the array, so it occupies no physical memory.
            np.empty(shape, dtype)
        except (MemoryError, ValueError):
            raise ValueError(
                f"hidden_layer_sizes={specification.hidden_layer_sizes} needs a weight matrix of {shape[0]} x "
                f"{shape[1]} numbers, {dtype.itemsize * shape[0] * shape[1] / 2**30:.3g} GiB, which does not fit into "
                "memory."
            ) from None
