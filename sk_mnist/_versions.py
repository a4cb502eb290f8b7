"""The installed versions of the packages that a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

# The packages whose versions can change the result of training.
_PACKAGES = ("sk-mnist", "scikit-learn", "numpy", "scipy", "tensorflow", "keras", "scikeras", "pooch", "skops")


def show_versions() -> None:
    """Print the versions of Python and of the packages that a result depends on.

    Reports of problems should contain them. ``sk-mnist info`` also prints the data home and the devices, for which it
    starts TensorFlow; this function imports none of the packages.

    Examples
    --------
    >>> from sk_mnist import show_versions
    >>> show_versions()
    Python               3... on ...
    sk-mnist             ...
    scikit-learn         1...
    numpy                2...
    scipy                1...
    tensorflow           2...
    keras                3...
    scikeras             0...
    pooch                1...
    skops                0...
    """
    print(*version_lines(), sep="\n")


def version_lines() -> list[str]:
    """Return a line for Python and for each package."""
    versions = {"Python": f"{platform.python_version()} on {platform.platform()}"}
    versions |= {package: _installed(package) for package in _PACKAGES}
    return [f"{name:20} {found}" for name, found in versions.items()]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
