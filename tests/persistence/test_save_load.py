"""Saving, loading, and handing over to ONNX and Keras."""

import gzip
import http.server
import io
import json
import os
import pickle
import re
import stat
import sys
import tempfile
import threading
import urllib.request
import warnings
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning, NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    LabelBinarizer,
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import SparseRandomProjection
from sklearn.svm import SVC
from sklearn.utils import all_estimators

import sk_mnist
from sk_mnist import (
    DigitImageNormalizer,
    ImageFlattener,
    KerasMLPClassifier,
    PixelScaler,
    RandomInk,
    RandomWarp,
    fetch_mnist,
    load,
    load_pretrained,
    make_mnist_pipeline,
    save,
    to_onnx,
)
from sk_mnist.neural_network._forward import ACTIVATIONS
from sk_mnist.persistence import TRUSTED_TYPES, register_onnx_converters
from sk_mnist.persistence._types import TYPES
from tests.helpers.model_files import add_attribute, change_schema, members_of, node, nodes_of, npy, pack
from tests.helpers.processes import output_of


class Mine(StandardScaler):
    """A type that this package does not know."""


class MyClassifier(KerasMLPClassifier):
    """A type that builds on this package's."""


posix_only = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="takes named pipes")

# One of each estimator of scikit-learn that `load` reads.
KNOWN_MODELS = [
    Binarizer(),
    MaxAbsScaler(),
    MinMaxScaler(),
    Normalizer(),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=10),
    RobustScaler(),
    StandardScaler(),
    FunctionTransformer(),
    LabelBinarizer(),
    LabelEncoder(),
    PCA(2),
    IncrementalPCA(2),
    TruncatedSVD(2),
    LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(),
    DummyClassifier(),
    VarianceThreshold(),
    LinearRegression(),
    LogisticRegression(),
    LogisticRegressionCV(Cs=2, cv=2, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False),
    Ridge(),
    RidgeClassifier(),
    BernoulliNB(),
    GaussianNB(),
    MultinomialNB(),
    MLPClassifier((3,), max_iter=2, random_state=0),
    MLPClassifier((3,), max_iter=2, solver="sgd", random_state=0),
    FeatureUnion([("a", StandardScaler()), ("b", PixelScaler())]),
    ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", PixelScaler(), [2])]),
    VotingClassifier([("a", LogisticRegression()), ("b", KerasMLPClassifier((3,), epochs=1, random_state=0))]),
    VotingClassifier([("a", GaussianNB()), ("b", make_pipeline(PixelScaler(), LogisticRegression()))]),
    FrozenEstimator(GaussianNB().fit(np.eye(4), [0, 1, 2, 0])),
]


@pytest.fixture(scope="module")
def images():
    mnist = fetch_mnist(subset="train", normalize=False)
    return mnist.images[:600], mnist.target[:600]


@pytest.fixture(scope="module")
def fitted(images):
    return make_mnist_pipeline(epochs=2, random_state=0).fit(*images)


@pytest.fixture(scope="module")
def search(images):
    pipe = make_mnist_pipeline(epochs=1, random_state=0)
    return GridSearchCV(pipe, {"mlp__alpha": [0.0, 0.1]}, cv=2).fit(*images)


@pytest.fixture
def saved(fitted, tmp_path):
    return save(fitted, tmp_path / "model.skops")


def rewrite(path, change):
    """Rewrite the members of a zip file, uncompressed, with ``change(name, content)``."""
    changed = {name: change(name, content) for name, content in members_of(path.read_bytes()).items()}
    path.write_bytes(pack({name: content for name, content in changed.items() if content is not None}))


