"""How KerasMLPClassifier trains: weights, validation, continuation, optimizers, callbacks, threads."""

import pickle
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import joblib
import keras
import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from hypothesis import example, given
from hypothesis import strategies as st
from joblib.externals.loky import get_reusable_executor
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_class_weight

from sk_mnist import KerasMLPClassifier
from sk_mnist._tensorflow import limit_threads
from sk_mnist.neural_network import clear_workspaces
from sk_mnist.neural_network._schedules import SCHEDULES
from sk_mnist.plotting import TrainingHistoryDisplay
from tests.helpers.examples import examples_times
from tests.helpers.networks import FitCallback, assert_close_models, assert_same_model, small
from tests.helpers.processes import last_line_printed

mpl.use("Agg")

# Where sums must come out the same in whatever order they are taken.
EXACT = {"dtype": "float64", "batch_size": 10_000}


class TestWeights:
    def test_an_integer_weight_equals_repeating_the_row(self, blobs):
        X, y = blobs
        weight = np.random.default_rng(0).integers(0, 4, len(y))
        weighted = small(**EXACT).fit(X, y, sample_weight=weight)
        repeated = small(**EXACT).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
        np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-7, atol=1e-9)

    def test_rows_of_weight_zero_are_left_out(self, blobs):
        X, y = blobs
        weight = np.ones(len(y))
        weight[::3] = 0
        X_marked = X.copy()
        X_marked[::3] = 1e6  # would spoil everything
        assert_same_model(small().fit(X_marked, y, sample_weight=weight), small().fit(X[weight > 0], y[weight > 0]))

    def test_weights_of_one_change_nothing(self, blobs):
        X, y = blobs
        assert_same_model(small().fit(X, y, sample_weight=np.ones(len(y))), small().fit(X, y))

    @pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "heavy", None])
    def test_invalid_class_weights_are_rejected(self, blobs, weight):
        with pytest.raises(ValueError, match=r"class_weight must hold finite weights .*; got .* for class 1"):
            small(class_weight={0: 1, 1: weight, 2: 1}).fit(*blobs)

    def test_weights_for_unknown_classes_are_rejected_as_in_scikit_learn(self, blobs):
        for model in (small(class_weight={"0": 2}), LogisticRegression(class_weight={"0": 2})):
            with pytest.raises(ValueError, match="are not in class_weight"):
                model.fit(*blobs)

    def test_partial_fit_applies_class_weights_even_if_a_class_has_no_rows(self, blobs):
        X, y = blobs
        weighted = small(class_weight={0: 5}).partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2])
        assert_same_model(weighted, small().partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2]))
        weighted.partial_fit(X[y < 2], y[y < 2])
        by_row = small().partial_fit(X[y > 0], y[y > 0], classes=[0, 1, 2])
        by_row.partial_fit(X[y < 2], y[y < 2], sample_weight=np.array([5.0, 1.0])[y[y < 2]])
        assert_same_model(weighted, by_row)

    def test_a_class_weight_equals_that_weight_on_each_row_of_the_class(self, blobs):
        X, y = blobs
        by_class = small(class_weight={0: 1.0, 1: 2.0, 2: 0.5}).fit(X, y)
        by_row = small().fit(X, y, sample_weight=np.array([1.0, 2.0, 0.5])[y])
        assert_same_model(by_class, by_row)

    def test_balanced_class_weights_match_scikit_learn(self, blobs):
        X, y = blobs
        X, y = X[y < 2][:150], y[y < 2][:150]
        weight = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
        assert_close_models(
            small(class_weight="balanced", **EXACT).fit(X, y), small(**EXACT).fit(X, y, sample_weight=weight[y])
        )

    def test_class_weights_and_sample_weights_multiply(self, blobs):
        X, y = blobs
        weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
        both = small(class_weight={0: 1, 1: 2, 2: 0.5}, **EXACT).fit(X, y, sample_weight=weight)
        product = small(**EXACT).fit(X, y, sample_weight=weight * np.array([1, 2, 0.5])[y])
        assert_close_models(both, product)

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            (lambda n: np.zeros(n), "non-zero"),
            (lambda n: -np.ones(n), "Negative values"),
            (lambda n: np.ones(n - 1), "sample_weight.shape"),
            (lambda n: np.ones((n, 2)), "1D"),
            (lambda n: np.full(n, np.nan), "NaN"),
        ],
    )
    def test_invalid_sample_weights_are_rejected(self, blobs, weight, message):
        X, y = blobs
        with pytest.raises(ValueError, match=message):
            small().fit(X, y, sample_weight=weight(len(y)))


