"""Files made to do more than predict. Each attack is first seen to work where `load`'s guard is not: in skops alone."""

import cProfile
import io
import json
import re
import subprocess
import sys
import textwrap
import warnings
import zipfile
from functools import partial

import numpy as np
import pytest
import sklearn
import skops.io
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler

from sk_mnist import DigitImageNormalizer, ImageFlattener, KerasMLPClassifier, PixelScaler, RandomWarp, load, save
from tests.helpers.memory import peak_memory
from tests.helpers.model_files import (
    add_attribute,
    array_node,
    attributes,
    change_schema,
    dict_of,
    list_of,
    literal,
    members_of,
    node,
    nodes_of,
    pack,
    sparse_node,
    tuple_of,
    type_node,
)
from tests.helpers.processes import output_of, run_python

SPARSE = "scipy.sparse.spmatrix"  # a name that skops trusts; it reads whatever matrix the member holds


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).uniform(size=(40, 6)).astype(np.float32)
    return X, np.where(X[:, 0] > 0.5, "high", "low")


@pytest.fixture(scope="module")
def pipeline(data):
    mlp = KerasMLPClassifier((5,), epochs=2, random_state=np.random.RandomState(0))
    return Pipeline([("flatten", ImageFlattener()), ("scale", PixelScaler()), ("mlp", mlp)]).fit(*data)


@pytest.fixture
def saved(pipeline, tmp_path):
    """A model of this package's estimators, which `load` reads itself."""
    return save(pipeline, tmp_path / "model.skops")


@pytest.fixture
def saved_scaler(data, tmp_path):
    """A model of scikit-learn's."""
    return save(StandardScaler().fit(data[0]), tmp_path / "scaler.skops")


def load_unguarded(path):
    """What a user of skops does who trusts this package's types."""
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def sklearn_node(estimator_class, **attributes):
    name = f"{estimator_class.__module__}.{estimator_class.__name__}"
    attributes["_sklearn_version"] = literal(sklearn.__version__)
    return node("ObjectNode", name, content=dict_of(attributes))


def dict_fields(items):
    return {field: value for field, value in dict_of(items).items() if not field.startswith("__")}


# Code


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module that leaves a trace when it is imported."""
    trace = tmp_path / "trace"
    (tmp_path / "sk_mnist_trap.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Trap: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sk_mnist_trap", raising=False)
    yield trace
    sys.modules.pop("sk_mnist_trap", None)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("LossNode", {"content": dict_of({}), "__reduce__": {"args": tuple_of([])}}),
        ("ObjectNode", {"content": dict_of({})}),
        ("FunctionNode", {}),
        ("TypeNode", {}),
        ("ConstructorFromReduceNode", {"content": tuple_of([])}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("saved_by", ["saved", "saved_scaler"])
def test_modules_named_in_a_file_are_not_imported(kind, fields, saved_by, request, trap):
    path = request.getfixturevalue(saved_by)
    owner = "PixelScaler" if saved_by == "saved" else "StandardScaler"
    change_schema(path, lambda schema, _: add_attribute(schema, owner, "x", node(kind, "sk_mnist_trap.Trap", **fields)))
    with pytest.raises(ValueError, match=r"types that load does not read: sk_mnist_trap\.Trap"):
        load(path)
    assert not trap.exists()
    load_unguarded(path)
    assert trap.exists()


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_numpy_random_functions_named_in_a_file_are_not_called(saved_scaler, protocol):
    # skops 0.13 and 0.14 call what the state names; from 0.15 on skops refuses it as well.
    state = dict_of({"bit_generator": literal("seed")})
    fields = {"content": {"bit_generator": state, "seed_seq": dict_of({})}}
    attack = node("RandomGeneratorNode", "numpy.random._generator.Generator", **fields)

    def change(schema, members):
        add_attribute(schema, "StandardScaler", "x", attack)
        schema["protocol"] = protocol

    change_schema(saved_scaler, change)
    before = np.random.get_state()[1].copy()
    reason = r"not read: numpy\.random\._generator\.Generator\." if protocol == 2 else "its protocol is"
    with pytest.raises(ValueError, match=reason):
        load(saved_scaler)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def partial_node(function, type_name):
    content = {
        "func": function,
        "args": tuple_of([literal("alert(1)")]),
        "kwds": dict_of({}),
        "namespace": literal(None),
    }
    return node("PartialNode", type_name, content=content)


def test_a_node_that_claims_the_type_of_another_kind_is_rejected(saved_scaler):
    # Known by its name, made by its kind.
    attack = partial_node(type_node("builtins.str"), "sklearn.pipeline.Pipeline")
    change_schema(saved_scaler, lambda s, _: add_attribute(s, "StandardScaler", "_repr_javascript_", attack))
    with pytest.raises(ValueError, match=r"types that load does not read: sklearn\.pipeline\.Pipeline\."):
        load(saved_scaler)
    # skops trusts the name if the caller does.
    assert skops.io.load(saved_scaler, trusted=[Pipeline])._repr_javascript_() == "alert(1)"


@pytest.mark.parametrize("name", ["predict", "_repr_svg_", "note"])
@pytest.mark.parametrize(
    "function", [node("FunctionNode", "numpy.exp"), type_node("builtins.str")], ids=["ufunc", "type"]
)
def test_functions_are_rejected(saved_scaler, function, name):
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", name, function))
    with pytest.raises(ValueError, match=f"does not read: {function['__module__']}.{function['__class__']}"):
        load(saved_scaler)
    assert callable(getattr(skops.io.load(saved_scaler), name))


# Memory that is not the model's

CRASH = """
    import sys
    import numpy as np
    import skops.io
    model = skops.io.load(sys.argv[1], trusted=skops.io.get_untrusted_types(file=sys.argv[1]))
    model.predict(np.ones((40, 6), dtype=np.float32))
    print("survived")
