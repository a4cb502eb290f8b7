"""The schema of a model file, audited before any object is created from it.

A skops file describes a model in its JSON member "schema.json" as a tree of nodes. Each node names a kind
(``__loader__``) and a type (``__module__`` and ``__class__``); arrays are members of the file that nodes name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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

_MAX_SCALAR_BYTES = 16
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

_SPARSE_TYPES = {f"scipy.sparse._{form}.{form}_{kind}" for form in ("csr", "csc") for kind in ("matrix", "array")}
_SPARSE_MEMBERS = {"format.npy", "shape.npy", "data.npy", "indices.npy", "indptr.npy"}


class Audit:
    """Checks a schema on creation, and keeps the findings.

    Attributes
    ----------
    root : dict
        The root node. The ``__id__`` of all nodes is removed, because references by it let a few bytes stand for a tree
        of any size.
    parts : set of (str, str)
        Kind and type of every node.
    has_boolean_keys : bool
        Whether a dict has boolean keys, which skops writes but always reads as True.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.parts: set[tuple[str, str]] = set()
        self.has_boolean_keys = False
        self._n_nodes = 0
        self._n_bytes = 0
        self._n_open_objects = 0
        content = archive.read(MEMBER)
        self.charge(len(content))
        root = json.loads(content)
        if not isinstance(root, dict):
            raise ValueError(f"its schema is {root!r:.100}")
        self.protocol = root.pop("protocol", None)
        if type(self.protocol) is not int or self.protocol < MIN_PROTOCOL:
            raise ValueError(f"its protocol is {self.protocol!r:.100}, not an integer of at least {MIN_PROTOCOL}")
        root.pop("_skops_version", None)
        self.visit(root, depth=0)
        self.root = root

    def visit(self, node: Any, depth: int) -> None:
        """Check a node and all nodes below it."""
        form = _form(node)
        self._n_nodes += 1
        if self._n_nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ValueError(f"its schema has more than {MAX_NODES:,} nodes or {MAX_DEPTH} levels")
        node.pop("__id__", None)
        fields = _FORMS[form]
        if node.keys() != fields.keys() | {"__class__", "__module__", "__loader__"}:
            raise ValueError(f"a {form} of its schema has the keys {sorted(map(str, node))!r:.200}")
        name = type_name(node)
        # skops creates some kinds of objects whatever the name of the type is, and others by calling the type.
        if name not in _TYPES_OF_FORM.get(form, {name}):
            raise ValueError(f"a {form} of its schema is of the type {name:.100}")
        self.parts.add((node["__loader__"], name))
        self._n_open_objects += form == "ObjectNode"
        if self._n_open_objects > MAX_NESTED_OBJECTS:
            raise ValueError(f"it has more than {MAX_NESTED_OBJECTS} levels of nested estimators")
        for field, check in fields.items():
            check(self, node[field], depth + 1)
        self._n_open_objects -= form == "ObjectNode"
        if form in _RELATIONS:
            _RELATIONS[form](self, node)

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


def _form(node: Any) -> str:
    if not isinstance(node, dict):
        raise ValueError(f"its schema has {node!r:.100} where a node belongs")
    kind = node.get("__loader__")
    form = f"NdArrayNode of type {node.get('type')}" if kind == "NdArrayNode" else kind
    if not isinstance(form, str) or form not in _FORMS:
        raise ValueError(f"its schema has a node of the kind {form!r:.100}, which load does not know")
    return form


# Checks of the fields of a node. Each takes the audit, the field's value and its depth.

Check = Callable[[Audit, Any, int], None]


def _node(audit: Audit, value: Any, depth: int) -> None:
    audit.visit(value, depth)


def _nodes(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, list):
        raise ValueError(f"its schema has {value!r:.100} where a list belongs")
    for node in value:
        audit.visit(node, depth)


def _named_nodes(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"its schema has {value!r:.100} where a dict belongs")
    for node in value.values():
        audit.visit(node, depth)