class TestValidation:
    def test_the_held_out_split_is_stratified_and_seeded(self):
        # Without a hidden layer or a step, the zeros of the rare class get equal probabilities: class 0 is predicted,
        # and the accuracy is the share of the common class among the rows held out: 27 of 30, whatever the seed.
        X = np.zeros((300, 4))
        y = np.repeat(["common", "rare"], [270, 30])
        still = {"hidden_layer_sizes": (), "learning_rate": 1e-30, "epochs": 1, "early_stopping": True}
        scores = {small(**still, random_state=seed).fit(X, y).validation_scores_[0] for seed in range(5)}
        assert scores == {27 / 30}
        X = np.random.default_rng(0).normal(size=(300, 4))
        one, other, third = (small(early_stopping=True, random_state=seed).fit(X, y) for seed in (3, 3, 4))
        assert one.history_["val_loss"] == other.history_["val_loss"] != third.history_["val_loss"]

    def test_held_out_rows_are_scored_without_class_weights(self, blobs):
        X, y = blobs
        held_out = {"early_stopping": True, "validation_fraction": 0.5, "epochs": 1, "learning_rate": 1e-30}
        unweighted = small(**held_out).fit(X, y)  # at a rate of almost 0 both are the same network
        weighted = small(**held_out, class_weight={0: 100.0, 1: 1.0, 2: 1.0}).fit(X, y)
        assert weighted.validation_scores_ == unweighted.validation_scores_
        assert weighted.history_["val_loss"] == unweighted.history_["val_loss"]

    def test_held_out_rows_are_scored_with_sample_weights(self):
        # The common class is predicted, and the rare one weighs as much.
        X, y = np.zeros((300, 4)), np.repeat([0, 1], [270, 30])
        model = small(hidden_layer_sizes=(), learning_rate=1e-30, epochs=1, early_stopping=True)
        model.fit(X, y, sample_weight=np.array([1.0, 9.0])[y])
        assert model.validation_scores_ == [pytest.approx(0.5)]

    def test_infinite_patience_trains_all_epochs_and_keeps_the_best_epoch(self, blobs):
        X, y = blobs
        model = small(early_stopping=True, n_iter_no_change=np.inf, epochs=30).fit(X, y)
        assert model.n_iter_ == 30
        ended = small(early_stopping=True, n_iter_no_change=500, epochs=model.best_epoch_).fit(X, y)
        assert_same_model(model, ended)

    def test_validation_scores_match_the_score_method(self, blobs):
        X, y = blobs
        model = small(epochs=3).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        assert model.validation_scores_[-1] == model.score(X[300:], y[300:])
        assert model.best_epoch_ == 1 + int(np.argmax(model.validation_scores_))

    def test_a_given_validation_set_replaces_the_held_out_split(self, blobs):
        X, y = blobs
        model = small(early_stopping=True, epochs=50).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        ended = small(epochs=model.best_epoch_).fit(X[:300], y[:300])
        assert_same_model(model, ended)

    def test_sample_weight_val_weights_the_validation_scores(self, blobs):
        X, y = blobs
        half = np.where(np.arange(100) < 50, 1.0, 0.0)
        model = small(epochs=2).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:], sample_weight_val=half)
        assert model.validation_scores_[-1] == pytest.approx(model.score(X[300:350], y[300:350]))

    def test_a_pipeline_transforms_the_validation_set_too(self, blobs):
        X, y = blobs
        X = 100 + 50 * X
        with sklearn.config_context(enable_metadata_routing=True):
            mlp = small(epochs=3).set_fit_request(X_val=True, y_val=True)
            pipe = Pipeline([("scale", StandardScaler()), ("mlp", mlp)], transform_input=["X_val"])
            pipe.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        assert pipe["mlp"].validation_scores_[-1] == pipe.score(X[300:], y[300:])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"X_val": np.zeros((2, 12))}, "X_val and y_val go together; got only X_val"),
            ({"y_val": [0, 1]}, "X_val and y_val go together; got only y_val"),
            ({"sample_weight_val": [1, 1]}, "sample_weight_val needs X_val and y_val"),
            ({"X_val": np.zeros((2, 11)), "y_val": [0, 1]}, "11 features"),
            ({"X_val": np.zeros((2, 12)), "y_val": [0, 9]}, r"y_val has labels that are not among the classes.*\[9\]"),
            ({"X_val": np.full((2, 12), np.nan), "y_val": [0, 1]}, "NaN"),
        ],
    )
    def test_an_invalid_validation_set_is_rejected(self, blobs, given, message):
        with pytest.raises(ValueError, match=message):
            small().fit(*blobs, **given)

    def test_early_stopping_with_too_few_rows_per_class_is_rejected(self):
        with pytest.raises(ValueError, match=r"early_stopping=True holds out .* y has 1 row of class 'rare'"):
            small(early_stopping=True).fit(np.zeros((9, 2)), ["common"] * 8 + ["rare"])
        with pytest.raises(ValueError, match=r"validation_fraction=0\.1 of 15 rows holds out 2 and leaves 13 .* 3 cl"):
            small(early_stopping=True).fit(np.zeros((15, 2)), [0, 1, 2] * 5)


@pytest.fixture(scope="module")
def noisy(blobs):
    """Rows of which a fifth have a random label: the loss rises while the accuracy still does, too."""
    X, y = blobs
    generator = np.random.default_rng(0)
    return X, np.where(generator.random(len(y)) < 0.2, generator.integers(0, 3, len(y)), y)