class TestRoundTrip:
    @pytest.mark.slow
    def test_a_process_without_tensorflow_and_skops_predicts_the_same(self, fitted, saved, images, tmp_path):
        np.save(tmp_path / "images.npy", images[0])
        code = f"""
import sys
for blocked in ("tensorflow", "keras", "scikeras", "skops"):
    sys.modules[blocked] = None  # importing it is an ImportError
import numpy, sk_mnist
proba = sk_mnist.load({str(saved)!r}).predict_proba(numpy.load({str(tmp_path / "images.npy")!r}))
numpy.save({str(tmp_path / "proba.npy")!r}, proba)
"""
        output_of(code)
        np.testing.assert_array_equal(np.load(tmp_path / "proba.npy"), fitted.predict_proba(images[0]))

    def test_history_classes_and_parameters_are_restored(self, fitted, saved):
        before, after = fitted["mlp"], load(saved)["mlp"]
        assert after.history_ == before.history_
        assert after.classes_.tolist() == before.classes_.tolist()
        assert after.get_params() == before.get_params()

    def test_training_continues_as_if_never_saved(self, images, tmp_path):
        X, y = images[0].reshape(-1, 784) / 255, images[1]
        straight = KerasMLPClassifier((8,), random_state=0).partial_fit(X, y, classes=np.arange(10))
        loaded = load(save(straight, tmp_path / "model.skops")).partial_fit(X, y)
        np.testing.assert_array_equal(loaded.coefs_[0], straight.partial_fit(X, y).coefs_[0])

    def test_the_best_estimator_of_a_search_with_string_labels_is_restored(self, images, tmp_path):
        X, y = images
        names = np.array([f"digit {label}" for label in y])
        pipe = make_mnist_pipeline(epochs=1, random_state=0)
        search = GridSearchCV(pipe, {"mlp__alpha": [0.0, 0.1]}, cv=2).fit(X, names)
        loaded = load(save(search.best_estimator_, tmp_path / "best.skops"))
        np.testing.assert_array_equal(loaded.predict(X), search.predict(X))

    def test_skops_itself_opens_the_file(self, fitted, saved, images):
        loaded = skops.io.load(saved, trusted=skops.io.get_untrusted_types(file=saved))
        np.testing.assert_array_equal(loaded.predict(images[0]), fitted.predict(images[0]))

    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["b", "a", "c"]),
            np.array(["b", "a", "c"], dtype=object),
            np.array([3, -1, 2]),
            np.array([2.0, 0.0, 1.0]),
            np.array([True, False, True]),
            np.array([7, 8, 9], dtype=np.uint64),
            np.array([3, 1, 2], dtype=">i4"),
            np.array([3, 1, 2], dtype="M8[s]"),
        ],
        ids=lambda labels: labels.dtype.str,
    )
    def test_labels_of_every_type_are_preserved(self, labels, tmp_path):
        X, y = np.random.default_rng(0).normal(size=(30, 4)), labels[np.arange(30) % 3]
        mlp = KerasMLPClassifier((3,), epochs=1, random_state=0).fit(X, y)
        loaded = load(save(mlp, tmp_path / "model.skops"))
        np.testing.assert_array_equal(loaded.predict(X), mlp.predict(X))
        assert loaded.classes_.dtype == mlp.classes_.dtype

    @pytest.mark.parametrize(
        "params",
        [
            {"class_weight": {False: 1.0, True: 3.0}},
            {"class_weight": {np.int64(0): 1.0, np.int64(1): 3.0}},
            {"class_weight": "balanced", "hidden_layer_sizes": []},
            {"hidden_layer_sizes": np.array([4, 3]), "activation": np.str_("sigmoid")},
            {"early_stopping": True, "dtype": "float64", "warm_start": True},
            {"random_state": np.random.RandomState(0), "optimizer": "sgd", "verbose": 1},
        ],
        ids=", ".join,
    )
    def test_parameters_of_every_type_are_restored(self, params, tmp_path):
        X = np.random.default_rng(0).normal(size=(60, 4))
        mlp = KerasMLPClassifier(**{"hidden_layer_sizes": (3,), "epochs": 2, "random_state": 0, **params}).fit(
            X, X[:, 0] > 0
        )
        loaded = load(save(mlp, tmp_path / "model.skops"))
        np.testing.assert_array_equal(loaded.predict_proba(X), mlp.predict_proba(X))
        for name, value in params.items():
            if name != "random_state":
                np.testing.assert_equal(loaded.get_params()[name], value)
        np.testing.assert_array_equal(
            clone(loaded).fit(X, X[:, 0] > 0).coefs_[0], clone(mlp).fit(X, X[:, 0] > 0).coefs_[0]
        )

    @pytest.mark.parametrize("shape", [(4,), (2, 2), (2, 1, 2)], ids=str)
    def test_object_arrays_are_restored(self, shape, tmp_path):
        constant = np.array(["a", None, 3, 0.5], dtype=object).reshape(shape)
        loaded = load(save(DummyClassifier(strategy="constant", constant=constant), tmp_path / "model.skops"))
        np.testing.assert_array_equal(loaded.constant, constant, strict=True)

    @pytest.mark.parametrize(
        "change",
        [
            RandomInk(),
            RandomInk(blur=np.float32(0.5), share=1, image_shape=(2, 4)),
            RandomWarp(),
            RandomWarp(rotation=3, fade=0, image_shape=(2, 4)),
            RandomWarp(elastic=np.float64(0.5), image_shape=[np.int64(4), 2]),
        ],
        ids=["ink", "ink, numbers", "warp", "warp, numbers", "warp, numbers of NumPy"],
    )
    def test_a_change_of_images_is_restored_alone_and_in_a_classifier(self, change, tmp_path):
        loaded = load(save(change, tmp_path / "change.skops"))
        assert type(loaded) is type(change)
        assert loaded.get_params() == change.get_params()
        X = np.random.default_rng(0).uniform(size=(40, 8 if change.image_shape else 9))
        np.testing.assert_array_equal(loaded.transform(X, random_state=0), change.transform(X, random_state=0))
        mlp = KerasMLPClassifier((3,), epochs=2, augmentation=change, random_state=0).fit(X, X[:, 0] > 0.5)
        loaded = load(save(mlp, tmp_path / "model.skops"))
        assert loaded.augmentation.get_params() == change.get_params()
        again = clone(loaded).fit(X, X[:, 0] > 0.5)
        np.testing.assert_array_equal(again.coefs_[0], mlp.coefs_[0])

    def test_an_augmentation_name_is_restored(self, tmp_path):
        assert load(save(KerasMLPClassifier(augmentation="affine"), tmp_path / "model.skops")).augmentation == "affine"

    @pytest.mark.parametrize("kind", ["one", "voting", "pipeline", "frozen", "frozen voting"])
    def test_teachers_of_known_types_are_restored(self, kind, tmp_path):
        X = np.random.default_rng(0).uniform(size=(60, 4)).astype(np.float32)
        y = (X[:, 0] > 0.5).astype(int)
        mlp = KerasMLPClassifier((3,), epochs=2, augmentation=RandomWarp(), random_state=0)
        voting = VotingClassifier([("a", mlp), ("b", make_pipeline(PixelScaler(), mlp))], voting="soft")
        teacher = {
            "one": LogisticRegression(),
            "voting": voting,
            "pipeline": make_pipeline(StandardScaler(), GaussianNB()),
            "frozen": FrozenEstimator(LogisticRegression().fit(X, y)),
            "frozen voting": FrozenEstimator(clone(voting).fit(X, y)),
        }[kind]
        model = clone(mlp).set_params(teacher=teacher).fit(X, y)
        pipe = make_pipeline(PixelScaler(), model).fit(X, y)
        loaded = load(save(pipe, tmp_path / "model.skops"))
        assert type(loaded[-1].teacher) is type(teacher)
        np.testing.assert_array_equal(loaded.predict_proba(X), pipe.predict_proba(X))
        np.testing.assert_array_equal(clone(loaded).fit(X, y).predict_proba(X), pipe.predict_proba(X))

    def test_feature_names_and_pandas_output_are_restored(self, tmp_path):
        X = pd.DataFrame({"a": [0, 255], "b": [3, 200]})
        scaler = PixelScaler().set_output(transform="pandas").fit(X)
        loaded = load(save(scaler, tmp_path / "scaler.skops"))
        pd.testing.assert_frame_equal(loaded.transform(X), scaler.transform(X))

    @pytest.mark.parametrize("model", KNOWN_MODELS, ids=lambda model: type(model).__name__)
    def test_known_scikit_learn_estimators_are_loaded_without_skops(self, model, tmp_path, monkeypatch):
        X, y = np.random.default_rng(0).uniform(size=(60, 4)), np.arange(60) % 3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = clone(model).fit(*([y] if isinstance(model, LabelEncoder | LabelBinarizer) else [X, y]))
        path = save(model, tmp_path / "model.skops")
        monkeypatch.setitem(sys.modules, "skops", None)
        loaded = load(path)
        method = next(name for name in ("predict", "transform") if hasattr(model, name))
        data = y if isinstance(model, LabelEncoder | LabelBinarizer) else X
        # An array that was a view of another one is not one any more, so BLAS may add in another order.
        expected = getattr(model, method)(data)
        np.testing.assert_allclose(getattr(loaded, method)(data), expected, rtol=1e-12, strict=True)

    def test_every_known_type_exists_and_is_tested(self):
        for name in TYPES:
            module, _, class_name = name.rpartition(".")
            assert isinstance(getattr(import_module(module), class_name), type)
        known = {f"{type(model).__module__}.{type(model).__name__}" for model in KNOWN_MODELS}
        parts = {"SGDOptimizer", "AdamOptimizer", "Pipeline"}
        assert {name for name in TYPES - known if not name.startswith("sk_mnist.")} == {
            name for name in TYPES if name.rpartition(".")[2] in parts
        }

    def test_parameters_missing_from_an_older_file_get_their_defaults(self, saved):
        def remove(schema, members):
            for owner, name in [("KerasMLPClassifier", "label_smoothing"), ("PixelScaler", "pixel_max")]:
                found = next(n for n in nodes_of(schema) if n["__class__"] == owner)["content"]
                del found["content"][name]
                found["key_types"]["content"].pop()

        change_schema(saved, remove)
        loaded = load(saved)
        assert loaded["mlp"].label_smoothing == 0.0
        assert loaded["scale"].pixel_max == "auto"

    def test_paths_may_be_strings_with_blanks_and_umlauts(self, fitted, tmp_path):
        assert load(str(save(fitted, str(tmp_path / "mein größtes Modell")))).steps[0][0] == "flatten"


