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

import sk_mnist
from sk_mnist import load

SAVED = sorted(path.parent for path in Path(__file__).parent.glob("saved_models/*/model.skops"))


def load_file(directory):
    return load(directory / "model.skops")


def load_pickle(directory):
    return pickle.loads((directory / "model.pickle").read_bytes())


@pytest.fixture(params=SAVED, ids=lambda path: path.name)
def directory(request):
    return request.param


@pytest.fixture(params=[load_file, load_pickle], ids=["file", "pickle"])
def model(request, directory):
    return request.param(directory)


@pytest.fixture
def expected(directory):
    with np.load(directory / "expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def frame(expected):
    return pd.DataFrame(expected["X"], columns=list("abcdef"))


# Saved by other versions than the ones installed.
of_other_versions = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.InconsistentVersionWarning", "ignore:This file was saved by"
)


def test_there_are_saved_models():
    assert SAVED[0].name == "0.1.0.dev0"


@of_other_versions
def test_a_saved_model_predicts_as_it_did(model, expected, frame):
    # BLAS of another machine may add in another order.
    np.testing.assert_allclose(model.predict_proba(frame), expected["probabilities"], rtol=1e-5)
    assert set(model.predict(frame)) == {"high", "low"}
    assert model["mlp"].get_params().keys() == sk_mnist.KerasMLPClassifier().get_params().keys()


@of_other_versions
def test_a_saved_model_has_the_defaults_of_newer_parameters(model):
    mlp = model["mlp"]
    assert (mlp.augmentation, mlp.teacher, mlp.teacher_weight, mlp.monitor) == (None, None, 0.7, "val_accuracy")
    assert repr(mlp).startswith("KerasMLPClassifier(")


@of_other_versions
def test_training_a_saved_model_goes_on(model, expected, frame):
    before = len(model["mlp"].loss_curve_)
    assert before > 0
    model.set_params(mlp__epochs=1).fit(frame, expected["y"])
    assert model["mlp"].n_iter_ == 1
    assert len(model["mlp"].loss_curve_) == before + 1


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
def test_what_is_saved_names_public_modules_only(modules_in):
    modules = {module for module in modules_in(SAVED[-1]) if module.startswith("sk_mnist")}
    assert modules == {"sk_mnist.neural_network", "sk_mnist.preprocessing"}


ROOMS = ["augmentation", "datasets", "metrics", "model_selection", "neural_network", "plotting", "preprocessing"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_class_names_its_public_module(room):
    module = import_module(f"sk_mnist.{room}")
    for name in module.__all__:
        public = getattr(module, name)
        if isinstance(public, type):
            assert public.__module__ == module.__name__
            assert pickle.loads(pickle.dumps(public)) is public


def test_top_level_names_are_those_of_the_rooms():
    for name in ("KerasMLPClassifier", "ImageFlattener", "PixelScaler", "RandomWarp"):
        public = getattr(sk_mnist, name)
        assert getattr(sys.modules[public.__module__], name) is public


def test_a_file_saved_today_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(sk_mnist.save(sk_mnist.make_mnist_pipeline(), tmp_path / "model.skops"))