"""


def test_sparse_weights_with_indices_out_of_bounds_are_rejected(saved):
    def change(schema, members):
        data, indices, indptr = np.ones(1, np.float32), np.array([10**8], np.int32), np.array([0, *[1] * 6], np.int32)
        matrix = sparse_node(members, "csr", data, indices, indptr, (6, 5), type_name=SPARSE)
        attributes(schema, "KerasMLPClassifier")["coefs_"]["content"][0] = matrix

    change_schema(saved, change)
    with pytest.raises(ValueError, match=r"types that load does not read: scipy\.sparse\.spmatrix\."):
        load(saved)
    assert run_python(CRASH, saved).returncode < 0


UNSORTED_LABELS = {
    # Not sorted because of NaN, so that bisection ends past the last one, and a row is written past its end.
    "NaN": (
        lambda _: node(
            "NdArrayNode", "numpy.ndarray", type="json", shape=tuple_of([literal(5)]),
            content=[literal(label) for label in (9.0, np.nan, 2.0, np.nan, 1.0)],
        ),
        "np.full(n_rows, 9.0)",
    ),
    # Sorted in years, but not after the conversion to the unit of the data, which overflows.
    "times": (
        lambda members: array_node(members, np.array([0, 300000, 300001, 300002, 300003], "M8[Y]")),
        "pd.Series(pd.to_datetime(['1970-01-01'] * n_rows).astype('M8[us]'))",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("labels", "rows"), UNSORTED_LABELS.values(), ids=UNSORTED_LABELS)
def test_unsorted_labels_of_a_label_binarizer_are_rejected(labels, rows, tmp_path):
    path = save(LabelBinarizer(pos_label=0x4141414141).fit(list("abcde")), tmp_path / "model.skops")
    change_schema(path, lambda s, members: attributes(s, "LabelBinarizer").update(classes_=labels(members)))
    with pytest.raises(ValueError, match="its LabelBinarizer has labels that are not sorted"):
        load(path)
    code = f"""
        import sys
        import numpy as np
        import pandas as pd
        import skops.io
        model = skops.io.load(sys.argv[1])
        kept = []
        for n_rows in list(range(1, 401, 2)) * 20:
            kept.append(np.empty(5 * n_rows))
            try:
                model.transform({rows})
            except IndexError:
                pass
    """
    assert run_python(code, path).returncode < 0


def test_an_mlp_classifier_that_would_overwrite_its_input_is_rejected(data, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save(MLPClassifier((5,), max_iter=1, random_state=0).fit(*data), tmp_path / "model.skops")
    values = {"n_layers_": literal(1), "out_activation_": literal("logistic")}
    change_schema(path, lambda schema, _: attributes(schema, "MLPClassifier").update(values))
    with pytest.raises(ValueError, match="n_layers_ of its MLPClassifier"):
        load(path)
    X = data[0][:, :1].copy()
    model = load_unguarded(path)
    model.n_features_in_ = 1
    model.predict(X)
    assert (data[0][:, :1] != X).all()


@pytest.mark.parametrize(
    ("position", "key"),
    [
        pytest.param(10**9, np.ones(624), id="too high", marks=pytest.mark.weekly),
        pytest.param(-(10**9), np.ones(624), id="negative", marks=pytest.mark.weekly),
        pytest.param(0, np.zeros(624), id="zeros", marks=pytest.mark.slow),  # waits for what does not end
    ],
)
def test_a_random_state_that_would_read_foreign_memory_or_hang_is_rejected(saved, position, key):
    def change(schema, members):
        state = next(n for n in nodes_of(schema) if n["__loader__"] == "RandomStateNode")["content"]["content"]
        state["state"]["content"]["pos"] = literal(position)
        state["state"]["content"]["key"] = array_node(members, key.astype(np.uint32))

    change_schema(saved, change)
    with pytest.raises(ValueError, match="it holds a RandomState at position"):
        load(saved)
    code = CRASH.replace("model.predict(np.ones((40, 6), dtype=np.float32))", "model['mlp'].random_state.normal()")
    if position:
        assert run_python(code, saved).returncode < 0
    else:
        code = code.replace("model['mlp'].random_state", "print('drawing', flush=True); model['mlp'].random_state")
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), saved], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "drawing\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


# Attributes

SCRIPT = "<script>alert(1)</script>"


def test_an_attribute_that_injects_html_is_rejected(saved_scaler):
    name = "__doc_link_template"
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", name, literal(f'">{SCRIPT}')))
    with pytest.raises(ValueError, match=f"has an attribute '{name}' that hides one of its own"):
        load(saved_scaler)
    assert SCRIPT in load_unguarded(saved_scaler)._repr_html_()


@pytest.mark.parametrize("owner", ["KerasMLPClassifier", "PixelScaler", "Pipeline"])
def test_an_attribute_that_hides_a_method_is_rejected(saved, owner):
    change_schema(saved, lambda schema, _: add_attribute(schema, owner, "get_params", literal("mine")))
    with pytest.raises(ValueError, match="attribute 'get_params' that hides one of its own"):
        load(saved)
    assert load_unguarded(saved) is not None


@pytest.mark.parametrize("owner", ["KerasMLPClassifier", "PixelScaler", "ImageFlattener", "DigitImageNormalizer"])
def test_an_attribute_that_fit_does_not_set_is_rejected(pipeline, owner, tmp_path):
    saved = save(Pipeline([("read", DigitImageNormalizer()), *pipeline.steps]), tmp_path / "model.skops")
    change_schema(saved, lambda schema, _: add_attribute(schema, owner, "note", literal("mine")))
    with pytest.raises(ValueError, match=f"its {owner} has an attribute 'note', which fit does not set"):
        load(saved)
    assert load_unguarded(saved) is not None


def test_attribute_names_that_are_not_identifiers_are_rejected(saved_scaler):
    # Scikit-learn's HTML searches for names as regular expressions; with more of these, it takes for ever.
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", "a(_", literal(1.0)))
    with pytest.raises(ValueError, match=r"has an attribute 'a\(_' that"):
        load(saved_scaler)
    with pytest.raises(re.error):
        load_unguarded(saved_scaler)._repr_html_()


@pytest.mark.parametrize("name", ["'+alert(1)+'", "(?:.|..){1,14}@@", "a__b"])
def test_invalid_step_names_are_rejected(data, name, tmp_path):
    # Where the picture of an estimator fails, names of steps are put into JavaScript, and searched for.
    columns = ColumnTransformer([("a", StandardScaler(), [0]), ("b", StandardScaler(), [1])]).fit(data[0])
    path = save(columns, tmp_path / "model.skops")

    def change(schema, _):
        attributes(schema, "ColumnTransformer")["transformers"]["content"][0]["content"][0] = literal(name)
        found = next(n for n in nodes_of(schema) if n["__class__"] == "ColumnTransformer")["content"]
        del found["content"]["_remainder"]
        found["key_types"]["content"].pop()

    change_schema(path, change)
    with pytest.raises(ValueError, match="in its ColumnTransformer is not a name of letters"):
        load(path)
    if "alert" in name:
        assert "alert(1)" in load_unguarded(path)._repr_html_()


@pytest.mark.parametrize("output", [f"{SCRIPT}", "\x1b[2J", 3], ids=repr)
def test_an_output_that_set_output_cannot_set_is_rejected(saved_scaler, output):
    config = dict_of({"transform": literal(output)})
    change_schema(saved_scaler, lambda s, _: add_attribute(s, "StandardScaler", "_sklearn_output_config", config))
    with pytest.raises(ValueError, match="an output that set_output cannot set"):
        load(saved_scaler)
    assert load_unguarded(saved_scaler)._sklearn_output_config == {"transform": output}


# Time and memory


def nested_estimators(depth):
    """Estimators whose parameters are lists of estimators: to print them takes six times as long with each level."""
    parameters = {name: literal(value) for name, value in LogisticRegression().get_params().items()}
    inner = literal(1.0)
    for _ in range(depth):
        inner = sklearn_node(LogisticRegression, **{**parameters, "C": list_of([inner])})
    return inner


@pytest.mark.parametrize("depth", [5, 9])
def test_nested_estimators_are_rejected_quickly(saved, depth):
    change_schema(saved, lambda schema, _: attributes(schema, "PixelScaler").update(pixel_max=nested_estimators(depth)))
    reason = "is or holds a LogisticRegression" if depth < 7 else "more than 7 levels of nested estimators"
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        with pytest.raises(ValueError, match=reason):
            load(saved)
    finally:
        sys.setprofile(None)
    if depth == 5:
        n_calls, calls = calls, 0
        sys.setprofile(count)
        try:
            repr(load_unguarded(saved)["scale"])
        finally:
            sys.setprofile(None)
        assert calls > 10 * n_calls


def test_dict_keys_with_colliding_hashes_are_rejected(saved_scaler):
    def add_keys(n_keys):
        numbers = {number * sys.hash_info.modulus: literal(0) for number in range(n_keys)}
        return lambda schema, _: add_attribute(schema, "StandardScaler", "x", dict_of(numbers))

    change_schema(saved_scaler, add_keys(3000))
    with pytest.raises(ValueError, match="3000 keys that are not all strings"):
        load(saved_scaler)
    keys = load_unguarded(saved_scaler).x
    assert len(keys) == 3000
    assert len({hash(key) for key in keys}) == 1


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        (["builtins.str"], "2 keys and 1 types of keys"),
        (["builtins.str", "builtins.list"], r"keys of type builtins\.list"),
        (["builtins.str", "numpy.void"], r"keys of type numpy\.void"),
    ],
    ids=["too few", "lists", "void"],
)
def test_dict_keys_of_invalid_types_are_rejected(saved_scaler, types, reason):
    keys = dict_of({"a": literal(1), "b": literal(2)})
    keys["key_types"]["content"] = [type_node(name) for name in types]
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", "x", keys))
    with pytest.raises(ValueError, match=reason):
        load(saved_scaler)


@pytest.mark.parametrize("content", [{"start": "x", "stop": 3, "step": None}, [0, 3, None]], ids=str)
def test_malformed_slices_are_rejected(saved_scaler, content):
    attack = node("SliceNode", "builtins.slice", content=content)
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", "x", attack))
    with pytest.raises(ValueError, match="its schema has a slice with"):
        load(saved_scaler)


@pytest.mark.parametrize("name", ["__reduce__", "junk"])
def test_nodes_with_additional_fields_are_rejected(saved_scaler, name):
    # What is not looked at could be of any depth and size.
    attack = {**literal(3), name: [[[]]]}
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", "x", attack))
    with pytest.raises(ValueError, match="a JsonNode of its schema has the keys"):
        load(saved_scaler)
    assert load_unguarded(saved_scaler).x == 3


@pytest.mark.parametrize("state", ["array", "list", "numbers"])
def test_attributes_that_are_not_a_dict_with_string_keys_are_rejected(saved_scaler, state):
    # Pairs of any kind would do for Python, and numbers of one hash take a time that grows with its square.
    def change(schema, members):
        found = next(n for n in nodes_of(schema) if n["__class__"] == "StandardScaler")
        pairs = {
            "array": lambda: array_node(members, np.ones((3, 2))),
            "list": lambda: list_of([tuple_of([literal(1), literal(2)])]),
            "numbers": lambda: dict_of({1: literal(2)}),
        }
        found["content"] = pairs[state]()

    change_schema(saved_scaler, change)
    with pytest.raises(ValueError, match="attributes that are not named by strings"):
        load(saved_scaler)


def test_strings_in_the_optimizer_state_are_rejected_without_copying_them(saved):
    # One long string makes all of them long.
    slots = list_of([literal("x" * 10_000), *(literal("a") for _ in range(1000))])
    state = tuple_of([literal("adam"), list_of([slots])])
    change_schema(saved, lambda schema, _: attributes(schema, "KerasMLPClassifier").update(_optimizer_state=state))

    def refused():
        with pytest.raises(ValueError, match="_optimizer_state of its KerasMLPClassifier"):
            load(saved)

    assert peak_memory(refused) < 20e6 < np.asarray(["x" * 10_000, *["a"] * 1000]).nbytes


def test_too_many_layers_are_rejected(saved):
    change_schema(saved, set_mlp("hidden_layer_sizes", lambda m: array_node(m, np.ones(10_000, dtype=np.int8))))
    with pytest.raises(ValueError, match="names 10000 layers"):
        load(saved)


def raw_array(members, descr, shape, values=b""):
    """A node of an array that NumPy does not write."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    members["raw.npy"] = header.getvalue() + values
    return node("NdArrayNode", "numpy.ndarray", type="numpy", file="raw.npy")


