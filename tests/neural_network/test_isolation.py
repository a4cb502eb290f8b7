"""Nothing outside the estimator changes a fit, and a fit is refused where it could not be one."""

from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_iris

from sk_mnist import KerasMLPClassifier
from sk_mnist.neural_network import clear_workspaces
from tests.helpers.networks import assert_close_models, assert_same_model
from tests.helpers.processes import output_of

OPTIMIZERS = ["sgd", "adam", "nadam"]  # Nadam has a variable in floatx
MOSTLY_WEEKLY = ["sgd", *(pytest.param(name, marks=pytest.mark.weekly) for name in ("adam", "nadam"))]


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X.astype(np.float32), y


def fit(iris, optimizer="sgd", **params):
    params = {"epochs": 3, "learning_rate": 0.05, "dropout": 0.2, "label_smoothing": 0.1, "random_state": 0, **params}
    return KerasMLPClassifier((8,), optimizer=optimizer, **params).fit(*iris)


@pytest.fixture(scope="module")
def expected(iris):
    clear_workspaces()
    return {optimizer: fit(iris, optimizer) for optimizer in OPTIMIZERS}


# Functions that change a global setting, with another value and the usual one.
SETTINGS = {
    "policy mixed_float16": (keras.mixed_precision.set_global_policy, "mixed_float16", "float32"),
    "policy float64": (keras.config.set_dtype_policy, "float64", "float32"),
    "floatx float16": (keras.config.set_floatx, "float16", "float32"),
    "floatx float64": (keras.config.set_floatx, "float64", "float32"),
    "epsilon": (keras.config.set_epsilon, 0.2, 1e-7),
    "run_functions_eagerly": (tf.config.run_functions_eagerly, True, False),
    "seeds": (keras.utils.set_random_seed, 7, 8),
}


@contextmanager
def changed(name):
    """Change a global setting, and change it back."""
    change, other, usual = SETTINGS[name]
    change(other)
    try:
        yield
    finally:
        change(usual)


@pytest.mark.parametrize("optimizer", MOSTLY_WEEKLY)
@pytest.mark.parametrize(
    "name", ["seeds", *(pytest.param(name, marks=pytest.mark.slow) for name in SETTINGS if name != "seeds")]
)
def test_global_settings_change_neither_the_current_nor_the_next_fit(iris, expected, name, optimizer):
    clear_workspaces()
    with changed(name):
        during = fit(iris, optimizer)
    assert_same_model(during, expected[optimizer])
    assert_same_model(fit(iris, optimizer), expected[optimizer])


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_fit_does_not_change_global_settings(iris, name):
    clear_workspaces()
    with changed(name):
        before = keras.config.dtype_policy().name, keras.config.floatx(), keras.config.epsilon()
        fit(iris)
        fit(iris).to_keras()
        assert (keras.config.dtype_policy().name, keras.config.floatx(), keras.config.epsilon()) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["policy mixed_float16", "floatx float16"])
def test_to_keras_and_callbacks_get_models_of_the_estimators_dtype(iris, name):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(type(self.model.optimizer))

    with changed(name):
        model = fit(iris)
        keras_model = model.to_keras()
        assert keras_model.dtype_policy.name == "float32"
        np.testing.assert_allclose(keras_model(iris[0]), model.predict_proba(iris[0]), atol=1e-6)
        fit(iris, keras_callbacks=[Look])
    assert seen == [keras.optimizers.SGD]  # and no LossScaleOptimizer around it


def test_a_seed_gives_the_same_initial_weights_in_every_dtype(iris):
    single, double = (fit(iris, dtype=dtype, learning_rate=1e-30, dropout=0.0) for dtype in ("float32", "float64"))
    assert_close_models(single, double, rtol=0, atol=1e-20)


