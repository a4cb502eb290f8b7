"""Arguments with a wrong name: errors that name the right one."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def suggest(given: object, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is most like the given one; empty if none is."""
    matches = get_close_matches(str(given), known, n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def explain_wrong_names(hints: Mapping[str, str]) -> Callable[[Function], Function]:
    """Let a function that is called with an unknown argument say which one was meant.

    Parameters
    ----------
    hints : mapping of str to str
        The parameter that was meant by a name that other libraries use, or a sentence that says what to do. For names
        that are not here, the error names the most similar parameter.

    Returns
    -------
    decorator : callable
        Keeps the type of the function, and its signature for :func:`inspect.signature`.
    """

    def decorate(function: Function) -> Function:
        known = frozenset(inspect.signature(function).parameters)
        name = function.__qualname__.removesuffix(".__init__")

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for given in kwargs:
                if given not in known:
                    hint = hints.get(given, given)
                    advice = f" {hint}" if " " in hint else suggest(hint, known)
                    raise TypeError(f"{name}() got an unexpected keyword argument {given!r}.{advice}")
            return function(*args, **kwargs)

        return cast(Function, call)

    return decorate
