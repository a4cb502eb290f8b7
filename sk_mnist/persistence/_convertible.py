"""What `to_onnx` converts: estimators that answer the same in ONNX, on every row, near decision borders too.

All are smooth functions, which rounding to float32 changes little. Trees, neighbours and thresholds are not: a row next
to a border can end up on the other side of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline, make_pipeline

from sk_mnist._sklearn import column_positions


def convertible(estimator: Any) -> Any:
    """Return an estimator that predicts the same as a fitted one, and that skl2onnx converts exactly.

    Raises
    ------
    ValueError
        If there is none. The message names the estimator, or that part of it, and says what to do.
    """
    convert = CONVERTED.get(_name(estimator))
    if convert is None:
        raise _refusal(estimator, "", _advice(estimator))
    return convert(estimator)


def steps_of(estimator: Any) -> Iterator[Any]:
    """Yield the steps of a Pipeline and of those in it, or the estimator itself."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from steps_of(step)
    elif estimator is not None and estimator != "passthrough":  # these do nothing, and skl2onnx refuses them
        yield estimator


def _name(estimator: Any) -> str:
    """Return the public name of an estimator's class. Importing the classes themselves would take time."""
    module = [part for part in type(estimator).__module__.split(".") if not part.startswith("_")]
    return ".".join([*module, type(estimator).__name__])


def _refusal(estimator: Any, reason: str, advice: str) -> ValueError:
    because = f", because {reason}" if reason else ""
    return ValueError(f"to_onnx cannot convert {type(estimator).__name__} exactly{because}. {advice}")


def _advice(estimator: Any) -> str:
    if not hasattr(estimator, "n_features_in_"):
        return (
            "It takes no fixed number of features. Convert the steps after it, such as model[1:], and apply it before "
            "the ONNX model."
        )
    if hasattr(estimator, "best_estimator_"):
        return "Convert its best_estimator_."
    if "Threshold" in type(estimator).__name__ and hasattr(estimator, "estimator_"):
        threshold = getattr(estimator, "best_threshold_", getattr(estimator, "threshold", None))
        return (
            "ONNX would decide without its threshold. Convert its estimator_, and compare the probability of the "
            f"positive class with the threshold, {threshold if isinstance(threshold, str) else f'{threshold:.6g}'}."
        )
    return (
        f"It converts {', '.join(sorted(name.rpartition('.')[2] for name in CONVERTED))}. For others, call "
        "register_onnx_converters() and skl2onnx.to_onnx, and compare the predictions."
    )


# Each takes a fitted estimator, and returns one that predicts the same and that skl2onnx converts exactly.


def _as_it_is(estimator: Any) -> Any:
    return estimator


def _copy(estimator: Any, /, **attributes: Any) -> Any:
    copied = copy.copy(estimator)
    vars(copied).update(attributes)
    return copied


def _classifiers(estimators: list[Any]) -> list[Any]:
    """Convert classifiers whose probabilities are used."""
    for estimator in estimators:
        if not hasattr(estimator, "predict_proba"):
            raise _refusal(estimator, "it has no predict_proba", "Use a classifier that has it.")
    return list(map(convertible, estimators))


def _pipeline(pipeline: Any) -> Any:
    *steps, last = map(convertible, steps_of(pipeline))
    for step in steps:
        if is_classifier(step):
            raise _refusal(step, "it transforms rows in a Pipeline", "Use a transformer in its place.")
    return make_pipeline(*steps, last) if steps else last


def _union(union: Any) -> Any:
    parts = [(name, part) for name, part in union.transformer_list if part != "drop"]
    if union.transformer_weights:
        raise _refusal(union, "it has transformer_weights", "Scale the features in the transformers.")
    return _copy(union, transformer_list=[(name, convertible(part)) for name, part in parts])


def _columns(columns: Any) -> Any:
    parts = []
    for name, part, _ in columns.transformers_:
        # The input in ONNX is one array, whose columns have no names.
        chosen = column_positions(columns, name)
        parts.append((name, part if isinstance(part, str) else convertible(part), chosen))
    return _copy(columns, transformers_=parts)


def _voting(voting: Any) -> Any:
    weights = voting.weights
    if weights is not None:
        # skl2onnx takes an array, without the weights of those that were dropped.
        pairs = zip(voting.estimators, weights, strict=True)
        weights = np.array([weight for (_, estimator), weight in pairs if estimator != "drop"], dtype=float)
    return _copy(
        voting,
        estimators_=_classifiers(voting.estimators_),
        weights=weights,
        # Only affects transform.
        flatten_transform=False,
    )


