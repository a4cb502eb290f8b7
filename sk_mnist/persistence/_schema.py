"""The schema of a model file, audited before any object is created from it.

A skops file describes a model in its JSON member "schema.json" as a tree of nodes. Each node names a kind
(``__loader__``) and a type (``__module__`` and ``__class__``); arrays are members of the file that nodes name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from typing import Any, NamedTuple

import numpy as np

from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._types import BUNCH, TYPES
from sk_mnist.persistence._versions import VERSION_PATTERN

MEMBER = "schema.json"

# The format of skops since version 0.12. Older formats have other nodes.
MIN_PROTOCOL = 2

# A meta-estimator takes about 7 levels, and the largest models have a few thousand nodes. With each further level of
# nested estimators, scikit-learn takes up to six times as long to print the model.
MAX_DEPTH = 64
MAX_NESTED_OBJECTS = 7
MAX_NODES = 1_000_000

# Largest ratio of unpacked size to file size: a VotingClassifier rightly refers to an array more than once.
MAX_EXPANSION = 8

_MAX_NUMBER_KEYS = 1000


def _boolean(key: str) -> bool:
    return {"true": True, "false": False}[key]


# Types that the keys of a dict may have, and how to create them from the strings that are keys in JSON.
KEY_TYPES: dict[str, Callable[[str], Any]] = {
    "builtins.str": str,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.bool": _boolean,
    "numpy.str_": np.str_,
    "numpy.bool": _boolean,
    **{f"numpy.{sign}int{bits}": getattr(np, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"numpy.float{bits}": getattr(np, f"float{bits}") for bits in (16, 32, 64)},
}

# Types of arrays' scalars.
_SCALAR_TYPES = {
    *(f"numpy.{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"numpy.{name}" for name in ("bool", "float16", "float32", "float64", "longdouble", "complex64", "complex128")),
    "numpy.str_",
}


class Audit:
    """Checks a schema on creation, and keeps the findings.

    Attributes
    ----------
    root : dict
        The root node. The ``__id__`` of all nodes is removed, because references by it let a few bytes stand for a tree
        of any size.
    unread : set of str
        Names of the types and functions that `load` does not read.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.unread: set[str] = set()
        self._n_nodes = 0
        self._n_bytes = 0
        self._n_open_objects = 0
        content = archive.read(MEMBER)
        self.charge(len(content))
        root = json.loads(content)
        if not isinstance(root, dict):
            raise ValueError(f"its schema is {root!r:.100}")
        protocol = root.pop("protocol", None)
        if type(protocol) is not int or protocol < MIN_PROTOCOL:
            raise ValueError(f"its protocol is {protocol!r:.100}, not an integer of at least {MIN_PROTOCOL}")
        root.pop("_skops_version", None)
        self.visit(root, depth=0)
        self.root = root

    def visit(self, node: Any, depth: int) -> None:
        """Check a node and all nodes below it."""
        kind = _kind(node)
        self._n_nodes += 1
        if self._n_nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ValueError(f"its schema has more than {MAX_NODES:,} nodes or {MAX_DEPTH} levels")
        node.pop("__id__", None)
        form = _FORMS.get(kind)
        if form is None:
            self.unread.add(type_name(node))
            return
        if node.keys() != form.fields.keys() | {"__class__", "__module__", "__loader__"}:
            raise ValueError(f"a {kind} of its schema has the keys {sorted(map(str, node))!r:.200}")
        name = type_name(node)
        if name not in form.types:
            self.unread.add(name)
        self._n_open_objects += kind == "ObjectNode"
        if self._n_open_objects > MAX_NESTED_OBJECTS:
            raise ValueError(f"it has more than {MAX_NESTED_OBJECTS} levels of nested estimators")
        for field, check in form.fields.items():
            check(self, node[field], depth + 1)
        self._n_open_objects -= kind == "ObjectNode"
        if form.check is not None and name in form.types:
            form.check(self, node)

    def charge(self, n_bytes: int) -> None:
        """Count the bytes that reading a node takes."""
        self._n_bytes += n_bytes
        if self._n_bytes > MAX_EXPANSION * self.archive.n_bytes:
            raise ValueError(f"it would unpack to more than {MAX_EXPANSION} times its size")


def type_name(node: dict) -> str:
    """Return the full name of a node's type, checked to be a valid name."""
    name = f"{node['__module__']}.{node['__class__']}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"its schema names the type {name!r:.100}")
    return name


def literal(node: dict) -> bool | int | float | str | None:
    """Return the value of a JsonNode."""
    if node["__loader__"] != "JsonNode":
        raise ValueError(f"a {node['__loader__']} of its schema stands where a plain value belongs")
    return json.loads(node["content"])


def _kind(node: Any) -> str:
    if not isinstance(node, dict):
        raise ValueError(f"its schema has {node!r:.100} where a node belongs")
    kind = node.get("__loader__")
    if kind == "NdArrayNode":
        kind = f"{kind} of type {node.get('type')}"
    if not isinstance(kind, str) or (kind.startswith("NdArrayNode") and kind not in _FORMS):
        raise ValueError(f"its schema has a node of the kind {kind!r:.100}")
    return kind