class TestMonitor:
    @staticmethod
    def best(model):
        return {
            "val_accuracy": 1 + int(np.argmax(model.history_["val_accuracy"])),
            "val_loss": 1 + int(np.argmin(model.history_["val_loss"])),
        }

    @pytest.mark.parametrize("is_given", [False, True], ids=["held out", "given"])
    @pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss"])
    def test_monitor_decides_when_to_stop_and_which_weights_to_keep(self, noisy, monitor, is_given):
        X, y = noisy
        data = {"X": X[:300], "y": y[:300], "X_val": X[300:], "y_val": y[300:]} if is_given else {"X": X, "y": y}
        params = {"early_stopping": True, "monitor": monitor, "validation_fraction": 0.25}
        model = small(**params, n_iter_no_change=6, epochs=50).fit(**data)
        best = self.best(model)
        assert best["val_loss"] != best["val_accuracy"]  # or the test tells nothing
        assert model.best_epoch_ == best[monitor] == model.n_iter_ - 6
        assert model.best_validation_score_ == model.history_["val_accuracy"][model.best_epoch_ - 1]
        # The same training, ended at the best epoch, has the weights that were kept.
        ended = small(**params, n_iter_no_change=500, epochs=model.best_epoch_).fit(**data)
        assert_same_model(ended, model)

    @pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss"])
    def test_without_early_stopping_monitor_decides_which_epoch_was_the_best(self, noisy, monitor):
        X, y = noisy
        model = small(monitor=monitor, epochs=30).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        best = self.best(model)
        assert best["val_loss"] != best["val_accuracy"]  # or the test tells nothing
        assert model.best_epoch_ == best[monitor]
        assert_same_model(model, small(epochs=30).fit(X[:300], y[:300]))

    def test_the_best_epoch_is_chosen_from_the_last_fit_only(self, noisy):
        X, y = noisy
        validation = {"X_val": X[300:], "y_val": y[300:]}
        model = small(monitor="val_loss", warm_start=True, epochs=15).fit(X[:300], y[:300], **validation)
        first = model.best_epoch_
        model.fit(X[:300], y[:300], **validation)
        assert model.best_epoch_ == 16 + int(np.argmin(model.history_["val_loss"][15:]))
        # The loss rises from the first fit on, so the two differ.
        assert first == self.best(model)["val_loss"] < 16

    def test_a_warm_start_keeps_the_best_of_its_own_epochs(self, noisy):
        X, y = noisy
        data = {"X": X[:300], "y": y[:300], "X_val": X[300:], "y_val": y[300:]}
        params = {"monitor": "val_loss", "early_stopping": True, "warm_start": True, "n_iter_no_change": 4}
        model = small(**params, epochs=3, learning_rate=1e-4).fit(**data)
        assert model.best_epoch_ == 3  # it has only begun to fall
        model.set_params(epochs=50, learning_rate=0.01).fit(**data)
        assert model.best_epoch_ == len(model.loss_curve_) - 4 == self.best(model)["val_loss"]
        log_proba = model.predict_log_proba(X[300:])
        val_loss = -log_proba[np.arange(100), y[300:]].mean()
        assert val_loss == pytest.approx(min(model.history_["val_loss"]), rel=1e-6)

    def test_the_training_history_display_marks_the_best_epoch(self, noisy):
        X, y = noisy
        model = small(monitor="val_loss", epochs=30).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        display = TrainingHistoryDisplay.from_estimator(model)
        assert display.best_epochs_ == {"run": model.best_epoch_}
        (star,) = (line for line in display.ax_[0].lines if line.get_marker() == "*")
        assert list(star.get_ydata()) == [min(model.history_["val_loss"])]
        mpl.pyplot.close(display.figure_)

    def test_epochs_after_training_has_diverged_are_not_the_best(self, noisy):
        def factory():
            import keras

            def diverge(epoch, logs=None):
                if epoch == 3:
                    callback.model.optimizer.learning_rate = 1e30

            callback = keras.callbacks.LambdaCallback(on_epoch_begin=diverge)
            return callback

        X, y = noisy
        params = {"monitor": "val_loss", "early_stopping": True, "optimizer": "sgd", "activation": "elu"}
        with np.errstate(all="ignore"):
            model = small(**params, keras_callbacks=[factory]).fit(X, y)
        assert np.isnan(model.history_["val_loss"][3:]).all()
        assert model.best_epoch_ == 3
        assert_same_model(model, small(**params, epochs=3).fit(X, y))

    @pytest.mark.parametrize("monitor", ["loss", "accuracy", None])
    def test_a_monitor_other_than_a_validation_score_is_rejected(self, blobs, monitor):
        with pytest.raises(ValueError, match="The 'monitor' parameter of KerasMLPClassifier"):
            small(monitor=monitor).fit(*blobs)


