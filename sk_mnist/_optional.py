"""Import packages that are not among the dependencies."""

from importlib import import_module
from typing import Any


def import_optional(module: str, caller: str) -> Any:
    """Import a module, or raise an error that says what needs it and how to install it."""
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{caller} needs {package}: pip install {package}") from error
