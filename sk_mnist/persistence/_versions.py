"""The versions that saved a model file, in a separate member, because skops reads only the members that it knows."""

from __future__ import annotations

import json
import re
import warnings

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

import sk_mnist

MEMBER = "sk-mnist-versions.json"

# Warnings print the versions that a file names, and nothing else from it.
VERSION_PATTERN = re.compile(r"[0-9A-Za-z.!+_-]{1,40}")


def write_versions() -> str:
    """Return the content of the member for a file that is saved now."""
    return json.dumps({"sk-mnist": sk_mnist.__version__, "scikit-learn": sklearn.__version__})


def read_versions(content: bytes) -> dict[str, str]:
    """Return the versions in the content of the member."""
    versions = json.loads(content)
    read = {name: versions[name] for name in ("sk-mnist", "scikit-learn")}
    for name, version in read.items():
        if not isinstance(version, str) or not VERSION_PATTERN.fullmatch(version):
            raise ValueError(f"the version of {name} that it names is {version!r}")
    return read


def warn_of_other_versions(saved: dict[str, str] | None, estimator_name: str) -> None:
    """Warn the caller of `load` if other versions than the installed ones, or unknown ones, saved a file."""
    if saved is None:
        warnings.warn(
            "This file does not name the versions that saved it: it was written by skops, not by sk_mnist.save. "
            "Check its predictions before you rely on them.",
            UserWarning,
            stacklevel=3,
        )
        return
    if saved["scikit-learn"] != sklearn.__version__:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=estimator_name,
                current_sklearn_version=sklearn.__version__,
                original_sklearn_version=saved["scikit-learn"],
            ),
            stacklevel=3,
        )
    if saved["sk-mnist"] != sk_mnist.__version__:
        warnings.warn(
            f"This file was saved by sk-mnist {saved['sk-mnist']}, but {sk_mnist.__version__} is installed. Check its "
            "predictions before you rely on them, or load it with the version that saved it.",
            UserWarning,
            stacklevel=3,
        )