class TestSave:
    def test_metadata_requests_and_callbacks_are_left_out_with_a_warning(self, fitted, images, tmp_path):
        with sklearn.config_context(enable_metadata_routing=True):
            pipe = clone(fitted).set_params(mlp__epochs=1).set_callbacks(ProgressBar())
            pipe["mlp"].set_fit_request(sample_weight=True)
            pipe.fit(*images)
            with pytest.warns(UserWarning, match="^Not saved: callbacks, metadata requests"):
                path = save(pipe, tmp_path / "model.skops")
        assert pipe["mlp"].get_metadata_routing().fit.requests["sample_weight"]
        np.testing.assert_array_equal(load(path).predict(images[0]), pipe.predict(images[0]))

    @pytest.mark.parametrize("kind", ["alone", "step", "voter", "teacher"])
    @pytest.mark.parametrize("reason", ["requests", "a path"])
    def test_frozen_networks_stay_frozen_and_save_does_not_change_them(self, reason, kind, tmp_path):
        X = np.random.default_rng(0).uniform(size=(60, 4)).astype(np.float32)
        y = (X[:, 0] > 0.5).astype(int)
        mlp = KerasMLPClassifier((3,), epochs=1, random_state=0)
        if reason == "a path":
            mlp.set_params(checkpoint_dir=tmp_path / "fits")
        frozen = FrozenEstimator(mlp.fit(X, y))
        make = {
            "alone": lambda: frozen,
            "step": lambda: make_pipeline(PixelScaler(), frozen),
            "voter": lambda: VotingClassifier([("frozen", frozen)], voting="soft"),
            "teacher": lambda: KerasMLPClassifier((3,), epochs=1, random_state=0, teacher=frozen),
        }
        model = make[kind]().fit(X, y)
        with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            if reason == "requests":
                mlp.set_fit_request(sample_weight=True)
            given = dict(vars(mlp))
            loaded = load(save(model, tmp_path / "model.skops"))
        assert vars(mlp).keys() == given.keys()
        assert mlp.checkpoint_dir is given["checkpoint_dir"]
        assert vars(frozen).keys() == {"estimator"}
        found = {
            "alone": lambda: loaded,
            "step": lambda: loaded[-1],
            "voter": lambda: loaded.named_estimators_["frozen"],
            "teacher": lambda: loaded.teacher,
        }[kind]()
        assert type(found) is FrozenEstimator
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda mlp: mlp.set_params(dropout=7), "The 'dropout' parameter"),
            (lambda mlp: mlp.set_params(augmentation=RandomWarp(shear=-1)), "The 'shear' parameter"),
            (lambda mlp: mlp.set_params(teacher=PixelScaler()), "teacher of its .* is or holds a PixelScaler"),
            (lambda mlp: mlp.set_params(dtype="float64"), "weights of float32"),
            (lambda mlp: mlp.coefs_[0].fill(np.nan), "not all finite"),
            (lambda mlp: setattr(mlp, "note", "mine"), "attribute 'note'"),
            (lambda mlp: setattr(mlp, "random_state", np.random.RandomState(np.random.PCG64(3))), "MT19937"),
            (lambda mlp: setattr(mlp, "predict", "mine"), "attribute 'predict' that hides"),
            (lambda mlp: setattr(mlp, "classes_", mlp.classes_[::-1]), "classes_ of its"),
        ],
        ids=["parameter", "strength", "teacher", "dtype", "NaN", "attribute", "generator", "method", "order"],
    )
    def test_save_rejects_models_that_load_would_reject(self, fitted, saved, change, reason):
        before = saved.read_bytes()
        mlp = pickle.loads(pickle.dumps(fitted["mlp"]))
        change(mlp)
        with pytest.raises(ValueError, match=f"^KerasMLPClassifier cannot be saved, because load would .*{reason}"):
            save(mlp, saved)
        assert saved.read_bytes() == before

    def test_pickle_accepts_models_that_save_rejects(self, fitted, images):
        mlp = pickle.loads(pickle.dumps(fitted["mlp"])).set_params(dtype="float64")
        mlp.note = "mine"
        again = pickle.loads(pickle.dumps(mlp))
        assert again.note == "mine"
        rows = images[0].reshape(-1, 784) / np.float32(255)
        np.testing.assert_array_equal(again.predict_proba(rows), fitted["mlp"].predict_proba(rows))

    def test_an_existing_file_is_replaced_whole_or_not_at_all(self, saved):
        before = saved.read_bytes()
        with pytest.raises(TypeError, match="holds something that cannot be saved"):
            save(make_pipeline(FunctionTransformer(kw_args={"generator": (i for i in ())})), saved)
        assert saved.read_bytes() == before
        assert [path.name for path in saved.parent.iterdir()] == [saved.name]

    @posix_only
    def test_file_permissions_follow_the_umask_without_changing_it(self, fitted, tmp_path, monkeypatch):
        before = os.umask(0o027)
        try:
            with monkeypatch.context() as patch:
                # To read it, one would have to set it, for all threads.
                patch.setattr(os, "umask", None)
                path = save(fitted, tmp_path / "model.skops")
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_the_error_for_keras_objects_says_how_to_replace_them(self, tmp_path):
        import keras

        X, y = np.eye(4), [0, 1, 0, 1]
        for mlp in (
            KerasMLPClassifier(optimizer=keras.optimizers.SGD(0.1)),
            KerasMLPClassifier(keras_callbacks=[keras.callbacks.TerminateOnNaN()]),
            KerasMLPClassifier((3,), epochs=1, keras_callbacks=[keras.callbacks.TerminateOnNaN()]).fit(X, y),
        ):
            with pytest.raises(TypeError, match="Replace Keras objects first with set_params"):
                save(make_pipeline(PixelScaler(), mlp), tmp_path / "model.skops")
        assert list(tmp_path.iterdir()) == []

    def test_save_rejects_an_object_that_is_not_an_estimator(self, tmp_path):
        with pytest.raises(TypeError, match="estimator must be an estimator or a Pipeline; got dict"):
            save({}, tmp_path / "model.skops")

    @pytest.mark.parametrize(
        ("name", "error", "match"),
        [
            ("", IsADirectoryError, "directory"),
            ("missing/model.skops", FileNotFoundError, "No such directory: .*missing'"),
        ],
    )
    def test_the_error_names_a_path_that_cannot_be_written(self, fitted, tmp_path, name, error, match):
        with pytest.raises(error, match=match):
            save(fitted, tmp_path / name)


