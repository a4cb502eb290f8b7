"""Model files changed at random: `load` gives the right estimator or ValueError, in time and memory that are linear."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mnist import ImageFlattener, KerasMLPClassifier, PixelScaler, load, save
from sk_mnist.persistence._schema import _FORMS
from tests.helpers.examples import examples_times
from tests.helpers.model_files import (
    add_attribute,
    array_node,
    dict_of,
    list_of,
    literal,
    members_of,
    nodes_of,
    npy,
    pack,
    tuple_of,
)

WORKER = Path(__file__).parents[1] / "helpers" / "load_worker.py"

pytest.importorskip("resource", reason="limits memory with setrlimit")


class Worker:
    """Loads files in another process, which a bad file may kill."""

    def __init__(self):
        command = [sys.executable, WORKER]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def load(self, path, X=None, **options):
        request = {"path": str(path), "X": X and str(X), **options}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{path} killed the process: {self.process.wait()}"
        return json.loads(answer)


@pytest.fixture(scope="module")
def worker(models):
    worker = Worker()
    # So that imports do not count as memory that a file takes.
    worker.load(models / "voting")
    yield worker
    worker.process.kill()
    worker.process.communicate()


@pytest.fixture(scope="module", autouse=True)
def _deep_trees():
    """Trees may be nested deeper than Python's limit, which is that of the worker, lets this process write them."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10 * limit)
    yield
    sys.setrecursionlimit(limit)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of this package's estimators, alone and with scikit-learn's, and rows to predict."""
    directory = tmp_path_factory.mktemp("models")
    X = np.random.default_rng(0).uniform(size=(30, 6)).astype(np.float32)
    y = (X[:, 0] > 0.5).astype(int) + 1
    np.save(directory / "X.npy", X)
    mlp = KerasMLPClassifier((4,), epochs=2, random_state=np.random.RandomState(0), warm_start=True)
    ours = Pipeline([("flatten", ImageFlattener()), ("scale", PixelScaler()), ("mlp", mlp)])
    voters = [("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", KerasMLPClassifier((3,), epochs=1))]
    for name, model in {"ours": ours, "voting": VotingClassifier(voters)}.items():
        save(model.fit(X, y), directory / name)
    return directory


# Changes. Each takes a random generator, the members and the schema, and changes them in place.

TYPES = [
    "os.system", "builtins.map", "builtins.eval", "numpy.bytes_", "numpy.void", "numpy.memmap", "numpy.ndarray",
    "numpy.float64", "numpy.str_", "numpy.random.mtrand.RandomState", "scipy.sparse.spmatrix", "builtins.list",
    "builtins.dict", "builtins.tuple", "sklearn.utils._bunch.Bunch", "sklearn.pipeline.Pipeline",
    "sk_mnist.preprocessing.PixelScaler", "sk_mnist.neural_network.KerasMLPClassifier", "sklearn.base.BaseEstimator",
    "sklearn.svm._classes.SVC", "", "a b", "sk_mnist.__main__",
]  # fmt: skip
VALUES = [
    None, True, False, -1, 0, 1, 3, 10**9, 10**18, 10**30, -(10**30), 0.5, float("nan"), float("inf"), "", "relu",
    "softmax", "float64", "passthrough", "\x1b[2J", "x" * 1000,
]  # fmt: skip
ARRAYS = [
    np.zeros(0), np.zeros((0, 10**5)), np.full((6, 4), np.nan), np.zeros((6, 4), np.float16), np.arange(2), np.ones(4),
    np.array(["a", "b"]), np.array(b"abc"), np.zeros(3, "M8[s]"), np.zeros((6, 4), np.float32), np.array(7),
    np.eye(4) > 0,
]  # fmt: skip


def pick(rng, schema, *kinds):
    found = [n for n in nodes_of(schema) if not kinds or n.get("__loader__") in kinds]
    return rng.choice(found or [schema])


def swap_nodes(rng, members, schema):
    a, b = pick(rng, schema), pick(rng, schema)
    a_copy, b_copy = json.loads(json.dumps([a, b]))
    a.clear(), b.clear()
    a.update(b_copy), b.update(a_copy)


def repeat_node(rng, members, schema):
    source, target = json.loads(json.dumps(pick(rng, schema))), pick(rng, schema)
    target.clear()
    target.update(source)


def rename_type(rng, members, schema):
    module, _, name = rng.choice(TYPES).rpartition(".")
    pick(rng, schema).update(__module__=module, __class__=name)


def rename_kind(rng, members, schema):
    pick(rng, schema)["__loader__"] = rng.choice([*_FORMS, "CachedNode", "BytesNode", "DefaultDictNode", ""])


def drop_field(rng, members, schema):
    chosen = pick(rng, schema)
    chosen.pop(rng.choice(list(chosen)))


def add_field(rng, members, schema):
    pick(rng, schema)[rng.choice(["content", "file", "type", "extra", "__reduce__"])] = rng.choice([1, "x", [], {}])


def change_literal(rng, members, schema):
    pick(rng, schema, "JsonNode").update(content=json.dumps(rng.choice(VALUES)))


def break_literal(rng, members, schema):
    pick(rng, schema, "JsonNode").update(content=rng.choice(["", "[1]", "{}", "1e999", "nan", 3, None, "9" * 5000]))


def change_length(rng, members, schema):
    items = pick(rng, schema, "ListNode", "TupleNode").get("content")
    if isinstance(items, list) and items:
        items[:] = items[: rng.randrange(len(items))] if rng.random() < 0.5 else items * rng.choice([2, 3, 50])


def drop_key(rng, members, schema):
    chosen = pick(rng, schema, "DictNode")
    if isinstance(chosen.get("content"), dict) and chosen["content"]:
        chosen["content"].pop(rng.choice(list(chosen["content"])))
        if rng.random() < 0.8 and isinstance(chosen.get("key_types"), dict) and "content" in chosen["key_types"]:
            chosen["key_types"]["content"] = chosen["key_types"]["content"][:-1]


def nest(rng, members, schema):
    chosen = pick(rng, schema)
    inner = json.loads(json.dumps(chosen))
    for _ in range(rng.choice([1, 5, 30, 300])):
        inner = rng.choice([list_of, tuple_of])([inner])
    chosen.clear()
    chosen.update(inner)


def change_id(rng, members, schema):
    pick(rng, schema)["__id__"] = rng.choice([0, 1, -1, None, "x", pick(rng, schema).get("__id__")])


def change_array(rng, members, schema):
    name = rng.choice([name for name in members if name.endswith(".npy")])
    members[name] = npy(rng.choice(ARRAYS))


def change_header(rng, members, schema):
    name = rng.choice([name for name in members if name.endswith(".npy")])
    old, new = rng.choice([(b"<f4", b"<f8"), (b"(", b"(-"), (b"False", b"True "), (b"descr", b"desc "), (b"6", b"9")])
    members[name] = members[name].replace(old, new, 1)


def change_file(rng, members, schema):
    pick(rng, schema, "NdArrayNode").update(file=rng.choice([*members, "nothing.npy", "../x", "", 3]))


def cut_member(rng, members, schema):
    name = rng.choice(list(members))
    members[name] = members[name][: rng.randrange(len(members[name]) + 1)]


def grow_member(rng, members, schema):
    members[rng.choice(list(members))] += rng.randbytes(rng.choice([1, 100, 100_000]))


def flip_byte(rng, members, schema):
    name = rng.choice(list(members))
    content = bytearray(members[name])
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    members[name] = bytes(content)


def drop_member(rng, members, schema):
    members.pop(rng.choice(list(members)))


def swap_members(rng, members, schema):
    a, b = rng.choice(list(members)), rng.choice(list(members))
    members[a], members[b] = members[b], members[a]


CHANGES = [
    swap_nodes, repeat_node, rename_type, rename_kind, drop_field, add_field, change_literal, break_literal,
    change_length, drop_key, nest, change_id, change_array, change_header, change_file, cut_member, grow_member,
    flip_byte, drop_member, swap_members,
]  # fmt: skip


def mutated(content, rng):
    """A file with one to three changes to its members, or one to its bytes."""
    if rng.random() < 0.1:
        if rng.random() < 0.5:
            return content[: rng.randrange(len(content))]
        position = rng.randrange(len(content))
        return content[:position] + rng.randbytes(3) + content[position + 3 :]
    members = members_of(content)
    schema = json.loads(members["schema.json"])
    raw = dict(members)
    for change in rng.choices(CHANGES, k=rng.choice([1, 1, 2, 3])):
        change(rng, members, schema)
        if not isinstance(schema, dict) or not any(True for _ in nodes_of(schema)) or not members:
            break
    # A change of the member itself goes before one of the tree in it.
    if members.get("schema.json") == raw["schema.json"]:
        members["schema.json"] = json.dumps(schema).encode()
    return pack(members)


@pytest.mark.parametrize("n_files", [200, pytest.param(3000, marks=pytest.mark.weekly)])
def test_a_randomly_changed_file_gives_a_working_estimator_or_value_error(n_files, models, worker, tmp_path):
    contents = {name: (models / name).read_bytes() for name in ("ours", "voting")}
    outcomes = {"loaded": 0, "ValueError": 0}
    for seed in range(n_files):
        rng = random.Random(seed)
        name = rng.choice(["ours", "ours", "voting"])
        path = tmp_path / "changed"
        path.write_bytes(mutated(contents[name], rng))
        answer = worker.load(path, models / "X.npy")
        if "error" in answer:
            assert answer["error"] == "ValueError", (seed, answer)
            assert answer["message"].isprintable(), (seed, answer)
            outcomes["ValueError"] += 1
        else:
            outcomes["loaded"] += 1
            # An attribute of scikit-learn's estimators can be anything.
            if name == "ours":
                assert answer.get("predict_error", "ValueError") in ("ValueError", "NotFittedError"), (seed, answer)
            assert len(answer.get("labels", range(30))) == 30, (seed, answer)
    # Both happen, or the changes are too tame or too wild.
    assert min(outcomes.values()) > n_files / 20, outcomes


def test_reordered_members_and_changed_ids_do_not_change_predictions(models, worker, tmp_path):
    X = np.load(models / "X.npy")
    for seed in range(30):
        rng = random.Random(seed)
        name = rng.choice(["ours", "voting"])
        members = members_of((models / name).read_bytes())
        schema = json.loads(members["schema.json"])
        for _ in range(20):
            change_id(rng, members, schema)
        members = dict(rng.sample(sorted(members.items()), len(members)))
        members |= {"schema.json": json.dumps(schema), f"{seed}.txt": "of no interest"}
        (tmp_path / "same").write_bytes(pack(members))
        labels = worker.load(tmp_path / "same", models / "X.npy")["labels"]
        assert labels == load(models / name).predict(X).tolist()


# Linear in the file's size


def trees():
    leaves = st.one_of(
        st.sampled_from(VALUES).map(literal),
        st.integers(1, 400).map(lambda n: ("array", n)),
    )

    def grow(children):
        return st.one_of(
            st.lists(children, max_size=4).map(lambda items: ("list", items)),
            st.lists(children, max_size=4).map(lambda items: ("dict", items)),
            st.tuples(children, st.integers(1, 5)).map(lambda pair: ("repeat", *pair)),
        )

    return st.recursive(leaves, grow, max_leaves=12)


def build(tree, members, ids):
    """Nodes of a tree. One in three has an id that an earlier one had."""
    if isinstance(tree, dict):
        built = dict(tree)
    elif tree[0] == "array":
        built = array_node(members, np.zeros(tree[1]))
    elif tree[0] == "list":
        built = list_of(build(item, members, ids) for item in tree[1])
    elif tree[0] == "dict":
        built = dict_of({f"k{number}": build(item, members, ids) for number, item in enumerate(tree[1])})
    else:
        item = build(tree[1], members, ids)
        built = list_of([item] * tree[2])
    ids.append(len(ids) // 3 + 1)
    return {**built, "__id__": ids[-1]}


@pytest.mark.slow
@examples_times(0.15)
@given(tree=trees(), n_copies=st.integers(1, 30))
def test_time_and_memory_grow_at_most_linearly_with_the_file_size(tree, n_copies, models, worker, tmp_path):
    def measure(n_copies):
        members = members_of((models / "voting").read_bytes())
        schema = json.loads(members["schema.json"])
        ids = []
        add_attribute(schema, "StandardScaler", "x", list_of(build(tree, members, ids) for _ in range(n_copies)))
        members["schema.json"] = json.dumps(schema)
        path = tmp_path / "tree"
        path.write_bytes(pack(members))
        answer = worker.load(path, measure=True)
        assert answer.get("error", "ValueError") == "ValueError", answer
        return answer["calls"], answer["peak"], path.stat().st_size

    calls, peak, size = measure(n_copies)
    calls_2, peak_2, size_2 = measure(2 * n_copies)
    growth = size_2 / size
    assert calls_2 <= 1.3 * growth * calls
    assert peak_2 <= 1.3 * growth * peak + 100_000
    assert peak <= 40 * size + 1_000_000
