"""KerasMLPClassifier: what it learns, what it gives, what it refuses."""

import copy
import logging
import pickle
import random
import re
import sys

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, check_cv, cross_val_score
from sklearn.neural_network import MLPClassifier

from sk_mnist import KerasMLPClassifier, PixelScaler
from sk_mnist.neural_network._forward import ACTIVATIONS, BATCH_ROWS
from tests.helpers.networks import assert_same_model, small
from tests.helpers.processes import output_of

CONTAINERS = {
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "Fortran order": lambda X: np.asfortranarray(X, dtype=np.float32),
    "list": lambda X: X.tolist(),
    "DataFrame": pd.DataFrame,
    "sparse": scipy.sparse.csr_array,
    "strided": lambda X: np.repeat(X.astype(np.float32), 2, axis=0)[::2],
    "read-only": lambda X: np.frombuffer(X.astype(np.float32).tobytes(), dtype=np.float32).reshape(X.shape),
}


@pytest.fixture(scope="module")
def blobs():
    """Those of conftest.py, with more rows."""
    return make_classification(600, n_features=12, n_informative=8, n_classes=3, class_sep=2.0, random_state=0)


@pytest.fixture(scope="module")
def model(blobs):
    return small(epochs=2).fit(*blobs)


@pytest.fixture(scope="module")
def without_hidden_layers(blobs):
    return small(hidden_layer_sizes=(), epochs=2).fit(*blobs)


class TestReferenceNetwork:
    """The published network, layer by layer."""

    def test_summary_prints_the_published_table(self, mnist_sample):
        X, y = mnist_sample
        lines = []
        model = KerasMLPClassifier(epochs=1).fit(X, y)
        model.to_keras().summary(print_fn=lines.append)
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines[0].splitlines() if "│" in line]
        assert [(name.split("(")[1].rstrip(")"), shape, count) for name, shape, count in cells] == [
            ("Flatten", "(None, 784)", "0"),
            ("Dense", "(None, 128)", "100,480"),
            ("Dense", "(None, 64)", "8,256"),
            ("Dense", "(None, 32)", "2,080"),
            ("Dense", "(None, 10)", "330"),
        ]
        assert "Total params: 111,146 " in lines[0]
        assert "Trainable params: 111,146 " in lines[0]
        assert "Non-trainable params: 0 " in lines[0]
        assert model.n_parameters_ == 111_146
        assert model.n_layers_ == 5
        assert [coef.shape for coef in model.coefs_] == [(784, 128), (128, 64), (64, 32), (32, 10)]
        assert model.out_activation_ == "softmax"


class TestForwardPass:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
    def test_probabilities_agree_with_keras(self, blobs, activation, dtype):
        X, y = blobs
        model = small(activation=activation, dtype=dtype, epochs=2).fit(X, y)
        X_wide = np.vstack([X, 30 * X])  # where activations saturate and overflow
        np.testing.assert_allclose(model.to_keras().predict(X_wide, verbose=0), model.predict_proba(X_wide), atol=1e-5)

    def test_predicting_in_batches_gives_the_same_probabilities(self, blobs, model):
        X, _ = blobs
        many = np.tile(X, (60, 1))
        assert len(many) > 2 * BATCH_ROWS
        np.testing.assert_allclose(model.predict_proba(many)[-600:], model.predict_proba(X), atol=1e-6)

    def test_probabilities_have_the_dtype_of_the_network_and_sum_to_one(self, blobs):
        X, y = blobs
        for dtype in ("float32", "float64"):
            proba = small(dtype=dtype, epochs=1).fit(X, y).predict_proba(X)
            assert proba.dtype == dtype
            np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)

    def test_one_row_gives_one_row_of_probabilities(self, blobs, model):
        assert model.predict_proba(blobs[0][:1]).shape == (1, 3)

    def test_log_probabilities_stay_finite_where_probabilities_round_to_zero(self, blobs):
        X, y = blobs
        model = small().fit(X, y)
        far = 1000 * X
        assert (model.predict_proba(far) == 0).any()
        assert np.isfinite(model.predict_log_proba(far)).all()
        np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), atol=1e-6)

    def test_to_keras_classifier_predicts_the_same(self, blobs):
        X, y = blobs
        names = np.array(["ant", "bee", "cat"])[y]
        model = small().fit(X, names)
        wrapped = model.to_keras_classifier()
        np.testing.assert_array_equal(wrapped.predict(X.astype(np.float32)), model.predict(X))
        np.testing.assert_allclose(wrapped.predict_proba(X.astype(np.float32)), model.predict_proba(X), atol=1e-5)

    def test_predicting_does_not_write_to_the_input(self, blobs):
        X, y = blobs
        X = X.astype(np.float32)
        before = X.copy()
        small(hidden_layer_sizes=()).fit(X, y).predict_proba(X)
        np.testing.assert_array_equal(X, before)


