"""`save`: write a skops file that `load` accepts, completely or not at all."""

from __future__ import annotations

import copy
import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from sk_mnist._files import replacing
from sk_mnist._sklearn import CALLBACKS, METADATA_REQUEST
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.persistence import _versions
from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._checks import check_model, parts_of
from sk_mnist.persistence._reader import Reader, unknown_types
from sk_mnist.persistence._schema import Audit

# Attributes that scikit-learn adds to an estimator's own. They can refer to the estimator itself or to any object.
_SESSION = {METADATA_REQUEST: "metadata requests", CALLBACKS: "callbacks"}


def save(estimator: BaseEstimator, path: str | os.PathLike) -> Path:
    """Save an estimator or a Pipeline to a file that :func:`load` reads without running any code in it.

    The file is a skops file, which ``skops.io.load`` reads too. It is written next to ``path`` and moved there when
    complete.

    Parameters
    ----------
    estimator : estimator instance
        Fitted or not: a :class:`~sk_mnist.KerasMLPClassifier`, a Pipeline, or any estimator that skops can save.
        For a search, save ``best_estimator_``.
    path : str or path-like
        The file; ".skops" is the usual suffix. An existing file is replaced.

    Returns
    -------
    path : Path
        Path of the file.

    Raises
    ------
    TypeError
        If ``estimator`` is not an estimator, or holds something that cannot be saved, such as a Keras object.
    ValueError
        If ``load`` would refuse the file: an estimator of this package has a parameter that is not valid, fitted
        attributes that ``fit`` cannot set, or other attributes.
    OSError
        If the file cannot be written.

    Warns
    -----
    UserWarning
        If metadata requests (``set_fit_request``) or callbacks (``set_callbacks``) are left out.

    See Also
    --------
    load : Read the file.
    to_onnx : Convert to ONNX, for other languages and runtimes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_mnist import PixelScaler, load, save
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = save(PixelScaler().fit([[0, 255]]), Path(directory) / "scaler.skops")
    ...     load(path).transform([[51, 255]])
    array([[0.2, 1. ]], dtype=float32)
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"estimator must be an estimator or a Pipeline; got {type(estimator).__name__}.")
    path = Path(path).expanduser()
    estimator = _with_plain_paths(_without_session(estimator))
    content = _complete(_dump(estimator))
    try:
        check_model(estimator)
        archive = Archive(content)
        audit = Audit(archive)
        if audit.has_boolean_keys and not Reader(archive, unknown_types(audit)).can_read(audit):
            raise ValueError("it has a dict with boolean keys, which skops cannot read back")
    except ValueError as error:
        raise ValueError(
            f"{type(estimator).__name__} cannot be saved, because load would refuse it: {error}."
        ) from error
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def _without_session(estimator: BaseEstimator) -> BaseEstimator:
    """Return the estimator, or a copy without metadata requests and callbacks, and warn about them."""
    found = {name for part in parts_of(estimator) for name in _SESSION.keys() & getattr(part, "__dict__", {}).keys()}
    if not found:
        return estimator
    warnings.warn(
        f"Not saved: {', '.join(sorted(_SESSION[name] for name in found))}. Predicting does not need them; set them "
        "again before you fit the loaded estimator.",
        UserWarning,
        stacklevel=3,
    )
    copied, copies = _copied(estimator)
    for part in copies:
        for name in found:
            getattr(part, "__dict__", {}).pop(name, None)
    return copied


def _with_plain_paths(estimator: BaseEstimator) -> BaseEstimator:
    """Return the estimator, or a copy in which directories are strings, which every system can read."""
    if not any(map(_has_path, parts_of(estimator))):
        return estimator
    copied, copies = _copied(estimator)
    for part in filter(_has_path, copies):
        part.checkpoint_dir = os.fspath(part.checkpoint_dir)
    return copied


def _has_path(part: Any) -> bool:
    # Not with getattr, which a FrozenEstimator passes on to its estimator.
    return isinstance(getattr(part, "__dict__", {}).get("checkpoint_dir"), os.PathLike)


def _copied(estimator: BaseEstimator) -> tuple[BaseEstimator, list[Any]]:
    """Return a deep copy in which frozen estimators are frozen, and the parts that are only in the copy."""
    parts = list(parts_of(estimator))
    memo: dict[int, Any] = {}
    # copy.deepcopy would call the __deepcopy__ of a frozen estimator's estimator, and a KerasMLPClassifier's own
    # shares a frozen teacher with the copy.
    ours = [part for part in parts if isinstance(part, FrozenEstimator | KerasMLPClassifier)]
    for part in ours:
        memo[id(part)] = object.__new__(type(part))
    for part in ours:
        for name, value in vars(part).items():
            # Keras objects cannot be saved, and not all of them can be copied.
            is_keras = isinstance(part, KerasMLPClassifier) and name in ("optimizer", "keras_callbacks")
            vars(memo[id(part)])[name] = value if is_keras else copy.deepcopy(value, memo)
    copied = copy.deepcopy(estimator, memo)
    given = {id(part) for part in parts}
    return copied, [part for part in parts_of(copied) if id(part) not in given]


def _dump(estimator: BaseEstimator) -> bytes:
    import skops.io

    try:
        for part in parts_of(estimator):
            if isinstance(part, KerasMLPClassifier) and not isinstance(part.optimizer, str):
                raise TypeError(f"an optimizer of type {type(part.optimizer).__name__}")
        return skops.io.dumps(estimator)
    except (TypeError, RecursionError) as error:
        raise TypeError(
            f"{type(estimator).__name__} holds something that cannot be saved: {error}. Replace Keras objects first "
            "with set_params (optimizer by its name, keras_callbacks by None)."
        ) from error


def _complete(content: bytes) -> bytes:
    """Add the versions to a skops file, and store its sparse matrices uncompressed like everything else."""
    completed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as dumped, zipfile.ZipFile(completed, "w") as archive:
        for name in dumped.namelist():
            member = dumped.read(name)
            archive.writestr(name, _uncompressed(member) if name.endswith(".npz") else member)
        archive.writestr(_versions.MEMBER, _versions.write_versions())
    return completed.getvalue()


def _uncompressed(npz: bytes) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(npz)) as compressed, zipfile.ZipFile(stored, "w") as archive:
        for name in compressed.namelist():
            archive.writestr(name, compressed.read(name))
    return stored.getvalue()
