"""`KerasMLPClassifier.from_keras`: a trained Keras model as a fitted classifier."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sk_mnist import ImageFlattener, KerasMLPClassifier, load, save, to_onnx
from sk_mnist.neural_network._forward import ACTIVATIONS
from tests.helpers.networks import assert_same_model, small
from tests.helpers.processes import output_of

N_FEATURES = 12


def sequential(*stack, shape=(N_FEATURES,)):
    """A Sequential with random weights, biases and statistics, so that none of them can be forgotten unnoticed."""
    return randomized(keras.Sequential([keras.Input(shape), *stack]))


def randomized(model, seed=0):
    generator = np.random.default_rng(seed)
    model.set_weights([
        value + generator.uniform(0.1, 0.5, value.shape) if "variance" in variable.path
        else generator.normal(0, 0.5, value.shape)
        for variable, value in zip(model.weights, model.get_weights(), strict=True)
    ])  # fmt: skip
    return model


def rows_for(model, n_rows=200):
    return np.random.default_rng(1).normal(size=(n_rows, *model.input_shape[1:])).astype(np.float32)


def probabilities_of(model, X, activation="softmax"):
    """What the model predicts, as one column for each class."""
    out = np.asarray(model(X))
    if activation == "softmax":
        return out
    logits = np.hstack([np.zeros_like(out), out]) if out.shape[1] == 1 else out
    if activation == "sigmoid":
        return np.hstack([1 - out, out])
    return np.asarray(keras.ops.softmax(logits))


def assert_predicts_like(clf, model, activation="softmax"):
    X = rows_for(model)
    found = clf.predict_proba(X.reshape(len(X), -1))
    np.testing.assert_allclose(found, probabilities_of(model, X, activation), atol=1e-6)


def functional(build, shape=(N_FEATURES,)):
    inputs = keras.Input(shape)
    return randomized(keras.Model(inputs, build(inputs)))


CONVERTED = {
    "activations as arguments": lambda: sequential(layers.Dense(8, "relu"), layers.Dense(3, "softmax")),
    "activations as layers": lambda: sequential(
        layers.Dense(8), layers.ReLU(), layers.Dropout(0.3), layers.Dense(3), layers.Softmax()
    ),
    "Activation layers": lambda: sequential(
        layers.Dense(8), layers.Activation("tanh"), layers.Dense(3), layers.Activation("softmax")
    ),
    "layers as arguments": lambda: sequential(
        layers.Dense(8, activation=layers.ELU()), layers.Dense(3, activation=layers.Softmax())
    ),
    "TensorFlow's functions": lambda: sequential(
        layers.Dense(8, activation=tf.nn.relu), layers.Dense(3, activation=tf.nn.softmax)
    ),
    "images": lambda: sequential(layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(3, "softmax"), shape=(4, 3)),
    "images of one channel": lambda: sequential(
        layers.Flatten(data_format="channels_first"), layers.Dense(3, "softmax"), shape=(1, 4, 3)
    ),
    "reshaped": lambda: sequential(layers.Reshape((4, 3, 1)), layers.Flatten(), layers.Dense(3, "softmax")),
    "no hidden layer": lambda: sequential(layers.Dense(3, "softmax")),
    "no bias": lambda: sequential(
        layers.Dense(8, "relu", use_bias=False), layers.Dense(3, "softmax", use_bias=False)
    ),
    "rescaled pixels": lambda: sequential(
        layers.Rescaling(1 / 127.5, offset=-1), layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(3, "softmax"),
        shape=(4, 3),
    ),
    "normalized before the activation": lambda: sequential(
        layers.Dense(8, use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.Dense(6), layers.BatchNormalization(scale=False), layers.ReLU(), layers.Dense(3, "softmax"),
    ),
    "normalized after the activation": lambda: sequential(
        layers.Dense(8, "relu"), layers.BatchNormalization(center=False, epsilon=0.1), layers.Dropout(0.2),
        layers.Dense(3, "softmax"),
    ),
    "normalized input": lambda: sequential(
        layers.BatchNormalization(), layers.Rescaling(0.5, offset=0.1), layers.Dense(3, "softmax")
    ),
    "normalized columns": lambda: sequential(
        layers.BatchNormalization(), layers.Flatten(), layers.Dense(3, "softmax"), shape=(4, 3)
    ),
    "normalized lines": lambda: sequential(
        layers.BatchNormalization(axis=1), layers.Flatten(), layers.Dense(3, "softmax"), shape=(4, 3)
    ),
    "normalized logits": lambda: sequential(layers.Dense(3), layers.BatchNormalization(), layers.Softmax()),
    "functional": lambda: functional(
        lambda x: layers.Dense(3, "softmax")(layers.Dropout(0.1)(layers.Dense(8, "silu")(x)))
    ),
    "nested": lambda: functional(
        lambda x: keras.Sequential([layers.Dense(5, "relu"), layers.Dense(3, "softmax")])(
            functional(lambda x: layers.Dense(8, "relu")(layers.Flatten()(x)), (4, 3))(x)
        ),
        (4, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_the_classifier_predicts_like_the_model(name):
    model = CONVERTED[name]()
    assert_predicts_like(KerasMLPClassifier.from_keras(model), model)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_converted(activation):
    model = sequential(layers.Dense(8, activation), layers.Dense(6, activation), layers.Dense(3, "softmax"))
    clf = KerasMLPClassifier.from_keras(model)
    assert (clf.activation, clf.hidden_layer_sizes) == (activation, (8, 6))
    assert_predicts_like(clf, model)


@pytest.mark.parametrize("n_units", [1, 2, 3])
def test_logits_are_followed_by_a_softmax(n_units):
    model = sequential(layers.Dense(8, "relu"), layers.Dense(n_units))
    assert_predicts_like(KerasMLPClassifier.from_keras(model), model, "linear")


def test_a_sigmoid_becomes_a_softmax_over_two_classes():
    model = sequential(layers.Dense(8, "relu"), layers.Dense(1, "sigmoid"))
    clf = KerasMLPClassifier.from_keras(model, classes=["no", "yes"])
    assert_predicts_like(clf, model, "sigmoid")
    X = rows_for(model)
    np.testing.assert_array_equal(clf.predict(X) == "yes", np.asarray(model(X))[:, 0] > 0.5)


@pytest.mark.parametrize(
    "stack", [(layers.Rescaling(1 / 255),), (layers.Dense(8, "relu"), layers.BatchNormalization())]
)
def test_a_float64_model_is_converted_to_a_float64_classifier(stack):
    keras.config.set_dtype_policy("float64")
    try:
        model = sequential(*(type(layer).from_config(layer.get_config() | {"dtype": "float64"}) for layer in stack),
                           layers.Dense(3, "softmax"))  # fmt: skip
        X = rows_for(model).astype(np.float64)
        expected = np.asarray(model(X))
    finally:
        keras.config.set_dtype_policy("float32")
    clf = KerasMLPClassifier.from_keras(model)
    assert clf.dtype == "float64"
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(None, [0, 1, 2]), (["c", "a", "b"], ["a", "b", "c"]), ([7, 9, 8], [7, 8, 9])],
    ids=str,
)
def test_classes_are_the_labels_of_the_outputs(classes, expected):
    model = sequential(layers.Dense(3, "softmax"))
    clf = KerasMLPClassifier.from_keras(model, classes)
    assert clf.classes_.tolist() == expected
    X = rows_for(model)
    np.testing.assert_array_equal(clf.predict(X), np.array(classes or [0, 1, 2])[np.asarray(model(X)).argmax(axis=1)])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([0, 1], r"classes has 2 different labels and shape \(2,\), but model has 3 outputs"),
        ([0, 1, 1], r"classes has 2 different labels and shape \(3,\)"),
        ([[0, 1]], r"classes has 2 different labels and shape \(1, 2\)"),
        (["a", 1, 2], "Mix of label input types"),
    ],
    ids=str,
)
def test_classes_that_do_not_fit_to_the_outputs_are_rejected(classes, message):
    with pytest.raises(ValueError, match=message):
        KerasMLPClassifier.from_keras(sequential(layers.Dense(3, "softmax")), classes)


@pytest.mark.parametrize("params", [{}, {"dropout": 0.4}, {"dtype": "float64"}, {"hidden_layer_sizes": ()}], ids=str)
def test_to_keras_and_from_keras_give_the_same_classifier(blobs, params):
    X, y = blobs
    fitted = small(epochs=1, **params).fit(X, y)
    converted = KerasMLPClassifier.from_keras(fitted.to_keras(), fitted.classes_)
    assert_same_model(fitted, converted)
    for name in ("hidden_layer_sizes", "activation", "dropout", "dtype"):
        assert getattr(converted, name) == getattr(fitted, name)
    assert converted.history_ == {"loss": [], "accuracy": []}
    assert (converted.n_iter_, converted.best_epoch_, converted.n_features_in_) == (0, None, X.shape[1])
    assert_same_model(converted, KerasMLPClassifier.from_keras(converted.to_keras()))


def test_the_classifier_is_saved_cloned_converted_to_onnx_and_used_in_a_pipeline(tmp_path):
    model = CONVERTED["rescaled pixels"]()
    X = rows_for(model)
    pipe = make_pipeline(ImageFlattener().fit(X), KerasMLPClassifier.from_keras(model, list("abc")))
    expected = np.asarray(model(X))
    np.testing.assert_allclose(load(save(pipe, tmp_path / "m.skops")).predict_proba(X), expected, atol=1e-6)
    session = onnxruntime.InferenceSession(to_onnx(pipe).SerializeToString(), providers=["CPUExecutionProvider"])
    labels, found = session.run(None, {"X": X})
    np.testing.assert_array_equal(labels, pipe.predict(X))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not hasattr(clone(pipe[-1]), "coefs_")


@pytest.mark.parametrize("continued_by", ["fit", "partial_fit"])
def test_training_continues_from_the_weights_of_the_model(blobs, continued_by):
    X, y = blobs
    first = small(epochs=5).fit(X, y)
    clf = KerasMLPClassifier.from_keras(first.to_keras())
    start = clf.score(X, y)
    clf.set_params(warm_start=True, random_state=3, epochs=1)
    again = KerasMLPClassifier.from_keras(first.to_keras()).set_params(**clf.get_params())
    getattr(clf, continued_by)(X, y)
    getattr(again, continued_by)(X, y)
    assert_same_model(clf, again)
    assert clf.n_iter_ == len(clf.loss_curve_) == 1
    assert clf.loss_ < small(epochs=1).fit(X, y).loss_
    assert clf.score(X, y) > start - 0.05


@pytest.mark.slow
def test_it_predicts_without_tensorflow_in_another_process(tmp_path):
    model = CONVERTED["normalized before the activation"]()
    save(KerasMLPClassifier.from_keras(model), tmp_path / "m.skops")
    code = f"""