class TestInputOfPredictions:
    """The checks of what is given to ``predict``, some of which are made on the network's first layer."""

    @given(
        container=st.sampled_from(sorted(CONTAINERS)),
        value=st.sampled_from([np.nan, np.inf, -np.inf]),
        row=st.integers(0, 49),
        column=st.integers(0, 11),
        method=st.sampled_from(["predict", "predict_proba", "predict_log_proba"]),
    )
    def test_nan_or_infinity_anywhere_in_the_input_is_rejected(
        self, blobs, model, without_hidden_layers, container, value, row, column, method
    ):
        X = blobs[0][:50].copy()
        X[row, column] = value
        message = "contains NaN" if np.isnan(value) else "contains infinity"
        for network in (model, without_hidden_layers):
            with pytest.raises(ValueError, match=f"Input X {message}"):
                getattr(network, method)(CONTAINERS[container](X))

    def test_nan_in_the_last_of_many_batches_is_rejected(self, blobs, model):
        X = np.tile(blobs[0], (60, 1)).astype(np.float32)
        assert len(X) > 2 * BATCH_ROWS
        X[-1, -1] = np.nan
        with pytest.raises(ValueError, match="Input X contains NaN"):
            model.predict(X)

    def test_infinities_of_opposite_sign_in_one_row_are_rejected(self, blobs, model):
        X = blobs[0][:2].astype(np.float32)
        X[1, :2] = np.inf, -np.inf
        with pytest.raises(ValueError, match="Input X contains infinity"):
            model.predict(X)

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.zeros((2, 11), np.float32), "11 features"),
            (np.zeros((0, 12), np.float32), "0 sample"),
            (np.zeros(12, np.float32), "Expected 2D array"),
            (np.zeros((2, 12), complex), "Complex data"),
            (np.zeros((5, 3, 4)), "ImageFlattener"),
        ],
    )
    def test_wrong_shapes_and_types_are_rejected(self, model, X, message):
        with pytest.raises(ValueError, match=message):
            model.predict(X)

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "score"])
    @pytest.mark.parametrize("container", ["float32", "sparse"])
    def test_values_so_large_that_the_network_overflows_are_rejected(self, blobs, model, method, container):
        X = np.repeat(blobs[0][:5].astype(np.float32), 2, axis=0)
        X[7] = 3e38
        arguments = [blobs[1][:10]] if method == "score" else []
        with pytest.raises(ValueError, match=r"X has values of up to 3e\+38, .* outputs overflow float32\. Scale X"):
            getattr(model, method)(CONTAINERS[container](X), *arguments)

    def test_large_values_that_do_not_overflow_are_accepted(self, model):
        # The sums of the first layer stay finite, and their sum over the rows does not.
        far = np.full((10_000, 12), 1e36, dtype=np.float32)
        first_layer = far @ model.coefs_[0] + model.intercepts_[0]
        with np.errstate(over="ignore"):
            assert np.isfinite(first_layer).all()
            assert not np.isfinite(first_layer.sum())
        np.testing.assert_array_equal(model.predict(far), np.repeat(model.predict(far[:1]), len(far)))