def holding_a(value):
    scaler = StandardScaler()
    scaler.value_ = value
    return scaler


class TestOtherTypes:
    """What `load` does not read: `save` refuses it, and skops saves it."""

    @pytest.mark.parametrize(
        ("model", "name"),
        [
            (KMeans(2, random_state=0), "sklearn.cluster._kmeans.KMeans"),
            (SVC(), "sklearn.svm._classes.SVC"),
            (StackingClassifier([("a", GaussianNB())]), "sklearn.ensemble._stacking.StackingClassifier"),
            (Mine(), f"{__name__}.Mine"),
            (MyClassifier((3,), epochs=1), f"{__name__}.MyClassifier"),
            (make_pipeline(Mine(), KerasMLPClassifier((3,), epochs=1)), f"{__name__}.Mine"),
            (FunctionTransformer(np.log1p), "log1p"),  # its module depends on the version of NumPy
            (SparseRandomProjection(2), "scipy.sparse._csr.csr_matrix"),
            (holding_a(np.random.default_rng(3)), "numpy.random._generator.Generator"),
            (holding_a(np.ma.masked_array([1, 2], [True, False])), "numpy.ma.MaskedArray"),
            (holding_a(StandardScaler().fit), "sklearn.preprocessing._data.StandardScaler"),
            (holding_a({1, 2}), "builtins.set"),
            (holding_a(np.float32), "numpy.float32"),
        ],
        ids=lambda value: value.rpartition(".")[2] if isinstance(value, str) else "",
    )
    def test_save_rejects_an_unsupported_type_and_shows_the_skops_call_that_loads_it(
        self, model, name, saved, tmp_path
    ):
        before = saved.read_bytes()
        X = np.random.default_rng(0).uniform(size=(20, 3)).astype(np.float32)
        model = model.fit(X, np.arange(20) % 2)
        with pytest.raises(ValueError, match=rf"cannot be saved, because load does not read .*{name}\b") as caught:
            save(model, saved)
        assert saved.read_bytes() == before
        loaded = self.take_advice(caught.value, model, tmp_path / "model.skops")
        method = next(name for name in ("predict", "transform") if hasattr(model, name))
        found, expected = (getattr(estimator, method)(X) for estimator in (loaded, model))
        np.testing.assert_allclose(*(a.toarray() if hasattr(a, "toarray") else a for a in (found, expected)))

    def take_advice(self, error, model, path):
        """Save with skops, and load with the call that an error shows."""
        call = re.search(r"Use skops\.io\.dump, and (skops\.io\.load\(path, trusted=\[.*\]\))\.$", str(error))[1]
        assert "sk_mnist.neural_network" not in call  # TRUSTED_TYPES has it
        skops.io.dump(model, path)
        return eval(call, {"skops": skops, "sk_mnist": sk_mnist, "path": path})

    @pytest.mark.weekly
    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")
    def test_every_scikit_learn_estimator_is_saved_or_rejected_with_a_working_skops_call(self, tmp_path):
        X = np.random.default_rng(0).uniform(size=(60, 6))
        y = (X[:, 0] > 0.5).astype(int)
        n_loaded = 0
        for name, estimator_class in all_estimators():
            try:
                model = estimator_class().fit(X, y)
            except Exception:  # it takes parameters, or data of another kind
                continue
            if name == "Birch":  # skops does not save it
                continue
            try:
                loaded = load(save(model, tmp_path / "model.skops"))
            except ValueError as error:
                loaded = self.take_advice(error, model, tmp_path / "model.skops")
                with pytest.raises(ValueError, match="does not read"):
                    load(tmp_path / "model.skops")
            assert type(loaded) is estimator_class
            n_loaded += 1
        assert n_loaded > 130

    def test_the_error_for_a_search_suggests_saving_its_best_estimator(self, search, tmp_path):
        with pytest.raises(ValueError, match=r"^GridSearchCV cannot be .*\. Save its best_estimator_\.$"):
            save(search, tmp_path / "search.skops")
        assert list(tmp_path.iterdir()) == []

    def test_skops_saves_a_search(self, search, images, tmp_path):
        skops.io.dump(search, tmp_path / "search.skops")
        types = ["sklearn.metrics._scorer._PassthroughScorer", "sklearn.model_selection._split.StratifiedKFold"]
        loaded = skops.io.load(tmp_path / "search.skops", trusted=[*TRUSTED_TYPES, *types])
        np.testing.assert_array_equal(loaded.predict_proba(images[0]), search.predict_proba(images[0]))
        assert loaded.cv_results_["params"] == search.cv_results_["params"]

    def test_load_rejects_an_unknown_type_and_shows_the_skops_call_that_loads_it(self, tmp_path):
        path = tmp_path / "mine.skops"
        skops.io.dump(make_pipeline(Mine(), PixelScaler()), path)
        with pytest.raises(ValueError, match=rf"holds types that load does not read: {__name__}\.Mine\. If") as caught:
            load(path)
        call = str(caught.value).split("in Python with ")[1].rstrip(".")
        assert isinstance(eval(call, {"skops": skops, "sk_mnist": sk_mnist, "path": path})[0], Mine)

    def test_an_error_lists_only_a_few_of_many_types(self, saved):
        def change(schema, _):
            for number in range(1000):
                add_attribute(schema, "PixelScaler", f"x{number}", node("TypeNode", f"my_package.Type{number}"))

        change_schema(saved, change)
        with pytest.raises(ValueError, match=r"my_package\.Type1, .*, \.\.\.\. If") as caught:
            load(saved)
        assert len(str(caught.value)) < 5000

    def test_trusted_types_are_the_public_estimators_of_the_package(self):
        estimators = (KerasMLPClassifier, ImageFlattener, PixelScaler, DigitImageNormalizer, RandomInk, RandomWarp)
        assert set(TRUSTED_TYPES) == {f"{public.__module__}.{public.__name__}" for public in estimators}
        assert {name for name in TYPES if name.startswith("sk_mnist.")} == set(TRUSTED_TYPES)

    def test_loading_with_skops_keeps_n_jobs_and_paths_and_checks_no_versions(self, tmp_path, monkeypatch):
        path = tmp_path / "model.skops"
        mlp = KerasMLPClassifier(checkpoint_dir="fits", class_weight={False: 1.0, True: 3.0})
        union = FeatureUnion([("scale", PixelScaler())], n_jobs=2)
        with monkeypatch.context() as patch:
            patch.setattr(sk_mnist, "__version__", "0.0.1")
            skops.io.dump(Pipeline([("union", union), ("mlp", mlp)], memory="cache"), path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = skops.io.load(path, trusted=TRUSTED_TYPES)
        assert (loaded.memory, loaded["union"].n_jobs, loaded["mlp"].checkpoint_dir) == ("cache", 2, "fits")
        assert loaded["mlp"].class_weight == {True: 3.0}  # as the documentation warns


class TestDamage:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_truncated_file_is_rejected(self, saved, share):
        content = saved.read_bytes()
        saved.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"is damaged or was not saved by sk_mnist\.save"):
            load(saved)

    def test_a_flipped_bit_in_the_weights_is_rejected(self, saved):
        content = bytearray(saved.read_bytes())
        content[len(content) // 3] ^= 1
        saved.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged"):
            load(saved)

    @pytest.mark.parametrize(
        "content",
        [b"not a zip file", b"\x80\x04}\x94.", b"PK\x05\x06" + bytes(18), pack({"a.npy": npy(np.zeros(3))})],
        ids=["text", "pickle", "empty zip", "npz"],
    )
    def test_a_file_of_another_format_is_rejected(self, tmp_path, content):
        (tmp_path / "foreign").write_bytes(content)
        with pytest.raises(ValueError, match="is damaged or was not saved"):
            load(tmp_path / "foreign")

    def test_a_zip_bomb_is_rejected_without_unpacking_it(self, tmp_path):
        path = tmp_path / "bomb.skops"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", b" " * 50_000_000)
        assert path.stat().st_size < 100_000
        with pytest.raises(ValueError, match=r"its member 'schema\.json' is compressed"):
            load(path)

    @posix_only
    def test_loading_a_pipe_device_or_directory_raises_os_error(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        reasons = {tmp_path / "pipe": "Not a regular file", "/dev/zero": "Not a regular file", tmp_path: "Is a direct"}
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
        for path, reason in [*reasons.items()] * 5:
            with pytest.raises(OSError, match=f"{reason}.*{path}"):
                load(path)
        # What is refused is closed.
        assert before == (len(os.listdir("/proc/self/fd")) if before else 0)

    def test_a_missing_file_raises_file_not_found_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nothing.skops")


class TestVersions:
    def change_versions(self, path, **versions):
        def change(name, content):
            if name != "sk-mnist-versions.json":
                return content
            return json.dumps({**json.loads(content), **{key.replace("_", "-"): v for key, v in versions.items()}})

        rewrite(path, change)

    def test_another_version_of_scikit_learn_causes_a_warning(self, saved):
        self.change_versions(saved, scikit_learn="1.8.0")
        with pytest.warns(InconsistentVersionWarning, match=r"from version 1\.8\.0"):
            load(saved)

    def test_another_version_of_the_package_causes_a_warning(self, saved):
        self.change_versions(saved, sk_mnist="99.0")
        with pytest.warns(UserWarning, match=rf"saved by sk-mnist 99\.0, but {sk_mnist.__version__} is installed"):
            load(saved)

    def test_a_file_without_versions_causes_a_warning(self, fitted, tmp_path):
        skops.io.dump(fitted, tmp_path / "plain.skops")
        with pytest.warns(UserWarning, match="does not name the versions that saved it"):
            load(tmp_path / "plain.skops")


class TestFileObjects:
    def model(self):
        return PixelScaler().fit([[0, 255]])

    def test_a_model_passes_through_memory(self):
        file = save(self.model(), io.BytesIO())
        assert load(io.BytesIO(file.getvalue())).pixel_max_ == 255
        file.seek(0)
        assert load(file).pixel_max_ == 255

    def test_a_model_passes_through_a_file_an_archive_and_a_compressed_file(self, tmp_path):
        with open(tmp_path / "m.skops", "wb") as file:
            assert save(self.model(), file) is file
        assert load(tmp_path / "m.skops").pixel_max_ == 255
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive, archive.open("m", "w") as file:
            save(self.model(), file)
        with zipfile.ZipFile(tmp_path / "m.zip") as archive, archive.open("m") as file:
            assert load(file).pixel_max_ == 255
        with gzip.open(tmp_path / "m.gz", "wb") as file:
            save(self.model(), file)
        with gzip.open(tmp_path / "m.gz") as file:
            assert load(file).pixel_max_ == 255

    def test_a_model_is_read_from_an_http_response(self):
        content = save(self.model(), io.BytesIO()).getvalue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                """Write nothing to stderr."""

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.handle_request).start()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/") as response:
                assert load(response).pixel_max_ == 255

    def test_a_file_that_takes_only_a_part_is_an_error(self):
        class Full(io.BytesIO):
            def write(self, content):
                return super().write(content[:10])

        with pytest.raises(OSError, match=r"Only 10 of [\d,]+ bytes were written"):
            save(self.model(), Full())

    def test_a_damaged_file_object_is_rejected_like_a_path(self, tmp_path):
        (tmp_path / "m.skops").write_bytes(b"no model")
        with (
            open(tmp_path / "m.skops", "rb") as file,
            pytest.raises(ValueError, match=r"The file .*m.skops is damaged"),
        ):
            load(file)
        with pytest.raises(ValueError, match=r"^The file is damaged or was not saved by sk_mnist.save"):
            load(io.BytesIO(b"no model"))
        with pytest.raises(ValueError, match=r"nothing left to read. .* path.seek\(0\)"):
            load(save(self.model(), io.BytesIO()))

    @pytest.mark.parametrize("function", [load, lambda path: save(PixelScaler(), path)], ids=["load", "save"])
    def test_text_files_are_rejected(self, tmp_path, function):
        (tmp_path / "m.txt").write_text("text")
        with open(tmp_path / "m.txt", "r+") as file, tempfile.NamedTemporaryFile("w+") as temporary:
            for path in (file, temporary, io.StringIO()):
                with pytest.raises(TypeError, match="path is a file in text mode"):
                    function(path)

    @pytest.mark.parametrize("function", [load, lambda path: save(PixelScaler(), path)], ids=["load", "save"])
    @pytest.mark.parametrize("path", [b"m.skops", bytearray(b"PK"), 3, None, ["m.skops"]], ids=repr)
    def test_what_is_no_path_and_no_file_is_rejected(self, function, path):
        wanted = r"path must be a str, a path-like or a binary file, such as io.BytesIO\(content\); got "
        with pytest.raises(TypeError, match=wanted + type(path).__name__):
            function(path)

    @pytest.mark.parametrize("function", [load, lambda path: save(PixelScaler(), path)], ids=["load", "save"])
    @pytest.mark.parametrize(
        "path", ["https://host/m.skops", "s3://bucket/m", "file:///tmp/m", Path("https://host/m.skops")], ids=repr
    )
    def test_an_address_is_not_taken_for_a_file_name(self, function, path, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match=r"path is an address, .* Give the path of a file on this machine"):
            function(path)
        assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_mlflow_logs_and_loads_the_models_of_this_package(tmp_path):
    pytest.importorskip("mlflow")
    code = f"""
import os, warnings
os.chdir({str(tmp_path)!r})
import mlflow
import numpy as np
from sk_mnist import fetch_mnist, load_pretrained, make_mnist_pipeline
from sk_mnist.persistence import TRUSTED_TYPES
mlflow.set_tracking_uri("sqlite:///runs.db")
X, y = fetch_mnist(subset="test", normalize=False, return_X_y=True)
X, y = X[:300], y[:300]
trained = make_mnist_pipeline(epochs=1, augmentation="elastic", random_state=0).fit(X, y)
for name, model in [("pretrained", load_pretrained()), ("trained", trained)]:
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model, name=name, serialization_format="skops", skops_trusted_types=[*TRUSTED_TYPES],
            pip_requirements=["scikit-learn"],
        )
    loaded = mlflow.sklearn.load_model(info.model_uri)
    print(name, (loaded.predict_proba(X) == model.predict_proba(X)).all())
"""
    assert output_of(code).splitlines()[-2:] == ["pretrained True", "trained True"]


class TestOnnx:
    def run(self, model, X):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(["label", "probabilities"], {"X": X})

    @pytest.mark.parametrize("dtype", ["float32", "uint8"])
    def test_a_pipeline_on_images_predicts_the_same_in_onnx(self, fitted, images, dtype):
        X = images[0] if dtype == "uint8" else images[0] / np.float32(255)
        labels, proba = self.run(to_onnx(fitted, input_dtype=dtype), X)
        np.testing.assert_array_equal(labels, fitted.predict(X))
        np.testing.assert_allclose(proba, fitted.predict_proba(X), atol=1e-5)

    @pytest.mark.parametrize(
        ("fitted_on", "pixel_max", "white"),
        [("uint8", "auto", 1), ("float32", "auto", 1), ("float32", "auto", 255), ("uint8", 255, 255)],
    )
    @pytest.mark.parametrize("given", ["uint8", "float32"])
    def test_pixels_are_scaled_as_in_predict(self, images, fitted_on, pixel_max, white, given):
        X = {"uint8": images[0][:200], "float32": images[0][:200] * np.float32(white / 255)}
        classifier = LogisticRegression(tol=0.01)
        pipe = make_pipeline(ImageFlattener(), PixelScaler(pixel_max), classifier).fit(X[fitted_on], images[1][:200])
        labels, proba = self.run(to_onnx(pipe, input_dtype=given), X[given])
        np.testing.assert_array_equal(labels, pipe.predict(X[given]))
        np.testing.assert_allclose(proba, pipe.predict_proba(X[given]), atol=1e-5)

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_every_activation_predicts_the_same_in_onnx(self, activation):
        X = 3 * np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
        y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
        mlp = KerasMLPClassifier((8, 6), activation=activation, epochs=3, random_state=0).fit(X, y)
        labels, proba = self.run(to_onnx(mlp), X)
        np.testing.assert_array_equal(labels, mlp.predict(X))
        np.testing.assert_allclose(proba, mlp.predict_proba(X), atol=1e-5)

    @pytest.mark.parametrize("labels", [["b", "a", "c"], [3, 1, 2], [True, False, True], [2.0, 0.0, 1.0]], ids=str)
    def test_labels_of_every_type_are_preserved(self, labels):
        X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        y = np.array(labels)[np.arange(90) % 3]
        mlp = KerasMLPClassifier((6,), epochs=3, random_state=0).fit(X, y)
        np.testing.assert_array_equal(self.run(to_onnx(mlp), X)[0], mlp.predict(X))

    def test_a_pipeline_with_a_scikit_learn_scaler_predicts_the_same_in_onnx(self, images):
        X, y = images[0].reshape(-1, 784).astype(np.float32), images[1]
        pipe = make_pipeline(StandardScaler(), KerasMLPClassifier((8,), epochs=1, random_state=0)).fit(X, y)
        np.testing.assert_allclose(self.run(to_onnx(pipe), X)[1], pipe.predict_proba(X), atol=1e-5)

    def test_a_float64_network_is_computed_in_float32(self):
        X = np.random.default_rng(0).normal(size=(50, 4))
        mlp = KerasMLPClassifier((6,), dtype="float64", epochs=3, random_state=0).fit(X, X[:, 0] > 0)
        np.testing.assert_allclose(self.run(to_onnx(mlp), X.astype(np.float32))[1], mlp.predict_proba(X), atol=1e-5)

    def test_labels_beyond_int64_are_rejected(self):
        X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        labels = np.array([2**63 - 1, 2**63], dtype=np.uint64)
        mlp = KerasMLPClassifier((6,), epochs=1).fit(X, labels[np.arange(90) % 2])
        with pytest.raises(ValueError, match=r"go up to 9223372036854775808, but ONNX labels are int64"):
            to_onnx(mlp)

    def test_a_step_without_a_fixed_number_of_features_is_rejected(self):
        model = make_pipeline(DigitImageNormalizer(), load_pretrained())
        with pytest.raises(ValueError, match=r"cannot convert DigitImageNormalizer .* such as model\[1:\]"):
            to_onnx(model)
        with pytest.raises(ValueError, match=r"cannot convert DigitImageNormalizer .* such as model\[1:\]"):
            to_onnx(Pipeline([("nothing", "passthrough"), ("model", model)]))

    @pytest.mark.parametrize("nothing", ["passthrough", None])
    def test_passthrough_steps_are_left_out(self, nothing):
        X, _ = fetch_mnist(subset="test", normalize=False, return_X_y=True)
        images = X[:100].reshape(-1, 28, 28)
        first, *others = load_pretrained().steps
        inner = Pipeline([("nothing", nothing), first])
        model = Pipeline([("nothing", nothing), ("inner", inner), ("also_nothing", nothing), *others])
        labels, proba = self.run(to_onnx(model, input_dtype="uint8"), images)
        np.testing.assert_array_equal(labels, model.predict(images))
        np.testing.assert_allclose(proba, model.predict_proba(images), atol=1e-5)

    def test_a_transformer_is_rejected(self):
        with pytest.raises(ValueError, match=r"to_onnx converts classifiers, .*; got PixelScaler\(\)"):
            to_onnx(PixelScaler().fit([[0, 255]]))

    @pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"]], ids=str)
    def test_skl2onnx_converts_models_after_register_onnx_converters(self, labels):
        import skl2onnx

        X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        mlp = KerasMLPClassifier((6,), epochs=3, random_state=0).fit(X, np.array(labels)[np.arange(90) % 3])
        pipe = make_pipeline(StandardScaler(), mlp).fit(X, np.array(labels)[np.arange(90) % 3])
        register_onnx_converters()
        for model in (mlp, pipe):
            converted = skl2onnx.to_onnx(model, X[:1])
            session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
            predicted, probabilities = session.run(None, {"X": X})
            np.testing.assert_array_equal(predicted, model.predict(X))
            found = [[row[label] for label in model.classes_.tolist()] for row in probabilities]
            np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-5)

    def test_an_unfitted_model_is_rejected(self):
        with pytest.raises(NotFittedError):
            to_onnx(KerasMLPClassifier())

    @pytest.mark.parametrize(
        ("given", "name"), [({"input_dtype": "int8"}, "input_dtype"), ({"estimator": 3}, "estimator")]
    )
    def test_the_error_names_the_invalid_argument(self, given, name):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of to_onnx"):
            to_onnx(**{"estimator": LogisticRegression(), **given})

    def test_without_skl2onnx_the_error_says_how_to_install_it(self, fitted, monkeypatch):
        monkeypatch.setitem(sys.modules, "skl2onnx", None)
        with pytest.raises(ImportError, match=r"^to_onnx needs skl2onnx: pip install skl2onnx$"):
            to_onnx(fitted)


@pytest.mark.slow
# h5py, which Keras writes weights with, has not caught up with NumPy 2 here.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_keras_file_opens_in_plain_keras_in_a_fresh_process(fitted, images, tmp_path):
    X = (images[0].reshape(-1, 784) / np.float32(255)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    fitted["mlp"].to_keras().save(tmp_path / "model.keras")
    code = f"""
import sys, keras, numpy
model = keras.models.load_model({str(tmp_path / "model.keras")!r})
numpy.save({str(tmp_path / "proba.npy")!r}, model.predict(numpy.load({str(tmp_path / "X.npy")!r}), verbose=0))
assert "sk_mnist" not in sys.modules
"""
    output_of(code)
    np.testing.assert_allclose(np.load(tmp_path / "proba.npy"), fitted["mlp"].predict_proba(X), atol=1e-5)
