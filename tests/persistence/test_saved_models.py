"""Models saved by earlier versions, which stay readable through every restructuring."""

import json
import pickle
import pickletools
import sys
import warnings
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline

import sk_mnist
from sk_mnist import load
from sk_mnist.persistence import TRUSTED_TYPES

FOLDER = Path(__file__).parent / "saved_models"
SAVED = sorted(path.parent for path in FOLDER.glob("**/model.skops") if path.parent.name != "search")
# 0.1.0.dev0 has no weights of a next fit to compare with.
TRAINABLE = [
    path
    for path in SAVED
    if path.name in {"0.1.0.dev0", "averaging_optimizer", "frozen_teacher", "random_state", "warm_start"}
]


def name_of(directory):
    return directory.relative_to(FOLDER).as_posix()


def load_file(directory):
    return load(directory / "model.skops")


def load_pickle(directory):
    return pickle.loads((directory / "model.pickle").read_bytes())


@pytest.fixture(params=SAVED, ids=name_of)
def directory(request):
    return request.param


@pytest.fixture(params=[load_file, load_pickle], ids=["file", "pickle"])
def model(request, directory):
    return request.param(directory)


@pytest.fixture
def network(model):
    return model[-1] if isinstance(model, Pipeline) else model


@pytest.fixture
def expected(directory):
    with np.load(directory / "expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def rows(model, expected):
    return pd.DataFrame(expected["X"], columns=list("abcdef")) if hasattr(model, "feature_names_in_") else expected["X"]


# Saved by other versions than the ones installed.
of_other_versions = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.InconsistentVersionWarning", "ignore:This file was saved by"
)


def test_a_saved_model_of_each_version_exists():
    assert {
        "0.1.0.dev0",
        "0.1.0/averaging_optimizer",
        "0.1.0/frozen_teacher",
        "0.1.0/pictures",
        "0.1.0/pixels_dtype_bytes",
        "0.1.0/pixels_dtype_floats",
        "0.1.0/random_state",
        "0.1.0/warm_start",
    } <= set(map(name_of, SAVED))


@of_other_versions
def test_a_saved_model_predicts_the_same_as_when_it_was_saved(model, network, expected, rows):
    # BLAS of another machine may add in another order.
    np.testing.assert_allclose(model.predict_proba(rows), expected["probabilities"], rtol=1e-5)
    assert set(model.predict(rows)) <= set(expected["y"])
    assert network.get_params(deep=False).keys() == sk_mnist.KerasMLPClassifier().get_params().keys()


@of_other_versions
@pytest.mark.parametrize(
    "directory", [path for path in SAVED if "dtype" in path.name], indirect=True, ids=lambda p: p.name
)
@pytest.mark.parametrize("scale", ["bytes", "floats"])
def test_a_model_saved_with_one_scale_per_dtype_accepts_bytes_and_floats(model, expected, scale):
    probabilities = model.predict_proba(expected[f"X_{scale}"])
    np.testing.assert_allclose(probabilities, expected["probabilities"], rtol=1e-5)


@of_other_versions
@pytest.mark.parametrize("directory", [FOLDER / "0.1.0.dev0"], indirect=True, ids=["0.1.0.dev0"])
def test_a_saved_model_has_the_defaults_of_newer_parameters(network):
    parameters = (network.augmentation, network.teacher, network.teacher_weight, network.monitor)
    assert parameters == (None, None, 0.7, "val_accuracy")
    assert repr(network).startswith("KerasMLPClassifier(")


# Attributes that version 0.1 stored, although they follow from others.
DERIVED = {"loss_": 9.0, "loss_curve_": [9.0], "validation_scores_": [9.0], "n_layers_": 9, "out_activation_": "relu"}


@of_other_versions
def test_attributes_that_follow_from_others_are_dropped(network):
    assert not vars(network).keys() & DERIVED
    assert network.loss_curve_ == network.history_["loss"]
    assert network.loss_ == network.loss_curve_[-1]
    assert network.validation_scores_ == network.history_.get("val_accuracy")
    assert (network.n_layers_, network.out_activation_) == (len(network.coefs_) + 1, "softmax")