def _stacking(stacking: Any) -> Any:
    if set(stacking.stack_method_) != {"predict_proba"}:
        raise _refusal(stacking, f"stack_method_ is {stacking.stack_method_}", "Use 'predict_proba' for all.")
    final = stacking.final_estimator_
    return _copy(stacking, estimators_=_classifiers(stacking.estimators_), final_estimator_=_classifiers([final])[0])


def _bagging(bagging: Any) -> Any:
    return _copy(bagging, estimators_=_classifiers(bagging.estimators_))


def _one_vs_rest(multiclass: Any) -> Any:
    if multiclass.multilabel_:
        raise _refusal(multiclass, "it gives several labels to a row", "Convert each of its estimators_.")
    return _copy(multiclass, estimators_=_classifiers(multiclass.estimators_))


def _calibrated(calibrated: Any) -> Any:
    if calibrated.method != "sigmoid":
        raise _refusal(calibrated, f"its method is {calibrated.method!r}", "Use method='sigmoid'.")
    parts = calibrated.calibrated_classifiers_
    converted = [_copy(part, estimator=_classifiers([part.estimator])[0]) for part in parts]
    return _copy(calibrated, calibrated_classifiers_=converted)


def _discriminant(discriminant: Any) -> Any:
    if len(discriminant.classes_) == 2:
        raise _refusal(discriminant, "its probabilities of two classes would differ", "Use a LogisticRegression.")
    return discriminant


def _function(transformer: Any) -> Any:
    if transformer.func is not None:
        raise _refusal(transformer, "it calls a Python function", "Apply it before the ONNX model.")
    return transformer


def _search(search: Any) -> Any:
    return convertible(search.best_estimator_)


def _frozen(frozen: Any) -> Any:
    return convertible(frozen.estimator)


# What is converted, by public name. Each has a row in the tests.
CONVERTED: dict[str, Callable[[Any], Any]] = {
    "sk_mnist.neural_network.KerasMLPClassifier": _as_it_is,
    "sk_mnist.preprocessing.ImageFlattener": _as_it_is,
    "sk_mnist.preprocessing.PixelScaler": _as_it_is,
    "sklearn.calibration.CalibratedClassifierCV": _calibrated,
    "sklearn.compose.ColumnTransformer": _columns,
    "sklearn.decomposition.IncrementalPCA": _as_it_is,
    "sklearn.decomposition.PCA": _as_it_is,
    "sklearn.decomposition.TruncatedSVD": _as_it_is,
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": _discriminant,
    "sklearn.ensemble.BaggingClassifier": _bagging,
    "sklearn.ensemble.StackingClassifier": _stacking,
    "sklearn.ensemble.VotingClassifier": _voting,
    "sklearn.feature_selection.SelectFromModel": _as_it_is,
    "sklearn.feature_selection.SelectKBest": _as_it_is,
    "sklearn.feature_selection.SelectPercentile": _as_it_is,
    "sklearn.feature_selection.VarianceThreshold": _as_it_is,
    "sklearn.frozen.FrozenEstimator": _frozen,
    "sklearn.linear_model.LogisticRegression": _as_it_is,
    "sklearn.linear_model.LogisticRegressionCV": _as_it_is,
    "sklearn.model_selection.GridSearchCV": _search,
    "sklearn.model_selection.RandomizedSearchCV": _search,
    "sklearn.multiclass.OneVsRestClassifier": _one_vs_rest,
    "sklearn.naive_bayes.GaussianNB": _as_it_is,
    "sklearn.naive_bayes.MultinomialNB": _as_it_is,
    "sklearn.neural_network.MLPClassifier": _as_it_is,
    "sklearn.pipeline.FeatureUnion": _union,
    "sklearn.pipeline.Pipeline": _pipeline,
    "sklearn.preprocessing.FunctionTransformer": _function,
    "sklearn.preprocessing.MaxAbsScaler": _as_it_is,
    "sklearn.preprocessing.MinMaxScaler": _as_it_is,
    "sklearn.preprocessing.Normalizer": _as_it_is,
    "sklearn.preprocessing.PolynomialFeatures": _as_it_is,
    "sklearn.preprocessing.PowerTransformer": _as_it_is,
    "sklearn.preprocessing.RobustScaler": _as_it_is,
    "sklearn.preprocessing.StandardScaler": _as_it_is,
}