@pytest.mark.parametrize("text", [b"'\\\x1b'", b"'\x1b[2J'", "'é'".encode()], ids=repr)
def test_array_headers_that_are_not_plain_text_are_rejected(saved_scaler, text):
    def change(schema, members):
        array_node(members, np.zeros(3))
        name = list(members)[-1]
        members[name] = members[name].replace(b"'<f8'", text.ljust(5)[:5])
        add_attribute(schema, "StandardScaler", "x", node("NdArrayNode", "numpy.ndarray", type="numpy", file=name))

    change_schema(saved_scaler, change)
    with pytest.raises(ValueError, match="npy header that is not plain text"):
        load(saved_scaler)


def test_a_zip_member_longer_than_its_declared_size_is_rejected(saved_scaler):
    # Python reads a stored member by its compressed size, and hands out what the other size says.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", members_of(saved_scaler.read_bytes())["schema.json"])
        archive.filelist[0].compress_size += 100_000
        packed.write(bytes(100_000))
        archive.start_dir = packed.tell()
    saved_scaler.write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match=r"member 'schema\.json' is compressed"):
        load(saved_scaler)
    assert members_of(saved_scaler.read_bytes())["schema.json"]


@pytest.mark.parametrize("name", ["n_features_in_", "_n_features_out"])
def test_too_many_features_are_rejected(saved_scaler, name):
    # Together they are too many; a name for each takes gigabytes.
    def change(schema, _):
        add_attribute(schema, "StandardScaler", "x", sklearn_node(LogisticRegression, **{name: literal(2**21)}))
        attributes(schema, "StandardScaler")["n_features_in_"] = literal(2**21 + 1)

    change_schema(saved_scaler, change)
    with pytest.raises(ValueError, match="its estimators have 4,194,305 features in all"):
        load(saved_scaler)
    assert load_unguarded(saved_scaler) is not None