class TestContinuation:
    def test_warm_start_continues_with_the_weights_and_the_optimizer_state(self, blobs):
        whole = small(epochs=6).fit(*blobs)
        parts = small(epochs=3, warm_start=True).fit(*blobs)
        assert parts.n_iter_ == 3
        parts.fit(*blobs)
        assert_same_model(parts, whole)
        assert parts.n_iter_ == 3
        assert parts.loss_curve_ == whole.loss_curve_

    def test_partial_fit_equals_one_epoch_of_fit(self, blobs):
        X, y = blobs
        model = small()
        for _ in range(3):
            model.partial_fit(X, y, classes=[0, 1, 2])
        whole = small(epochs=3).fit(X, y)
        assert_same_model(model, whole)
        assert model.n_iter_ == 1
        assert model.loss_curve_ == whole.loss_curve_

    def test_partial_fit_accepts_rows_that_lack_a_class(self, blobs):
        X, y = blobs
        model = small().partial_fit(X[y == 1], y[y == 1], classes=[2, 1, 0])
        model.partial_fit(X[y != 1], y[y != 1])
        assert model.classes_.tolist() == [0, 1, 2]
        assert model.predict_proba(X).shape == (400, 3)

    @pytest.mark.weekly
    @pytest.mark.slow
    def test_reusing_a_compiled_network_for_other_row_counts_changes_nothing(self, blobs):
        X, y = blobs
        one_network, own_networks = small(batch_size=50), small(batch_size=50)
        for n_rows in (7, 50, 3, 120, 1, 49):
            one_network.partial_fit(X[:n_rows], y[:n_rows], classes=[0, 1, 2])
            clear_workspaces()
            own_networks.partial_fit(X[:n_rows], y[:n_rows], classes=[0, 1, 2])
        assert_same_model(one_network, own_networks)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "optimizer", ["adam", *(pytest.param(name, marks=pytest.mark.weekly) for name in ("sgd", "rmsprop"))]
    )
    def test_pickling_between_partial_fits_changes_nothing(self, blobs, optimizer):
        X, y = blobs
        straight, pickled = small(optimizer=optimizer, dropout=0.2), small(optimizer=optimizer, dropout=0.2)
        for _ in range(3):
            straight.partial_fit(X, y, classes=[0, 1, 2])
            pickled.partial_fit(X, y, classes=[0, 1, 2])
            pickled = pickle.loads(pickle.dumps(pickled))
            clear_workspaces()
        assert_same_model(straight, pickled)

    def test_fit_after_partial_fit_starts_over(self, blobs):
        assert_same_model(small().partial_fit(*blobs, classes=[0, 1, 2]).fit(*blobs), small().fit(*blobs))

    def test_partial_fit_continues_after_fit(self, blobs):
        model = small(epochs=3, optimizer="sgd").fit(*blobs).partial_fit(*blobs)
        assert_same_model(model, small(epochs=4, optimizer="sgd").fit(*blobs))  # sgd has no state to lose

    def test_unseen_labels_are_rejected(self, blobs):
        X, y = blobs
        model = small().partial_fit(X, y, classes=[0, 1, 2])
        with pytest.raises(ValueError, match=r"not among the classes \[0, 1, 2\]: \[7\]"):
            model.partial_fit(X, np.where(y == 0, 7, y))

    @pytest.mark.parametrize(
        ("params", "arguments", "message"),
        [
            ({}, {}, "classes must be passed"),
            ({}, {"classes": [0, 1]}, "y has labels that are not among the classes"),
            ({"early_stopping": True}, {"classes": [0, 1, 2]}, "set early_stopping=False"),
            ({"class_weight": "balanced"}, {"classes": [0, 1, 2]}, "compute_class_weight"),
        ],
    )
    def test_partial_fit_rejects_invalid_classes_and_unsupported_parameters(self, blobs, params, arguments, message):
        with pytest.raises(ValueError, match=message):
            small(**params).partial_fit(*blobs, **arguments)

    def test_warm_start_rejects_other_classes(self, blobs):
        X, y = blobs
        model = small(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="warm_start=True needs the same classes as the last fit"):
            model.fit(X, y + 1)

    def test_warm_start_rejects_other_layers(self, blobs):
        model = small(warm_start=True).fit(*blobs).set_params(hidden_layer_sizes=(4,))
        with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(4,\) differs from the fitted network's \(16, 8\)"):
            model.fit(*blobs)

    def test_warm_start_with_another_optimizer_starts_with_a_fresh_state(self, blobs):
        model = small(warm_start=True).fit(*blobs).set_params(optimizer="sgd")
        assert len(model.fit(*blobs).loss_curve_) == 20

    def test_a_training_that_fails_does_not_leave_the_previous_model(self, blobs):
        X, y = blobs
        model = small().fit(X, y)
        with pytest.raises(ValueError, match="diverged"):
            model.set_params(learning_rate=1e30).fit(1e30 * X, np.where(y == 2, 5, y))
        assert not hasattr(model, "coefs_")
        assert model.classes_.tolist() == [0, 1, 5]

    @pytest.mark.parametrize("is_fitted", [True, False])
    @pytest.mark.parametrize(
        ("method", "bad"),
        [
            ("fit", lambda X, y: {"y": np.zeros(len(y))}),
            ("fit", lambda X, y: {"sample_weight": -np.ones(len(y))}),
            ("fit", lambda X, y: {"X_val": X, "y_val": y}),
            ("partial_fit", lambda X, y: {"classes": [0, 1]}),
            ("partial_fit", lambda X, y: {"X": X, "y": y + 1, "classes": [0, 1, 2]}),
        ],
    )
    def test_a_rejected_fit_leaves_the_model_as_it_was(self, blobs, method, bad, is_fitted):
        X, y = blobs
        model = small(random_state=np.random.RandomState(0))
        if is_fitted:
            model.fit(X, y)
        before = pickle.dumps(model)
        with pytest.raises(ValueError, match=r"class|sample_weight|X_val|features|labels"):
            getattr(model, method)(**{"X": X[:, :1], "y": y, **bad(X, y)})
        assert pickle.dumps(model) == before


