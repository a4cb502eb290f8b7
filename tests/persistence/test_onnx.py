"""`to_onnx`: the estimators that it converts answer the same in ONNX, and others are refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sk_mnist import ImageFlattener, PixelScaler, to_onnx
from sk_mnist.persistence._convertible import CONVERTED
from tests.helpers.networks import small

MLP = small(hidden_layer_sizes=(8,), epochs=3)
LINEAR = LogisticRegression()
BAYES = GaussianNB()
PARTS = [("mlp", MLP), ("linear", LINEAR), ("bayes", BAYES)]
PIPE = make_pipeline(StandardScaler(), make_pipeline("passthrough", MLP))

# The classes of estimators that each row tests, and the estimator.
CLASSIFIERS = {
    "KerasMLPClassifier": MLP,
    "Pipeline": PIPE,
    "GridSearchCV": GridSearchCV(PIPE, {"pipeline__kerasmlpclassifier__epochs": [1]}, cv=2),
    "RandomizedSearchCV": RandomizedSearchCV(LINEAR, {"C": [1]}, n_iter=1, cv=2),
    "VotingClassifier, soft": VotingClassifier(PARTS, voting="soft"),
    "VotingClassifier, weights": VotingClassifier(
        [PARTS[0], ("none", "drop"), ("pipe", PIPE)], voting="soft", weights=[3, 10, 1]
    ),
    "VotingClassifier, hard": VotingClassifier([*PARTS, ("pipe", PIPE)]),
    "VotingClassifier, hard, weights": VotingClassifier(PARTS, weights=[1, 1, 3]),
    "StackingClassifier": StackingClassifier([*PARTS[:2], ("none", "drop")], cv=2),
    "StackingClassifier, MLP": StackingClassifier(PARTS[1:], MLP, cv=2, passthrough=True),
    "BaggingClassifier": BaggingClassifier(LINEAR, 3, max_features=0.5, random_state=0),
    "BaggingClassifier, MLP": BaggingClassifier(MLP, 2, random_state=0),
    "CalibratedClassifierCV": CalibratedClassifierCV(LINEAR, cv=2),
    "CalibratedClassifierCV, MLP": CalibratedClassifierCV(PIPE, cv=2),
    "CalibratedClassifierCV, search": CalibratedClassifierCV(GridSearchCV(LINEAR, {"C": [1, 2]}, cv=2), cv=2),
    "OneVsRestClassifier": OneVsRestClassifier(LINEAR),
    "OneVsRestClassifier, MLP": OneVsRestClassifier(MLP),
    "FrozenEstimator": FrozenEstimator(MLP),
    "FrozenEstimator, voting": VotingClassifier([("a", FrozenEstimator(LINEAR)), PARTS[0]], voting="soft"),
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(),
    "LogisticRegression": LINEAR,
    "LogisticRegressionCV": LogisticRegressionCV(
        Cs=2, cv=2, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False
    ),
    "GaussianNB": BAYES,
    "MultinomialNB": MultinomialNB(),
    "MLPClassifier": MLPClassifier((8,), max_iter=5, random_state=0),
}
TRANSFORMERS = {
    "ColumnTransformer": ColumnTransformer(
        [("a", StandardScaler(), [0, 3]), ("b", "drop", [1]), ("c", "passthrough", slice(4, 6)), ("d", PCA(1), [-1, 2])]
    ),
    "ColumnTransformer, rest": ColumnTransformer([("a", StandardScaler(), [0, 3])], remainder="passthrough"),
    "FeatureUnion": FeatureUnion([("a", PCA(2)), ("b", "drop"), ("c", StandardScaler()), ("d", "passthrough")]),
    "FrozenEstimator, scaler": FrozenEstimator(StandardScaler()),
    "FunctionTransformer": FunctionTransformer(),
    "ImageFlattener": ImageFlattener(),
    "IncrementalPCA": IncrementalPCA(3),
    "MaxAbsScaler": MaxAbsScaler(),
    "MinMaxScaler": MinMaxScaler(clip=True),
    "Normalizer": Normalizer(),
    "PCA": PCA(3, whiten=True),
    "PixelScaler": PixelScaler(),
    "PolynomialFeatures": PolynomialFeatures(),
    "PowerTransformer": PowerTransformer(),
    "RobustScaler": RobustScaler(),
    "SelectFromModel": SelectFromModel(LINEAR),
    "SelectKBest": SelectKBest(k=3),
    "SelectPercentile": SelectPercentile(percentile=50),
    "StandardScaler": StandardScaler(),
    "TruncatedSVD": TruncatedSVD(3),
    "VarianceThreshold": VarianceThreshold(0.01),
}
ROWS = {**CLASSIFIERS, **{name: make_pipeline(transformer, LINEAR) for name, transformer in TRANSFORMERS.items()}}

LABELS = {"numbers": np.array([3, 7, 20]), "strings": np.array(["b", "a", "c"])}


@pytest.fixture(scope="module")
def rows():
    """300 rows of 8 features from 0 to 1, and their classes: 0, 1 or 2."""
    X, y = make_classification(300, 8, n_informative=6, n_classes=3, random_state=0)
    return MinMaxScaler().fit_transform(X).astype(np.float32), y


def fitted(model, X, y):
    """Fit a model, also one whose parts have to be fitted before."""
    for part in [model, *model.get_params().values()] if hasattr(model, "get_params") else []:
        if isinstance(part, FrozenEstimator):
            part.estimator.fit(X, y)
    return model.fit(X, y)


def near_borders(model, X):
    """Rows next to decision borders: halfway between rows of different labels, found by bisection."""
    one, other = X[:-1], X[1:]
    differ = model.predict(one) != model.predict(other)
    one, other = one[differ], other[differ]
    if not len(one):
        return one
    labels = model.predict(one)
    for _ in range(8):
        middle = (one + other) / 2
        is_one = (model.predict(middle) == labels)[:, None]
        one, other = np.where(is_one, middle, one), np.where(is_one, other, middle)
    return np.vstack([one, other])


def run(model, X):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], {"X": X})


def assert_answers_alike(model, X):
    X = np.vstack([X, near_borders(model, X)])
    labels, probabilities = run(to_onnx(model), X)
    if not hasattr(model, "predict_proba"):  # votes
        np.testing.assert_array_equal(labels, model.predict(X))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
        return
    expected = model.predict_proba(X)
    np.testing.assert_allclose(probabilities, expected, atol=2e-5)
    # Rounding decides between classes of equal probability.
    first, second = np.sort(expected, axis=1)[:, :-3:-1].T
    is_clear = first - second > 1e-4
    assert is_clear.mean() > 0.25
    np.testing.assert_array_equal(labels[is_clear], model.predict(X)[is_clear])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", ROWS)
def test_a_model_answers_the_same_in_onnx(rows, name, labels):
    X, y = rows
    assert_answers_alike(fitted(ROWS[name], X, LABELS[labels][y]), X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "LinearDiscriminantAnalysis"])
def test_a_model_of_two_classes_answers_the_same_in_onnx(rows, name):
    X, y = rows
    assert_answers_alike(fitted(ROWS[name], X, y > 0), X)


def test_every_estimator_that_is_converted_has_a_row():
    assert {name.rpartition(".")[2] for name in CONVERTED} == {name.partition(",")[0] for name in ROWS}


def columns_by_name(X, y):
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    scaled = ColumnTransformer([("a", StandardScaler(), ["h", "b"])], remainder="passthrough")
    return make_pipeline(scaled, small(epochs=1)).fit(frame, y)


def test_columns_that_are_chosen_by_name_answer_the_same_in_onnx(rows):
    X, y = rows
    model = columns_by_name(X, y)
    probabilities = run(to_onnx(model), X)[1]
    np.testing.assert_allclose(probabilities, model.predict_proba(pd.DataFrame(X, columns=list("abcdefgh"))), atol=2e-5)


def test_the_model_is_not_changed(rows):
    X, y = rows
    voting = VotingClassifier(
        [("a", GridSearchCV(LINEAR, {"C": [1]}, cv=2)), ("b", BAYES)], voting="soft", weights=[3, 1]
    )
    before = pickle.dumps(voting.fit(X, y))
    to_onnx(voting)
    assert pickle.dumps(voting) == before


# Models that skl2onnx converts wrongly, or with errors of its own, and what the error says.
REFUSED = {
    "a tuned threshold": (
        TunedThresholdClassifierCV(LINEAR, cv=2),
        r"TunedThresholdClassifierCV exactly\. .* Convert its estimator_, and compare .* threshold, [\d.]+\.",
    ),
    "a tuned threshold in a Pipeline": (
        make_pipeline(StandardScaler(), TunedThresholdClassifierCV(LINEAR, cv=2)), "TunedThresholdClassifierCV",
    ),
    "a given threshold": (FixedThresholdClassifier(LINEAR, threshold=0.25), "FixedThresholdClassifier .* 0.25"),
    "a given threshold in a vote": (
        VotingClassifier([("a", FixedThresholdClassifier(LINEAR)), ("b", BAYES)], voting="soft"), "FixedThreshold",
    ),
    "isotonic calibration": (CalibratedClassifierCV(LINEAR, method="isotonic", cv=2), "its method is 'isotonic'"),
    "calibration by temperature": (CalibratedClassifierCV(MLP, method="temperature", cv=2), "its method is 'temp"),
    "stacked labels": (
        StackingClassifier([("a", LINEAR)], stack_method="predict", cv=2), r"stack_method_ is \['predict'\]",
    ),
    "no probabilities": (RidgeClassifier(), "RidgeClassifier exactly. It converts BaggingClassifier, Calib"),
    "no probabilities in a vote": (
        VotingClassifier([("a", SVC()), ("b", BAYES)]), "SVC exactly, because it has no predict_proba",
    ),
    "a forest": (RandomForestClassifier(3), r"RandomForestClassifier .* register_onnx_converters\(\) and skl2onnx"),
    "a tree on a scaler": (make_pipeline(StandardScaler(), DecisionTreeClassifier()), "DecisionTreeClassifier"),
    "neighbours": (KNeighborsClassifier(), "KNeighborsClassifier"),
    "discriminants of two classes": (LinearDiscriminantAnalysis(), "LinearDiscriminantAnalysis .* of two classes"),
    "a transforming classifier": (make_pipeline(LinearDiscriminantAnalysis(), LINEAR), "LinearDiscriminantAnalysis"),
    "a function": (make_pipeline(FunctionTransformer(np.log1p), LINEAR), "it calls a Python function"),
    "a weighted union": (
        make_pipeline(FeatureUnion([("a", PCA(2))], transformer_weights={"a": 2}), LINEAR), "transformer_weights",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_would_answer_differently_is_refused_by_name(rows, name):
    X, y = rows
    model, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"to_onnx cannot convert .*{message}"):
        to_onnx(model.fit(X, y > 0))


def test_what_the_refusal_of_a_threshold_advises_gives_the_same_labels(rows):
    X, y = rows
    model = TunedThresholdClassifierCV(LINEAR, cv=2).fit(X, y > 0)
    probabilities = run(to_onnx(model.estimator_), X)[1]
    np.testing.assert_array_equal(probabilities[:, 1] >= model.best_threshold_, model.predict(X))


class TestFiles:
    @pytest.fixture
    def model(self, rows):
        return LogisticRegression().fit(*rows)

    def test_the_model_is_written_to_a_path(self, model, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        for path in (tmp_path / "one.onnx", str(tmp_path / "two.onnx"), "~/three.onnx"):
            converted = to_onnx(model, path)
            assert Path(path).expanduser().read_bytes() == converted.SerializeToString()
        assert len(list(tmp_path.iterdir())) == 3

    def test_a_write_that_fails_leaves_the_old_file_in_place(self, model, tmp_path, monkeypatch):
        path = tmp_path / "m.onnx"
        path.write_text("old")
        monkeypatch.setattr(os, "replace", lambda source, target: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            to_onnx(model, path)
        assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]

    def test_a_model_that_is_refused_writes_nothing(self, rows, tmp_path):
        with pytest.raises(ValueError, match="cannot convert"):
            to_onnx(KNeighborsClassifier().fit(*rows), tmp_path / "m.onnx")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("path", ["", "https://host/m.onnx", Path("s3://bucket/m.onnx")], ids=str)
    def test_what_is_no_path_is_rejected(self, model, path):
        with pytest.raises(ValueError, match=r"path is an (empty string|address)"):
            to_onnx(model, path)
