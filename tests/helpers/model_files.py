"""Model files made by hand: a valid one is unpacked, changed and packed again."""

import io
import json
import zipfile

import numpy as np


def members_of(content):
    """Contents of a zip file's members by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members):
    """A zip file of these members, uncompressed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def change_schema(path, change):
    """Rewrite a model file after ``change(schema, members)`` has changed its schema and added members."""
    members = members_of(path.read_bytes())
    schema = json.loads(members["schema.json"])
    change(schema, members)
    members["schema.json"] = json.dumps(schema)
    path.write_bytes(pack(members))
    return path


def nodes_of(node):
    """Every node of a schema, parents first."""
    if isinstance(node, dict) and "__loader__" in node:
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from nodes_of(child)


def attributes(schema, class_name):
    """Nodes of the attributes of the first object of a class."""
    found = next(n for n in nodes_of(schema) if n["__class__"] == class_name and n["__loader__"] == "ObjectNode")
    return found["content"]["content"]


def add_attribute(schema, class_name, name, node):
    """Add an attribute to the first object of a class."""
    found = next(n for n in nodes_of(schema) if n["__class__"] == class_name and n["__loader__"] == "ObjectNode")
    found["content"]["content"][name] = node
    found["content"]["key_types"]["content"].append(type_node("builtins.str"))


def node(kind, type_name, **fields):
    module, _, name = type_name.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": kind, **fields}


def type_node(type_name):
    return node("TypeNode", type_name)


def literal(value):
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def list_of(items):
    return node("ListNode", "builtins.list", content=list(items))


def tuple_of(items):
    return node("TupleNode", "builtins.tuple", content=list(items))


def dict_of(items):
    types = [type_node(f"builtins.{type(key).__name__}") for key in items]
    return node("DictNode", "builtins.dict", content=items, key_types=list_of(types))


def npy(array):
    """An array as an npy file."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def array_node(members, array, *, type_name="numpy.ndarray"):
    """A node of an array, which is added to the members."""
    name = f"{len(members)}.npy"
    members[name] = npy(array)
    return node("NdArrayNode", type_name, type="numpy", file=name)


def sparse_node(members, matrix_format, data, indices, indptr, shape, *, type_name):
    """A node of a CSR or CSC matrix with these arrays, whatever they are."""
    content = io.BytesIO()
    np.savez(content, format=matrix_format.encode(), shape=shape, data=data, indices=indices, indptr=indptr)
    name = f"{len(members)}.npz"
    members[name] = content.getvalue()
    return node("SparseMatrixNode", type_name, type="scipy", file=name)
