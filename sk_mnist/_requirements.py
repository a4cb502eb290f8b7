"""Check for the oldest supported scikit-learn without importing it."""

import os.path
from importlib.util import find_spec

OLDEST = (1, 9)


def check_scikit_learn() -> None:
    """If scikit-learn is missing or too old, raise an ImportError that says what to install."""
    spec = find_spec("sklearn")
    # sklearn.callback is new in 1.9. Finding its folder takes a fraction of a millisecond. Reading the version takes 30
    # milliseconds, and importing pathlib 5.
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    if any(os.path.isdir(os.path.join(folder, "callback")) for folder in folders):
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("scikit-learn")
    except PackageNotFoundError:
        installed = None
    if installed is None or _release(installed) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        found = "it is not installed" if installed is None else f"{installed} is installed"
        raise ImportError(
            f"sk-mnist needs scikit-learn {wanted} or newer, but {found}: pip install 'scikit-learn>={wanted}'"
        )


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
