"""The code of a user's own class as plain values, by which a checkpoint recognizes it."""

import functools
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

# Identified by their versions or, as those of a Python release rarely change what they compute, by name.
_LIBRARIES = {"builtins", "keras", "numpy", "scipy", "sk_mnist", "sklearn", "tensorflow"}


def describe_code(cls: type) -> Any:
    """Describe what a class computes, with the functions, classes and values that its methods use.

    It describes the code that Python runs, and not its source: the source may be missing, or have changed since it was
    imported, and it does not hold the values of closures and globals. Code of other installed packages is only named.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    description : object
        Lists and dicts of plain values, and whatever else the code uses. Empty for classes of Keras.
    """
    return _Describer(cls).of_class(cls)


class _Describer:
    def __init__(self, cls: type) -> None:
        self._own = {_package_of(base) for base in cls.__mro__} - _LIBRARIES
        self._seen: set[int] = set()

    def of_class(self, cls: type) -> list[Any]:
        return [
            [base.__qualname__, {name: self._of(value) for name, value in vars(base).items() if _is_code(name, value)}]
            for base in cls.__mro__
            if self._is_new(base)
        ]

    def _of(self, value: Any) -> Any:
        if isinstance(value, staticmethod | classmethod):
            return [type(value).__name__, self._of(value.__func__)]
        if isinstance(value, property):
            return [self._of(part) for part in (value.fget, value.fset, value.fdel)]
        if isinstance(value, functools.partial):
            return [self._of(part) for part in (value.func, value.args, value.keywords)]
        if isinstance(value, list | tuple):
            return [self._of(item) for item in value]
        if isinstance(value, dict):
            return {str(name): self._of(item) for name, item in value.items()}
        if isinstance(value, types.ModuleType):
            return value.__name__
        if isinstance(value, type):
            return [value.__qualname__, self.of_class(value)]
        if isinstance(value, types.FunctionType):
            return [value.__qualname__, self._of_function(value) if self._is_new(value) else None]
        if hasattr(value, "__wrapped__"):  # of functools.cache, or a tf.function
            return [type(value).__qualname__, self._of(value.__wrapped__)]
        if callable(value) and not self._is_described(value):
            return getattr(value, "__qualname__", type(value).__qualname__)
        return value

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        code = function.__code__
        names = _names_in(code)
        spaces = [function.__globals__]
        # A function of a module that is used as `module.function`.
        spaces += [vars(value) for value in _found(names, spaces[0]).values() if self._is_own_module(value)]
        used = [{name: self._of(value) for name, value in _found(names, space).items()} for space in spaces]
        cells = [self._of(cell.cell_contents) for cell in function.__closure__ or ()]
        return [_of_code(code), used, cells, self._of(function.__defaults__), self._of(function.__kwdefaults__)]

    def _is_new(self, value: Any) -> bool:
        """Whether a class or function is to be described, and is not described yet."""
        if not self._is_described(value) or id(value) in self._seen:
            return False
        self._seen.add(id(value))
        return True

    def _is_described(self, value: Any) -> bool:
        package = _package_of(value)
        return package in self._own or not (package in _LIBRARIES or _is_installed(package))

    def _is_own_module(self, value: Any) -> bool:
        if not isinstance(value, types.ModuleType):
            return False
        package = value.__name__.partition(".")[0]
        return package in self._own or not (package in _LIBRARIES or _is_installed(package))


def _package_of(value: Any) -> str:
    return (getattr(value, "__module__", None) or "builtins").partition(".")[0]


@functools.cache
def _is_installed(package: str) -> bool:
    """Whether a package is part of Python, or was installed."""
    if package in sys.stdlib_module_names:
        return package != "__main__"
    file = getattr(sys.modules.get(package), "__file__", None)
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return file is not None and any(Path(file).is_relative_to(place) for place in places)


def _is_code(name: str, value: Any) -> bool:
    """Whether an attribute of a class is more than Python's own bookkeeping."""
    return callable(value) or not name.startswith(("__", "_abc_"))


def _found(names: set[str], space: dict[str, Any]) -> dict[str, Any]:
    return {name: space[name] for name in sorted(names & space.keys()) if not name.startswith("__")}


def _names_in(code: types.CodeType) -> set[str]:
    nested = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names_in, nested))


def _of_code(code: types.CodeType) -> list[Any]:
    return [code.co_code.hex(), code.co_names, code.co_varnames, list(map(_of_constant, code.co_consts))]


def _of_constant(constant: Any) -> Any:
    if isinstance(constant, types.CodeType):
        return _of_code(constant)
    if isinstance(constant, frozenset):  # whose order differs between processes
        return sorted(map(repr, constant))
    return repr(constant)