def nested_references(depth):
    """Lists of two, each the same as the next list, which is written out once and referred to once."""
    tree = literal(0)
    for level in range(depth):
        reference = {**list_of([]), "__id__": level} if level else literal(0)
        tree = {**list_of([tree, reference]), "__id__": level + 1}
    return tree


def test_nested_references_do_not_take_exponential_time(saved_scaler):
    good = saved_scaler.read_bytes()

    def calls_unguarded(depth):
        change_schema(saved_scaler, lambda s, _: add_attribute(s, "StandardScaler", "x", nested_references(depth)))
        profile = cProfile.Profile()
        profile.runcall(skops.io.get_untrusted_types, file=saved_scaler)
        return sum(entry.callcount for entry in profile.getstats())

    assert calls_unguarded(16) > 4 * calls_unguarded(10)
    saved_scaler.write_bytes(good)
    change_schema(saved_scaler, lambda s, _: add_attribute(s, "StandardScaler", "x", nested_references(60)))
    code = "import sys, sk_mnist; sk_mnist.load(sys.argv[1]); print('loaded')"
    assert run_python(code, saved_scaler).stdout == "loaded\n"


@pytest.mark.parametrize(
    ("scalar_type", "reason"),
    [
        ("numpy.bytes_", r"does not read: numpy\.bytes_"),  # skops makes as many bytes as the number says
        ("numpy.str_", r"a scalar of type numpy\.str_ in it is made from int64"),
    ],
)
def test_text_scalars_made_from_a_number_are_rejected(saved_scaler, scalar_type, reason):
    def change(schema, members):
        scalar = array_node(members, np.array(100_000_000), type_name=scalar_type)
        add_attribute(schema, "StandardScaler", "x", scalar)

    change_schema(saved_scaler, change)
    with pytest.raises(ValueError, match=reason):
        load(saved_scaler)
    assert len(load_unguarded(saved_scaler).x) == (100_000_000 if scalar_type == "numpy.bytes_" else 9)


@pytest.mark.parametrize("scalar", [np.float32(0.5), np.int64(3), np.bool(True), np.str_("a longer string")], ids=repr)
def test_numpy_scalars_are_loaded(scalar, tmp_path):
    loaded = load(save(StandardScaler(copy=scalar), tmp_path / "scaler.skops")).copy
    assert type(loaded) is type(scalar)
    assert loaded == scalar


def name_one_array(times, n_values=100_000):
    def change(schema, members):
        array = array_node(members, np.zeros(n_values, dtype=np.float32))
        add_attribute(schema, "StandardScaler", "x", list_of({**array, "__id__": k + 1} for k in range(times)))

    return change


def test_too_many_references_to_one_array_are_rejected(saved_scaler):
    change_schema(saved_scaler, name_one_array(20))
    with pytest.raises(ValueError, match="would unpack to more than 8 times its size"):
        load(saved_scaler)
    assert sum(array.nbytes for array in load_unguarded(saved_scaler).x) > 8 * saved_scaler.stat().st_size


def test_a_few_references_to_one_array_are_loaded(saved_scaler):
    change_schema(saved_scaler, name_one_array(6))
    assert len(load(saved_scaler).x) == 6


def test_overlapping_zip_members_are_rejected(saved_scaler):
    # One stored member, listed by 30 entries of the directory under 30 names.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("0", bytes(100_000))
        first = archive.filelist[0]
        for number in range(1, 30):
            again = zipfile.ZipInfo(f"{number}")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size = again.compress_size = first.file_size
            archive.filelist.append(again)
    saved_scaler.write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match=r"would unpack to 3,000,000 bytes, more than its own"):
        load(saved_scaler)


def test_duplicate_zip_members_are_rejected(saved_scaler):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(saved_scaler, "a") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(ValueError, match="names a member twice"):
        load(saved_scaler)


def test_a_schema_nested_too_deeply_is_rejected(saved_scaler):
    deep = literal(0)
    for _ in range(100):
        deep = list_of([deep])
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", "x", deep))
    with pytest.raises(ValueError, match=r"nodes or 64 levels"):
        load(saved_scaler)
    members = members_of(saved_scaler.read_bytes())
    saved_scaler.write_bytes(pack({**members, "schema.json": "[" * 100_000 + "]" * 100_000}))
    with pytest.raises(ValueError, match="is damaged"):
        load(saved_scaler)