def _key_types(audit: Audit, value: Any, depth: int) -> None:
    # Not visited like other nodes, because they are half of all nodes and create no objects.
    _form(value)
    if not isinstance(value.get("content"), list):
        raise ValueError("the types of a dict's keys are not a list")
    for node in (value, *value["content"]):
        form = _form(node)
        node.pop("__id__", None)
        type_name(node)
        if form != ("ListNode" if node is value else "TypeNode") or len(node) != 3 + (node is value):
            raise ValueError(f"the types of a dict's keys are or hold a {form}")


def _record(**fields: Check) -> Check:
    def check(audit: Audit, value: Any, depth: int) -> None:
        if not isinstance(value, dict) or value.keys() != fields.keys():
            raise ValueError(f"its schema has {value!r:.100} where {', '.join(fields)} belong")
        for name, check_field in fields.items():
            check_field(audit, value[name], depth)

    return check


def _json(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, str) or isinstance(json.loads(value), list | dict):
        raise ValueError(f"its schema has {value!r:.100} where a plain value belongs")


def _text(audit: Audit, value: Any, depth: int) -> None:
    if not isinstance(value, str):
        raise ValueError(f"its schema has {value!r:.100} where a string belongs")


def _true(audit: Audit, value: Any, depth: int) -> None:
    if value is not True:
        raise ValueError(f"its schema has {value!r:.100} where true belongs")


def _index(audit: Audit, value: Any, depth: int) -> None:
    if value is not None and type(value) is not int:
        raise ValueError(f"its schema has a slice with {value!r:.100}")


def _array_file(audit: Audit, value: Any, depth: int) -> None:
    _text(audit, value, depth)
    audit.charge(audit.archive.array_header(value).n_bytes)


def _sparse_file(audit: Audit, value: Any, depth: int) -> None:
    _text(audit, value, depth)
    arrays = Archive(audit.archive.read(value))
    audit.charge(arrays.n_bytes)
    # Files of sparse arrays have "_is_array", those of matrices do not.
    if arrays.members.keys() - {"_is_array.npy"} != _SPARSE_MEMBERS:
        raise ValueError(f"its member {value!r:.100} is not a CSR or CSC matrix")
    for name in arrays.members:
        arrays.array_header(name)
    if arrays.array("format.npy").tolist() not in (b"csr", b"csc"):
        raise ValueError(f"its member {value!r:.100} is not a CSR or CSC matrix")


# What `save` writes: the kinds of nodes and their fields.
_FORMS: dict[str, dict[str, Check]] = {
    "JsonNode": {"content": _json, "is_json": _true},
    "ListNode": {"content": _nodes},
    "TupleNode": {"content": _nodes},
    "SetNode": {"content": _nodes},
    "DictNode": {"key_types": _key_types, "content": _named_nodes},
    "ObjectNode": {"content": _node},
    "NdArrayNode of type numpy": {"type": _text, "file": _array_file},
    "NdArrayNode of type json": {"type": _text, "shape": _node, "content": _nodes},
    "RandomStateNode": {"content": _node},
    # Scikit-learn's estimators, and types that the caller trusts, are written with these too.
    "TypeNode": {},
    "FunctionNode": {},
    "SliceNode": {"content": _record(start=_index, stop=_index, step=_index)},
    "MaskedArrayNode": {"content": _record(data=_node, mask=_node)},
    "DTypeNode": {"content": _node},
    "SparseMatrixNode": {"type": _text, "file": _sparse_file},
    "RandomGeneratorNode": {"content": _record(bit_generator=_node, seed_seq=_node)},
    "LossNode": {"content": _node, "__reduce__": _record(args=_node)},
    "TreeNode": {"content": _node, "__reduce__": _record(args=_node)},
    "ConstructorFromReduceNode": {"content": _node},
    "PartialNode": {"content": _record(func=_node, args=_node, kwds=_node, namespace=_node)},
    "MethodNode": {"content": _record(func=_text, obj=_node)},
}


