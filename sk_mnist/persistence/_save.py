"""`save`: write a skops file that `load` accepts, completely or not at all."""

from __future__ import annotations

import copy
import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, TypeVar, overload

from sklearn.base import BaseEstimator

from sk_mnist._files import replacing
from sk_mnist._sklearn import CALLBACKS, METADATA_REQUEST
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.persistence import _versions
from sk_mnist.persistence._load import UnreadTypesError, path_or_file, read_model, skops_call
from sk_mnist.persistence._types import TRUSTED_TYPES

# Attributes that scikit-learn adds to an estimator's own. They can refer to the estimator itself or to any object.
_SESSION = {METADATA_REQUEST: "metadata requests", CALLBACKS: "callbacks"}


File = TypeVar("File", bound=IO[bytes])


@overload
def save(estimator: BaseEstimator, path: str | os.PathLike) -> Path: ...


@overload
def save(estimator: BaseEstimator, path: File) -> File: ...


def save(estimator: BaseEstimator, path: Any) -> Any:
    """Save an estimator or a Pipeline to a file that :func:`load` reads without running any code in it.

    The file is a skops file, which ``skops.io.load`` reads too. It is written next to ``path`` and moved there when
    complete.

    Parameters
    ----------
    estimator : estimator instance
        Fitted or not: a :class:`~sk_mnist.KerasMLPClassifier`, a Pipeline, or another estimator that :func:`load`
        reads. For a search, save ``best_estimator_``.
    path : str, path-like or binary file
        The file; ".skops" is the usual suffix. An existing file is replaced. Or an open binary file, such as
        ``io.BytesIO()``, to which the complete content is written in one call.

    Returns
    -------
    path : Path or binary file
        Path of the file, or the file that was given.

    Raises
    ------
    TypeError
        If ``estimator`` is not an estimator, or holds something that cannot be saved, such as a Keras object. If
        ``path`` is something else, or a file in text mode.
    ValueError
        If ``load`` would refuse the file: ``estimator`` holds types that it does not read, or an estimator of this
        package has a parameter that is not valid, fitted attributes that ``fit`` cannot set, or other attributes.
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
    target = path_or_file(path, "write")
    name = type(estimator).__name__
    left_out: set[str] = set()
    try:
        content = _dump(_without_session(estimator, left_out))
    except (TypeError, RecursionError) as error:
        raise TypeError(
            f"{name} holds something that cannot be saved: {error}. Replace Keras objects first with set_params "
            "(optimizer by its name, keras_callbacks by None)."
        ) from error
    try:
        read_model(content)
    except UnreadTypesError as error:
        raise ValueError(
            f"{name} cannot be saved, because load does not read {error}. {_advice(estimator, content)}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{name} cannot be saved, because load would refuse it: {error}.") from error
    if left_out:
        warnings.warn(
            f"Not saved: {', '.join(sorted(left_out))}. Predicting does not need them; set them again before you fit "
            "the loaded estimator.",
            UserWarning,
            stacklevel=2,
        )
    if isinstance(target, Path):
        with replacing(target) as partial:
            partial.write_bytes(content)
    else:
        written = target.write(content)
        if isinstance(written, int) and written < len(content):
            raise OSError(f"Only {written:,} of {len(content):,} bytes were written to path.")
    return target


def _without_session(value: Any, left_out: set[str]) -> Any:
    """Return a value with new estimators that lack what belongs to the session, and note what that is in ``left_out``.

    The new estimators share everything else with the given ones, because it is only read, and a deep copy of a frozen
    estimator is not frozen.
    """
    if isinstance(value, BaseEstimator):
        if isinstance(value, KerasMLPClassifier):
            _check_keras_parameters(value)
        made = object.__new__(type(value))
        for name, attribute in vars(value).items():
            if name in _SESSION:
                left_out.add(_SESSION[name])
            else:
                vars(made)[name] = _without_session(attribute, left_out)
        return made
    if type(value) in (list, tuple):
        return type(value)(_without_session(item, left_out) for item in value)
    if isinstance(value, dict):
        made = copy.copy(value)
        for key, item in value.items():
            made[key] = _without_session(item, left_out)
        return made
    return value


def _check_keras_parameters(mlp: KerasMLPClassifier) -> None:
    if not isinstance(mlp.optimizer, str):
        raise TypeError(f"an optimizer of type {type(mlp.optimizer).__name__}")
    if mlp.keras_callbacks:
        raise TypeError(f"keras_callbacks={mlp.keras_callbacks!r:.100}")


def _dump(estimator: BaseEstimator) -> bytes:
    """Return a skops file of an estimator, with the versions that wrote it."""
    import skops.io

    content = io.BytesIO(skops.io.dumps(estimator))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(_versions.MEMBER, _versions.write_versions())
    return content.getvalue()


def _advice(estimator: BaseEstimator, content: bytes) -> str:
    if hasattr(estimator, "best_estimator_"):
        return "Save its best_estimator_."
    import skops.io

    names = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
    return f"Use skops.io.dump, and {skops_call(names)}."