import sys, numpy, sk_mnist
clf = sk_mnist.load({str(tmp_path / "m.skops")!r})
print(clf.predict(numpy.ones((1, {N_FEATURES})))[0], "tensorflow" in sys.modules or "keras" in sys.modules)
"""
    label = np.asarray(model(np.ones((1, N_FEATURES)))).argmax()
    assert output_of(code).split() == [str(label), "False"]


class MyDense(layers.Dense):
    """A layer that may compute something else."""


class MyModel(keras.Model):
    """A model whose computation is known to Python only."""

    def call(self, inputs):
        return inputs


class Tempered(keras.Sequential):
    """A Sequential that does more than its layers."""

    def call(self, inputs, **kwargs):
        return super().call(inputs, **kwargs) / 2


def relu(x):
    """A function that has only the name of Keras'."""
    return keras.ops.relu6(x)


def stacked(*stack):
    return lambda: sequential(*stack, layers.Dense(3, "softmax"))


def with_nan():
    model = sequential(layers.Dense(3, "softmax", name="last"))
    model.set_weights([np.full_like(value, np.nan) for value in model.get_weights()])
    return model


def branched():
    return functional(lambda x: layers.Dense(3, "softmax")(layers.Add(name="sum")([layers.Dense(12, "relu")(x), x])))