@pytest.mark.parametrize(
    "descr",
    ["|O", "|V0", "<U0", [("a", "<f4", (1000,))], "<f4"],
    ids=["objects", "no bytes", "no characters", "nested", "more than there are"],
)
def test_arrays_of_unsupported_dtypes_are_rejected(saved_scaler, descr):
    def change(schema, members):
        add_attribute(schema, "StandardScaler", "x", raw_array(members, descr, (10**15,)))

    change_schema(saved_scaler, change)
    with pytest.raises(ValueError, match=r"holds values of dtype|promises"):
        load(saved_scaler)


@pytest.mark.parametrize("shape", [(-1,), (2, -1), (10**15, 0)], ids=str)
def test_invalid_array_shapes_are_rejected(saved_scaler, shape):
    def change(schema, members):
        array = raw_array(members, "<f4", shape, bytes(0 if 0 in shape else 64))
        add_attribute(schema, "StandardScaler", "x", array)

    change_schema(saved_scaler, change)
    with pytest.raises(ValueError, match=r"header with the shape|is an empty array of shape"):
        load(saved_scaler)


@pytest.mark.parametrize("hidden_in", ["the array", "a list", "a masked array"])
def test_an_array_inside_an_object_array_is_rejected(saved_scaler, hidden_in):
    def change(schema, members):
        array = array_node(members, np.zeros(100_000, dtype=np.uint8))
        if hidden_in == "a list":
            array = list_of([array])
        elif hidden_in == "a masked array":
            array = node("MaskedArrayNode", "numpy.ma.MaskedArray", content={"data": array, "mask": literal(False)})
        shape = tuple_of([literal(1), literal(100_000)])
        objects = node("NdArrayNode", "numpy.ndarray", type="json", content=[array], shape=shape)
        add_attribute(schema, "StandardScaler", "x", objects)

    change_schema(saved_scaler, change)
    reasons = {
        "the array": "an array of objects in it holds a NdArrayNode",
        "a list": r"an array of 1 objects in it has the shape \[100000\]",
        "a masked array": r"types that load does not read: numpy\.ma\.MaskedArray",
    }
    with pytest.raises(ValueError, match=reasons[hidden_in]):
        load(saved_scaler)
    assert load_unguarded(saved_scaler).x.nbytes > 7 * saved_scaler.stat().st_size


# What a later fit would do


def test_the_memory_parameter_of_a_pipeline_is_reset_on_load(pipeline, data, tmp_path):
    cache = tmp_path / "cache"
    path = save(Pipeline(pipeline.steps, memory=str(cache)), tmp_path / "model.skops")
    with pytest.warns(UserWarning, match=r"^memory='.*cache' of Pipeline was set to None, because a later fit would"):
        loaded = load(path)
    loaded.fit(*data)
    assert not cache.exists()
    load_unguarded(path).fit(*data)
    assert cache.exists()


@pytest.mark.parametrize("n_jobs", [12, -1])
def test_n_jobs_is_reset_on_load(data, n_jobs, tmp_path):
    union = FeatureUnion([("a", StandardScaler()), ("b", StandardScaler())]).fit(data[0])
    path = save(make_pipeline(union.set_params(n_jobs=n_jobs)), tmp_path / "model.skops")
    with pytest.warns(UserWarning, match=rf"^n_jobs={n_jobs} of FeatureUnion was set to None"):
        loaded = load(path)
    assert loaded[0].n_jobs is None
    assert load_unguarded(path)[0].n_jobs == n_jobs


@pytest.mark.parametrize("value", ["Pipeline", "array"])
def test_n_jobs_of_an_unexpected_type_is_rejected_or_reset_without_printing_it(saved_scaler, value):
    def change(schema, members):
        pipeline = sklearn_node(Pipeline, steps=list_of([]))
        array = array_node(members, np.zeros(3))
        add_attribute(schema, "StandardScaler", "n_jobs", pipeline if value == "Pipeline" else array)

    change_schema(saved_scaler, change)
    if value == "Pipeline":
        with pytest.raises(ValueError, match="the steps of its Pipeline are a list"):
            load(saved_scaler)
    else:
        with pytest.warns(UserWarning, match=r"^n_jobs=a ndarray of StandardScaler was set to None"):
            load(saved_scaler)


# Models that fitting cannot leave behind


def set_array(attribute, position, array):
    def change(schema, members):
        attributes(schema, "KerasMLPClassifier")[attribute]["content"][position] = array_node(members, array)

    return change


def set_attribute(owner, attribute, make):
    def change(schema, members):
        attributes(schema, owner)[attribute] = make(members)

    return change


def scaler_step(name):
    scaler = node("ObjectNode", "sk_mnist.preprocessing.PixelScaler", content=dict_of({"pixel_max": literal("auto")}))
    return tuple_of([literal(name), scaler])


set_mlp = partial(set_attribute, "KerasMLPClassifier")