ACTS = ["fit", "fit with validation", "fit stopped early", "partial_fit", "set warm_start", "set early_stopping"]


class TestHistory:
    """Whatever is called in which order, the attributes that tell of training agree with each other."""

    @pytest.mark.slow
    @examples_times(0.25)
    @given(acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=7))
    @example(acts=["fit with validation", "partial_fit"])
    @example(acts=["set warm_start", "fit", "fit with validation", "fit"])
    @example(acts=["partial_fit", "set warm_start", "fit stopped early", "partial_fit"])
    def test_history_attributes_agree_after_any_sequence_of_fits(self, blobs, acts):
        X, y = blobs
        model = small(epochs=3, batch_size=400)
        for act in acts:
            n_before = len(getattr(model, "loss_curve_", []))
            if act == "set warm_start":
                model.set_params(warm_start=not model.warm_start)
            elif act == "set early_stopping":
                model.set_params(early_stopping=not model.early_stopping)
            elif act == "partial_fit":
                model.set_params(early_stopping=False).partial_fit(X, y, classes=[0, 1, 2])
                self.check(model, n_before + 1, n_iter=1, is_validated=False)
            else:
                validation = {"X_val": X, "y_val": y} if act != "fit" else {}
                model.set_params(early_stopping=act == "fit stopped early").fit(X, y, **validation)
                n_before = n_before if model.warm_start else 0
                self.check(model, n_before + model.n_iter_, n_iter=3, is_validated=bool(validation))

    def check(self, model, n_epochs, n_iter, is_validated):
        assert model.n_iter_ == n_iter
        assert {len(values) for values in model.history_.values()} == {n_epochs}
        assert model.loss_curve_ == model.history_["loss"]
        assert model.loss_ == model.loss_curve_[-1]
        assert model.best_loss_ == (None if model.early_stopping else min(model.loss_curve_))
        assert model.validation_scores_ == model.history_.get("val_accuracy")
        assert (model.best_epoch_ is not None) == (model.best_validation_score_ is not None) == is_validated
        if is_validated:
            last_scores = model.validation_scores_[-n_iter:]
            assert model.best_validation_score_ == max(last_scores)
            assert model.validation_scores_[model.best_epoch_ - 1] == model.best_validation_score_
            assert model.best_epoch_ > n_epochs - n_iter
        if model.validation_scores_:
            display = TrainingHistoryDisplay.from_estimator(model)
            # An unvalidated call leaves no best epoch of its own.
            best = model.best_epoch_ or 1 + int(np.nanargmax(model.validation_scores_))
            assert display.best_epochs_ == {"run": best}
            mpl.pyplot.close(display.figure_)

    def test_scores_of_epochs_without_validation_are_nan(self, blobs):
        X, y = blobs
        model = small(epochs=2).fit(X, y, X_val=X, y_val=y).partial_fit(X, y)
        assert [bool(np.isnan(score)) for score in model.validation_scores_] == [False, False, True]
        assert model.best_epoch_ is None


class TestSchedulesAndRegularization:
    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_the_network_learns_with_each_schedule(self, blobs, schedule):
        assert small(learning_rate_schedule=schedule, epochs=30).fit(*blobs).score(*blobs) > 0.85

    @pytest.mark.slow
    @pytest.mark.parametrize("schedule", sorted(SCHEDULES.keys() - {"constant"}))
    def test_decaying_schedules_end_with_small_steps(self, blobs, schedule):
        def last_step(schedule):
            params = {"learning_rate_schedule": schedule, "optimizer": "sgd", "batch_size": 400, "epochs": 50}
            epochs = []
            monitor = _WeightsOfEachEpoch(epochs)
            small(**params, keras_callbacks=[monitor.remember]).fit(*blobs)
            return np.abs(epochs[-1] - epochs[-2]).max()

        assert last_step(schedule) < 0.05 * last_step("constant")

    @pytest.mark.slow
    def test_alpha_is_the_same_penalty_as_in_scikit_learn(self, blobs):
        # Without hidden layers the minimum is unique, and LogisticRegression's with C = 1 / alpha. MLPClassifier has
        # the same scale: its loss is that of LogisticRegression divided by the number of rows.
        X, y = blobs
        ours = KerasMLPClassifier((), alpha=20.0, learning_rate=0.05, epochs=1500, random_state=0, **EXACT).fit(X, y)
        theirs = LogisticRegression(C=1 / 20, tol=1e-8, max_iter=1000).fit(X, y)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
        penalty = 0.5 * 20 * (ours.coefs_[0] ** 2).sum() / len(y)
        log_loss = -ours.predict_log_proba(X)[np.arange(len(y)), y].mean()
        assert ours.loss_ == pytest.approx(log_loss + penalty, rel=1e-4)

    @pytest.mark.filterwarnings("ignore:The penalty is")
    def test_a_larger_penalty_gives_smaller_weights(self, blobs):
        norms = [np.linalg.norm(small(alpha=alpha).fit(*blobs).coefs_[0]) for alpha in (0, 1, 10)]
        assert norms == sorted(norms, reverse=True)

    def test_dropout_affects_training_but_not_prediction(self, blobs):
        X, y = blobs
        model = small(dropout=0.5).fit(X, y)
        assert model.history_["accuracy"][-1] < small().fit(X, y).history_["accuracy"][-1]
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))

    def test_dropout_differs_from_epoch_to_epoch(self, blobs):
        # At a rate of almost 0 only the masks change the loss.
        model = small(dropout=0.5, learning_rate=1e-30, epochs=3).fit(*blobs)
        assert len(set(model.loss_curve_)) == 3

    def test_dropout_differs_from_seed_to_seed(self, blobs):
        # Two estimators that differ in the seed alone: they have the same weights, and one batch.
        still = {"learning_rate": 1e-30, "epochs": 1, "batch_size": 400, "warm_start": True}
        one, other = (small(**still, random_state=seed).fit(*blobs) for seed in (0, 1))
        other.coefs_, other.intercepts_ = one.coefs_, one.intercepts_
        without = [model.fit(*blobs).loss_ for model in (one, other)]
        assert without[0] == pytest.approx(without[1], rel=1e-6)
        masked = [model.set_params(dropout=0.5).fit(*blobs).loss_ for model in (one, other)]
        assert masked[0] != pytest.approx(masked[1], rel=1e-3)

    def test_label_smoothing_lowers_confidence(self, blobs):
        X, y = blobs
        sharp, smooth = (small(label_smoothing=s, epochs=60).fit(X, y).predict_proba(X).max() for s in (0.0, 0.3))
        assert smooth < sharp

    def test_label_smoothing_spreads_its_share_over_all_classes(self, blobs):
        X, y = blobs
        model = small(label_smoothing=0.3, epochs=1, learning_rate=1e-30).fit(X, y)  # the loss before any step
        log_proba = model.predict_log_proba(X)
        expected = -0.7 * log_proba[np.arange(len(y)), y].mean() - 0.3 * log_proba.mean()
        assert model.loss_ == pytest.approx(expected, rel=1e-5)


