"""make_mnist_pipeline: from images to digits."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_mnist import ImageFlattener, PixelScaler, fetch_mnist, make_mnist_pipeline
from sk_mnist.pipeline import RECIPES


@pytest.fixture(scope="module")
def digits():
    mnist = fetch_mnist(subset="train", normalize=False)
    return mnist.data[:2000], mnist.target[:2000]


def quick(**params):
    return make_mnist_pipeline(epochs=3, random_state=0, **params)


def test_bytes_floats_rows_and_images_give_the_same_model(digits):
    X, y = digits
    expected = quick().fit(X, y).predict_proba(X)
    for form in (X / np.float32(255), X.reshape(-1, 28, 28), X.reshape(-1, 28, 28, 1) / np.float32(255)):
        np.testing.assert_array_equal(quick().fit(form, y).predict_proba(form), expected)


def published():
    return fetch_mnist(subset="train", normalize=False).data[:300]


def frame_of_integers(first):
    return pd.DataFrame(published().astype(np.int64), columns=[f"pixel{first + k}" for k in range(784)])


# The same images, as this package and others give them.
SOURCES = {
    "fetch_mnist": lambda: fetch_mnist(subset="train").data[:300],
    "fetch_mnist, bytes": published,
    "fetch_mnist, frame": lambda: fetch_mnist(subset="train", as_frame=True).data[:300],
    "fetch_mnist, frame of bytes": lambda: fetch_mnist(subset="train", as_frame=True, normalize=False).data[:300],
    "fetch_openml": lambda: frame_of_integers(first=1),
    "fetch_openml, array": lambda: published().astype(np.int64),
    "fetch_openml, older parser": lambda: published().astype(np.float64),
    "keras.datasets": lambda: published().reshape(-1, 28, 28),
    "Kaggle's CSV": lambda: frame_of_integers(first=0),
}
FLOATS_OF_255, FLOATS_OF_1 = "fetch_openml, older parser", ("fetch_mnist", "fetch_mnist, frame")


@cache
def images_of(source):
    return SOURCES[source]()


@cache
def labels():
    return fetch_mnist(subset="train").target[:300]


@cache
def fitted_on(source, **scaler_params):
    pipe = make_pipeline(ImageFlattener(), PixelScaler(**scaler_params), LogisticRegression(tol=0.003))
    return pipe.fit(images_of(source), labels())


def predict(model, X):
    # scikit-learn refuses a frame whose columns have other names than in fit.
    names = list(getattr(model, "feature_names_in_", []))
    return model.predict(X.to_numpy() if hasattr(X, "columns") and names and names != list(X.columns) else X)


@cache
def expected_labels():
    expected = fitted_on("keras.datasets").predict(images_of("keras.datasets"))
    assert np.mean(expected == labels()) > 0.9
    return expected


# As of any Pipeline that was fitted on a frame and predicts an array, or the other way round.
ignore_names = pytest.mark.filterwarnings("ignore:X has feature names", "ignore:X does not have valid feature names")


@ignore_names
@pytest.mark.parametrize("given", SOURCES)
@pytest.mark.parametrize("source", SOURCES)
def test_the_same_images_get_the_same_labels_wherever_they_come_from(source, given):
    model, X = fitted_on(source), images_of(given)
    if given == FLOATS_OF_255 != source:
        with pytest.raises(ValueError, match=r"floats of up to 255, .* fit with pixel_max=255"):
            predict(model, X)
    elif source == FLOATS_OF_255 and given in FLOATS_OF_1:
        with pytest.raises(ValueError, match="Give it images on the same scale as in fit"):
            predict(model, X)
    else:
        np.testing.assert_array_equal(predict(model, X), expected_labels())


@pytest.mark.parametrize("given", ["keras.datasets", FLOATS_OF_255])
@pytest.mark.parametrize("source", ["keras.datasets", FLOATS_OF_255])
def test_a_pipeline_with_pixel_max_255_accepts_floats_of_0_to_255(source, given):
    np.testing.assert_array_equal(fitted_on(source, pixel_max=255).predict(images_of(given)), expected_labels())


@ignore_names
@pytest.mark.parametrize("source", SOURCES)
def test_boolean_masks_are_black_and_white_and_integer_masks_are_rejected(source):
    model, mask = fitted_on(source), published() > 127
    assert model.score(mask, labels()) > 0.8
    with pytest.raises(ValueError, match=r"integers of at most 1, .* give X\.astype\(bool\)"):
        model.predict(mask.astype(np.uint8))


@pytest.mark.slow
def test_a_grid_search_can_tune_several_steps(digits):
    search = GridSearchCV(quick(), {"mlp__learning_rate": [1e-6, 1e-3], "scale__pixel_max": ["auto", 255]}, cv=2)
    assert search.fit(*digits).best_params_["mlp__learning_rate"] == 1e-3


def test_given_parameters_override_those_of_the_recipe():
    mlp = make_mnist_pipeline(batch_size=64, dropout=0.1)["mlp"]
    assert (mlp.batch_size, mlp.dropout, mlp.epochs) == (64, 0.1, RECIPES["reference"]["epochs"])


def test_changing_and_fitting_a_pipeline_does_not_change_its_recipe(digits):
    before = clone(make_mnist_pipeline()).get_params()["mlp"].get_params()
    quick(hidden_layer_sizes=(4,)).set_params(mlp__batch_size=8).fit(*digits)
    assert make_mnist_pipeline()["mlp"].get_params() == before


@pytest.mark.parametrize("recipe", ["best", ["fast"], {"epochs": 3}, None], ids=str)
def test_an_unknown_recipe_is_rejected_with_a_list_of_the_known_ones(recipe):
    known = r"\['fast', 'reference', 'robust', 'wide'\]"
    with pytest.raises(ValueError, match=f"recipe must be one of {known}; got {re.escape(repr(recipe))}"):
        make_mnist_pipeline(recipe)


def test_an_unknown_parameter_is_rejected():
    with pytest.raises(TypeError, match="dropuot"):
        make_mnist_pipeline(dropuot=0.1)


def test_the_fast_recipe_reaches_the_published_accuracy():
    # test_documentation.py trains with the reference recipe.
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    assert make_mnist_pipeline("fast", random_state=0).fit(X, y).score(X_test, y_test) >= 0.9733


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_the_published_network(recipe):
    expected = (1024, 512, 256) if recipe == "wide" else (128, 64, 32)
    assert make_mnist_pipeline(recipe)["mlp"].hidden_layer_sizes == expected


def test_pipelines_do_not_share_the_objects_of_a_recipe():
    make_mnist_pipeline("wide").set_params(mlp__augmentation__rotation=90.0)
    assert make_mnist_pipeline("wide")["mlp"].augmentation.rotation == 12.0
    make_mnist_pipeline("robust")["mlp"].augmentation.clear()
    assert len(make_mnist_pipeline("robust")["mlp"].augmentation) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "n_rows", "accuracy"), [("robust", 30_000, 0.95), ("wide", 10_000, 0.9)])
def test_a_recipe_with_distortions_learns_in_few_epochs(recipe, n_rows, accuracy):
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    pipe = make_mnist_pipeline(recipe, epochs=3, random_state=0).fit(X[:n_rows], y[:n_rows])
    assert pipe.score(X_test, y_test) >= accuracy


@pytest.mark.parametrize(("n_val", "seen"), [(20, [10, 10, 20]), (19, [19, 19, 19]), (30, [30, 30, 30])])
def test_a_search_selects_rows_of_a_validation_set_only_if_it_is_as_long_as_the_data(n_val, seen):
    # What docs/pipeline.md warns of is scikit-learn's doing: it concerns every argument of fit.
    lengths = []

    class Recorder(DummyClassifier):
        def fit(self, X, y, X_val=None):
            lengths.append(len(X_val))
            return super().fit(X, y)

    GridSearchCV(Recorder(), {}, cv=2).fit(np.zeros((20, 1)), [0, 1] * 10, X_val=np.zeros((n_val, 1)))
    assert lengths == seen
