"""What the fetchers return: a Bunch that knows its fields and prints a summary."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sk_mnist._tables import html_image, html_table

_N_SHOWN = 10


class ImageBunch(Bunch):
    """A Bunch that prints a summary instead of 784 names, a page of text and the corners of arrays.

    Notebooks also show the first images.
    """

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
        rows = self._rows()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([self._title(), *(f"  {name:{width}}  {words}" for name, words in rows)])

    def _repr_html_(self) -> str:
        shown = zip(self.images[:_N_SHOWN], self.target[:_N_SHOWN], strict=True)
        images = [html_image(image, self.target_names[label]) for image, label in shown]
        return "\n".join([html_table(self._title(), self._rows()), *images])

    def _title(self) -> str:
        return f"{self._name}, a {Bunch.__name__} of:"

    def _rows(self) -> list[list[str]]:
        return [[name, _in_words(value)] for name, value in self.items() if value is not None]

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