REJECTED = {
    "convolution": (
        lambda: sequential(layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(3), shape=(4, 4, 1)),
        "layer 'conv' of type Conv2D. It converts Activation, BatchNormalization, Dense",
    ),
    "layer normalization": (stacked(layers.LayerNormalization(name="norm")), "'norm' of type LayerNormalization"),
    "noise": (stacked(layers.GaussianNoise(0.1, name="noise")), "'noise' of type GaussianNoise"),
    "a subclass": (stacked(MyDense(4, "relu", name="mine")), "'mine' of type MyDense"),
    "an operation": (
        lambda: functional(lambda x: layers.Dense(3, "softmax")(x / 255.0)),
        "of type (True)?Divide",
    ),
    "a branch": (branched, "'sum' of type Add takes 2 inputs"),
    "two activations": (
        stacked(layers.Dense(4, "relu", name="one"), layers.Dense(4, "tanh", name="two")),
        "same activation, but model has 'relu' after 'one', 'tanh' after 'two'",
    ),
    "no activation": (stacked(layers.Dense(4, name="flat")), "hidden layer 'flat' has the activation 'linear'"),
    "an activation that is not ours": (stacked(layers.Dense(4, "selu", name="h")), "'h' has the activation .*selu"),
    "a function of the same name": (stacked(layers.Dense(4, activation=relu, name="h")), "'h' has .*test_from_keras"),
    "a leaky ReLU": (stacked(layers.Dense(4), layers.ReLU(negative_slope=0.1, name="r")), "'r' has .*slope=0.1"),
    "a ReLU with a maximum": (stacked(layers.Dense(4), layers.ReLU(max_value=6, name="r")), "'r' has max_value=6"),
    "another ELU": (stacked(layers.Dense(4), layers.ELU(alpha=0.5, name="e")), "'e' has alpha=0.5"),
    "a softmax over rows": (
        lambda: sequential(layers.Dense(3), layers.Softmax(axis=0, name="s")), "'s' has axis=0",
    ),
    "an activation twice": (stacked(layers.Dense(4, "relu"), layers.Activation("relu", name="b")), "'relu' in 'b'"),
    "an activation first": (stacked(layers.Activation("tanh", name="b")), "'tanh' in 'b'"),
    "rescaled between two activations": (
        lambda: sequential(layers.Dense(4, "relu"), layers.Rescaling(2), layers.Softmax(name="s")), "'softmax' in 's'",
    ),
    "rescaled probabilities": (
        lambda: sequential(layers.Dense(3, "softmax"), layers.Rescaling(2, name="r")), "'r' after the activation",
    ),
    "independent sigmoids": (lambda: sequential(layers.Dense(3, "sigmoid", name="o")), "'o' has 3 units .*'sigmoid'"),
    "one softmax unit": (lambda: sequential(layers.Dense(1, "softmax", name="o")), "'o' has 1 units .*'softmax'"),
    "a dense layer on lines": (
        lambda: sequential(layers.Dense(3, "relu", name="d"), layers.Flatten(), layers.Dense(3), shape=(4, 3)),
        r"'d' takes rows of shape \(4, 3\).* Put a Flatten before it",
    ),
    "channels first": (
        lambda: sequential(layers.Flatten(data_format="channels_first", name="f"), layers.Dense(3), shape=(2, 4)),
        "'f' has data_format='channels_first'",
    ),
    "no dense layer": (lambda: sequential(layers.Flatten()), "model has no Dense layer"),
    "no weights": (lambda: keras.Sequential([layers.Dense(3, "softmax")]), "model has no weights yet"),
    "weights that are not finite": (with_nan, "weights of the Dense layer 'last' are not finite"),
    "two outputs": (
        lambda: functional(lambda x: [layers.Dense(3, "softmax")(x), layers.Dense(2)(x)]), "one input and one output",
    ),
    "rows of any length": (
        lambda: functional(lambda x: layers.Dense(3)(layers.GlobalAveragePooling1D()(x)), (None, 2)),
        r"rows of shape \(None, 2\); .* a fixed number of features",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_what_cannot_be_converted_exactly_is_named(name):
    make, message = REJECTED[name]
    with pytest.raises(ValueError, match=message):
        KerasMLPClassifier.from_keras(make())


@pytest.mark.parametrize(
    ("model", "name"),
    [("m.keras", "str"), (small(), "KerasMLPClassifier"), (MyModel(), "MyModel"), (Tempered(), "Tempered")],
    ids=["path", "classifier", "subclassed model", "subclassed Sequential"],
)
def test_what_is_no_plain_model_is_rejected(model, name):
    with pytest.raises(TypeError, match=f"a keras.Sequential or a functional keras.Model; got {name}"):
        KerasMLPClassifier.from_keras(model)
