"""fit(X_outliers=...): rows that belong to no class, and on which a network is to be unsure."""

import keras
import numpy as np
import pytest
import scipy.sparse
import sklearn
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sk_mnist import KerasMLPClassifier, RandomInk, RandomWarp
from sk_mnist.neural_network._job import XLA_MIN_STEPS
from tests.helpers.networks import assert_close_models, assert_same_model, small, weights_of

# One batch is all rows, so that their order does not matter.
FULL = {"hidden_layer_sizes": (8,), "batch_size": 1000, "epochs": 4, "dtype": "float64"}

# Steps at a rate of next to nothing, so that the losses of an epoch are those of the weights at its end.
STILL = {"learning_rate": 1e-30, "epochs": 1, "dtype": "float64"}


@pytest.fixture(scope="module")
def outliers(blobs):
    """90 rows that look like a mixture of all classes."""
    X, _ = blobs
    generator = np.random.default_rng(0)
    return (X[generator.permutation(400)[:90]] + X[generator.permutation(400)[:90]]) / 2


class TestTraining:
    def test_the_network_is_unsure_of_what_belongs_to_no_class(self):
        X, y = load_digits(return_X_y=True)
        X = X / 16
        # Digits upside down and mirrored, of which 0, 1 and 8 are still digits.
        upside_down = X.reshape(-1, 8, 8)[:, ::-1].reshape(-1, 64)[~np.isin(y, [0, 1, 3, 8])]
        given, others = upside_down[:600], upside_down[600:]
        params = {"hidden_layer_sizes": (64,), "epochs": 30}
        without = small(**params).fit(X[:1200], y[:1200])
        model = small(**params).fit(X[:1200], y[:1200], X_outliers=given)
        assert (without.predict_proba(others).max(axis=1) > 0.9).mean() > 0.5
        assert (model.predict_proba(others).max(axis=1) > 0.9).mean() < 0.1
        assert model.score(X[1200:], y[1200:]) > without.score(X[1200:], y[1200:]) - 0.03

    @pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
    @pytest.mark.parametrize(
        "params", [{}, {"alpha": 0.5}, {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}}], ids=["plain", "alpha", "weights"]
    )
    def test_an_outlier_counts_like_a_row_that_has_every_label_in_equal_parts(
        self, blobs, outliers, params, jit_compile
    ):
        X, y = blobs
        weight = np.linspace(0.5, 2, 400)
        params = {**FULL, **params, "jit_compile": jit_compile}
        model = small(**params).fit(X, y, sample_weight=weight, X_outliers=outliers)
        # Each outlier three times, once with each label.
        of_classes = np.array([params.get("class_weight", {}).get(label, 1.0) for label in range(3)])
        mean = np.mean(weight * of_classes[y])
        labels = np.repeat(np.arange(3), len(outliers))
        weights = np.append(weight, mean / 3 / of_classes[labels])
        expected = small(**params).fit(
            np.vstack([X, np.tile(outliers, (3, 1))]), np.append(y, labels), sample_weight=weights
        )
        # Sums in another order, in float64.
        assert_close_models(model, expected, rtol=1e-9, atol=1e-11)

    def test_smoothing_changes_the_labels_only(self, blobs, outliers):
        models = [
            small(**STILL, label_smoothing=smoothing).fit(*blobs, X_outliers=outliers) for smoothing in (0.0, 0.3)
        ]
        assert models[0].history_["outlier_loss"] == models[1].history_["outlier_loss"]
        assert models[0].loss_ != models[1].loss_

    def test_a_teacher_teaches_the_classes_only(self, blobs, outliers):
        X, y = blobs
        asked = []

        class Teacher(LogisticRegression):
            def predict_proba(self, X):
                asked.append(len(X))
                return super().predict_proba(X)

        fitted = Teacher().fit(X, y)
        without = small(epochs=3).fit(X, y, X_outliers=outliers)
        taught = small(epochs=3, teacher=FrozenEstimator(fitted)).fit(X, y, X_outliers=outliers)
        assert sum(asked) == 3 * 400
        still = small(**STILL, teacher=FrozenEstimator(fitted)).fit(X, y, X_outliers=outliers)
        expected = small(**STILL).fit(X, y, X_outliers=outliers)
        assert still.history_["outlier_loss"] == pytest.approx(expected.history_["outlier_loss"], rel=1e-12)
        assert any((a != b).any() for a, b in zip(weights_of(without), weights_of(taught), strict=True))

    def test_a_teacher_is_fitted_on_x_alone(self, blobs, outliers):
        X, y = blobs
        by_fit = small(epochs=3, teacher=LogisticRegression()).fit(X, y, X_outliers=outliers)
        fitted = FrozenEstimator(LogisticRegression().fit(X.astype(np.float32), y))
        assert_same_model(by_fit, small(epochs=3, teacher=fitted).fit(X, y, X_outliers=outliers))

    def test_balanced_weights_are_those_of_x_alone(self, blobs, outliers):
        X, y = blobs[0][:250], np.sort(blobs[1])[:250]
        counts = np.bincount(y)
        weights = {label: len(y) / (len(counts) * count) for label, count in enumerate(counts)}
        models = [
            small(epochs=3, class_weight=choice).fit(X, y, X_outliers=outliers) for choice in ("balanced", weights)
        ]
        assert_close_models(*models)

    @pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_each_epoch_trains_once_on_every_row(self, blobs, outliers, jit_compile):
        params = {"optimizer": "sgd", "epochs": 1, "dtype": "float64", "jit_compile": jit_compile}
        start, one_step, ten_steps = (
            small(**params, batch_size=batch_size, learning_rate=rate).fit(*blobs, X_outliers=outliers)
            for batch_size, rate in ((490, 1e-30), (490, 1e-6), (49, 1e-7))
        )
        # At such rates, ten steps on a tenth of the rows each are one step on all, but for terms of the second order.
        for before, expected, found in zip(*map(weights_of, (start, one_step, ten_steps)), strict=True):
            np.testing.assert_allclose(found - before, expected - before, rtol=1e-3, atol=1e-12)

    def test_steps_of_schedules_count_all_rows(self, blobs, outliers):
        rates = []
        callback = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: rates.append(float(callback.model.optimizer.learning_rate.numpy()))
        )
        params = {"epochs": 2, "batch_size": 49, "learning_rate_schedule": "cosine", "keras_callbacks": [callback]}
        small(**params).fit(*blobs, X_outliers=outliers)
        assert len(rates) == 2 * 10  # 490 rows
        expected = 0.01 / 2 * (1 + np.cos(np.pi * np.arange(20) / 20))
        np.testing.assert_allclose(rates, expected, rtol=1e-5)

    @pytest.mark.slow
    def test_the_rule_for_xla_counts_all_rows(self, blobs, outliers, monkeypatch):
        n_epochs = -(-XLA_MIN_STEPS // 10)
        params = {"epochs": n_epochs, "batch_size": 49}
        by_rule = small(**params).fit(*blobs, X_outliers=outliers)
        assert_same_model(by_rule, small(**params, jit_compile=True).fit(*blobs, X_outliers=outliers))

    @pytest.mark.parametrize("sparse_format", [scipy.sparse.csr_array, scipy.sparse.coo_matrix])
    def test_sparse_and_dense_outliers_train_the_same_network(self, blobs, outliers, sparse_format):
        expected = small(epochs=2).fit(*blobs, X_outliers=outliers)
        assert_same_model(small(epochs=2).fit(*blobs, X_outliers=sparse_format(outliers)), expected)
        X, y = blobs
        assert_same_model(small(epochs=2).fit(sparse_format(X), y, X_outliers=outliers), expected)
        assert_same_model(small(epochs=2).fit(sparse_format(X), y, X_outliers=sparse_format(outliers)), expected)

    def test_outliers_can_be_a_memory_map_and_are_not_changed(self, blobs, outliers, tmp_path):
        np.save(tmp_path / "outliers.npy", outliers.astype(np.float32))
        mapped = np.load(tmp_path / "outliers.npy", mmap_mode="r")
        params = {"epochs": 2, "augmentation": RandomWarp(image_shape=(3, 4))}
        model = small(**params).fit(*blobs, X_outliers=mapped)
        assert_same_model(model, small(**params).fit(*blobs, X_outliers=outliers))
        np.testing.assert_array_equal(mapped, outliers.astype(np.float32))

    def test_outliers_are_distorted_like_rows(self):
        X, y = load_digits(return_X_y=True)
        X, others = X[:200] / 16, X[200:300] / 16
        losses = {}
        for name, augmentation in {"none": None, "ink": RandomInk(share=1)}.items():
            model = small(**STILL, augmentation=augmentation, batch_size=300).fit(X, y[:200], X_outliers=others)
            losses[name] = model.history_["outlier_loss"][0]
        assert losses["none"] != losses["ink"]

    def test_partial_fit_trains_on_them_too(self, blobs, outliers):
        model = small()
        for _ in range(3):
            model.partial_fit(*blobs, classes=np.arange(3), X_outliers=outliers)
        assert_same_model(model, small(epochs=3).fit(*blobs, X_outliers=outliers))
        assert len(model.history_["outlier_loss"]) == 3


class TestHistory:
    @pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_losses_and_accuracy_are_those_of_x_alone(self, blobs, outliers, jit_compile):
        X, y = blobs
        model = small(**STILL, jit_compile=jit_compile).fit(X, y, X_outliers=outliers)
        proba = model.predict_log_proba(X)
        assert model.loss_ == pytest.approx(-proba[np.arange(400), y].mean(), rel=1e-9)
        assert model.history_["accuracy"] == [pytest.approx(model.score(X, y), rel=1e-12)]
        expected = -model.predict_log_proba(outliers).mean()
        assert model.history_["outlier_loss"] == [pytest.approx(expected, rel=1e-9)]

    def test_validation_scores_are_those_of_the_validation_data(self, blobs, outliers):
        X, y = blobs
        model = small(epochs=3).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:], X_outliers=outliers)
        assert model.validation_scores_[-1] == model.score(X[300:], y[300:])

    def test_held_out_rows_are_the_same_as_without_outliers(self, blobs, outliers):
        X, y = blobs
        params = {**STILL, "early_stopping": True}
        with_outliers, without = small(**params).fit(X, y, X_outliers=outliers), small(**params).fit(X, y)
        assert with_outliers.history_["val_loss"] == without.history_["val_loss"]
        assert with_outliers.loss_ == pytest.approx(without.loss_, rel=1e-9)

    def test_epochs_without_outliers_have_no_loss_of_them(self, blobs, outliers):
        model = small(epochs=2, warm_start=True).fit(*blobs, X_outliers=outliers).fit(*blobs)
        assert np.isnan(model.history_["outlier_loss"]).tolist() == [False, False, True, True]
        assert "outlier_loss" not in small(epochs=1).fit(*blobs).history_

    def test_callbacks_and_verbose_see_the_loss_of_the_outliers(self, blobs, outliers, capsys):
        seen = []
        callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["outlier_loss"]))
        model = small(epochs=2, keras_callbacks=[callback], verbose=1).fit(*blobs, X_outliers=outliers)
        assert seen == model.history_["outlier_loss"]
        assert "- outlier_loss: " in capsys.readouterr().out

    def test_batches_of_outliers_alone_are_reported_without_an_error(self, blobs, outliers):
        logs_of_batches = []
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: logs_of_batches.append(logs))
        X, y = blobs[0][:3], np.arange(3)
        small(epochs=1, batch_size=1, keras_callbacks=[callback]).fit(X, y, X_outliers=outliers)
        assert len(logs_of_batches) == 93
        assert logs_of_batches[0].keys() in ({"loss", "accuracy"}, {"outlier_loss"})
        assert logs_of_batches[-1].keys() == {"loss", "accuracy", "outlier_loss"}
        assert all(np.isfinite(list(logs.values())).all() for logs in logs_of_batches)

    def test_a_teacher_is_not_asked_about_batches_of_outliers_alone(self, blobs, outliers):
        X, y = blobs[0][:3], np.arange(3)
        teacher = FrozenEstimator(LogisticRegression().fit(X, y))
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
        model = small(epochs=1, batch_size=1, keras_callbacks=[callback], teacher=teacher)
        assert np.isfinite(model.fit(X, y, X_outliers=outliers).loss_)


