"""Mistakes that beginners make: each is an error or a warning that says what to do."""

import inspect
import json
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from sk_mnist import (
    DigitImageNormalizer,
    KerasMLPClassifier,
    PixelScaler,
    RandomWarp,
    fetch_mnist,
    load_pretrained,
    make_mnist_pipeline,
)
from sk_mnist._images import look_like_bytes
from tests.helpers.processes import output_of

MODEL = load_pretrained()
N = 200


@pytest.fixture(scope="module")
def rows(mnist_sample):
    return mnist_sample[0][:N]


@pytest.fixture(scope="module")
def labels(mnist_sample):
    return mnist_sample[1][:N]


def quick():
    return KerasMLPClassifier((4,), epochs=1, random_state=0)


def quick_pipeline():
    return make_mnist_pipeline(hidden_layer_sizes=(4,), epochs=1, random_state=0)


class TestLabels:
    @pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, pd.DataFrame], ids=lambda kind: kind.__name__)
    @pytest.mark.parametrize("make", [quick, quick_pipeline])
    def test_one_hot_labels_are_rejected_with_advice_to_use_argmax(self, rows, labels, make, kind):
        message = r"got an array of shape \(200, 10\) instead: KerasMLPClassifier .* give np\.argmax\(y, axis=1\)"
        with pytest.raises(ValueError, match=message):
            make().fit(rows, kind(np.eye(10)[labels]))

    def test_one_hot_validation_labels_are_rejected_with_advice_to_use_argmax(self, rows, labels):
        with pytest.raises(ValueError, match=r"X_val and y_val, given as validation data: .* np\.argmax\(y, axis=1\)"):
            quick().fit(rows, labels, X_val=rows, y_val=np.eye(10)[labels])

    def test_the_advice_to_use_argmax_works(self, rows, labels):
        y = np.eye(10)[labels]
        np.testing.assert_array_equal(quick().fit(rows, np.argmax(y, axis=1)).classes_, range(10))


# The steps of a Pipeline, and what takes the same.
TAKE_IMAGES = [MODEL, MODEL["flatten"]]
TAKE_ROWS = [MODEL["scale"], MODEL["mlp"]]


def call(estimator, X):
    return estimator.predict(X) if hasattr(estimator, "predict") else estimator.transform(X)


def name(estimator):
    return type(estimator).__name__


@pytest.mark.parametrize("estimator", TAKE_IMAGES + TAKE_ROWS, ids=name)
class TestOneImage:
    def test_a_28_by_28_image_is_rejected_with_advice_to_reshape_it(self, estimator, rows):
        message = r"X has 28 features, but \w+ is expecting 784 .* has shape \(28, 28\), which is one image: np.reshape"
        for image in (rows[0].reshape(28, 28), rows[0].reshape(28, 28).tolist()):
            with pytest.raises(ValueError, match=message):
                call(estimator, image)
        assert len(call(estimator, np.reshape(image, (1, -1)))) == 1

    @pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, pd.Series], ids=lambda kind: kind.__name__)
    def test_a_single_row_is_rejected_without_printing_its_pixels(self, estimator, rows, kind):
        with pytest.raises(ValueError, match="Expected 2D array, got 1D array") as caught:
            call(estimator, kind(rows[0]))
        message = str(caught.value)
        assert re.search(r"X has shape \(784,\), .* Reshape your data: np\.reshape\(X, \(1, -1\)\)\.$", message)
        assert len(message) < 250

    def test_a_single_pillow_image_is_rejected(self, estimator, rows):
        image = Image.fromarray((rows[0].reshape(28, 28) * 255).astype(np.uint8))
        message = r"X is a Pillow image of 28 x 28 pixels; \w+ takes arrays .* sk_mnist\.read_digits\(X\)"
        with pytest.raises(TypeError, match=message):
            call(estimator, image)
        with pytest.raises(TypeError, match=message):
            estimator.fit(image, [1])
        assert len(call(estimator, np.asarray(image.convert("L")).reshape(1, -1))) == 1


def test_other_1d_arrays_are_rejected_with_both_ways_to_reshape_them(rows, labels):
    message = r"X has shape \(200,\), .* if it is one row, np\.reshape\(X, \(-1, 1\)\) if it is one feature"
    with pytest.raises(ValueError, match=message):
        quick().fit(rows[:, 300], labels)