NAN = np.full((6, 5), np.nan, dtype=np.float32)
NONSENSE = {
    "NaN weights": set_array("coefs_", 0, NAN),
    "infinite biases": set_array("intercepts_", 0, np.full(5, np.inf, dtype=np.float32)),
    "float16 weights": set_array("coefs_", 0, np.zeros((6, 5), dtype=np.float16)),
    "float64 weights": set_array("coefs_", 0, np.zeros((6, 5))),
    "big-endian weights": set_array("coefs_", 0, np.zeros((6, 5), dtype=">f4")),
    "integer weights": set_array("coefs_", 0, np.zeros((6, 5), dtype=np.int32)),
    "3-D weights": set_array("coefs_", 0, np.zeros((1, 6, 5), dtype=np.float32)),
    "weights that do not chain": set_array("coefs_", 0, np.zeros((6, 4), dtype=np.float32)),
    "weights for other features": set_array("coefs_", 0, np.zeros((7, 5), dtype=np.float32)),
    "a bias of two dimensions": set_array("intercepts_", 0, np.zeros((1, 5), dtype=np.float32)),
    "a layer of no units": set_array("coefs_", 0, np.zeros((6, 0), dtype=np.float32)),
    "no layers": set_mlp("coefs_", lambda _: list_of([])),
    "weights in a tuple": set_mlp("coefs_", lambda _: tuple_of([])),
    "too many classes": set_mlp("classes_", lambda m: array_node(m, np.arange(3))),
    "too few classes": set_mlp("classes_", lambda m: array_node(m, np.arange(1))),
    "classes of two dimensions": set_mlp("classes_", lambda m: array_node(m, np.arange(2)[None])),
    "classes out of order": set_mlp("classes_", lambda m: array_node(m, np.array([1, 0]))),
    "a class twice": set_mlp("classes_", lambda m: array_node(m, np.array([1, 1]))),
    "NaN as a class": set_mlp("classes_", lambda m: array_node(m, np.array([1, np.nan]))),
    "an unknown activation": set_mlp("activation", lambda _: literal("exec")),
    "an invalid parameter": set_mlp("dropout", lambda _: literal(7)),
    "layers of no units": set_mlp("hidden_layer_sizes", lambda _: list_of([literal(0)])),
    "another dtype": set_mlp("dtype", lambda _: literal("float64")),
    "a history of strings": set_mlp("history_", lambda _: dict_of({"loss": list_of([literal("low")])})),
    "epochs that were not": set_mlp("n_iter_", lambda _: literal(10**9)),
    "a true number of epochs": set_mlp("n_iter_", lambda _: literal(True)),
    "a seed too large": set_mlp("_seed", lambda _: literal(2**31)),
    "an optimizer's state of strings": set_mlp(
        "_optimizer_state", lambda _: tuple_of([literal("adam"), list_of([literal("x")])])
    ),
    "weights before averaging that are no weights": set_mlp(
        "_optimizer_state",
        lambda m: tuple_of([literal("adam"), list_of([]), list_of([array_node(m, np.ones((), np.float32))])]),
    ),
    "settings of an optimizer that nest deeply": set_mlp(
        "_optimizer_state", lambda _: tuple_of([literal("[" * 100_000), list_of([literal("x")])])
    ),
    "a curve of losses that nests": set_mlp("loss_curve_", lambda _: list_of([list_of([literal(1.0)])])),
    "no white": set_attribute("PixelScaler", "pixel_max_", lambda _: literal(0.0)),
    "NaN as white": set_attribute("PixelScaler", "pixel_max_", lambda _: literal(np.nan)),
    "an array as white of floats": set_attribute(
        "PixelScaler", "float_pixel_max_", lambda m: array_node(m, np.ones(1))
    ),
    "no white in floats": set_attribute("PixelScaler", "float_pixel_max_", lambda _: literal(0.0)),
    "a negative pixel": set_attribute("PixelScaler", "min_image_max_", lambda _: literal(-1.0)),
    "no features": set_attribute("PixelScaler", "n_features_in_", lambda _: literal(0)),
    "an image of other pixels": set_attribute("ImageFlattener", "image_shape_", lambda _: tuple_of([literal(7)])),
    "an image of strings": set_attribute("ImageFlattener", "image_shape_", lambda _: tuple_of([literal("6")])),
    "an array as a pixel": set_attribute("PixelScaler", "min_image_max_", lambda m: array_node(m, np.zeros(1))),
    "a white beyond all numbers": set_attribute("PixelScaler", "pixel_max_", lambda _: literal(10**400)),
    "a white that is next to nothing": set_attribute("PixelScaler", "pixel_max_", lambda _: literal(5e-324)),
    "pixels brighter than white": set_attribute("PixelScaler", "min_image_max_", lambda _: literal(300.0)),
    "images brighter than white": set_attribute("PixelScaler", "max_image_mean_", lambda _: literal(300.0)),
    "an image that is not bright at all": set_attribute("PixelScaler", "max_image_mean_", lambda _: literal(np.nan)),
    "an activation in an array": set_mlp("out_activation_", lambda m: array_node(m, np.array(["softmax"]))),
    "scores that were not recorded": set_mlp("validation_scores_", lambda _: list_of([literal(1.0)])),
    "a loss that was not recorded": set_mlp("loss_", lambda _: literal(0.0)),
    "a best epoch that was not": set_mlp("best_epoch_", lambda _: literal(3)),
    "a best epoch without scores": set_mlp("best_epoch_", lambda _: literal(1)),
    "callbacks": set_mlp("keras_callbacks", lambda _: list_of([nested_estimators(1)])),
    "booleans of two": set_mlp("classes_", lambda m: raw_array(m, "|b1", (2,), bytes([0, 2]))),
    "characters beyond Unicode": set_mlp(
        "classes_", lambda m: raw_array(m, "<U1", (2,), bytes(4) + b"\xff\xff\xff\x7f")
    ),
    "a Pipeline without steps": set_attribute("Pipeline", "steps", lambda _: list_of([])),
    "a step twice": set_attribute("Pipeline", "steps", lambda m: list_of([scaler_step("a"), scaler_step("a")])),
    "a step with two underscores": set_attribute("Pipeline", "steps", lambda m: list_of([scaler_step("a__b")])),
    "a classifier in the middle": set_attribute(
        "Pipeline",
        "steps",
        lambda m: list_of([tuple_of([literal("a"), nested_estimators(1)]), scaler_step("b")]),
    ),
    "verbose words": set_attribute("Pipeline", "verbose", lambda _: literal("yes")),
    "steps that are not pairs": set_attribute("Pipeline", "steps", lambda _: list_of([literal("mlp")])),
    "a step that is a number": set_attribute(
        "Pipeline", "steps", lambda _: list_of([tuple_of([literal("mlp"), literal(3)])])
    ),
}


@pytest.mark.parametrize("change", NONSENSE.values(), ids=NONSENSE)
def test_a_model_that_fit_cannot_produce_is_rejected(saved, change):
    change_schema(saved, change)
    with pytest.raises(ValueError, match="is damaged or was not saved"):
        load(saved)
    assert isinstance(load_unguarded(saved), Pipeline)