class TestPlaces:
    @pytest.mark.slow
    def test_a_fit_inside_a_tensorflow_graph_is_rejected(self, iris):
        with tf.Graph().as_default(), pytest.raises(RuntimeError, match="while TensorFlow builds a graph"):
            fit(iris)

        @tf.function(autograph=False)  # which would take a minute to read the code of fit
        def train():
            fit(iris)

        with pytest.raises(RuntimeError, match="while TensorFlow builds a graph"):
            train()

    @pytest.mark.slow
    @pytest.mark.parametrize("call", ["disable_v2_behavior", "disable_eager_execution"])
    def test_a_fit_without_eager_execution_says_so(self, call):
        code = f"""
            import tensorflow as tf
            tf.compat.v1.{call}()
            from sk_mnist import KerasMLPClassifier
            for method in ("fit", "partial_fit"):
                try:
                    model = KerasMLPClassifier(epochs=1)
                    model.fit([[0.0], [1.0]], [0, 1]) if method == "fit" else model.partial_fit([[0.0]], [0], [0, 1])
                except RuntimeError as error:
                    print(error)
        """
        first, second = output_of(code).splitlines()
        assert first == second
        assert first.startswith("fit needs TensorFlow's eager execution, which tf.compat.v1.disable_v2_behavior()")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "registered",
        [
            "atexit.register(fit)",
            pytest.param("kept.append(weakref.finalize(KerasMLPClassifier, fit))", marks=pytest.mark.weekly),
        ],
    )
    def test_a_fit_while_python_exits_says_so(self, registered):
        code = f"""
            import atexit, sys, weakref
            from sk_mnist import KerasMLPClassifier
            kept = []
            def fit():
                try:
                    KerasMLPClassifier(epochs=1).fit([[0.0], [1.0]], [0, 1])
                except RuntimeError as error:
                    print(error, "tensorflow" in sys.modules)
            {registered}
        """
        assert output_of(code).startswith("fit was called while Python exits, from atexit or a destructor, when no")
        assert output_of(code).endswith("False\n")

    @pytest.mark.slow
    def test_a_fit_inside_the_scope_of_a_distribution_strategy_is_rejected(self, iris):
        with (
            tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
            pytest.raises(RuntimeError, match=r"scope of a tf\.distribute strategy"),
        ):
            fit(iris)


@pytest.mark.parametrize("sizes", [(10**13,), (16, 10**13), (10**19,)], ids=str)
def test_layers_too_large_for_memory_are_rejected(iris, sizes):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=.* needs a weight matrix of .* GiB, which does not fit"):
        KerasMLPClassifier(sizes).fit(*iris)


@pytest.mark.weekly
@pytest.mark.slow
def test_a_fit_does_not_fit_any_scikit_learn_estimator_internally():
    # What watches scikit-learn's own classes, as MLflow's autolog does, would take it for the user's model.
    code = """
from sklearn.utils import all_estimators

def watched(fit):
    def watching(self, *arguments, **keywords):
        print("fitted", type(self).__name__)
        return fit(self, *arguments, **keywords)
    return watching

for _, estimator in all_estimators():
    if "fit" in vars(estimator):
        estimator.fit = watched(estimator.fit)
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sk_mnist import KerasMLPClassifier
X, y = load_iris(return_X_y=True)
KerasMLPClassifier((4,), epochs=1, early_stopping=True).fit(X, y)
print("now scikit-learn's")
LogisticRegression(max_iter=1000).fit(X, y)
"""
    fitted = [line for line in output_of(code).splitlines() if line.startswith(("fitted", "now"))]
    assert fitted[0] == "now scikit-learn's"
    assert "fitted LogisticRegression" in fitted


@pytest.mark.slow
def test_mlflow_autolog_records_no_internal_estimators(tmp_path):
    pytest.importorskip("mlflow")
    code = f"""
import os
os.chdir({str(tmp_path)!r})
import mlflow
mlflow.set_tracking_uri("sqlite:///runs.db")
mlflow.sklearn.autolog(log_models=False, log_datasets=False)
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sk_mnist import KerasMLPClassifier
X, y = load_iris(return_X_y=True)
KerasMLPClassifier((4,), epochs=1).fit(X, y)
make_pipeline(StandardScaler(), KerasMLPClassifier((4,), epochs=1)).fit(X, y)
for run in mlflow.search_runs(output_format="list"):
    print("recorded", run.data.params["steps"])
"""
    recorded = [line for line in output_of(code).splitlines() if line.startswith("recorded")]
    assert len(recorded) == 1
    assert "KerasMLPClassifier" in recorded[0]
