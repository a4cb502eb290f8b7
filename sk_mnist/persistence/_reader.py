"""Reading an audited schema: known estimators, plain data and arrays, and objects of types that the caller trusts.

Other kinds of nodes, such as functions and sparse matrices, are left to skops, if the caller trusts them. Importing it
takes as long as importing scikit-learn.
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


class Reader:
    """Makes objects of the nodes of an audited schema.

    Parameters
    ----------
    archive : Archive
        The arrays that nodes name.
    trusted : set of str
        Names of types, beside those of `READERS`, of which the caller wants objects.
    """

    def __init__(self, archive: Archive, trusted: set[str]) -> None:
        self.archive = archive
        self._readers = {**{("ObjectNode", name): Reader._read_object for name in trusted}, **READERS}

    def can_read(self, audit: Audit) -> bool:
        """Whether there is nothing in a schema but what `read` makes."""
        return audit.parts <= self._readers.keys()

    def read(self, node: dict) -> Any:
        """Make the object that a node describes."""
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
        # As pickle would, without what it may call instead.
        state = self.read(node["content"])
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            made.__dict__.update(state)
        return made

    def _read_array(self, node: dict) -> np.ndarray:
        if node["type"] == "numpy":
            return self.archive.array(node["file"])
        if len(node["shape"]["content"]) != 1:
            raise ValueError("an array of objects in it has more than one axis")
        items = np.empty(len(node["content"]), dtype=object)
        for position, item in enumerate(self._read_list(node)):
            items[position] = item
        return items

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

# All that a file may hold without the caller's trust, by kind and type.
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
    """Names of the types and functions in a schema that the caller has to trust."""
    return {name for _, name in audit.parts - READERS.keys()}