@of_other_versions
@pytest.mark.parametrize("directory", [FOLDER / "0.1.0/warm_start"], indirect=True, ids=["0.1.0/warm_start"])
@pytest.mark.parametrize(("name", "value"), DERIVED.items())
def test_attributes_that_contradict_others_are_rejected(network, name, value):
    state = network.__getstate__()
    sk_mnist.KerasMLPClassifier().__setstate__({**state, name: getattr(network, name)})
    with pytest.raises(ValueError, match=f"{name} differs from the attribute"):
        sk_mnist.KerasMLPClassifier().__setstate__({**state, name: value})


@of_other_versions
@pytest.mark.parametrize("directory", TRAINABLE, indirect=True, ids=name_of)
def test_training_of_a_saved_model_continues(directory, model, network, expected, rows):
    if directory.name == "averaging_optimizer" and isinstance(network.optimizer, str):
        import keras

        network.optimizer = keras.optimizers.Adam(0.03, use_ema=True, ema_momentum=0.8)
    before = len(network.loss_curve_)
    model.fit(rows, expected["y"])
    assert len(network.loss_curve_) == before + network.epochs
    assert network.n_iter_ == network.epochs
    coefs = [values for name, values in sorted(expected.items()) if name.startswith("coefs_of_the_next_fit")]
    for found, wanted in zip(network.coefs_, coefs or network.coefs_, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


# What skops asks about a search, besides our types.
SEARCH_TYPES = ["sklearn.metrics._scorer._PassthroughScorer", "sklearn.model_selection._split.StratifiedKFold"]


def test_a_search_saved_by_an_older_version_is_read_by_skops_but_rejected_by_load():
    directory = FOLDER / "0.1.0" / "search"
    with pytest.raises(ValueError, match=r"types that load does not read: .*StratifiedKFold"):
        load(directory / "model.skops")
    trusted = [*TRUSTED_TYPES, *SEARCH_TYPES]
    with np.load(directory / "expected.npz") as expected:
        for search in (skops.io.load(directory / "model.skops", trusted=trusted), load_pickle(directory)):
            np.testing.assert_allclose(search.predict_proba(expected["X"]), expected["probabilities"], rtol=1e-5)


def modules_in_file(directory):
    with zipfile.ZipFile(directory / "model.skops") as archive:
        schema = archive.read("schema.json").decode()
    modules = set()
    json.loads(schema, object_hook=lambda node: modules.add(node.get("__module__")))
    return modules - {None}


def modules_in_pickle(directory):
    content = (directory / "model.pickle").read_bytes()
    return {argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)}


@pytest.mark.parametrize("modules_in", [modules_in_file, modules_in_pickle], ids=["file", "pickle"])
def test_saved_files_refer_only_to_public_modules(modules_in, directory):
    modules = {module for module in modules_in(directory) if module.startswith("sk_mnist")}
    assert {"sk_mnist.neural_network"} <= modules
    assert modules <= {"sk_mnist.neural_network", "sk_mnist.preprocessing", "sk_mnist.augmentation"}


ROOMS = ["augmentation", "datasets", "metrics", "model_selection", "neural_network", "plotting", "preprocessing"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_class_names_its_public_module(room):
    module = import_module(f"sk_mnist.{room}")
    for name in module.__all__:
        public = getattr(module, name)
        if isinstance(public, type):
            assert public.__module__ == module.__name__
            assert pickle.loads(pickle.dumps(public)) is public


def test_top_level_names_are_those_of_the_public_modules():
    for name in ("KerasMLPClassifier", "ImageFlattener", "PixelScaler", "RandomInk", "RandomWarp"):
        public = getattr(sk_mnist, name)
        assert getattr(sys.modules[public.__module__], name) is public


def test_loading_a_file_saved_today_does_not_warn(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(sk_mnist.save(sk_mnist.make_mnist_pipeline(), tmp_path / "model.skops"))
