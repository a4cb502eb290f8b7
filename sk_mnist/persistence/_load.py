"""`load`: read a model file without running anything that is in it."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from sk_mnist._files import open_regular
from sk_mnist.persistence import _schema, _versions
from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._checks import check_model, complete, parts_of, shown
from sk_mnist.persistence._reader import Reader, unknown_types
from sk_mnist.persistence._schema import Audit

_MAX_SHOWN_TYPES = 30

# Parameters that affect the machine on which an estimator is fitted, with their effect there.
_MACHINE_PARAMETERS = {
    "memory": "a later fit would unpickle the files in that directory",
    "n_jobs": "it would start that many processes or threads",
    "checkpoint_dir": "a later fit would write files to that directory",
}


def load(path: str | os.PathLike, *, trusted: Sequence[str] = ()) -> Any:
    """Load a model that :func:`save` wrote, without running any code in the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : sequence of str, default=()
        Full names of further types and functions that the file may hold, such as ``"my_package.MyTransformer"``.
        Trust only what you know: creating an object can run its code, and data in the file can make compiled code
        crash.

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
        types or functions that are not trusted, or holds an estimator in a state that fitting cannot produce.
    TypeError
        If ``trusted`` is not a sequence of strings.
    OSError
        If the file cannot be read, or is a pipe or a device.

    Warns
    -----
    sklearn.exceptions.InconsistentVersionWarning
        If another version of scikit-learn saved the file.
    UserWarning
        If another or an unknown version of sk-mnist saved the file, or ``memory``, ``n_jobs`` or ``checkpoint_dir`` was
        reset.

    Notes
    -----
    Without ``trusted``, a file may hold this package's estimators and those of scikit-learn that predict with the
    arithmetic of NumPy and SciPy, such as Pipeline, StandardScaler, PCA or LogisticRegression. It may not hold any
    functions.

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
    if isinstance(trusted, str) or not all(isinstance(name, str) for name in trusted):
        raise TypeError(f"trusted must be a sequence of full names, such as ['my_package.MyType']; got {trusted!r}.")
    path = Path(path).expanduser()
    with open_regular(path) as file:
        content = file.read()
    try:
        estimator, versions, reset = _read(content, {*trusted})
    except (MemoryError, InconsistentVersionWarning):  # the latter if warnings are errors
        raise
    except _NotTrustedError as error:
        names = [*error.names[:_MAX_SHOWN_TYPES], *(["..."] if len(error.names) > _MAX_SHOWN_TYPES else [])]
        raise ValueError(
            f"{path} holds types that are not trusted: {', '.join(names)}. If you know them and trust the "
            f"file's origin, load it with trusted={names}."
        ) from None
    # A damaged file can make zipfile, json, NumPy and skops fail in any way, but does not run code. The cause is left
    # out because it can contain data from the file.
    except Exception as error:
        raise ValueError(f"{path} is damaged or was not saved by sk_mnist.save: {_printable(error)}") from None
    for message in reset:
        warnings.warn(message, UserWarning, stacklevel=2)
    _versions.warn_of_other_versions(versions, type(estimator).__name__)
    return estimator


class _NotTrustedError(Exception):
    """A file holds types or functions that are not trusted."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = sorted(names)


def _read(content: bytes, trusted: set[str]) -> tuple[Any, dict[str, str] | None, list[str]]:
    """Return the model in a file, the versions that saved it, and a warning for each setting that was reset."""
    archive = Archive(content)
    versions = None
    if _versions.MEMBER in archive.members:
        versions = _versions.read_versions(archive.read(_versions.MEMBER))
    audit = Audit(archive)
    if untrusted := unknown_types(audit) - trusted:
        raise _NotTrustedError(untrusted)
    reader = Reader(archive, trusted)
    model = reader.read(audit.root) if reader.can_read(audit) else _load_with_skops(audit, archive, trusted)
    complete(model)
    check_model(model)
    return model, versions, _reset_machine_parameters(model)


def _load_with_skops(audit: Audit, archive: Archive, trusted: set[str]) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    if audit.has_boolean_keys:
        raise ValueError("it has a dict with boolean keys, which skops cannot read back")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as audited:
        for name in archive.members:
            if name not in (_schema.MEMBER, _versions.MEMBER):
                audited.writestr(name, archive.read(name))
        audited.writestr(_schema.MEMBER, json.dumps({**audit.root, "protocol": audit.protocol}))
    # Each of these types is known or trusted.
    trusted = trusted | {name for _, name in audit.parts}
    try:
        return skops.io.loads(content.getvalue(), trusted=sorted(trusted))
    except UntrustedTypesFoundException:
        # For a method, skops requires that the name of the method is trusted as well.
        raise _NotTrustedError(set(skops.io.get_untrusted_types(data=content.getvalue())) - trusted) from None


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