@pytest.mark.parametrize(
    ("owner", "attribute"),
    [
        ("KerasMLPClassifier", "classes_"),
        ("KerasMLPClassifier", "intercepts_"),
        ("KerasMLPClassifier", "n_features_in_"),
        ("PixelScaler", "min_image_max_"),
        ("PixelScaler", "pixel_max_"),
        ("ImageFlattener", "n_features_in_"),
    ],
)
def test_a_fitted_model_that_lacks_an_attribute_is_rejected(saved, owner, attribute):
    def remove(schema, members):
        node = next(n for n in nodes_of(schema) if n["__class__"] == owner and n["__loader__"] == "ObjectNode")
        del node["content"]["content"][attribute]
        node["content"]["key_types"]["content"].pop()

    change_schema(saved, remove)
    with pytest.raises(ValueError, match=f"lacks {attribute}"):
        load(saved)


@pytest.mark.parametrize(
    ("combination", "attribute"),
    [
        (VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression())]), "estimators_"),
        (VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression())]), "estimators"),
        (FeatureUnion([("a", StandardScaler()), ("b", StandardScaler())]), "transformer_list"),
        (ColumnTransformer([("a", StandardScaler(), [0]), ("b", StandardScaler(), [1])]), "transformers_"),
    ],
    ids=["fitted voters", "voters", "union", "columns"],
)
def test_a_meta_estimator_with_a_part_that_is_not_an_estimator_is_rejected(data, combination, attribute, tmp_path):
    path = save(clone(combination).fit(*data), tmp_path / "model.skops")

    def change(schema, members):
        first = attributes(schema, type(combination).__name__)[attribute]["content"][0]
        impostor = node("DictNode", "sklearn.utils._bunch.Bunch", **dict_fields({"predict": literal("mine")}))
        if attribute == "estimators_":
            attributes(schema, type(combination).__name__)[attribute]["content"][0] = impostor
        else:
            first["content"][1] = impostor

    change_schema(path, change)
    with pytest.raises(ValueError, match=f"^.*{attribute} of its {type(combination).__name__} holds a Bunch"):
        load(path)
    assert load_unguarded(path) is not None


@pytest.mark.parametrize("root", [dict_of({}), literal(3), list_of([])], ids=["dict", "number", "list"])
def test_a_file_without_an_estimator_is_rejected(saved, root):
    members = members_of(saved.read_bytes())
    saved.write_bytes(pack({**members, "schema.json": json.dumps({**root, "protocol": 2})}))
    with pytest.raises(ValueError, match=r"it holds a (dict|int|list), not an estimator"):
        load(saved)
    assert not hasattr(skops.io.load(saved), "fit")


# Estimators in parameters


def warp_node(**parameters):
    values = {name: literal(value) for name, value in RandomWarp().get_params().items()}
    return node("ObjectNode", "sk_mnist.augmentation.RandomWarp", content=dict_of({**values, **parameters}))


IMPOSTORS = {
    ("augmentation", "a Pipeline"): lambda: sklearn_node(Pipeline, steps=list_of([scaler_step("a")])),
    ("augmentation", "a classifier"): lambda: nested_estimators(1),
    ("augmentation", "a dict"): lambda: dict_of({"rotation": literal(3.0)}),
    ("augmentation", "a list with an unknown name"): lambda: list_of([warp_node(), literal("rotate")]),
    ("augmentation", "a list with a number"): lambda: list_of([literal(3)]),
    ("augmentation", "an empty list"): lambda: list_of([]),
    ("augmentation", "an unknown name"): lambda: literal("rotate"),
    ("augmentation", "a number"): lambda: literal(3),
    ("teacher", "a scaler"): lambda: sklearn_node(StandardScaler, with_mean=literal(True)),
    ("teacher", "a warp"): lambda: warp_node(),
    ("teacher", "a dict"): lambda: dict_of({"predict_proba": literal("mine")}),
    ("teacher", "a Bunch"): lambda: node(
        "DictNode", "sklearn.utils._bunch.Bunch", **dict_fields({"predict_proba": literal("mine")})
    ),
    ("teacher", "a name"): lambda: literal("LogisticRegression"),
    ("teacher", "a list"): lambda: list_of([nested_estimators(1)]),
    ("class_weight", "a warp"): lambda: warp_node(),
}


