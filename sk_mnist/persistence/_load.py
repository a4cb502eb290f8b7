"""`load`: read a model file without running anything that is in it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from sk_mnist._files import SCHEME, open_regular
from sk_mnist.persistence import _versions
from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._builder import Builder
from sk_mnist.persistence._checks import check_model, complete, parts_of, shown
from sk_mnist.persistence._schema import Audit

_MAX_SHOWN_TYPES = 30

# Parameters that affect the machine on which an estimator is fitted, with their effect there.
_MACHINE_PARAMETERS = {
    "memory": "a later fit would unpickle the files in that directory",
    "n_jobs": "it would start that many processes or threads",
    "checkpoint_dir": "a later fit would write files to that directory",
}


def load(path: str | os.PathLike | IO[bytes]) -> Any:
    """Load a model that :func:`save` wrote, without running any code in the file.

    Parameters
    ----------
    path : str, path-like or binary file
        The file, or an open binary file, which is read from its position to its end: ``io.BytesIO(content)``, a member
        of an archive, the body of an HTTP response.

    Returns
    -------
    estimator : estimator instance
        The saved estimator. This package's estimators predict the same, bit for bit. ``memory``, ``n_jobs`` and
        ``checkpoint_dir`` are set to None, and parameters of this package's estimators that the file lacks have their
        defaults.

    Raises
    ------
    ValueError
        If the file is damaged or was not written by :func:`save`, would unpack to more than 8 times its size, holds
        types or functions that ``load`` does not read, or holds an estimator in a state that fitting cannot produce.
    TypeError
        If ``path`` is something else, or a file in text mode.
    OSError
        If the file cannot be read, or ``path`` is that of a pipe or a device.

    Warns
    -----
    sklearn.exceptions.InconsistentVersionWarning
        If another version of scikit-learn saved the file.
    UserWarning
        If another or an unknown version of sk-mnist saved the file, or ``memory``, ``n_jobs`` or ``checkpoint_dir`` was
        reset.

    Notes
    -----
    A file may hold this package's estimators and those of scikit-learn that predict with the arithmetic of NumPy and
    SciPy, such as Pipeline, StandardScaler, PCA or LogisticRegression. It may not hold any functions. For other types,
    use ``skops.io.dump`` and ``skops.io.load``, which trusts this package's types if it is given
    ``sk_mnist.persistence.TRUSTED_TYPES``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sk_mnist import load, make_mnist_pipeline, save
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = save(make_mnist_pipeline(epochs=3), Path(directory) / "unfitted.skops")
    ...     load(path)["mlp"].epochs
    3
    """
    source = path_or_file(path, "read")
    if isinstance(source, Path):
        name = str(source)
        with open_regular(source) as file:
            content = file.read()
    else:
        given = getattr(source, "name", None)  # an integer if it was opened from a descriptor
        name = f"The file {given}" if isinstance(given, str) else "The file"
        content = _read_all(source)
    try:
        estimator, versions = read_model(content)
        reset = _reset_machine_parameters(estimator)
    except (MemoryError, InconsistentVersionWarning):  # the latter if warnings are errors
        raise
    except UnreadTypesError as error:
        raise ValueError(
            f"{name} holds types that load does not read: {error}. If you trust the file's origin, read it in Python "
            f"with {skops_call(error.names)}."
        ) from None
    # A damaged file can make zipfile, json, NumPy and skops fail in any way, but does not run code. The cause is left
    # out because it can contain data from the file.
    except Exception as error:
        raise ValueError(f"{name} is damaged or was not saved by sk_mnist.save: {_printable(error)}") from None
    for message in reset:
        warnings.warn(message, UserWarning, stacklevel=2)
    _versions.warn_of_other_versions(versions, type(estimator).__name__)
    return estimator


def path_or_file(path: Any, method: str) -> Any:
    """Return a Path or, if ``path`` is a binary file with this method, the file."""
    if isinstance(path, str | os.PathLike):
        name = os.fspath(path)
        if isinstance(name, str) and not name:
            raise ValueError("path is an empty string. Give the path of a file.")
        if isinstance(name, str) and SCHEME.match(name):
            raise ValueError(
                f"path is an address, {name!r:.200}, which is not opened. Give the path of a file on this machine, or "
                "an open binary file, such as io.BytesIO(content)."
            )
        if isinstance(name, str):
            return Path(name).expanduser()
    elif hasattr(path, "encoding"):
        raise TypeError(f"path is a file in text mode, {path!r:.200}. Open it in binary mode: 'rb' or 'wb'.")
    elif hasattr(path, method):
        return path
    raise TypeError(
        f"path must be a str, a path-like or a binary file, such as io.BytesIO(content); got {type(path).__name__}."
    )


def _read_all(file: Any) -> bytes:
    content = file.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"path must be a binary file, but its read() returned {type(content).__name__}.")
    if not content:
        raise ValueError("path is a file with nothing left to read. After writing to it, call path.seek(0).")
    return bytes(content)


class UnreadTypesError(ValueError):
    """A file holds types or functions that `load` does not read."""

    def __init__(self, names: Iterable[str]) -> None:
        found = sorted(names)
        self.names = found[:_MAX_SHOWN_TYPES]
        super().__init__(", ".join(self.names) + (", ..." if len(found) > _MAX_SHOWN_TYPES else ""))


def read_model(content: bytes) -> tuple[BaseEstimator, dict[str, str] | None]:
    """Return the model in a file, and the versions that saved it."""
    archive = Archive(content)
    versions = None
    if _versions.MEMBER in archive.members:
        versions = _versions.read_versions(archive.read(_versions.MEMBER))
    audit = Audit(archive)
    if audit.unread:
        raise UnreadTypesError(audit.unread)
    model = Builder(archive).build(audit.root)
    complete(model)
    check_model(model)
    return model, versions


def skops_call(names: Iterable[str]) -> str:
    """Return the call that reads a file with these types and this package's."""
    trusted = ", ".join(["*sk_mnist.persistence.TRUSTED_TYPES", *(f'"{name}"' for name in names)])
    return f"skops.io.load(path, trusted=[{trusted}])"


def _reset_machine_parameters(model: BaseEstimator) -> list[str]:
    messages = []
    for part in parts_of(model):
        for name, effect in _MACHINE_PARAMETERS.items():
            value = vars(part).get(name) if isinstance(part, BaseEstimator) else None
            if value is not None:
                setattr(part, name, None)
                messages.append(
                    f"{name}={shown(value)} of {type(part).__name__} was set to None, because {effect}. To use "
                    "it, set it with set_params."
                )
    return messages


def _printable(error: Exception) -> str:
    """Return the message of an error, with characters from the file escaped that could control a terminal."""
    words = str(error)[:500] or type(error).__name__
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in words)