class TestFit:
    def test_a_fitted_network_classifies_unseen_rows(self, blobs):
        X, y = blobs
        model = small(epochs=30).fit(X[:400], y[:400])
        assert model.score(X[400:], y[400:]) > 0.85

    @pytest.mark.weekly
    def test_accuracy_on_mnist_is_close_to_that_of_mlp_classifier(self, mnist_sample):
        X, y = mnist_sample
        params = {"hidden_layer_sizes": (64,), "random_state": 0}
        ours = KerasMLPClassifier(**params, epochs=15).fit(X[:2000], y[:2000])
        with pytest.warns(match="Maximum iterations"):
            theirs = MLPClassifier(**params, batch_size=32, max_iter=15, alpha=0).fit(X[:2000], y[:2000])
        assert ours.score(X[2000:], y[2000:]) == pytest.approx(theirs.score(X[2000:], y[2000:]), abs=0.03)

    @pytest.mark.parametrize(
        "labels",
        [
            ["z", "a", "m"],
            np.array(["z", "a", "m"], dtype=object),
            [7, -3, 2],
            np.array([9, 0, 5], dtype=np.uint8),
            [2.0, 1.0, 0.0],
            [True, False, False],
        ],
        ids=["str", "object", "int", "uint8", "float", "bool"],
    )
    def test_labels_of_any_type_are_predicted_with_their_dtype(self, blobs, labels):
        X, y = blobs
        y = np.array(labels)[y]
        model = small(epochs=20).fit(X, y)
        assert model.classes_.tolist() == sorted(set(np.asarray(labels).tolist()))
        assert model.predict(X).dtype == y.dtype
        assert model.score(X, y) > 0.85

    def test_another_seed_gives_other_weights(self, blobs):
        a, b = small().fit(*blobs), small(random_state=1).fit(*blobs)
        assert not np.array_equal(a.coefs_[0], b.coefs_[0])

    def test_the_same_seed_gives_the_same_weights_even_in_a_second_fit(self, blobs):
        model = small().fit(*blobs)
        expected = copy.deepcopy(model)
        assert_same_model(small().fit(*blobs), expected)
        assert_same_model(model.fit(*blobs), expected)

    @pytest.mark.weekly
    @pytest.mark.slow
    def test_two_processes_give_the_same_weights(self):
        code = """
import hashlib, numpy
from sklearn.datasets import make_classification
from sk_mnist import KerasMLPClassifier, PixelScaler
X, y = make_classification(1000, random_state=0)
for jit_compile in (False, True):
    model = KerasMLPClassifier((32, 16), epochs=3, dropout=0.2, jit_compile=jit_compile, random_state=0).fit(X, y)
    print(hashlib.sha256(b"".join(array.tobytes() for array in model.coefs_ + model.intercepts_)).hexdigest())
"""
        assert output_of(code) == output_of(code)

    @pytest.mark.parametrize("params", [{}, {"dropout": 0.3}, {"early_stopping": True}], ids=str)
    def test_the_global_random_state_is_not_changed(self, blobs, params):
        import tensorflow as tf

        def draws():
            return random.random(), np.random.random(), float(tf.random.uniform(()))

        def seed():
            random.seed(1)
            np.random.seed(1)
            tf.random.set_seed(1)

        model = small(**params)
        seed()
        expected = draws()
        seed()
        model.fit(*blobs).to_keras()
        assert draws() == expected

    def test_without_random_state_the_global_numpy_generator_is_used(self, blobs):
        np.random.seed(5)
        one = small(random_state=None).fit(*blobs)
        np.random.seed(5)
        other = small(random_state=None).fit(*blobs)
        assert_same_model(one, other)

    def test_a_random_state_instance_advances_with_each_fit(self, blobs):
        state = np.random.RandomState(0)
        one, other = small(random_state=state).fit(*blobs), small(random_state=state).fit(*blobs)
        assert not np.array_equal(one.coefs_[0], other.coefs_[0])

    def test_history_records_each_epoch(self, blobs):
        model = small(epochs=7).fit(*blobs)
        assert set(model.history_) == {"loss", "accuracy"}
        assert model.loss_curve_ == model.history_["loss"]
        assert len(model.loss_curve_) == model.n_iter_ == 7
        assert model.loss_ == model.loss_curve_[-1] < model.loss_curve_[0]
        assert model.validation_scores_ is None
        assert model.best_epoch_ is None

    def test_the_recorded_loss_is_the_mean_over_all_rows(self, blobs):
        # A last batch that is not full must count by its rows; at a rate of almost 0 the loss does not move.
        X, y = blobs
        model = small(batch_size=256, epochs=1, learning_rate=1e-30).fit(X, y)
        log_proba = model.predict_log_proba(X)
        assert model.loss_ == pytest.approx(-log_proba[np.arange(600), y].mean(), rel=1e-5)
        assert model.history_["accuracy"][0] == pytest.approx(model.score(X, y), rel=1e-6)

    def test_a_hidden_layer_may_be_given_as_a_number(self, blobs):
        assert [coef.shape for coef in small(hidden_layer_sizes=5).fit(*blobs).coefs_] == [(12, 5), (5, 3)]

    def test_without_hidden_layers_the_network_is_a_softmax_regression(self, blobs):
        X, y = blobs
        ours = small(hidden_layer_sizes=(), epochs=200, batch_size=600, dtype="float64", learning_rate=0.05).fit(X, y)
        theirs = LogisticRegression(C=np.inf, max_iter=1000).fit(X, y)
        assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X), abs=0.05)

    def test_fit_does_not_change_the_parameters(self, blobs):
        model = small(hidden_layer_sizes=[16, 8])
        before = copy.deepcopy(model.get_params())
        model.fit(*blobs)
        assert model.get_params() == before

    @pytest.mark.parametrize("verbose", [1, 2])
    def test_verbose_prints_a_line_for_each_epoch(self, blobs, capsys, verbose):
        X, y = blobs
        model = small(verbose=verbose, epochs=2, warm_start=True).fit(X, y)
        number = r"\d+\.\d{4}"
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert re.fullmatch(rf"Epoch 1/2 - \d+\.\ds - loss: {number} - accuracy: {number}", lines[0])
        model.fit(X, y, X_val=X, y_val=y)
        lines = capsys.readouterr().out.splitlines()
        assert [re.findall(r"\w+(?=: )", line) for line in lines] == [
            ["loss", "accuracy", "val_loss", "val_accuracy"]
        ] * 2
        assert re.fullmatch(rf"Epoch 4/4 - .* - val_loss: {number} - val_accuracy: {number}", lines[1])
        model.set_params(verbose=0).fit(X, y)
        assert capsys.readouterr().out == ""

    def test_epochs_are_logged_at_info_level(self, blobs, caplog, capsys):
        with caplog.at_level(logging.INFO, logger="sk_mnist"):
            model = small(epochs=2, verbose=1).fit(*blobs)
        assert [record.name for record in caplog.records] == ["sk_mnist.neural_network"] * 2
        assert caplog.messages == capsys.readouterr().out.splitlines()
        assert caplog.messages[1].endswith(f"accuracy: {model.history_['accuracy'][1]:.4f}")

    def test_an_epoch_that_logging_shows_is_not_printed_as_well(self, blobs, caplog, capsys):
        handler = logging.StreamHandler(sys.stderr)
        logger = logging.getLogger("sk_mnist")
        logger.addHandler(handler)
        try:
            with caplog.at_level(logging.INFO, logger="sk_mnist"):
                small(epochs=2, verbose=1).fit(*blobs)
        finally:
            logger.removeHandler(handler)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 2

    def test_diverging_training_raises_an_error_and_leaves_no_model(self, blobs):
        X, y = blobs
        model = small(optimizer="sgd", learning_rate=1e9, activation="elu")
        with pytest.raises(ValueError, match=r"Training diverged.*lower learning_rate"):
            model.fit(X * 1e6, y)
        with pytest.raises(NotFittedError):
            model.predict(X)