@pytest.mark.parametrize(
    ("name", "make"), [(name, make) for (name, _), make in IMPOSTORS.items()], ids=map(" is ".join, IMPOSTORS)
)
def test_a_parameter_of_another_kind_is_rejected(saved, name, make):
    change_schema(saved, set_attribute("KerasMLPClassifier", name, lambda _: make()))
    reasons = rf"{name} of its KerasMLPClassifier is|The '{name}' parameter of|{name} must hold|{name} is an empty list"
    with pytest.raises(ValueError, match=reasons):
        load(saved)
    assert getattr(load_unguarded(saved)["mlp"], name) is not None


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"translation": literal(1e300)}, "The 'translation' parameter of RandomWarp"),
        ({"elastic": literal(1e39)}, "The 'elastic' parameter of RandomWarp"),
        ({"shear": literal(np.nan)}, "The 'shear' parameter of RandomWarp"),
        ({"rotation": list_of([literal(1.0)])}, "The 'rotation' parameter of RandomWarp"),
        ({"rotation": nested_estimators(1)}, "rotation of its RandomWarp is or holds a LogisticRegression"),
        ({"image_shape": tuple_of([literal(-2), literal(-3)])}, "image_shape of its RandomWarp is not two integers"),
        ({"image_shape": tuple_of([literal(2), literal(3.0)])}, "image_shape of its RandomWarp is not two integers"),
        ({"image_shape": tuple_of([literal(6)])}, "image_shape of its RandomWarp is not two integers"),
        ({"image_shape": literal("6")}, "The 'image_shape' parameter of RandomWarp"),
        ({"note": literal("mine")}, "its RandomWarp has an attribute 'note', which fit does not set"),
        ({"transform": literal("mine")}, "a RandomWarp with a transform of its own|attribute 'transform' that hides"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("place", ["a classifier", "a file of its own"])
def test_a_warp_with_invalid_parameters_is_rejected(saved, parameters, reason, place, tmp_path):
    if place == "a classifier":
        change_schema(saved, set_attribute("KerasMLPClassifier", "augmentation", lambda _: warp_node(**parameters)))
    else:
        saved = save(RandomWarp(), tmp_path / "warp.skops")
        change_schema(saved, lambda schema, _: schema.update(warp_node(**parameters)))
    with pytest.raises(ValueError, match=reason):
        load(saved)
    assert load_unguarded(saved) is not None


def test_a_teacher_is_checked_like_any_estimator(saved):
    # Parts of it, too: its own teacher hides a method.
    inner = warp_node(transform=literal("mine"))
    values = {name: literal(value) for name, value in KerasMLPClassifier(()).get_params().items() if value != ()}
    parameters = {**values, "hidden_layer_sizes": list_of([]), "augmentation": inner}
    teacher = node("ObjectNode", "sk_mnist.neural_network.KerasMLPClassifier", content=dict_of(parameters))
    change_schema(saved, set_attribute("KerasMLPClassifier", "teacher", lambda _: teacher))
    with pytest.raises(ValueError, match="augmentation holds a RandomWarp with a transform of its own"):
        load(saved)
    assert load_unguarded(saved)["mlp"].teacher.augmentation.transform == "mine"


def test_n_jobs_of_a_teacher_is_reset_on_load(saved):
    parameters = {name: literal(value) for name, value in LogisticRegression().get_params().items()}
    teacher = sklearn_node(LogisticRegression, **{**parameters, "n_jobs": literal(12)})
    change_schema(saved, set_attribute("KerasMLPClassifier", "teacher", lambda _: teacher))
    with pytest.warns(UserWarning, match="^n_jobs=12 of LogisticRegression was set to None"):
        assert load(saved)["mlp"].teacher.n_jobs is None


def test_a_chain_of_too_many_teachers_is_rejected(saved):
    def change(schema, _):
        mlp = json.dumps(next(n for n in nodes_of(schema) if n["__class__"] == "KerasMLPClassifier"))
        innermost = schema
        for _ in range(7):
            attributes(innermost, "KerasMLPClassifier")["teacher"] = innermost = json.loads(mlp)

    change_schema(saved, change)
    with pytest.raises(ValueError, match="more than 7 levels of nested estimators"):
        load(saved)


FROZEN = {
    "HTML": {
        "estimator": node("DictNode", "sklearn.utils._bunch.Bunch", **dict_fields({"_repr_svg_": literal(SCRIPT)}))
    },
    "no estimator": {"estimator": literal(None)},
    "nothing": {},
    "a method": {"estimator": nested_estimators(1), "predict_proba": literal("mine")},
    "classes": {"estimator": nested_estimators(1), "classes_": list_of([literal("mine")])},
}


@pytest.mark.parametrize("content", FROZEN.values(), ids=FROZEN)
@pytest.mark.parametrize("place", ["teacher", "step"])
def test_a_frozen_estimator_that_holds_anything_but_an_estimator_is_rejected(saved, content, place):
    # It answers with whatever its estimator has: notebooks would get HTML from a Bunch.
    frozen = sklearn_node(FrozenEstimator, **content)

    def change(schema, _):
        if place == "teacher":
            attributes(schema, "KerasMLPClassifier")["teacher"] = frozen
        else:
            attributes(schema, "Pipeline")["steps"]["content"][2]["content"][1] = frozen

    change_schema(saved, change)
    with pytest.raises(ValueError, match="is damaged or was not saved"):
        load(saved)
    loaded = load_unguarded(saved)
    found = loaded["mlp"].teacher if place == "teacher" else loaded["mlp"]
    assert type(found) is FrozenEstimator
    if "_repr_svg_" in str(content):
        assert found._repr_svg_ == SCRIPT


# Words


ESCAPE = "\x1b[2J\x1b]0;owned\x07"


def test_invalid_version_strings_are_rejected(saved):
    members = members_of(saved.read_bytes())
    versions = {"sk-mnist": f"0.1{ESCAPE}", "scikit-learn": "1.9.0"}
    saved.write_bytes(pack({**members, "sk-mnist-versions.json": json.dumps(versions)}))
    with pytest.raises(ValueError, match="the version of sk-mnist") as caught:
        load(saved)
    assert str(caught.value).isprintable()


def test_a_scikit_learn_version_with_terminal_escapes_is_rejected(saved_scaler):
    version = literal(f"1.0{ESCAPE}")
    change_schema(saved_scaler, lambda s, _: attributes(s, "StandardScaler").update(_sklearn_version=version))
    with pytest.raises(ValueError, match="it names the version") as caught:
        load(saved_scaler)
    assert str(caught.value).isprintable()
    with pytest.warns(UserWarning, match="owned"):
        load_unguarded(saved_scaler)


@pytest.mark.parametrize(
    "attack",
    [
        node("ObjectNode", f"os.{ESCAPE}", content=literal(0)),
        node(ESCAPE, "os.system"),
        node("NdArrayNode", "numpy.ndarray", type="numpy", file=ESCAPE),
        node("NdArrayNode", "numpy.ndarray", type=ESCAPE),
        node("MethodNode", "a.b", content={"func": ESCAPE, "obj": node("ObjectNode", "a.b", content=literal(0))}),
    ],
    ids=["type", "kind", "member", "kind of array", "method"],
)
def test_error_messages_contain_no_terminal_escapes(saved_scaler, attack):
    change_schema(saved_scaler, lambda schema, _: add_attribute(schema, "StandardScaler", "x", attack))
    with pytest.raises(ValueError, match=r"is damaged|does not read: (os\.system|a\.b)") as caught:
        load(saved_scaler)
    assert str(caught.value).isprintable()
    # Python prints the cause of an error as it is.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.slow
def test_an_optimizer_in_a_file_does_not_import_keras(saved):
    change_schema(saved, set_mlp("optimizer", lambda _: tuple_of([literal("sgd"), literal("{}"), literal("{}")])))
    printed = output_of(
        """
import sys
from sk_mnist import load
try:
    load(sys.argv[1])
except ValueError as error:
    print(error)
print("keras" in sys.modules or "tensorflow" in sys.modules)
""",
        saved,
    )
    assert "The 'optimizer' parameter of KerasMLPClassifier must be" in printed
    assert printed.splitlines()[-1] == "False"