def test_a_list_of_pillow_images_is_accepted(rows):
    images = [Image.fromarray(image) for image in (rows[:2].reshape(-1, 28, 28) * 255).astype(np.uint8)]
    np.testing.assert_array_equal(MODEL.predict(images), MODEL.predict(rows[:2]))


@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist], ids=["array", "list"])
def test_images_for_the_classifier_need_a_flattener(rows, labels, kind):
    message = r"X has shape \(200, 28, 28\); KerasMLPClassifier .* Put an ImageFlattener\(\) before it"
    with pytest.raises(ValueError, match=message):
        quick().fit(kind(rows.reshape(-1, 28, 28)), labels)


class TestUnscaledPixels:
    """KerasMLPClassifier warns of pixels of 0 to 255, and of no ordinary table."""

    message = r"whole numbers from 0 to 255, .* Put a PixelScaler\(\) before it, or divide X by 255"

    @pytest.mark.parametrize(
        "kind",
        [np.asarray, lambda X: X.astype(np.uint8), lambda X: X.astype(float), scipy.sparse.csr_matrix, pd.DataFrame],
        ids=["float32", "bytes", "float64", "sparse", "frame"],
    )
    def test_fit_warns_about_unscaled_pixels(self, rows, labels, kind):
        with pytest.warns(UserWarning, match=self.message):
            quick().fit(kind(np.rint(rows * 255)), labels)

    def test_the_first_partial_fit_warns_and_the_next_does_not(self, rows, labels):
        X = np.rint(rows * 255)
        with pytest.warns(UserWarning, match=self.message):
            classifier = quick().partial_fit(X, labels, classes=range(10))
        classifier.partial_fit(X, labels)

    def test_fit_warns_about_validation_data_on_another_scale(self, rows, labels):
        with pytest.warns(UserWarning, match="X_val has whole numbers from 0 to 255, .* name it in transform_input"):
            quick().fit(rows, labels, X_val=np.rint(rows * 255), y_val=labels)

    def test_a_pipeline_with_a_scaler_does_not_warn(self, rows, labels):
        quick_pipeline().fit(np.rint(rows * 255), labels)

    def test_every_training_set_of_mnist_looks_like_bytes(self):
        X = fetch_mnist(subset="train", normalize=False).data.astype(np.float32)
        assert look_like_bytes(X)
        assert all(look_like_bytes(X[start : start + 10]) for start in range(0, 2000, 10))
        assert look_like_bytes(255 - X)

    generator = np.random.default_rng(0)

    @pytest.mark.parametrize(
        "table",
        [
            load_iris().data,
            load_wine().data,
            load_breast_cancer().data,
            load_digits().data,
            generator.normal(size=(300, 100)),
            np.maximum(generator.uniform(-50, 255, size=(300, 100)), 0),
            generator.integers(0, 256, size=(300, 20)),
            generator.integers(0, 2, size=(300, 1000)),
            generator.integers(0, 101, size=(300, 100)),
            generator.integers(40, 200, size=(300, 100)),
            generator.integers(0, 1000, size=(300, 100)),
            generator.integers(-200, 201, size=(300, 100)),
            generator.poisson(20, size=(300, 1000)),
            generator.negative_binomial(0.2, 0.01, size=(300, 1000)),
            scipy.sparse.csr_matrix(generator.poisson(0.02, size=(300, 1000)) * 30),
            np.zeros((300, 100)),
        ],
        ids=["iris", "wine", "cancer", "digits", "normal", "fractions", "few features", "binary", "percentages",
             "pulses", "beyond 255", "signed numbers", "counts", "counts of genes", "counts of words", "zeros"],
    )  # fmt: skip
    def test_no_ordinary_table_looks_like_bytes(self, table):
        assert not look_like_bytes(table)

    def test_standardized_or_scaled_pixels_do_not_look_like_bytes(self, rows):
        for scaled in (rows, StandardScaler().fit_transform(rows * 255), (rows * 2 - 1), rows * 255 / 3):
            assert not look_like_bytes(scaled)

    def test_only_a_few_rows_of_a_memory_map_are_read(self, tmp_path):
        class Watched(np.memmap):
            read = 0

            def __getitem__(self, key):
                part = super().__getitem__(key)
                Watched.read += part.size
                return part

        X = Watched(tmp_path / "X", dtype=np.float32, mode="w+", shape=(60_000, 784))
        look_like_bytes(X)
        assert 0 < Watched.read <= 200 * 784