# Types that nodes of a kind may have. For the other kinds, the type is looked up.
_TYPES_OF_FORM = {
    "JsonNode": {"builtins.str"},
    "ListNode": {"builtins.list"},
    "SetNode": {"builtins.set"},
    "DictNode": {"builtins.dict", "collections.OrderedDict", BUNCH},
    "NdArrayNode of type json": {"numpy.ndarray"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "SliceNode": {"builtins.slice"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
    "DTypeNode": {"numpy.dtype"},
    "SparseMatrixNode": _SPARSE_TYPES,
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
    "TreeNode": {"sklearn.tree._tree.Tree"},
    "PartialNode": {"functools.partial"},
}

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
    audit.has_boolean_keys |= not types.isdisjoint({"builtins.bool", "numpy.bool"})
    # Scikit-learn prints it in a warning.
    version = node["content"].get("_sklearn_version")
    if version is not None and not VERSION_PATTERN.fullmatch(str(literal(version))):
        raise ValueError(f"it names the version {literal(version)!r:.100} of scikit-learn")


def _check_object(audit: Audit, node: dict) -> None:
    state = node["content"]
    # Anything else that can update a dict may name attributes by numbers with the same hash.
    if type_name(node) in TYPES and (state["__loader__"] != "DictNode" or _key_type_names(state) - {"builtins.str"}):
        raise ValueError(f"a {type_name(node)} in it has attributes that are not named by strings")


def _key_type_names(node: dict) -> set[str]:
    return {type_name(key_type) for key_type in node["key_types"]["content"]}


def _check_array(audit: Audit, node: dict) -> None:
    name = type_name(node)
    if name == "numpy.ndarray":
        return
    # NumPy's types create a scalar from anything: numpy.bytes_(3_000_000_000) has that many bytes.
    header = audit.archive.array_header(node["file"])
    is_small = header.dtype.itemsize <= _MAX_SCALAR_BYTES or header.dtype.kind == "U"
    if name != f"numpy.{header.dtype.type.__name__}" or header.dtype.kind in "SV" or header.shape or not is_small:
        raise ValueError(f"a scalar of type {name} in it is made from {header.dtype} of shape {header.shape}")


def _check_object_array(audit: Audit, node: dict) -> None:
    if node["shape"]["__loader__"] != "TupleNode":
        raise ValueError("the shape of an array in it is not a tuple")
    shape = [literal(length) for length in node["shape"]["content"]]
    if (
        not shape
        or not all(type(length) is int and length >= 0 for length in shape)
        or shape[0] != len(node["content"])
    ):
        raise ValueError(f"an array of {len(node['content'])} objects in it has the shape {shape!r:.100}")
    # With more than one axis, NumPy expands other arrays into objects, one for each value.
    waiting = list(node["content"]) if len(shape) > 1 else []
    while waiting:
        item = waiting.pop()
        if item["__loader__"] == "ListNode":
            waiting += item["content"]
        elif item["__loader__"] not in ("JsonNode", "ObjectNode"):
            raise ValueError(f"an array of objects in it holds a {item['__loader__']}")


def _check_sparse(audit: Audit, node: dict) -> None:
    if node["type"] != "scipy":
        raise ValueError(f"a sparse matrix in it is of type {node['type']!r:.100}")


def _check_method(audit: Audit, node: dict) -> None:
    if not node["content"]["func"].isidentifier():
        raise ValueError(f"a method in it has the name {node['content']['func']!r:.100}")


def _check_generator(audit: Audit, node: dict) -> None:
    # skops calls this name in numpy.random. PCG64 has no index that could point outside its state.
    if _literals(node["content"]["bit_generator"]).get("bit_generator") != "PCG64":
        raise ValueError("a random generator in it is not a PCG64")
    # A larger pool takes time that grows with its square.
    if _literals(node["content"]["seed_seq"]).get("pool_size") != 4:
        raise ValueError("a random generator in it has a seed sequence with a pool size other than NumPy's")


def _literals(node: dict) -> dict[str, Any]:
    if node["__loader__"] != "DictNode":
        raise ValueError(f"a random generator in it is described by a {node['__loader__']}")
    return {name: literal(value) for name, value in node["content"].items() if value["__loader__"] == "JsonNode"}


_RELATIONS: dict[str, Callable[[Audit, dict], None]] = {
    "DictNode": _check_dict,
    "ObjectNode": _check_object,
    "NdArrayNode of type numpy": _check_array,
    "NdArrayNode of type json": _check_object_array,
    "SparseMatrixNode": _check_sparse,
    "RandomGeneratorNode": _check_generator,
    "MethodNode": _check_method,
}