class TestSurroundings:
    def test_a_pipeline_transforms_them_too(self, blobs, outliers):
        X, y = blobs
        scaler = StandardScaler().fit(100 + 50 * X)
        with sklearn.config_context(enable_metadata_routing=True):
            mlp = small(epochs=3).set_fit_request(X_outliers=True)
            pipe = Pipeline([("scale", StandardScaler()), ("mlp", mlp)], transform_input=["X_outliers"])
            pipe.fit(100 + 50 * X, y, X_outliers=100 + 50 * outliers)
        expected = small(epochs=3).fit(
            scaler.transform(100 + 50 * X), y, X_outliers=scaler.transform(100 + 50 * outliers)
        )
        assert_same_model(pipe["mlp"], expected)

    def test_a_search_passes_them_to_every_fit(self, blobs, outliers):
        given = []

        class Recording(KerasMLPClassifier):
            def fit(self, X, y, X_outliers=None):
                given.append(len(X_outliers))
                return super().fit(X, y, X_outliers=X_outliers)

        model = Recording((4,), epochs=2, random_state=0)
        GridSearchCV(model, {"learning_rate": [0.01, 0.02]}, cv=2).fit(*blobs, X_outliers=outliers)
        assert given == [90] * 5

    def test_a_checkpoint_knows_the_outliers(self, blobs, outliers, tmp_path):
        params = {"epochs": 2, "checkpoint_dir": tmp_path}
        for given in (None, outliers, outliers + 1, scipy.sparse.csr_array(outliers)):
            model = small(**params).fit(*blobs, X_outliers=given)
            again = small(**params).fit(*blobs, X_outliers=given)
            assert_same_model(model, again)
        assert len(list(tmp_path.iterdir())) == 4