class TestPixelScaler:
    def test_negative_pixels_are_rejected_with_advice(self, rows):
        scaler = PixelScaler()
        message = r"Negative values in data passed to X in PixelScaler: the smallest is -0\.5, .* give \(X \+ 1\) / 2"
        with pytest.raises(ValueError, match=message):
            scaler.fit(rows - 0.5)
        with pytest.raises(ValueError, match=message):
            scaler.fit(rows).transform(rows - 0.5)

    @pytest.mark.parametrize(("pixel_max", "white"), [("auto", 1), ("auto", 255), (255, 255)])
    def test_warns_about_black_on_white_images(self, rows, pixel_max, white):
        X = rows if white == 1 else np.rint(rows * 255).astype(np.uint8)
        scaler = PixelScaler(pixel_max).fit(X)
        message = rf"The mean pixel of X is 8\d% of white, but only 2\d% .* If X is black on white, give {white} - X"
        with pytest.warns(UserWarning, match=message):
            scaler.transform(white - X)
        with pytest.warns(UserWarning, match="black on white"):
            scaler.transform(white - X[:1])

    def test_the_pretrained_model_warns_about_black_on_white_images(self, rows):
        with pytest.warns(UserWarning, match=r"but only 40% in the brightest image .* give 1 - X"):
            MODEL.predict(1 - rows)
        with pytest.warns(UserWarning, match="give 255 - X"):
            MODEL.predict(255 - np.rint(rows * 255).astype(np.uint8))
        with pytest.warns(UserWarning, match="give ~X"):
            MODEL.predict(rows <= 0.5)

    def test_the_pretrained_model_knows_the_brightest_training_image(self):
        fitted = PixelScaler().fit(fetch_mnist(subset="train").data)
        assert MODEL["scale"].max_image_mean_ == pytest.approx(fitted.max_image_mean_, rel=1e-6)

    @pytest.mark.parametrize("n_fit", [1, 20, 60_000])
    def test_no_image_of_mnist_is_taken_for_black_on_white(self, n_fit):
        scaler = PixelScaler().fit(fetch_mnist(subset="train", normalize=False).data[:n_fit])
        X = fetch_mnist(subset="test", normalize=False).data
        scaler.transform(X)
        # The brightest of them, each by itself.
        for brightest in np.argsort(X.mean(axis=1))[-100:]:
            scaler.transform(X[brightest : brightest + 1])

    def test_no_distorted_or_normalized_image_is_taken_for_black_on_white(self, rows):
        scaler = MODEL["scale"]
        X = (rows * 255).astype(np.uint8)
        warped = RandomWarp(scale=0.5).transform(X, random_state=0)
        normalized = DigitImageNormalizer().fit_transform(255 - X[:50].reshape(-1, 28, 28)).reshape(-1, 784)
        for image in [*warped, *normalized]:
            scaler.transform(image[np.newaxis])

    def test_black_on_white_images_do_not_warn_if_fit_saw_such_images(self, rows):
        PixelScaler().fit(1 - rows).transform(1 - rows[:1])

    def test_a_scaler_from_before_the_black_on_white_warning_does_not_warn(self, rows):
        scaler = PixelScaler().fit(rows)
        del scaler.max_image_mean_
        pickle.loads(pickle.dumps(scaler)).transform(1 - rows)


@pytest.mark.parametrize("make", [quick, quick_pipeline])
def test_missing_pixels_are_rejected_with_advice_to_impute_them(rows, labels, make):
    X = np.array(rows)
    X[3, 5] = np.nan
    with pytest.raises(ValueError, match=r"Input X contains NaN\.\s+\w+ does not accept missing values .* imputer"):
        make().fit(X, labels)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make().fit(rows, labels).predict(X)


def fit(**arguments):
    return quick().fit([[0.0], [1.0]], [0, 1], **arguments)


EPOCHS, RATE = "Did you mean 'epochs'?", "Did you mean 'learning_rate'?"


