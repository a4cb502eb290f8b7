"""What the fetchers return: a Bunch that knows its fields and prints a summary."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch


class ImageBunch(Bunch):
    """A Bunch that prints a summary instead of 784 names, a page of text and the corners of arrays."""

    data: NDArray[Any]
    target: NDArray[np.int64]
    images: NDArray[Any]
    frame: Any
    feature_names: list[str]
    target_names: list[str]
    DESCR: str
    source: str

    def __init__(self, name: str, **items: Any) -> None:
        super().__init__(**items)
        self.__dict__["_name"] = name  # not an item

    def __repr__(self) -> str:
        shown = {name: _in_words(value) for name, value in self.items() if value is not None}
        width = max(map(len, shown), default=0)
        return "\n".join([f"{self._name}, a {Bunch.__name__} of:", *(f"  {k:{width}}  {v}" for k, v in shown.items())])

    def __reduce__(self) -> tuple[type[Bunch], tuple, None, None, Any]:
        # Pickles and copies are plain Bunches, so that pickles do not refer to a private class.
        return Bunch, (), None, None, iter(self.items())


def _in_words(value: Any) -> str:
    """Describe an entry of the Bunch in one line."""
    if hasattr(value, "shape"):
        dtype = f", {value.dtype}" if hasattr(value, "dtype") else ""
        return f"{type(value).__name__} of shape {value.shape}{dtype}"
    if isinstance(value, list):
        return f"list of {len(value)}: {value[0]!r} to {value[-1]!r}" if value else "empty list"
    return repr(value) if len(str(value)) <= 80 and "\n" not in str(value) else f"{type(value).__name__}, to print"
