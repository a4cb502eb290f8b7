"""Checkpoints: files from which a killed fit resumes, to the same weights as an uninterrupted fit."""

import hashlib
import json
import logging
import os
import time
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from sk_mnist import __version__
from sk_mnist._files import replacing
from sk_mnist.neural_network._batches import distorting_generator
from sk_mnist.neural_network._training import (
    Best,
    NetworkSpec,
    NetworkState,
    Progress,
    TrainingData,
    TrainingPlan,
    arrays_of,
    layers_of,
)

if TYPE_CHECKING:
    from sk_mnist.neural_network._optimizers import OptimizerRecipe

logger = logging.getLogger(__name__)

# Part of the fingerprint, so that a fit ignores files of another format.
FORMAT = 1

# Fields of a plan that do not change the weights, or that the fingerprint covers in another form.
_NOT_IN_FINGERPRINT = {
    "is_verbose",
    "keeps_optimizer",
    "on_epoch_begin",
    "on_epoch_end",
    "checkpoint",
    "distort",  # covered by the parameters of the augmentation
    "make_targets",  # covered by the targets of all rows
}

# Number of rows of which changed versions also identify a teacher.
_CHANGED_ROWS = 256

_HASHED_BYTES = 16 * 2**20

# Writing a file takes far less time. An older temporary file was left by a process that was killed.
_MAX_WRITING_SECONDS = 60