class _WeightsOfEachEpoch:
    def __init__(self, epochs):
        self.epochs = epochs

    def remember(self):
        import keras

        outer = self

        class Remember(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                outer.epochs.append(self.model.get_weights()[0])

        return Remember()


class TestScikitLearnsCallbacks:
    def test_scoring_monitor_records_a_score_for_each_epoch(self, blobs):
        monitor = ScoringMonitor(scoring="accuracy")
        model = small(epochs=4).set_callbacks(monitor).fit(*blobs)
        scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
        assert len(scores) == 4
        assert scores[-1] == model.score(*blobs)

    def test_callbacks_get_an_estimator_as_if_fit_had_stopped_after_the_epoch(self, blobs):
        seen = []

        class Remember(FitCallback):
            def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
                if context.task_name == "epoch":
                    seen.append(fitted_estimator)

        X, y = blobs
        small(epochs=3).set_callbacks(Remember()).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
        stopped = small(epochs=2).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
        assert seen[1].history_ == stopped.history_
        assert (seen[1].n_iter_, seen[1].best_epoch_, seen[1].loss_) == (2, stopped.best_epoch_, stopped.loss_)
        assert seen[1].predict_proba(X).tolist() == stopped.predict_proba(X).tolist()
        assert seen[1].loss_curve_ == stopped.loss_curve_
        stored, expected = ({name for name in vars(model) if name[0] != "_"} for model in (seen[1], stopped))
        assert stored == expected

    def test_progress_bars_show_the_fits_of_a_pipeline_and_its_network(self, blobs, capsys):
        pipe = Pipeline([("scale", StandardScaler()), ("mlp", small(epochs=3))]).set_callbacks(ProgressBar())
        pipe.fit(*blobs)
        out = capsys.readouterr().out
        assert "Pipeline - fit" in out
        assert "KerasMLPClassifier - fit" in out

    @pytest.mark.slow
    def test_progress_bars_show_each_fit_of_a_parallel_search(self, blobs, capsys):
        search = GridSearchCV(small(epochs=3), {"learning_rate": [1e-3, 1e-2]}, cv=2, n_jobs=2)
        search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*blobs)
        out = capsys.readouterr().out
        assert "GridSearchCV - fit" in out
        assert out.count("KerasMLPClassifier - fit") >= 5  # 2 candidates x 2 folds, and the refit


class TestKerasCallbacks:
    def test_factories_are_called_for_each_fit(self, blobs):
        import keras

        made = []

        def factory():
            made.append(keras.callbacks.History())
            return made[-1]

        clone(small(keras_callbacks=[factory], epochs=2)).fit(*blobs).fit(*blobs)
        assert [len(history.history["loss"]) for history in made] == [2, 2]

    def test_a_fitted_estimator_is_pickled_without_callbacks(self, blobs):
        lock = threading.Lock()  # cannot be pickled

        def factory():
            import keras

            assert lock
            return keras.callbacks.History()

        model = small(keras_callbacks=[factory], epochs=1).fit(*blobs)
        assert pickle.loads(pickle.dumps(model)).keras_callbacks is None

    @pytest.mark.slow
    def test_callbacks_reach_the_workers_of_a_parallel_search(self, blobs):
        import keras

        stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=10.0, patience=1)
        search = GridSearchCV(small(keras_callbacks=[stop]), {"epochs": [50]}, cv=2, n_jobs=2).fit(*blobs)
        assert search.best_estimator_.n_iter_ == 2


