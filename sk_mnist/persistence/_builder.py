"""Create the model that an audited schema describes, without skops, whose import takes as long as scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._schema import KEY_TYPES, literal, type_name
from sk_mnist.persistence._types import BUNCH


class Builder:
    """Creates objects from the nodes of an audited schema.

    Parameters
    ----------
    archive : Archive
        The arrays that nodes name.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def build(self, node: dict) -> Any:
        """Create the object that a node describes."""
        return _BUILDERS[node["__loader__"]](self, node)

    def _build_list(self, node: dict) -> list:
        return [self.build(item) for item in node["content"]]

    def _build_tuple(self, node: dict) -> tuple:
        return tuple(self._build_list(node))

    def _build_dict(self, node: dict) -> dict:
        makers = (KEY_TYPES[type_name(key_type)] for key_type in node["key_types"]["content"])
        items = {make(key): self.build(item) for make, (key, item) in zip(makers, node["content"].items(), strict=True)}
        return Bunch(**items) if type_name(node) == BUNCH else items

    def _build_object(self, node: dict) -> Any:
        module, _, name = type_name(node).rpartition(".")
        object_class = getattr(import_module(module), name)
        made = object_class.__new__(object_class)
        # As pickle does by default, without the functions that a pickle can call instead.
        state = self.build(node["content"])
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            made.__dict__.update(state)
        return made

    def _build_array(self, node: dict) -> Any:
        if node["type"] == "json":
            return self._build_objects(node)
        array = self.archive.array(node["file"])
        return array if type_name(node) == "numpy.ndarray" else array[()]

    def _build_objects(self, node: dict) -> np.ndarray:
        shape: list[Any] = [literal(length) for length in node["shape"]["content"]]
        nodes = _nodes_of_array(node["content"], shape)
        items = np.empty(len(nodes), dtype=object)
        for position, item in enumerate(nodes):
            items[position] = self.build(item)
        return items.reshape(shape)

    def _build_slice(self, node: dict) -> slice:
        return slice(node["content"]["start"], node["content"]["stop"], node["content"]["step"])

    def _build_random_state(self, node: dict) -> np.random.RandomState:
        random_state = np.random.RandomState()
        random_state.set_state(self.build(node["content"]))
        return random_state


def _nodes_of_array(nodes: list[dict], shape: list[Any]) -> list[dict]:
    """Return the nodes of an array's objects, which are in nested lists."""
    if [len(nodes)] != shape[:1]:
        raise ValueError(f"an array of {len(nodes)} objects in it has the shape {shape!r:.100}")
    if len(shape) == 1:
        return nodes
    for nested in nodes:
        if nested["__loader__"] != "ListNode":
            raise ValueError(f"an array of objects in it holds a {nested['__loader__']}")
    return [item for nested in nodes for item in _nodes_of_array(nested["content"], shape[1:])]


_BUILDERS: dict[str, Callable[[Builder, dict], Any]] = {
    "JsonNode": lambda builder, node: literal(node),
    "ListNode": Builder._build_list,
    "TupleNode": Builder._build_tuple,
    "DictNode": Builder._build_dict,
    "ObjectNode": Builder._build_object,
    "NdArrayNode": Builder._build_array,
    "RandomStateNode": Builder._build_random_state,
    "SliceNode": Builder._build_slice,
}