# Checks of the fields of a node. Each takes the audit, the field's value and its depth.

Check = Callable[[Audit, Any, int], None]


def _nodes(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, list):
        raise ValueError(f"its schema has {value!r:.100} where a list belongs")
    for node in value:
        audit.visit(node, depth)


def _named_nodes(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"its schema has {value!r:.100} where a dict belongs")
    _nodes(audit, list(value.values()), depth)


def _key_types(audit: Audit, value: Any, depth: int) -> None:
    # Not visited like other nodes, because they are half of all nodes and create no objects.
    _kind(value)
    if not isinstance(value.get("content"), list):
        raise ValueError("the types of a dict's keys are not a list")
    for node in (value, *value["content"]):
        kind = _kind(node)
        node.pop("__id__", None)
        type_name(node)
        if kind != ("ListNode" if node is value else "TypeNode") or len(node) != 3 + (node is value):
            raise ValueError(f"the types of a dict's keys are or hold a {kind}")


def _json(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, str) or isinstance(json.loads(value), list | dict):
        raise ValueError(f"its schema has {value!r:.100} where a plain value belongs")


def _text(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, str):
        raise ValueError(f"its schema has {value!r:.100} where a string belongs")


def _true(audit: Audit, value: Any, depth: int) -> None:
    if value is not True:
        raise ValueError(f"its schema has {value!r:.100} where true belongs")


def _slice(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, dict) or not all(index is None or type(index) is int for index in value.values()):
        raise ValueError(f"its schema has a slice with {value!r:.100}")


def _array_file(audit: Audit, value: Any, depth: int) -> None:
    _text(audit, value, depth)
    audit.charge(audit.archive.array_header(value).n_bytes)


# Checks across the fields of a node, after each field has been checked.


def _check_dict(audit: Audit, node: dict) -> None:
    n_types = len(node["key_types"]["content"])
    if n_types != len(node["content"]):
        raise ValueError(f"a dict in it has {len(node['content'])} keys and {n_types} types of keys")
    types = _key_type_names(node)
    # Many different numbers can have the same hash, and each of them is then compared with all others.
    if n_types > _MAX_NUMBER_KEYS and types != {"builtins.str"}:
        raise ValueError(f"a dict in it has {n_types} keys that are not all strings")
    if unknown := types - KEY_TYPES.keys():
        raise ValueError(f"a dict in it has keys of type {min(unknown)}")
    # Scikit-learn prints it in a warning.
    version = node["content"].get("_sklearn_version")
    if version is not None and not VERSION_PATTERN.fullmatch(str(literal(version))):
        raise ValueError(f"it names the version {literal(version)!r:.100} of scikit-learn")


def _check_object(audit: Audit, node: dict) -> None:
    state = node["content"]
    # Anything else that can update a dict may name attributes by numbers with the same hash.
    if state["__loader__"] != "DictNode" or _key_type_names(state) - {"builtins.str"}:
        raise ValueError(f"a {type_name(node)} in it has attributes that are not named by strings")


def _key_type_names(node: dict) -> set[str]:
    return {type_name(key_type) for key_type in node["key_types"]["content"]}


def _check_array(audit: Audit, node: dict) -> None:
    name, header = type_name(node), audit.archive.array_header(node["file"])
    if name != "numpy.ndarray" and (name != f"numpy.{header.dtype.type.__name__}" or header.shape):
        raise ValueError(f"a scalar of type {name} in it is made from {header.dtype} of shape {header.shape}")


class _Form(NamedTuple):
    """What nodes of a kind look like: the checks of their fields, their types, and a check across the fields."""

    fields: dict[str, Check]
    types: Container[str]
    check: Callable[[Audit, dict], None] | None = None


# What `load` reads.
_FORMS = {
    "JsonNode": _Form({"content": _json, "is_json": _true}, {"builtins.str"}),
    "ListNode": _Form({"content": _nodes}, {"builtins.list"}),
    "TupleNode": _Form({"content": _nodes}, {"builtins.tuple"}),
    "DictNode": _Form({"key_types": _key_types, "content": _named_nodes}, {"builtins.dict", BUNCH}, _check_dict),
    "ObjectNode": _Form({"content": Audit.visit}, TYPES, _check_object),
    "NdArrayNode of type numpy": _Form(
        {"type": _text, "file": _array_file}, {"numpy.ndarray", *_SCALAR_TYPES}, _check_array
    ),
    "NdArrayNode of type json": _Form({"type": _text, "shape": Audit.visit, "content": _nodes}, {"numpy.ndarray"}),
    "RandomStateNode": _Form({"content": Audit.visit}, {"numpy.random.mtrand.RandomState"}),
    "SliceNode": _Form({"content": _slice}, {"builtins.slice"}),
}
