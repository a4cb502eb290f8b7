"""`save` and `load`: skops files that may hold this package's types and scikit-learn's, and nothing else."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

import sk_mnist
from sk_mnist._files import replacing

# What a file may hold beside what skops trusts by itself: NumPy arrays, scikit-learn's estimators and plain data.
TRUSTED = (
    "sk_mnist.neural_network._classifier.KerasMLPClassifier",
    "sk_mnist.preprocessing.ImageFlattener",
    "sk_mnist.preprocessing.PixelScaler",
)

# A member of its own beside skops', which reads only those that it knows.
VERSIONS_MEMBER = "sk-mnist-versions.json"


def save(estimator: BaseEstimator, path: str | os.PathLike) -> Path:
    """Save an estimator or a Pipeline to a file that :func:`load` reads without running any code in it.

    The file is a skops file, which ``skops.io.load`` opens too. It is written beside ``path`` and moved there when it
    is whole.

    Parameters
    ----------
    estimator : estimator instance
        Fitted or not: a :class:`~sk_mnist.KerasMLPClassifier`, a Pipeline, or any estimator whose types skops trusts.
        Of a search, save ``best_estimator_``.
    path : str or path-like
        The file; ".skops" is the usual ending. An existing file is replaced.

    Returns
    -------
    path : Path
        The file written.

    Raises
    ------
    TypeError
        If ``estimator`` is no estimator, or holds something that cannot be saved, such as a Keras object.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read it back.
    to_onnx : For other languages and runtimes.

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
    import skops.io

    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"estimator must be an estimator or a Pipeline; got {type(estimator).__name__}.")
    path = Path(path).expanduser()
    with replacing(path) as partial:
        try:
            skops.io.dump(estimator, partial)
        except TypeError as error:
            raise TypeError(
                f"{type(estimator).__name__} holds something that cannot be saved: {error}. Parameters that are Keras "
                "objects can be replaced by set_params before (optimizer by its name, keras_callbacks by None)."
            ) from error
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(VERSIONS_MEMBER, json.dumps(_versions()))
    return path


def load(path: str | os.PathLike, *, trusted: Sequence[str] = ()) -> Any:
    """Load what :func:`save` saved, running nothing that is in the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : sequence of str, default=()
        Full names of further types that the file may hold, such as ``"my_package.MyTransformer"``. Trust only
        what you know: making an object can run its code.

    Returns
    -------
    estimator : estimator instance
        As it was saved; its predictions are the same, bit for bit.

    Raises
    ------
    ValueError
        If the file is damaged or no file of :func:`save`, would unpack to more than it holds, or has types that are
        not trusted.
    OSError
        If the file cannot be read.

    Warns
    -----
    sklearn.exceptions.InconsistentVersionWarning
        If another version of scikit-learn saved the file.
    UserWarning
        If another version of sk-mnist saved it, or it does not say which one did.

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
    import skops.io

    path = Path(path).expanduser()
    allowed = {*TRUSTED, *trusted}
    versions = _read_versions(path)
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - allowed)
        if not unknown:
            estimator = skops.io.load(path, trusted=sorted(allowed))
    except OSError:
        raise
    # A damaged file can make skops, zipfile, json and NumPy fail in any way; none of it has run code.
    except Exception as error:
        raise ValueError(f"{path} is damaged, or no model saved by sk_mnist.save: {error}") from error
    if unknown:
        raise ValueError(
            f"{path} holds types that are not trusted: {', '.join(unknown)}. If you know them, and where the file "
            f"comes from, load it with trusted={unknown}."
        )
    _warn_of_other_versions(estimator, versions)
    return estimator


def _versions() -> dict[str, str]:
    return {"sk-mnist": sk_mnist.__version__, "scikit-learn": sklearn.__version__}


def _read_versions(path: Path) -> dict[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            # Nothing in a file of ours is compressed, so it cannot unpack to more than it is.
            if (size := sum(member.file_size for member in archive.infolist())) > path.stat().st_size:
                raise ValueError(f"{path} would unpack to {size:,} bytes, more than it holds; it was not opened.")
            if VERSIONS_MEMBER not in archive.namelist():
                return {}
            versions = json.loads(archive.read(VERSIONS_MEMBER))
            return {name: str(versions[name]) for name in _versions()}
    except (zipfile.BadZipFile, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged, or no model saved by sk_mnist.save: {error}") from error


def _warn_of_other_versions(estimator: Any, saved: dict[str, str]) -> None:
    if not saved:
        warnings.warn(
            "This file does not say which versions saved it: it comes from skops, not from sk_mnist.save. "
            "Check its predictions before you rely on them.",
            UserWarning,
            stacklevel=3,
        )
        return
    if saved["scikit-learn"] != sklearn.__version__:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=type(estimator).__name__,
                current_sklearn_version=sklearn.__version__,
                original_sklearn_version=saved["scikit-learn"],
            ),
            stacklevel=3,
        )
    if saved["sk-mnist"] != sk_mnist.__version__:
        warnings.warn(
            f"This file was saved by sk-mnist {saved['sk-mnist']}, and this is {sk_mnist.__version__}. Check its "
            "predictions before you rely on them, or load it with the version that saved it.",
            UserWarning,
            stacklevel=3,
        )
