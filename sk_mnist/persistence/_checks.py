"""Checks of a model that was read from a file.

`save` runs them too, on what `load` would read. Unpickling runs none: a pickle can run code, so checks would promise
too much.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sk_mnist._sklearn import OUTPUT_CONFIG
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.persistence._attributes import OWN_CHECKS, defaults, is_int, is_labels, is_output_config, is_plain, shown

# More than the pixels of any image for a dense network.
_MAX_FEATURES = 2**22


def check_model(model: Any) -> None:
    """Raise ValueError unless a model and every estimator in it are in a state that fitting can produce."""
    if not isinstance(model, BaseEstimator):
        raise ValueError(f"it holds a {type(model).__name__}, not an estimator")
    n_features = 0
    for part in parts_of(model):
        if isinstance(part, BaseEstimator):
            _check_estimator(part)
            n_features += 0 if isinstance(part, KerasMLPClassifier) else _n_features(part)
        if check := _CHECKS.get(_type_name(part)):
            check(part)
    # Printing an estimator creates a name for each of its features.
    if n_features > _MAX_FEATURES:
        raise ValueError(f"its estimators have {n_features:,} features in all")


def _n_features(estimator: BaseEstimator) -> int:
    counts = [vars(estimator).get(name, 0) for name in ("n_features_in_", "_n_features_out")]
    if not all(is_int(count, 0) for count in counts):
        raise ValueError(f"its {type(estimator).__name__} has {', '.join(map(shown, counts))} features")
    return max(map(int, counts))


def _type_name(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__name__}"


def parts_of(model: Any) -> Iterator[Any]:
    """Yield a model and all objects in it, each once."""
    seen: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or part is None or isinstance(part, str | Real | np.generic):
            continue
        # Kept alive, so that no other object gets its id.
        seen[id(part)] = part
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype.hasobject else []
        else:
            waiting += getattr(part, "__dict__", {}).values()


def complete(model: Any) -> None:
    """Set parameters that are newer than the file to their defaults, in this package's estimators and Pipelines."""
    for part in parts_of(model):
        if _type_name(part) in OWN_CHECKS or isinstance(part, Pipeline):
            for name, default in defaults(type(part)).items():
                if name not in vars(part) and default is not inspect.Parameter.empty:
                    setattr(part, name, default)


def _check_estimator(estimator: BaseEstimator) -> None:
    estimator_class = type(estimator)
    parameters = defaults(estimator_class)
    for name in vars(estimator):
        # Scikit-learn and notebooks treat some names specially, and search for all of them as regular expressions.
        is_plain_name = isinstance(name, str) and name.isidentifier()
        is_special = is_plain_name and name.startswith(("__", "_repr_", "_ipython", "_sk_"))
        if not is_plain_name or is_special or (hasattr(estimator_class, name) and name not in parameters):
            raise ValueError(f"its {estimator_class.__name__} has an attribute {shown(name)} that hides one of its own")
    if not is_output_config(vars(estimator).get(OUTPUT_CONFIG, {})):
        raise ValueError(f"its {estimator_class.__name__} has an output that set_output cannot set")


def _check_pipeline(pipeline: Pipeline) -> None:
    if not isinstance(pipeline.steps, list | tuple) or not pipeline.steps:
        raise ValueError(f"the steps of its Pipeline are {shown(pipeline.steps)}")
    if not isinstance(pipeline.verbose, bool) or not is_plain(pipeline.transform_input):
        raise ValueError("verbose or transform_input of its Pipeline is not valid")
    names = []
    for position, step in enumerate(pipeline.steps):
        if not isinstance(step, list | tuple) or len(step) != 2 or not isinstance(step[0], str):
            raise ValueError(f"a step of its Pipeline is {shown(step)}, not a name and an estimator")
        name, estimator = step
        _check_name(name, pipeline)
        names.append(name)
        method = "fit" if position == len(pipeline.steps) - 1 else "transform"
        is_usable = isinstance(estimator, BaseEstimator) and hasattr(estimator, method)
        if not is_usable and not _is_passed(estimator):
            raise ValueError(f"step {name!r:.100} of its Pipeline is {shown(estimator)}, which has no {method}")
    if len(set(names)) < len(names):
        raise ValueError(f"its Pipeline has steps of the same name: {names!r:.200}")


