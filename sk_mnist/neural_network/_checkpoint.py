"""Checkpoints: files from which a killed fit resumes, to the same weights as an uninterrupted fit."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sk_mnist import __version__
from sk_mnist._files import replacing
from sk_mnist.neural_network._batches import MakeTargets, make_distorting_generator
from sk_mnist.neural_network._job import Job
from sk_mnist.neural_network._rows import MixedRows, Rows
from sk_mnist.neural_network._training import Best, State, arrays_of, layers_of

logger = logging.getLogger(__name__)

# Part of the fingerprint, so that a fit ignores files of another format.
FORMAT = 3

# Number of rows of which changed versions also identify a teacher.
_CHANGED_ROWS = 256

_HASHED_BYTES = 16 * 2**20

# Writing a file takes far less time. An older temporary file was left by a process that was killed.
_MAX_WRITING_SECONDS = 60


def find_checkpoint(job: Job, optimizer_content: str, make_targets: MakeTargets | None) -> "Checkpoint | None":
    """Return the checkpoint of a job, named after everything that determines the result of the fit.

    Not part of the name are the machine and the number of threads.

    Parameters
    ----------
    job : Job
        The fit; all of its rows are read. None is returned if it keeps no checkpoint.
    optimizer_content : str
        The class of the optimizer and all its settings except the learning rate.
    make_targets : callable or None
        Makes the targets of the fit, if it has a teacher.

    Returns
    -------
    checkpoint : Checkpoint or None
    """
    if job.checkpoint_dir is None:
        return None
    digest = hashlib.sha256()
    distortion = job.distortion
    changes = () if distortion is None else distortion.changes
    described = [(type(change).__qualname__, change.get_params()) for change in changes]
    digest.update(repr((FORMAT, __version__, job.specification, optimizer_content, job.settings, described)).encode())
    if job.start is not None:
        _add_state(digest, job.start)
    for rows in (job.rows, job.validation):
        if rows is not None:
            _add_rows(digest, rows)
    if isinstance(job.training, MixedRows):
        _add_X(digest, job.training.outliers)
    if make_targets is not None:
        _add_targets(digest, job, make_targets)
    return Checkpoint(job.checkpoint_dir / f"fit-{digest.hexdigest()[:32]}.npz")


class Checkpoint:
    """The checkpoint file of one fit.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, like: State) -> State | None:
        """Return the last saved state of the fit; None if there is none yet.

        Parameters
        ----------
        like : State
            The state of the network that it is for, with the same arrays. Only their shapes and types are compared.
        """
        self._remove_leftovers()
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            try:
                with np.load(file, allow_pickle=False) as arrays:
                    state = _from_arrays(dict(arrays), like)
            except Exception as error:  # zipfile, zlib, NumPy and json raise almost everything for damaged files
                raise ValueError(
                    f"{self.path} is damaged ({type(error).__name__}: {error}), so this fit cannot resume from it. "
                    "Delete the file to train from the beginning."
                ) from error
        logger.info("Resuming after %d epochs, from %s", state.n_epochs, self.path)
        return state

    def save(self, state: State) -> None:
        """Replace the file with the current state. A kill leaves either the old file or the new one."""
        with replacing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **_as_arrays(state))
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


def _add_state(digest: Any, state: State) -> None:
    digest.update(repr((state.optimizer, state.slots is None, state.history)).encode())
    for array in [*arrays_of(state.layers), *arrays_of(state.average or []), *(state.slots or [])]:
        _add_array(digest, array)


def _add_targets(digest: Any, job: Job, make_targets: MakeTargets) -> None:
    """Add the targets of all rows, which takes as long as the teacher takes in an epoch, and of some changed rows.

    The pickle of a teacher would be faster to read, but it differs between equal teachers.
    """
    rows, settings = job.rows, job.settings

    def add(X: np.ndarray, y: np.ndarray) -> None:
        # A teacher that uses several threads may round the last bits of float64 differently each time.
        _add_array(digest, make_targets(X, y).astype(np.float32))

    for part in _parts(len(rows), rows.X):
        chosen = np.arange(part.start, part.stop)
        add(rows.gather(chosen), rows.y[chosen])
    # Different trees agree on the rows that they were fitted on, but not on rows between them.
    chosen = np.arange(min(len(rows), _CHANGED_ROWS))
    X, y = rows.gather(chosen), rows.y[chosen]
    add((X + X[::-1]) / 2, y)
    if job.distortion is not None:
        add(job.distortion.distort(X, make_distorting_generator(settings.seed, settings.first_epoch, 0), 0.0), y)


def _add_rows(digest: Any, rows: Rows) -> None:
    for array in (rows.positions, rows.y, rows.weight):
        _add_array(digest, array)
    _add_X(digest, rows.X)


def _add_X(digest: Any, X: Any) -> None:
    digest.update(repr((X.shape, X.dtype)).encode())
    for part in _parts(X.shape[0], X):
        read = X[part]
        for array in (read.indptr, read.indices, read.data) if issparse(read) else (read,):
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


def _as_arrays(state: State) -> dict[str, Any]:
    facts = {
        "optimizer": state.optimizer,
        "history": state.history,
        "best_score": state.best.score,
        "n_worse": state.best.n_worse,
        "has_best": state.best.layers is not None,
    }
    # JSON keeps every bit of a float, infinity and NaN included.
    arrays = {"facts": np.array(json.dumps(facts))}
    lists = {
        "layers": arrays_of(state.layers),
        "slots": state.slots or [],
        "best": arrays_of(state.best.layers or []),
    }
    return arrays | {f"{name}-{i}": array for name, values in lists.items() for i, array in enumerate(values)}


def _from_arrays(arrays: dict[str, np.ndarray], like: State) -> State:
    facts = json.loads(str(arrays.pop("facts")))
    _check_facts(facts, like)
    wanted = _as_arrays(replace(like, best=Best(layers=like.layers if facts["has_best"] else None)))
    del wanted["facts"]
    found, wanted = ({name: (a.shape, a.dtype) for name, a in some.items()} for some in (arrays, wanted))
    if found != wanted:
        differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ValueError(f"it holds other arrays than the network has: {', '.join(differing)}")

    def taken(name: str) -> list[np.ndarray]:
        n_arrays = sum(key.startswith(f"{name}-") for key in arrays)
        return [arrays[f"{name}-{i}"] for i in range(n_arrays)]

    return State(
        layers_of(taken("layers")),
        slots=taken("slots"),
        optimizer=facts["optimizer"],
        history=facts["history"],
        best=Best(facts["best_score"], facts["n_worse"], layers_of(taken("best")) if facts["has_best"] else None),
    )


def _check_facts(facts: dict[str, Any], like: State) -> None:
    """Raise an error unless the facts are those that a fit of the network writes."""
    history = facts["history"]
    n_epochs = len(history["loss"])
    is_history = history.keys() >= like.history.keys() and all(
        isinstance(values, list) and len(values) == n_epochs and all(isinstance(value, float) for value in values)
        for values in history.values()
    )
    is_best = isinstance(facts["best_score"], float) and isinstance(facts["has_best"], bool)
    n_worse = facts["n_worse"]
    if not (
        is_history
        and is_best
        and n_epochs >= like.n_epochs
        and type(n_worse) is int
        and 0 <= n_worse <= n_epochs
        and facts["optimizer"] == like.optimizer
    ):
        raise ValueError("its facts are not those of this fit")
