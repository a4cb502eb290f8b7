"""`jit_compile`: when XLA compiles a training, and that it changes no more than rounding."""

import keras
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sk_mnist import RandomWarp
from sk_mnist.neural_network import clear_workspaces
from sk_mnist.neural_network._job import XLA_MIN_STEPS
from tests.helpers.memory import peak_memory
from tests.helpers.networks import assert_close_models, assert_same_model, small

# In float32, after some dozen steps.
ROUNDING = {"rtol": 1e-3, "atol": 1e-4}


def n_compiled():
    """Number of compiled networks that are kept for the next fit."""
    from sk_mnist.neural_network._keras import workspace

    return len(workspace._idle)


@pytest.mark.slow
def test_auto_compiles_only_if_enough_steps_are_planned(blobs):
    X, y = blobs
    short, long = {"batch_size": 40, "epochs": 9}, {"batch_size": 2, "epochs": -(-XLA_MIN_STEPS // 200)}
    for params, same, other in ((short, False, True), (long, True, False)):
        chosen, alike, different = (small(**params, jit_compile=value).fit(X, y) for value in ("auto", same, other))
        assert_same_model(chosen, alike)
        assert not all(np.array_equal(a, b) for a, b in zip(chosen.coefs_, different.coefs_, strict=True))


@pytest.mark.parametrize(
    "jit_compile", [pytest.param(True, marks=pytest.mark.slow), pytest.param(False, marks=pytest.mark.weekly)]
)
def test_fits_are_reproducible_with_and_without_xla(blobs, jit_compile):
    model = small(jit_compile=jit_compile, dropout=0.2).fit(*blobs)
    clear_workspaces()
    assert_same_model(clone(model).fit(*blobs), model)


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.3, "alpha": 0.1, "label_smoothing": 0.1},
        pytest.param({"batch_size": 10_000}, marks=pytest.mark.slow),
        pytest.param({"augmentation": RandomWarp(image_shape=(3, 4)), "batch_size": 200}, marks=pytest.mark.slow),
        pytest.param({"teacher": LogisticRegression()}, marks=pytest.mark.slow),
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"hidden_layer_sizes": (), "dropout": 0.3}, marks=pytest.mark.slow),
        pytest.param({"batch_size": 1000}, marks=pytest.mark.slow),
        pytest.param({"early_stopping": True}, marks=pytest.mark.slow),
        pytest.param({"learning_rate_schedule": "one_cycle"}, marks=pytest.mark.slow),
        pytest.param({"keras_callbacks": [keras.callbacks.History]}, marks=pytest.mark.slow),
        pytest.param(
            {"keras_callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda params: ", ".join(params) or "defaults",
)
def test_xla_changes_results_only_by_rounding(blobs, params):
    X, y = blobs
    # 333 rows do not fill the last batch.
    one, other = (small(**{"epochs": 3} | params, jit_compile=value).fit(X[:333], y[:333]) for value in (True, False))
    assert_close_models(one, other, **ROUNDING)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "n_networks"), [(32, 1), pytest.param(100_000, 2, marks=pytest.mark.weekly)])
def test_a_few_compiled_networks_serve_any_number_of_rows(blobs, batch_size, n_networks):
    X, y = blobs
    clear_workspaces()
    model = small(jit_compile=True, batch_size=batch_size)
    for n_rows in (400, 333, 300, 257, 50, 31, 1):
        model.partial_fit(X[:n_rows], y[:n_rows], classes=[0, 1, 2])
    assert n_compiled() == n_networks


@pytest.mark.slow
def test_a_batch_size_above_the_number_of_wide_rows_takes_no_extra_memory():
    # 4,096 rows of this width would be 1.5 GiB.
    X = scipy.sparse.random_array((70, 100_000), density=1e-3, format="csr", dtype=np.float32, rng=0)
    model = small(hidden_layer_sizes=(2,), epochs=1, batch_size=4096, jit_compile=True)
    assert peak_memory(lambda: model.fit(X, np.arange(70) % 3)) < 400 * 2**20


@pytest.mark.parametrize(
    "dtype", [pytest.param(np.uint8, marks=pytest.mark.slow), pytest.param(np.int8, marks=pytest.mark.slow)]
)
def test_small_numpy_integers_as_parameters_do_not_overflow(blobs, dtype):
    expected = small(batch_size=4, epochs=10).fit(*blobs)
    assert_same_model(small(batch_size=dtype(4), epochs=dtype(10), jit_compile="auto").fit(*blobs), expected)
    assert_same_model(small(epochs=1, jit_compile=np.True_).fit(*blobs), small(epochs=1, jit_compile=True).fit(*blobs))


@pytest.mark.slow
def test_a_search_over_learning_and_dropout_rates_compiles_once(blobs):
    clear_workspaces()
    grid = {"learning_rate": [1e-3, 1e-2], "dropout": [0.1, 0.2], "random_state": [0, 1]}
    GridSearchCV(small(epochs=1, jit_compile=True), grid, cv=2).fit(*blobs)
    assert n_compiled() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "rates",
    [(0.6, 0.6), *(pytest.param(rates, marks=pytest.mark.weekly) for rates in ((0.2, 0.2), (0.1, 0.7)))],
)
def test_dropout_matches_keras(rates):
    class SetRates(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            found = [layer for layer in self.model.layers if isinstance(layer, keras.layers.Dropout)]
            for layer, rate in zip(found, rates, strict=True):
                layer.rate = rate

    # Training steps of almost no length give the loss of the same weights under different masks.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 10)).astype(np.float32), rng.integers(0, 3, 500)
    params = {"hidden_layer_sizes": (12, 6), "learning_rate": 1e-30, "batch_size": 500}
    # One rate is a parameter; two can only be set by a callback.
    callbacks = [SetRates] if len(set(rates)) > 1 else None
    ours = small(**params, dropout=rates[0], epochs=100, keras_callbacks=callbacks).fit(X, y)
    assert len(set(ours.loss_curve_)) == 100
    layers = [keras.layers.Dense(12, "relu"), keras.layers.Dropout(rates[0], seed=0)]
    layers += [keras.layers.Dense(6, "relu"), keras.layers.Dropout(rates[1], seed=1)]
    model = keras.Sequential([keras.Input((10,)), *layers, keras.layers.Dense(3, "softmax")])
    model.set_weights([array for pair in zip(ours.coefs_, ours.intercepts_, strict=True) for array in pair])
    theirs = [
        float(np.mean(keras.losses.sparse_categorical_crossentropy(y, model(X, training=True)))) for _ in range(100)
    ]
    error = np.hypot(np.std(ours.loss_curve_), np.std(theirs)) / 10
    assert abs(np.mean(ours.loss_curve_) - np.mean(theirs)) < 4 * error
    assert np.std(ours.loss_curve_) == pytest.approx(np.std(theirs), rel=0.4)


@pytest.mark.slow
def test_dropout_drops_units_independently():
    # One row many times: its loss under masks of its own takes many values. Layers that are kept or dropped as a whole
    # would give four, two for each label.
    X, y = np.ones((1000, 1), np.float32), np.arange(1000) % 2
    params = {"hidden_layer_sizes": (30,), "dropout": 0.5, "learning_rate": 1e-30, "batch_size": 1, "epochs": 1}
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["loss"] * (batch + 1))
    )
    small(**params, keras_callbacks=[note]).fit(X, y)
    losses = np.diff(seen)
    assert len(np.unique(losses.round(4))) > 500
