"""Read an audited schema: known estimators, plain data and arrays, and objects of types that the caller trusts.

Other kinds of nodes, such as functions and sparse matrices, are read by skops if the caller trusts them. Importing
skops takes as long as importing scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._schema import KEY_TYPES, Audit, literal, type_name
from sk_mnist.persistence._types import BUNCH, TYPES


class Reader:
    """Creates objects from the nodes of an audited schema.

    Parameters
    ----------
    archive : Archive
        The arrays that nodes name.
    trusted : set of str
        Names of types that the caller trusts, besides those of `READERS`.
    """

    def __init__(self, archive: Archive, trusted: set[str]) -> None:
        self.archive = archive
        self._readers = {**{("ObjectNode", name): Reader._read_object for name in trusted}, **READERS}

    def can_read(self, audit: Audit) -> bool:
        """Whether `read` can create everything in a schema."""
        return audit.parts <= self._readers.keys()

    def read(self, node: dict) -> Any:
        """Create the object that a node describes."""
        return self._readers[node["__loader__"], type_name(node)](self, node)

    def _read_literal(self, node: dict) -> bool | int | float | str | None:
        return literal(node)

    def _read_list(self, node: dict) -> list:
        return [self.read(item) for item in node["content"]]

    def _read_tuple(self, node: dict) -> tuple:
        return tuple(self._read_list(node))

    def _read_dict(self, node: dict) -> dict:
        makers = (KEY_TYPES[type_name(key_type)] for key_type in node["key_types"]["content"])
        return {make(key): self.read(value) for make, (key, value) in zip(makers, node["content"].items(), strict=True)}

    def _read_bunch(self, node: dict) -> Bunch:
        return Bunch(**self._read_dict(node))

    def _read_object(self, node: dict) -> Any:
        module, _, name = type_name(node).rpartition(".")
        object_class = getattr(import_module(module), name)
        made = object_class.__new__(object_class)
        # As pickle does by default, without the functions that a pickle can call instead.
        state = self.read(node["content"])
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            made.__dict__.update(state)
        return made

    def _read_array(self, node: dict) -> np.ndarray:
        if node["type"] == "numpy":
            return self.archive.array(node["file"])
        shape: list[Any] = [literal(length) for length in node["shape"]["content"]]
        nodes = node["content"]
        for _ in shape[1:]:
            nodes = [item for nested in nodes for item in nested["content"]]
        if prod(shape) != len(nodes):
            raise ValueError(f"an array of objects in it has the shape {shape} and {len(nodes)} items")
        items = np.empty(len(nodes), dtype=object)
        for position, item in enumerate(nodes):
            items[position] = self.read(item)
        return items.reshape(shape)

    def _read_scalar(self, node: dict) -> Any:
        return self.archive.array(node["file"])[()]

    def _read_slice(self, node: dict) -> slice:
        return slice(node["content"]["start"], node["content"]["stop"], node["content"]["step"])

    def _read_random_state(self, node: dict) -> np.random.RandomState:
        random_state = np.random.RandomState()
        random_state.set_state(self.read(node["content"]))
        return random_state


_SCALARS = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("bool", "float16", "float32", "float64", "longdouble", "complex64", "complex128", "str_"),
]

# Everything that a file may hold without the caller's trust, by kind and type.
READERS: dict[tuple[str, str], Callable[[Reader, dict], Any]] = {
    ("JsonNode", "builtins.str"): Reader._read_literal,
    ("ListNode", "builtins.list"): Reader._read_list,
    ("TupleNode", "builtins.tuple"): Reader._read_tuple,
    ("DictNode", "builtins.dict"): Reader._read_dict,
    ("DictNode", BUNCH): Reader._read_bunch,
    ("NdArrayNode", "numpy.ndarray"): Reader._read_array,
    **{("NdArrayNode", f"numpy.{name}"): Reader._read_scalar for name in _SCALARS},
    ("SliceNode", "builtins.slice"): Reader._read_slice,
    ("RandomStateNode", "numpy.random.mtrand.RandomState"): Reader._read_random_state,
    **{("ObjectNode", name): Reader._read_object for name in TYPES},
}


def unknown_types(audit: Audit) -> set[str]:
    """Return the names of the types and functions in a schema that the caller has to trust."""
    return {name for _, name in audit.parts - READERS.keys()}