class TestUnderflow:
    """Numbers that round to 0 are no error, also in a program that has called np.seterr(all="raise")."""

    @pytest.mark.parametrize("activation", ["relu", "sigmoid", "elu"])
    def test_prediction_rounds_tiny_probabilities_to_0(self, blobs, activation):
        X, y = blobs
        model = small(epochs=1, activation=activation).fit(X, y)
        with np.errstate(all="raise"):
            proba = model.predict_proba(1000 * X)
            assert np.isfinite(model.predict_log_proba(1000 * X)).all()
            np.testing.assert_array_equal(model.predict(1000 * X), model.classes_[proba.argmax(axis=1)])
        if activation != "sigmoid":
            assert (proba == 0).any()

    def test_rows_with_tiny_values_are_fitted_and_predicted(self, blobs):
        X, y = np.where(blobs[0] > 0, blobs[0], 1e-300), blobs[1]
        with np.errstate(all="raise"):
            model = small(epochs=1).fit(X, y, X_val=X, y_val=y, sample_weight=np.where(y == 0, 1e-300, 1))
            model.partial_fit(X, y)
            model.predict_proba(X)

    def test_validation_on_rows_that_the_network_is_sure_of(self, blobs):
        X, y = blobs
        with np.errstate(all="raise"):
            model = small(epochs=2, early_stopping=True).fit(X, y, X_val=1000 * X, y_val=y)
        assert np.isfinite(model.history_["val_loss"]).all()

    def test_tiny_pixels_are_scaled(self):
        X = np.array([[1e-300, 255.0], [1e-38, 0.0]])
        with np.errstate(all="raise"):
            scaler = PixelScaler(pixel_max=255.0).fit(X)
            np.testing.assert_array_equal(scaler.transform(X), scaler.fit_transform(X))


