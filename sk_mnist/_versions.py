"""The installed versions of the packages that a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from sk_mnist import __version__

# The packages whose versions can change the result of training.
_PACKAGES = ("scikit-learn", "numpy", "scipy", "tensorflow", "keras", "scikeras", "pooch", "skops")


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
    for name, installed in installed_versions().items():
        print(f"{name:20} {installed}")


def installed_versions() -> dict[str, str]:
    """Return the version of Python, with the system, and of each package."""
    ours = {"Python": f"{platform.python_version()} on {platform.platform()}", "sk-mnist": __version__}
    return ours | {package: _installed(package) for package in _PACKAGES}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