class TestRejected:
    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (np.zeros((2, 11)), "X_outliers: X has 11 features, but KerasMLPClassifier is expecting 12"),
            (np.zeros((0, 12)), r"X_outliers: Found array with 0 sample"),
            (np.full((2, 12), np.nan), "X_outliers: Input X contains NaN"),
            (np.zeros((2, 3, 4)), r"X_outliers: X has shape \(2, 3, 4\)"),
            (np.zeros(12), "X_outliers: Expected 2D array, got 1D array"),
            ([["a"] * 12], "X_outliers: could not convert string"),
        ],
        ids=["features", "empty", "NaN", "images", "one row", "words"],
    )
    def test_invalid_outliers_are_rejected_by_name(self, blobs, method, given, message):
        options = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
        with pytest.raises(ValueError, match=message):
            getattr(small(), method)(*blobs, **options, X_outliers=given)

    def test_pixels_brighter_than_white_are_rejected_by_name(self, blobs, outliers):
        X, y = np.abs(blobs[0]) / np.abs(blobs[0]).max(), blobs[1]
        model = small(augmentation=RandomInk(image_shape=(3, 4)))
        with pytest.raises(
            ValueError, match=r"but X_outliers has a pixel of 9\. Scale .* and X_outliers in its transform_input"
        ):
            model.fit(X, y, X_outliers=np.full((2, 12), 9.0))

    def test_bytes_next_to_scaled_rows_give_a_warning(self):
        X, y = load_digits(return_X_y=True)
        pixels = np.zeros((60, 64))
        pixels[:, ::2] = 200
        with pytest.warns(
            UserWarning, match="X_outliers has whole numbers from 0 to 255, .* name it in transform_input"
        ):
            small(epochs=1).fit(X[:60] / 16, y[:60], X_outliers=pixels)