class TestScikitLearn:
    def test_the_estimator_is_a_classifier_so_that_cross_validation_is_stratified(self, blobs):
        assert is_classifier(KerasMLPClassifier())
        assert type(check_cv(3, blobs[1], classifier=is_classifier(KerasMLPClassifier()))).__name__ == "StratifiedKFold"

    def test_the_network_learns_in_cross_val_score(self, blobs):
        assert cross_val_score(small(), *blobs, cv=3).min() > 0.7

    def test_grid_search_finds_the_better_learning_rate(self, blobs):
        search = GridSearchCV(small(), {"learning_rate": [1e-5, 1e-2], "dropout": [0.0]}, cv=2)
        assert search.fit(*blobs).best_params_["learning_rate"] == 1e-2

    @pytest.mark.parametrize(
        "meta",
        [
            VotingClassifier([("a", small()), ("b", small(random_state=1))], voting="soft"),
            StackingClassifier([("a", small())], cv=2),
            CalibratedClassifierCV(small(), cv=2),
        ],
        ids=lambda meta: type(meta).__name__,
    )
    def test_the_network_learns_in_meta_estimators(self, blobs, meta):
        assert meta.fit(*blobs).score(*blobs) > 0.8

    def test_permutation_importance_finds_the_feature_that_decides(self):
        X = np.random.default_rng(0).normal(size=(400, 3))
        y = X[:, 1] > 0
        model = small(epochs=30).fit(X, y)
        assert permutation_importance(model, X, y, random_state=0).importances_mean.argmax() == 1

    def test_copies_predict_the_same(self, blobs, model, tmp_path):
        X, _ = blobs
        joblib.dump(model, tmp_path / "model.joblib")
        copies = [pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib"), copy.deepcopy(model)]
        for copied in copies:
            np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))

    def test_pickles_are_hardly_larger_than_the_weights(self, mnist_sample):
        X, y = mnist_sample
        model = KerasMLPClassifier(epochs=1).fit(X[:100], y[:100])
        assert len(pickle.dumps(model)) < 1.02 * 4 * model.n_parameters_ + 4000

    def test_unfitted_estimators_raise_not_fitted_error(self, blobs):
        data = dict.fromkeys(("predict", "predict_proba", "predict_log_proba"), blobs[:1])
        for method, arguments in {**data, "to_keras": (), "to_keras_classifier": ()}.items():
            with pytest.raises(NotFittedError):
                getattr(KerasMLPClassifier(), method)(*arguments)


class TestParameters:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"activation": "softplus"},
            {"dropout": 1.0},
            {"alpha": -1e-3},
            {"optimizer": "adagarad"},
            {"optimizer": 3},
            {"learning_rate": 0},
            {"learning_rate_schedule": "exponential"},
            {"batch_size": 0},
            {"batch_size": 1.5},
            {"epochs": 0},
            {"label_smoothing": 1.0},
            {"early_stopping": "yes"},
            {"validation_fraction": 1.0},
            {"n_iter_no_change": 0},
            {"class_weight": "uniform"},
            {"keras_callbacks": "early"},
            {"jit_compile": "always"},
            {"jit_compile": None},
            {"dtype": "float16"},
            {"random_state": "seed"},
            {"hidden_layer_sizes": "wide"},
            {"hidden_layer_sizes": 0},
        ],
        ids=str,
    )
    def test_the_error_names_the_invalid_parameter(self, blobs, wrong):
        (name,) = wrong
        with pytest.raises(ValueError, match=rf"The '{name}' parameter of KerasMLPClassifier"):
            small(**wrong).fit(*blobs)

    @pytest.mark.parametrize("sizes", [{8, 4}, frozenset([8]), {8: 1}], ids=str)
    def test_unordered_hidden_layer_sizes_are_rejected(self, blobs, sizes):
        with pytest.raises(ValueError, match=r"hidden_layer_sizes must be a sequence, .*; got (\{|frozenset)"):
            small(hidden_layer_sizes=sizes).fit(*blobs)

    @pytest.mark.parametrize("sizes", [(16, 0), (16, 2.5), (-1,), ("a",), (True,)], ids=str)
    def test_layer_sizes_that_are_not_positive_integers_are_rejected(self, blobs, sizes):
        with pytest.raises(ValueError, match="hidden_layer_sizes must be integers of at least 1"):
            small(hidden_layer_sizes=sizes).fit(*blobs)