def _check_frozen(frozen: FrozenEstimator) -> None:
    # It forwards attributes of its estimator, and its own attribute would take precedence.
    if vars(frozen).keys() != {"estimator"} or not isinstance(frozen.estimator, BaseEstimator):
        held = ", ".join(f"{name:.100}={shown(value)}" for name, value in vars(frozen).items())
        raise ValueError(f"its FrozenEstimator has the attributes {held:.300}, not only an estimator")


def _check_name(name: Any, owner: BaseEstimator) -> None:
    # Names of parameters end up in the JavaScript of notebooks, and scikit-learn searches its own pages for them.
    if not isinstance(name, str) or not re.fullmatch(r"[\w .:-]*", name) or "__" in name:
        raise ValueError(
            f"{shown(name)} in its {type(owner).__name__} is not a name of letters, digits, spaces, single "
            "underscores, dots, colons and dashes"
        )


def _is_passed(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step in ("passthrough", "drop"))


def _check_named(combination: BaseEstimator) -> None:
    for attribute in ("estimators", "estimators_", "transformer_list", "transformers", "transformers_"):
        for entry in vars(combination).get(attribute) or []:
            estimator = entry
            if isinstance(entry, list | tuple):
                name, estimator = entry[:2]
                _check_name(name, combination)
            if not isinstance(estimator, BaseEstimator) and not _is_passed(estimator):
                raise ValueError(f"{attribute} of its {type(combination).__name__} holds {shown(estimator)}")


def _check_label_encoder(encoder: BaseEstimator) -> None:
    labels = getattr(encoder, "classes_", np.arange(1))
    # NumPy compares times of different units after a conversion that can overflow.
    if not is_labels(labels, n_min=1) or labels.dtype.kind in "mM":
        raise ValueError(f"its {type(encoder).__name__} has labels that are not sorted and unique")


def _check_perceptron(perceptron: BaseEstimator) -> None:
    # With fewer layers than n_layers_ says, scikit-learn's MLPClassifier writes to the rows that it is given.
    if vars(perceptron).get("n_layers_", 2) != len(vars(perceptron).get("coefs_", [0])) + 1:
        raise ValueError("n_layers_ of its MLPClassifier does not match its coefs_")


def _check_random_state(random_state: np.random.RandomState) -> None:
    state = random_state.get_state(legacy=False)["state"]
    key, position = state["key"], state["pos"]
    # NumPy's compiled code reads the key at any position, and never stops drawing from a key of zeros.
    if not 0 <= position <= len(key) or not (key[1:].any() or key[0] >> 31):
        raise ValueError(f"it holds a RandomState at position {position} of {len(key)} numbers, or of zeros only")


# By name, because importing all these modules takes time and most files do not need them.
_CHECKS: dict[str, Callable[[Any], None]] = {
    **OWN_CHECKS,
    "numpy.random.mtrand.RandomState": _check_random_state,
    "sklearn.compose._column_transformer.ColumnTransformer": _check_named,
    "sklearn.ensemble._voting.VotingClassifier": _check_named,
    "sklearn.frozen._frozen.FrozenEstimator": _check_frozen,
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier": _check_perceptron,
    "sklearn.pipeline.FeatureUnion": _check_named,
    "sklearn.pipeline.Pipeline": _check_pipeline,
    "sklearn.preprocessing._label.LabelBinarizer": _check_label_encoder,
    "sklearn.preprocessing._label.LabelEncoder": _check_label_encoder,
}
