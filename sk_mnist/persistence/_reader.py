"""Reading an audited schema of known estimators, plain data and arrays: all that a file may hold untold.

Whatever is not in `READERS` has to be trusted by the caller, and is left to skops. Importing skops takes as long as
importing scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sk_mnist.persistence._archive import Archive
from sk_mnist.persistence._schema import BUNCH, KEY_TYPES, Audit, literal, type_name

# This package's estimators, and those of scikit-learn that only do arithmetic of NumPy and SciPy with what a file says
# of them. Others hand it to compiled code that does not check it: k-means reads past a centre that is too short, a
# one-hot encoder writes past a matrix that is too narrow. Or they call methods that the file names: StackingClassifier.
TYPES = {
    "sk_mnist.neural_network.KerasMLPClassifier",
    "sk_mnist.preprocessing.ImageFlattener",
    "sk_mnist.preprocessing.PixelScaler",
    "sklearn.compose._column_transformer.ColumnTransformer",
    "sklearn.decomposition._incremental_pca.IncrementalPCA",
    "sklearn.decomposition._pca.PCA",
    "sklearn.decomposition._truncated_svd.TruncatedSVD",
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis",
    "sklearn.dummy.DummyClassifier",
    "sklearn.ensemble._voting.VotingClassifier",
    "sklearn.feature_selection._variance_threshold.VarianceThreshold",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._logistic.LogisticRegressionCV",
    "sklearn.linear_model._ridge.Ridge",
    "sklearn.linear_model._ridge.RidgeClassifier",
    "sklearn.naive_bayes.BernoulliNB",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.pipeline.FeatureUnion",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.Binarizer",
    "sklearn.preprocessing._data.MaxAbsScaler",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.Normalizer",
    "sklearn.preprocessing._data.PowerTransformer",
    "sklearn.preprocessing._data.QuantileTransformer",
    "sklearn.preprocessing._data.RobustScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
}


def unknown_types(audit: Audit) -> set[str]:
    """Names of the types and functions in a schema that `read` does not make."""
    return {name for _, name in audit.parts - READERS.keys()}


def read(node: dict, archive: Archive) -> Any:
    """Make the object that a node describes."""
    return READERS[node["__loader__"], type_name(node)](node, archive)


def _read_list(node: dict, archive: Archive) -> list:
    return [read(item, archive) for item in node["content"]]


def _read_tuple(node: dict, archive: Archive) -> tuple:
    return tuple(_read_list(node, archive))


def _read_dict(node: dict, archive: Archive) -> dict:
    types = (KEY_TYPES[type_name(key_type)] for key_type in node["key_types"]["content"])
    return {make(key): read(value, archive) for make, (key, value) in zip(types, node["content"].items(), strict=True)}


def _read_bunch(node: dict, archive: Archive) -> Bunch:
    return Bunch(**_read_dict(node, archive))


def _read_object(node: dict, archive: Archive) -> Any:
    module, _, name = type_name(node).rpartition(".")
    object_class = getattr(import_module(module), name)
    made = object_class.__new__(object_class)
    # As pickle would, without what it may call instead.
    state = read(node["content"], archive)
    made.__setstate__(state) if hasattr(made, "__setstate__") else made.__dict__.update(state)
    return made


def _read_array(node: dict, archive: Archive) -> np.ndarray:
    if node["type"] == "numpy":
        return archive.array(node["file"])
    if len(node["shape"]["content"]) != 1:
        raise ValueError("an array of objects in it has more than one axis")
    items = np.empty(len(node["content"]), dtype=object)
    for position, item in enumerate(_read_list(node, archive)):
        items[position] = item
    return items


def _read_scalar(node: dict, archive: Archive) -> Any:
    return archive.array(node["file"])[()]


def _read_slice(node: dict, archive: Archive) -> slice:
    return slice(node["content"]["start"], node["content"]["stop"], node["content"]["step"])


def _read_random_state(node: dict, archive: Archive) -> np.random.RandomState:
    random_state = np.random.RandomState()
    random_state.set_state(read(node["content"], archive))
    return random_state


_SCALARS = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("bool", "float16", "float32", "float64", "longdouble", "complex64", "complex128", "str_"),
]

READERS: dict[tuple[str, str], Callable[[dict, Archive], Any]] = {
    ("JsonNode", "builtins.str"): lambda node, archive: literal(node),
    ("ListNode", "builtins.list"): _read_list,
    ("TupleNode", "builtins.tuple"): _read_tuple,
    ("DictNode", "builtins.dict"): _read_dict,
    ("NdArrayNode", "numpy.ndarray"): _read_array,
    **{("NdArrayNode", f"numpy.{name}"): _read_scalar for name in _SCALARS},
    ("SliceNode", "builtins.slice"): _read_slice,
    ("RandomStateNode", "numpy.random.mtrand.RandomState"): _read_random_state,
    ("DictNode", BUNCH): _read_bunch,
    **{("ObjectNode", name): _read_object for name in TYPES},
}