class TestThreadsAndProcesses:
    def test_fits_in_parallel_threads_give_the_same_weights_as_sequential_fits(self, blobs):
        models = [small(random_state=seed, hidden_layer_sizes=(8 + 8 * (seed % 2),)) for seed in range(8)]
        expected = [clone(model).fit(*blobs) for model in models]
        with ThreadPoolExecutor(8) as pool:
            fitted = list(pool.map(lambda model: model.fit(*blobs), models))
        for one, other in zip(fitted, expected, strict=True):
            assert_same_model(one, other)

    def test_threads_that_share_an_estimator_predict_the_same(self, blobs):
        X, y = blobs
        model = small().fit(X, y)
        expected = model.predict_proba(X)
        with ThreadPoolExecutor(8) as pool:
            for proba in pool.map(model.predict_proba, [X] * 32):
                np.testing.assert_array_equal(proba, expected)

    @pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"])
    def test_joblib_backends_give_the_same_scores_as_sequential_fits(self, blobs, backend):
        with joblib.parallel_config(backend, n_jobs=2):
            scores = cross_validate(small(), *blobs, cv=2)["test_score"]
        np.testing.assert_array_equal(scores, cross_validate(small(), *blobs, cv=2)["test_score"])


class TestNumberOfThreads:
    """TensorFlow keeps to OMP_NUM_THREADS, unless it was told otherwise."""

    CODE = """
import tensorflow as tf
from sklearn.datasets import load_iris
from sk_mnist import KerasMLPClassifier

{before}
KerasMLPClassifier((4,), epochs=1).fit(*load_iris(return_X_y=True))
print(tf.config.threading.get_intra_op_parallelism_threads())
"""

    @pytest.mark.weekly
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("environment", "before", "expected"),
        [
            ({"OMP_NUM_THREADS": "1"}, "", "1"),
            ({"OMP_NUM_THREADS": "1"}, "tf.constant(0.0)", "0"),
        ],
    )
    def test_omp_num_threads_applies_unless_tensorflow_is_running(self, environment, before, expected):
        assert last_line_printed(self.CODE.format(before=before), environment) == expected

    @pytest.mark.parametrize(
        ("environment", "told", "set_to"),
        [
            ({"OMP_NUM_THREADS": "3,2"}, 0, [3]),
            ({"OMP_NUM_THREADS": "many"}, 0, []),
            ({"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "2"}, 0, []),
            ({"OMP_NUM_THREADS": "1"}, 2, []),
        ],
    )
    def test_the_first_number_holds_unless_tensorflow_was_told_another(self, monkeypatch, environment, told, set_to):
        found = []
        settings = {"get_intra_op_parallelism_threads": lambda: told, "set_intra_op_parallelism_threads": found.append}
        config = SimpleNamespace(threading=SimpleNamespace(**settings))
        monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
        monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        limit_threads()
        assert found == set_to

    @pytest.mark.weekly
    def test_joblib_workers_share_the_cores(self, blobs):
        # joblib hands out workers of earlier tests, in which unpickling an optimizer has started TensorFlow.
        get_reusable_executor().shutdown(wait=True)
        with joblib.parallel_config("loky", n_jobs=2):
            threads = joblib.Parallel()(joblib.delayed(_fit_and_count_threads)(*blobs) for _ in range(2))
        assert threads == [max(1, joblib.cpu_count() // 2)] * 2


def _fit_and_count_threads(X, y):
    import tensorflow as tf

    small(epochs=1).fit(X, y)
    return tf.config.threading.get_intra_op_parallelism_threads()


# Any sequence of fits gives the weights that each gives in a separate process.
FITS = {
    "plain": {},
    "another rate": {"learning_rate": 0.1},
    "more epochs": {"epochs": 5},
    "another seed": {"random_state": 7},
    "class weights": {"class_weight": "balanced"},
    "penalty": {"alpha": 1.0},
    "dropout": {"dropout": 0.5},
    "cosine": {"learning_rate_schedule": "cosine"},
    "another optimizer": {"optimizer": "rmsprop"},
    "another architecture": {"hidden_layer_sizes": (5,)},
    "another batch": {"batch_size": 50},
    "early stopping": {"early_stopping": True, "epochs": 30},
    "another loss": {"label_smoothing": 0.1},
}


@pytest.fixture(scope="module")
def fresh(blobs):
    models = {}
    for name, params in FITS.items():
        clear_workspaces()
        models[name] = small(**{"epochs": 2, **params}).fit(*blobs)
    return models


class TestWorkspaces:
    @pytest.mark.weekly
    @pytest.mark.slow
    @examples_times(0.15)
    @given(names=st.lists(st.sampled_from(sorted(FITS)), min_size=1, max_size=6))
    def test_nothing_leaks_from_one_fit_into_the_next(self, blobs, fresh, names):
        for name in names:
            assert_same_model(small(**{"epochs": 2, **FITS[name]}).fit(*blobs), fresh[name])

    def test_a_failed_fit_does_not_affect_the_next_fit(self, blobs):
        class Fail(FitCallback):
            def on_fit_task_end(self, estimator, context):
                raise RuntimeError("after an epoch")

        expected = small(epochs=2).fit(*blobs)
        with pytest.raises(RuntimeError, match="after an epoch"):
            small().set_callbacks(Fail()).fit(*blobs)
        assert_same_model(small(epochs=2).fit(*blobs), expected)

    def test_fits_that_differ_in_runtime_values_share_one_compiled_network(self, blobs):
        from sk_mnist.neural_network._keras import workspace

        clear_workspaces()
        run_time_values = ["another rate", "more epochs", "another seed", "class weights", "cosine", "another batch"]
        for name in ["plain", *run_time_values]:
            small(**{"epochs": 2, **FITS[name]}).fit(*blobs)
        X, y = blobs
        small(epochs=2).fit(X[:333], y[:333])  # another number of rows, and a last batch that is not full
        assert len(workspace._idle) == 1
        for dropout, label_smoothing in [(0.1, 0.1), (0.2, 0.3)]:
            small(epochs=2, dropout=dropout, label_smoothing=label_smoothing).fit(*blobs)
        assert len(workspace._idle) == 2


class TestPenalty:
    """The weights of the rows divide the penalty, so small ones make it outweigh the loss."""

    @staticmethod
    def warnings_of(fit):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit()
        return [str(warning.message) for warning in caught if "The penalty is" in str(warning.message)]

    @pytest.mark.parametrize(
        ("alpha", "weight", "given"),
        [
            (0.1, 1 / 400, {}),
            (0.1, 1 / 400, {"X_outliers": np.ones((50, 12))}),
            (100.0, 1.0, {}),
            (1e-6, 1e-7, {}),
        ],
        ids=["weights that sum to 1", "outliers", "a large alpha", "tiny weights"],
    )
    def test_a_penalty_that_outweighs_the_loss_is_warned_of_once(self, blobs, alpha, weight, given):
        X, y = blobs
        model = small(alpha=alpha, optimizer="sgd", learning_rate=1e-6)
        (message,) = self.warnings_of(lambda: model.fit(X, y, sample_weight=np.full(400, weight), **given))
        assert f"alpha={alpha:g} is divided by the sum of sample_weight" in message
        assert f"all 400 weights sum to {400 * weight:.4g}." in message

    def test_the_share_of_the_penalty_is_right(self, blobs):
        X, y = blobs
        weight = np.full(400, 1 / 400)
        model = small(alpha=1.0, optimizer="sgd", learning_rate=1e-30, batch_size=400, epochs=1, dtype="float64")
        (message,) = self.warnings_of(lambda: model.fit(X, y, sample_weight=weight))
        penalty = 0.5 * sum((coef**2).sum() for coef in model.coefs_)
        assert message.startswith(f"The penalty is {penalty / model.loss_:.0%} of the loss of the first epoch")

    def test_adaboost_is_warned_of_its_weights(self, blobs):
        boosting = AdaBoostClassifier(small(alpha=0.01, epochs=1), n_estimators=1)
        assert len(self.warnings_of(lambda: boosting.fit(*blobs))) == 1

    @pytest.mark.parametrize(("alpha", "weight"), [(1e-4, 1.0), (1e-6, 1 / 400), (0.0, 1 / 400)], ids=str)
    def test_a_penalty_that_does_not_is_not_warned_of(self, blobs, alpha, weight):
        X, y = blobs
        assert not self.warnings_of(lambda: small(alpha=alpha).fit(X, y, sample_weight=np.full(400, weight)))


class TestDivergence:
    """The error names what may be the cause, and nothing else."""

    @staticmethod
    def advice(model, X, y, **given):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError, match="Training diverged: the weights are not finite") as caught:
                model.fit(X, y, **given)
        return str(caught.value).removeprefix("Training diverged: the weights are not finite. ")

    def test_a_large_learning_rate(self, blobs):
        X, y = blobs
        model = small(optimizer="sgd", learning_rate=1e30)
        assert self.advice(model, X / abs(X).max(), y) == "Lower learning_rate (now 1e+30)."

    @pytest.mark.parametrize("convert", [np.asarray, csr_matrix], ids=["dense", "sparse"])
    def test_large_values_in_X(self, blobs, convert):
        X, y = blobs
        X = convert(X / abs(X).max() * 1e6)
        model = small(optimizer="sgd", learning_rate=1e9, activation="elu")
        expected = (
            "Scale X, which has values of up to 1e+06, to a few units, or lower learning_rate (now 1000000000.0)."
        )
        assert self.advice(model, X, y) == expected

    def test_a_penalty_that_small_weights_enlarge(self, blobs):
        X, y = blobs
        model = small(optimizer="sgd", learning_rate=0.1, alpha=1.0)
        advice = self.advice(model, X / abs(X).max(), y, sample_weight=np.full(400, 1e-6))
        assert advice.startswith(
            "Lower alpha=1, or scale sample_weight, of which 400 sum to 0.0004, to a mean of 1, or "
        )

    def test_a_callback(self, blobs):
        X, y = blobs

        class Spoil(keras.callbacks.Callback):
            def on_train_end(self, logs=None):
                self.model.set_weights([np.full_like(value, np.nan) for value in self.model.get_weights()])

        advice = self.advice(small(keras_callbacks=[Spoil()]), X / abs(X).max(), y)
        assert "check whether a callback has set the weights" in advice
        assert "cale X" not in advice