@pytest.mark.parametrize(
    ("function", "given", "advice"),
    [
        (KerasMLPClassifier, "epoch", EPOCHS),
        (KerasMLPClassifier, "max_iter", EPOCHS),
        (KerasMLPClassifier, "n_epochs", EPOCHS),
        (KerasMLPClassifier, "lr", RATE),
        (KerasMLPClassifier, "learning_rate_init", RATE),
        (KerasMLPClassifier, "solver", "Did you mean 'optimizer'?"),
        (KerasMLPClassifier, "callbacks", "Give Keras' callbacks as keras_callbacks"),
        (KerasMLPClassifier, "validation_data", "Give X_val and y_val to fit()."),
        (make_mnist_pipeline, "epoch", EPOCHS),
        (make_mnist_pipeline, "max_iter", EPOCHS),
        (make_mnist_pipeline, "mlp__epochs", EPOCHS),
        (make_mnist_pipeline, "hidden_layers", "Did you mean 'hidden_layer_sizes'?"),
        (fit, "validation_data", "Give X_val and y_val."),
        (fit, "sample_weights", "Did you mean 'sample_weight'?"),
        (fit, "epochs", "It is a parameter of KerasMLPClassifier()."),
        (fetch_mnist, "split", "Did you mean 'subset'?"),
        (fetch_mnist, "train", "Give subset='train' or subset='test'."),
        (fetch_mnist, "normalise", "Did you mean 'normalize'?"),
    ],
)
def test_a_wrong_name_is_rejected_with_the_right_one(function, given, advice):
    with pytest.raises(TypeError, match=re.escape(f"() got an unexpected keyword argument {given!r}. {advice}")):
        function(**{given: 3})


@pytest.mark.parametrize("function", [KerasMLPClassifier, make_mnist_pipeline, fit, fetch_mnist])
def test_a_name_that_is_like_no_other_is_rejected_without_advice(function):
    with pytest.raises(TypeError, match=r"\(\) got an unexpected keyword argument 'colour'\.$"):
        function(colour=3)


class Deep(KerasMLPClassifier):
    """A subclass that has a parameter with one of the names that KerasMLPClassifier explains."""

    def __init__(self, lr=0.1, epochs=20):
        super().__init__((8, 8), learning_rate=lr, epochs=epochs)
        self.lr = lr


def test_explaining_wrong_names_changes_no_signature():
    classifier = KerasMLPClassifier(epochs=3)
    documented = re.findall(r"^    (\w+) : ", KerasMLPClassifier.__doc__.split("Attributes\n")[0], re.MULTILINE)
    assert list(inspect.signature(KerasMLPClassifier).parameters) == documented
    assert sorted(classifier.get_params()) == sorted(documented)
    assert clone(classifier).get_params() == classifier.get_params()
    assert list(inspect.signature(classifier.fit).parameters)[:2] == ["X", "y"]
    assert {"X_val", "y_val", "sample_weight"} <= set(inspect.signature(classifier.set_fit_request).parameters)
    assert inspect.signature(fetch_mnist).parameters["subset"].default == "all"
    assert pickle.loads(pickle.dumps(fetch_mnist)) is fetch_mnist


def test_a_subclass_may_use_the_names_that_are_wrong_in_its_parent():
    assert clone(Deep(lr=0.2)).get_params() == {"lr": 0.2, "epochs": 20}


def test_a_misspelt_recipe_is_rejected_with_a_suggestion():
    with pytest.raises(ValueError, match=r"got 'robsut'\. Did you mean 'robust'\?"):
        make_mnist_pipeline("robsut")


FIT = """
import sys
from sklearn.datasets import load_iris
from sk_mnist import KerasMLPClassifier

try:
    KerasMLPClassifier(epochs=1).fit(*load_iris(return_X_y=True))
except ImportError as error:
    print(error)
print("tensorflow" in sys.modules or "keras" in sys.modules)
"""


@pytest.mark.slow
def test_a_fit_without_tensorflow_says_what_to_install():
    missing = "import sys\nsys.modules.update(tensorflow=None, keras=None, scikeras=None)\n"
    message = output_of(missing + FIT).splitlines()[0]
    assert message == "Training needs TensorFlow: pip install tensorflow keras scikeras"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["torch", "keras.json"])
def test_another_keras_backend_is_rejected_before_keras_is_imported(how, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if how == "keras.json":
        (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    else:
        monkeypatch.setenv("KERAS_BACKEND", how)
    message, imported = output_of(FIT).splitlines()
    backend = "torch" if how == "torch" else "jax"
    assert message == (
        f"Keras runs on '{backend}' here, but sk-mnist trains with its TensorFlow backend: unset KERAS_BACKEND, or set "
        "it to 'tensorflow', before Keras is first imported."
    )
    assert imported == "False"