class TestInput:
    def test_every_form_of_the_same_data_gives_the_same_model(self, blobs, tmp_path):
        X = np.rint(blobs[0] * 8) / 8  # exact in every dtype below
        y = blobs[1]
        expected = small().fit(X, y)
        np.save(tmp_path / "X.npy", X.astype(np.float32))
        forms = {name: make(X) for name, make in CONTAINERS.items()} | {
            "memory map": np.load(tmp_path / "X.npy", mmap_mode="r"),
            "every other column of a wider array": np.repeat(X, 2, axis=1)[:, ::2],
            "CSR": scipy.sparse.csr_matrix(X),
            "CSC": scipy.sparse.csc_matrix(X),
            "object": X.astype(object),
        }
        for name, form in forms.items():
            model = small().fit(form, y)
            assert_same_model(model, expected)
            np.testing.assert_allclose(model.predict_proba(form), expected.predict_proba(X), atol=1e-6, err_msg=name)

    def test_parameters_may_be_numpy_integers(self, blobs):
        numbers = {"batch_size": np.int64(50), "epochs": np.int64(2), "n_iter_no_change": np.int8(2)}
        assert_same_model(small(**numbers).fit(*blobs), small(batch_size=50, epochs=2, n_iter_no_change=2).fit(*blobs))

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool])
    def test_integer_and_boolean_features_train_like_floats(self, blobs, dtype):
        X = (blobs[0] > 0).astype(dtype)
        assert_same_model(small().fit(X, blobs[1]), small().fit(X.astype(float), blobs[1]))

    @pytest.mark.parametrize("library", [pd, polars], ids=["pandas", "polars"])
    def test_feature_names_of_data_frames_are_kept_and_checked(self, blobs, library):
        X, y = blobs
        names = [f"x{i}" for i in range(12)]
        frame = library.DataFrame(dict(zip(names, X.T, strict=True)))
        model = small().fit(frame, library.Series(y))
        assert model.feature_names_in_.tolist() == names
        assert_same_model(model, small().fit(X, y))
        with pytest.raises(ValueError, match="feature names"):
            model.predict(frame[names[::-1]])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda X, y: (X[:0], y[:0]), "0 sample"),
            (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
            (lambda X, y: (X, np.column_stack([y, y])), "y should be a 1d array"),
            (lambda X, y: (X, X[:, 0]), "Unknown label type: continuous"),
            (lambda X, y: (X, np.zeros(len(y))), "y has 1 class"),
            (lambda X, y: (X[:1], y[:1]), "y has 1 class"),
            (lambda X, y: (np.where(X > 3, np.nan, X), y), "contains NaN"),
            (lambda X, y: (np.where(X > 3, np.inf, X), y), "contains infinity"),
            (lambda X, y: (X[:, 0], y), "Expected 2D array"),
            (lambda X, y: (X.astype(complex), y), "Complex data"),
            (lambda X, y: (np.full(X.shape, "a"), y), "could not convert"),
            (lambda X, y: (X, None), "requires y"),
            (lambda X, y: (X * 1e300, y), "too large for dtype"),
        ],
    )
    def test_invalid_data_is_rejected(self, blobs, change, message):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=message):
            small().fit(*change(*blobs))


class TestRepresentation:
    def test_repr_shows_changed_parameters_on_one_line(self):
        assert str(KerasMLPClassifier(dropout=0.1)) == "KerasMLPClassifier(dropout=0.1)"

    def test_html_marks_changed_parameters_and_has_no_external_links(self):
        html = KerasMLPClassifier(dropout=0.1)._repr_html_()
        assert 'href="http' not in html
        assert html.count('class="user-set"') == 1