class Checkpoint:
    """The checkpoint file of one fit, named after its fingerprint.

    Parameters
    ----------
    directory : Path
        Where the file is.
    fingerprint : str
        From :func:`fingerprint`.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.path = directory / f"fit-{fingerprint[:32]}.npz"

    def load(self) -> Progress | None:
        """Return the progress of the fit; None if it has no checkpoint yet."""
        self._remove_leftovers()
        try:
            # Opened here, because NumPy does not close a file that it cannot read.
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                progress = _from_arrays(dict(arrays))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{self.path} is damaged ({error}), so this fit cannot resume from it. Delete the file to train from "
                "the beginning."
            ) from error
        logger.info("Resuming after %d epochs, from %s", len(progress.history), self.path)
        return progress

    def save(self, progress: Progress) -> None:
        """Replace the file with the current progress. A kill leaves either the old file or the new one."""
        with replacing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **_as_arrays(progress))
            # So that the file also survives a power failure.
            file.flush()
            os.fsync(file.fileno())

    def _remove_leftovers(self) -> None:
        for partial in self.path.parent.glob(f".{self.path.name}.*.part"):
            try:
                if time.time() - partial.stat().st_mtime > _MAX_WRITING_SECONDS:
                    partial.unlink()
            except FileNotFoundError:  # another process was faster
                continue


def optimizer_settings(recipe: "OptimizerRecipe") -> str:
    """Return all settings of an optimizer except the learning rate, with the content of arrays.

    Raises
    ------
    ValueError
        If a setting is neither a plain value nor an array, so that two optimizers cannot be told apart.
    """
    try:
        return recipe.content()
    except (TypeError, ValueError) as error:
        raise ValueError(
            "checkpoint_dir needs an optimizer whose settings are plain values or arrays, because they identify the "
            f"checkpoint; optimizer is a {recipe.optimizer_class.__name__} ({error}). Change the setting, or set "
            "checkpoint_dir=None."
        ) from error


def fingerprint(
    spec: NetworkSpec,
    settings: str,
    plan: TrainingPlan,
    state: NetworkState,
    augmentation: Any,
    data: TrainingData,
    validation: TrainingData | None,
) -> str:
    """Return a digest of everything that determines the result of a fit, except the machine and number of threads.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    settings : str
        From :func:`optimizer_settings`.
    plan, state : TrainingPlan, NetworkState
        The training, and the state in which it begins.
    augmentation : RandomWarp or None
        The distortions that ``plan.distort`` applies.
    data, validation : TrainingData
        The data; all rows are read.

    Returns
    -------
    digest : str
        Hexadecimal.
    """
    digest = hashlib.sha256()
    values = {field.name: getattr(plan, field.name) for field in fields(plan) if field.name not in _NOT_IN_FINGERPRINT}
    warp = None if augmentation is None else (type(augmentation).__qualname__, augmentation.get_params())
    optimizer = None if state.optimizer is None else state.optimizer[0]
    digest.update(repr((FORMAT, __version__, spec, settings, values, warp, optimizer)).encode())
    for array in [*arrays_of(state.layers), *(state.optimizer[1] if state.optimizer else [])]:
        _add_array(digest, array)
    for part in (data, validation):
        if part is not None:
            _add_data(digest, part)
    if plan.make_targets is not None:
        _add_targets(digest, plan, data)
    return digest.hexdigest()


def _add_targets(digest: Any, plan: TrainingPlan, data: TrainingData) -> None:
    """Add the targets of all rows, which takes as long as the teacher takes in an epoch, and of some changed rows.

    The pickle of a teacher would be faster to read, but it differs between equal teachers.
    """

    def add(rows: np.ndarray, labels: np.ndarray) -> None:
        assert plan.make_targets is not None
        # A teacher that uses several threads may round the last bits of float64 differently each time.
        _add_array(digest, plan.make_targets(rows, labels).astype(np.float32))

    for part in _parts(len(data), data.X):
        chosen = np.arange(part.start, part.stop)
        add(data.take(chosen), data.y[chosen])
    # Different trees agree on the rows that they were fitted on, but not on rows between them.
    chosen = np.arange(min(len(data), _CHANGED_ROWS))
    rows, labels = data.take(chosen), data.y[chosen]
    add((rows + rows[::-1]) / 2, labels)
    if plan.distort is not None:
        add(plan.distort(rows, distorting_generator(plan.seed, plan.first_epoch, 0), 0.0), labels)


def _add_data(digest: Any, data: TrainingData) -> None:
    for array in (data.rows, data.y, data.sample_weight):
        _add_array(digest, array)
    digest.update(repr((data.X.shape, data.X.dtype)).encode())
    for rows in _parts(data.X.shape[0], data.X):
        part = data.X[rows]
        for array in (part.indptr, part.indices, part.data) if issparse(part) else (part,):
            _add_array(digest, array)


def _parts(n_rows: int, X: Any) -> Iterator[slice]:
    """Yield slices of rows to read one after another, because ``X`` may be larger than memory."""
    step = max(1, _HASHED_BYTES // (X.shape[1] * X.dtype.itemsize))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def _add_array(digest: Any, array: np.ndarray | None) -> None:
    if array is None:
        digest.update(b"None")
        return
    digest.update(repr((array.shape, array.dtype)).encode())
    digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")


def _as_arrays(progress: Progress) -> dict[str, Any]:
    facts = {
        "history": progress.history,
        "best_score": progress.best.score,
        "n_worse": progress.best.n_worse,
        "has_best": progress.best.layers is not None,
    }
    # JSON keeps every bit of a float, infinity and NaN included.
    arrays = {"facts": np.array(json.dumps(facts))}
    lists = {
        "layers": arrays_of(progress.layers),
        "slots": progress.slots,
        "best": arrays_of(progress.best.layers or []),
    }
    return arrays | {f"{name}-{i}": array for name, values in lists.items() for i, array in enumerate(values)}


def _from_arrays(arrays: dict[str, np.ndarray]) -> Progress:
    facts = json.loads(str(arrays.pop("facts")))

    def taken(name: str) -> list[np.ndarray]:
        n_arrays = sum(key.startswith(f"{name}-") for key in arrays)
        return [arrays[f"{name}-{i}"] for i in range(n_arrays)]

    best_layers = layers_of(taken("best")) if facts["has_best"] else None
    best = Best(facts["best_score"], facts["n_worse"], best_layers)
    return Progress(layers_of(taken("layers")), taken("slots"), facts["history"], best)
