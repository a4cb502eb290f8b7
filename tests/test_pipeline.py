"""make_mnist_pipeline: from images to digits."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sk_mnist import fetch_mnist, make_mnist_pipeline
from sk_mnist.pipeline import RECIPES


@pytest.fixture(scope="module")
def digits():
    mnist = fetch_mnist(subset="train", normalize=False)
    return mnist.data[:2000], mnist.target[:2000]


def quick(**params):
    return make_mnist_pipeline(epochs=3, random_state=0, **params)


def test_bytes_and_pixels_in_0_to_1_flat_or_not_give_the_same_model(digits):
    X, y = digits
    expected = quick().fit(X, y).predict_proba(X)
    for form in (X / np.float32(255), X.reshape(-1, 28, 28), X.reshape(-1, 28, 28, 1) / np.float32(255)):
        np.testing.assert_array_equal(quick().fit(form, y).predict_proba(form), expected)


def test_a_pipeline_of_bytes_refuses_pixels_in_0_to_1(digits):
    X, y = digits
    with pytest.raises(ValueError, match="fitted on pixels of 0 to 255"):
        quick().fit(X, y).predict(X / 255)


def test_searches_over_any_step(digits):
    search = GridSearchCV(quick(), {"mlp__learning_rate": [1e-6, 1e-3], "scale__pixel_max": ["auto", 255]}, cv=2)
    assert search.fit(*digits).best_params_["mlp__learning_rate"] == 1e-3


def test_parameters_of_the_mlp_replace_the_recipes():
    mlp = make_mnist_pipeline(batch_size=64, dropout=0.1)["mlp"]
    assert (mlp.batch_size, mlp.dropout, mlp.epochs) == (64, 0.1, RECIPES["reference"]["epochs"])


def test_the_recipe_is_not_changed_by_what_comes_of_it(digits):
    before = clone(make_mnist_pipeline()).get_params()["mlp"].get_params()
    quick(hidden_layer_sizes=(4,)).set_params(mlp__batch_size=8).fit(*digits)
    assert make_mnist_pipeline()["mlp"].get_params() == before


@pytest.mark.parametrize("recipe", ["best", ["fast"], {"epochs": 3}, None], ids=str)
def test_an_unknown_recipe_is_refused_with_the_known_ones(recipe):
    known = r"\['accurate', 'fast', 'reference', 'wide'\]"
    with pytest.raises(ValueError, match=f"recipe must be one of {known}; got {re.escape(repr(recipe))}"):
        make_mnist_pipeline(recipe)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(TypeError, match="dropuot"):
        make_mnist_pipeline(dropuot=0.1)


@pytest.mark.parametrize("recipe", ["fast", pytest.param("reference", marks=pytest.mark.slow)])
def test_every_recipe_reaches_the_published_accuracy(recipe):
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    assert make_mnist_pipeline(recipe, random_state=0).fit(X, y).score(X_test, y_test) >= 0.9733


@pytest.mark.parametrize("recipe", sorted(RECIPES.keys() - {"wide"}))
def test_a_recipe_trains_the_published_network(recipe):
    assert make_mnist_pipeline(recipe)["mlp"].hidden_layer_sizes == (128, 64, 32)


def test_the_wide_recipe_trains_a_larger_one():
    assert make_mnist_pipeline("wide")["mlp"].hidden_layer_sizes == (1024, 512, 256)


def test_pipelines_do_not_share_the_objects_of_a_recipe():
    make_mnist_pipeline("accurate").set_params(mlp__augmentation__rotation=90.0)
    assert make_mnist_pipeline("accurate")["mlp"].augmentation.rotation == 10.0


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["accurate", "wide"])
def test_a_recipe_with_distortions_learns_in_few_epochs(recipe):
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    assert make_mnist_pipeline(recipe, epochs=3, random_state=0).fit(X, y).score(X_test, y_test) >= 0.95
