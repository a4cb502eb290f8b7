"""Optimizers by name and as instances: trained with as they are given, or refused by name."""

import pickle
import pickletools

import cloudpickle
import joblib
import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sk_mnist import KerasMLPClassifier
from sk_mnist.neural_network._keras.parameters import OPTIMIZERS
from tests.helpers.networks import assert_close_models, assert_same_model, small, weights_of

# One batch is all rows: the order of the rows, which Keras draws in another way, does not matter.
FULL = {"hidden_layer_sizes": (8,), "batch_size": 400, "epochs": 5, "random_state": 0}


def joblib_copy(model):
    """Pickle as joblib does for its workers: classes and functions by value."""
    return pickle.loads(cloudpickle.dumps(model))


def keras_weights(blobs, optimizer, epochs=FULL["epochs"]):
    """Weights that Keras' own fit gives from the same start."""
    X, y = blobs
    model = KerasMLPClassifier(**FULL | {"epochs": 1, "learning_rate": 1e-30, "optimizer": "sgd"}).fit(X, y).to_keras()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(X.astype(np.float32), y, batch_size=400, epochs=epochs, verbose=0)
    return model.get_weights()


def assert_trains_as_keras(blobs, make, **params):
    ours = KerasMLPClassifier(**FULL | params, optimizer=make()).fit(*blobs)
    for one, other in zip(weights_of(ours), keras_weights(blobs, make()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    return ours


class Reversed(keras.optimizers.SGD):
    """An optimizer of one's own: it climbs."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(-gradient, variable, learning_rate)


class Helper:
    """Without an __eq__."""


def make_namesake():
    class SGD(Reversed):
        """Named like Keras' own."""

    return SGD(0.1)


class Scaled(keras.optimizers.SGD):
    """What it was given beyond Keras' arguments is not in its get_config."""

    def __init__(self, learning_rate=0.1, scale=1.0, **arguments):
        super().__init__(learning_rate, **arguments)
        self.scale = scale

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(self.scale * gradient, variable, learning_rate)


class NeedsMore(keras.optimizers.SGD):
    """Its get_config lacks an argument without a default."""

    def __init__(self, needed, **arguments):
        super().__init__(0.1, **arguments)


class Locked(keras.optimizers.SGD):
    """It holds what cannot be copied."""

    def __init__(self, learning_rate=0.1, **arguments):
        super().__init__(learning_rate, **arguments)
        self.rows = (row for row in range(3))


class Lookalike:
    """Not an optimizer, though it has the methods of one."""

    apply_gradients, get_config = print, dict


def make_excluding():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class Skips(keras.optimizers.SGD):
    """An attribute that is empty at first."""

    def __init__(self, learning_rate=0.1, **arguments):
        super().__init__(learning_rate, **arguments)
        self.skipped = []

    def update_step(self, gradient, variable, learning_rate):
        if not any(kind in variable.name for kind in self.skipped):
            super().update_step(gradient, variable, learning_rate)


def make_skipping():
    optimizer = Skips(0.1)
    optimizer.skipped.append("kernel")
    return optimizer


class SlowsDown(keras.optimizers.SGD):
    """It sets its own learning rate after each step."""

    def apply_gradients(self, grads_and_vars):
        super().apply_gradients(grads_and_vars)
        self.learning_rate.assign(self.learning_rate / 2)


class FixedRate(keras.optimizers.SGD):
    """Its get_config has no learning rate."""

    def __init__(self, factor=2.0, **arguments):
        super().__init__(0.05 * factor)
        self.factor = factor

    def get_config(self):
        return {"factor": self.factor}


INSTANCES = {
    "Keras' own": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "clipping": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "a subclass": lambda: Reversed(0.05),
    "a namesake": make_namesake,
    "more than its configuration": lambda: Scaled(0.1, scale=5.0),
    "a list that was filled": make_skipping,
    "no rate in its configuration": lambda: FixedRate(4.0),
    "excluded from weight decay": make_excluding,
    "a loss scale": lambda: keras.optimizers.SGD(0.1, loss_scale_factor=128.0),
    "accumulated gradients": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "an average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.7),
    "an average that overwrites": lambda: keras.optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=2
    ),
}


QUICK = {"Keras' own", "a namesake", "excluded from weight decay", "a loss scale"}


class TestInstancesTrainAsInKeras:
    @pytest.mark.parametrize("schedule", ["constant", "cosine"])
    def test_a_rate_that_the_optimizer_sets_itself_is_replaced_in_the_next_step(self, blobs, schedule):
        one, other = (
            KerasMLPClassifier(**FULL, optimizer=optimizer, learning_rate_schedule=schedule).fit(*blobs)
            for optimizer in (SlowsDown(0.1), keras.optimizers.SGD(0.1))
        )
        assert_same_model(one, other)

    @pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in INSTANCES]
    )
    def test_an_optimizer_instance_trains_as_in_keras(self, blobs, name):
        assert_trains_as_keras(blobs, INSTANCES[name])

    @pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[] if name == "Keras' own" else pytest.mark.slow) for name in INSTANCES]
    )
    def test_clones_and_pickles_train_with_the_same_optimizer(self, blobs, name):
        model = KerasMLPClassifier(**FULL, optimizer=INSTANCES[name]())
        expected = clone(model).fit(*blobs)
        assert_same_model(model.fit(*blobs), expected)
        assert_same_model(clone(clone(model)).fit(*blobs), expected)
        assert_same_model(joblib_copy(model).fit(*blobs), expected)

    def test_a_pickle_refers_only_to_public_modules(self):
        pickled = pickle.dumps(KerasMLPClassifier(optimizer=make_excluding()))
        names = {argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)}
        assert {name for name in names if name.startswith("sk_mnist")} == {"sk_mnist.neural_network"}

    @pytest.mark.weekly
    @pytest.mark.slow
    def test_each_tested_optimizer_differs_from_plain_sgd(self, blobs):
        # Else the comparisons above would not tell whether an instance was replaced.
        plain = keras_weights(blobs, keras.optimizers.SGD(0.1))
        for name in INSTANCES.keys() - {"a loss scale"}:
            other = keras_weights(blobs, INSTANCES[name]())
            assert not np.allclose(plain[0], other[0], rtol=1e-2), name

    @pytest.mark.slow
    def test_fits_with_different_optimizers_do_not_affect_each_other(self, blobs):
        alone = {name: KerasMLPClassifier(**FULL, optimizer=make()).fit(*blobs) for name, make in INSTANCES.items()}
        for name in reversed(INSTANCES):
            assert_same_model(KerasMLPClassifier(**FULL, optimizer=INSTANCES[name]()).fit(*blobs), alone[name])

    @pytest.mark.slow
    @pytest.mark.parametrize("order", [1, -1])
    def test_long_lists_of_weight_decay_exclusions_are_distinguished(self, blobs, order):
        def sum_of_weights(last):
            optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.9)
            optimizer.exclude_from_weight_decay(var_names=[*(f"none{i:03}" for i in range(60)), last])
            model = KerasMLPClassifier(**FULL | {"epochs": 20}, optimizer=optimizer).fit(*blobs)
            return np.abs(model.coefs_[0]).sum()

        sums = {last: sum_of_weights(last) for last in ["kernel", "nothing"][::order]}
        assert sums["kernel"] > 1.1 * sums["nothing"]

    @pytest.mark.slow
    def test_class_attributes_of_a_custom_optimizer_are_read_in_each_fit(self, blobs):
        class Elsewhere(keras.optimizers.SGD):
            scale = 1.0

            def __init__(self, learning_rate=0.1, **arguments):
                super().__init__(learning_rate, **arguments)
                self.n_steps = tf.Variable(0.0)  # not one of Keras', and so none that Keras would reset

            def update_step(self, gradient, variable, learning_rate):
                self.n_steps.assign_add(1.0)
                super().update_step(self.scale * gradient / self.n_steps, variable, learning_rate)

        model = KerasMLPClassifier(**FULL, optimizer=Elsewhere())
        losses = [model.fit(*blobs).loss_ for _ in range(2)]
        assert losses[0] == losses[1]
        Elsewhere.scale = 0.0
        assert model.fit(*blobs).loss_curve_ == pytest.approx([model.loss_] * 5)

    @pytest.mark.slow
    def test_partial_fit_keeps_the_state_of_an_optimizer_with_custom_attributes(self, blobs):
        class WithHelper(keras.optimizers.Adam):
            def __init__(self, *arguments, **keywords):
                super().__init__(*arguments, **keywords)
                self.helper = Helper()

        models = [KerasMLPClassifier(**FULL, optimizer=make(0.01)) for make in (keras.optimizers.Adam, WithHelper)]
        for _ in range(3):
            for model in models:
                model.partial_fit(*blobs, classes=[0, 1, 2])
        # Adam itself updates the weights by another operation, which rounds differently.
        assert_close_models(*models, rtol=1e-4, atol=1e-5)

    def test_the_state_of_a_used_optimizer_instance_is_ignored(self, blobs):
        used = keras.optimizers.Adam(0.01)
        keras_weights(blobs, used)
        fresh = keras.optimizers.Adam(0.01)
        assert_same_model(
            KerasMLPClassifier(**FULL, optimizer=used).fit(*blobs),
            KerasMLPClassifier(**FULL, optimizer=fresh).fit(*blobs),
        )

    @pytest.mark.weekly
    @pytest.mark.slow
    def test_a_custom_optimizer_reaches_worker_processes(self, blobs):
        model = KerasMLPClassifier(**FULL, optimizer=Scaled(0.1, scale=5.0))
        with joblib.parallel_config("loky", n_jobs=2):
            scores = cross_val_score(model, *blobs, cv=2)
        np.testing.assert_array_equal(scores, cross_val_score(model, *blobs, cv=2))

    def test_to_keras_classifier_keeps_the_optimizer(self, blobs):
        wrapped = KerasMLPClassifier(**FULL, optimizer=Scaled(0.1, scale=5.0)).fit(*blobs).to_keras_classifier()
        assert type(wrapped.model_.optimizer) is Scaled
        assert wrapped.model_.optimizer.scale == 5.0


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: NeedsMore(3), TypeError, "optimizer is a NeedsMore, which cannot be recreated .*needed"),
            (Locked, TypeError, "optimizer is a Locked, which cannot be recreated .*generator"),
            (
                lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
                ValueError,
                "optimizer is a LossScaleOptimizer, which is not supported: .*Give its inner optimizer",
            ),
            (
                lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)),
                ValueError,
                "learning_rate_schedule=",
            ),
            (Lookalike, TypeError, r"optimizer must be a name or a keras\.optimizers\.Optimizer"),
        ],
        ids=["lacks an argument", "cannot be copied", "scales losses", "schedule of Keras", "only looks like one"],
    )
    def test_unsupported_optimizers_are_rejected(self, blobs, make, error, message):
        with pytest.raises(error, match=message):
            KerasMLPClassifier(optimizer=make()).fit(*blobs)

    def test_excluding_variables_of_another_network_from_weight_decay_is_rejected(self, blobs):
        optimizer = keras.optimizers.AdamW(0.01)
        optimizer.exclude_from_weight_decay(var_list=[keras.Variable([1.0])])
        with pytest.raises(ValueError, match=r"exclude_from_weight_decay\(var_names="):
            KerasMLPClassifier(optimizer=optimizer).fit(*blobs)

    def test_an_optimizer_whose_own_variable_was_changed_is_rejected(self, blobs):
        class WithVariable(keras.optimizers.SGD):
            def __init__(self, learning_rate=0.1, **arguments):
                super().__init__(learning_rate, **arguments)
                self.factor = keras.Variable(1.0)

        optimizer = WithVariable()
        KerasMLPClassifier(**FULL, optimizer=optimizer).fit(*blobs)
        optimizer.factor.assign(0.0)
        with pytest.raises(TypeError, match=r"optimizer is a WithVariable, .*its variable factor has a value"):
            KerasMLPClassifier(optimizer=optimizer).fit(*blobs)

    def test_clone_rejects_an_optimizer_that_cannot_be_copied(self):
        with pytest.raises(TypeError, match="optimizer is a Locked"):
            clone(KerasMLPClassifier(optimizer=Locked()))


class TestAverages:
    """``use_ema=True``: the average is validated and kept; training continues from the weights that are averaged."""

    def make(self):
        return keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)

    @pytest.mark.parametrize("how", ["warm_start", "partial_fit", pytest.param("pickled", marks=pytest.mark.slow)])
    def test_training_in_parts_gives_the_same_weights(self, blobs, how):
        whole = KerasMLPClassifier(**FULL | {"epochs": 4}, optimizer=self.make()).fit(*blobs)
        parts = KerasMLPClassifier(**FULL | {"epochs": 1}, optimizer=self.make(), warm_start=True)
        for _ in range(4):
            if how == "partial_fit":
                parts.partial_fit(*blobs, classes=[0, 1, 2])
            else:
                parts.fit(*blobs)
            if how == "pickled":
                parts = pickle.loads(pickle.dumps(parts))
        assert_same_model(parts, whole)

    def test_validation_scores_are_those_of_the_averaged_weights(self, blobs):
        X, y = blobs
        model = KerasMLPClassifier(**FULL, optimizer=self.make()).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        assert model.validation_scores_[-1] == model.score(X[300:], y[300:])
        assert model.history_["val_loss"][-1] == pytest.approx(
            -model.predict_log_proba(X[300:])[np.arange(100), y[300:]].mean(), rel=1e-5
        )

    def test_early_stopping_keeps_the_best_average(self, blobs):
        X, y = blobs
        model = KerasMLPClassifier(**FULL | {"epochs": 60}, optimizer=self.make(), early_stopping=True)
        model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        assert model.score(X[300:], y[300:]) == model.best_validation_score_

    def test_after_early_stopping_training_continues_from_the_kept_network(self, blobs):
        X, y = blobs
        validation = {"X_val": X[300:], "y_val": y[300:]}
        fast = keras.optimizers.SGD(2.0, use_ema=True, ema_momentum=0.8)
        still = keras.optimizers.SGD(1e-30, use_ema=True, ema_momentum=0.8)
        model = KerasMLPClassifier(**FULL | {"epochs": 12}, optimizer=fast, early_stopping=True, warm_start=True)
        model.set_params(n_iter_no_change=np.inf).fit(X[:300], y[:300], **validation)
        kept = model.history_["val_loss"][model.best_epoch_ - 1]
        assert model.best_epoch_ < 12  # or the test tells nothing
        model.set_params(optimizer=still, epochs=1).fit(X[:300], y[:300], **validation)
        assert model.history_["val_loss"][-1] == pytest.approx(kept, rel=1e-5)


class SubclassOfAdam(keras.optimizers.Adam):
    """A subclass, which keeps Keras' update."""


class SubclassOfSGD(keras.optimizers.SGD):
    """A subclass, which keeps Keras' update."""


SUBCLASSES = {"Adam": SubclassOfAdam, "SGD": SubclassOfSGD}


def set_constraint(model):
    model.layers[1].kernel.constraint = keras.constraints.MaxNorm(0.1)


def set_clipping(model):
    model.optimizer.clipnorm = 0.01


def freeze(model):
    model.layers[1].trainable = False


class TestFusedUpdates:
    """Adam and SGD update each variable with one operation, which computes what Keras computes."""

    # The update of a step rounds about ten times, each time by at most half of eps. 200 steps make that 1e-13 in
    # float64 and 6e-5 in float32, of weights of about 1; training may enlarge a difference some hundred times.
    @pytest.mark.parametrize(
        ("dtype", "tolerance", "jit_compile"),
        [
            ("float64", 1e-10, False),
            ("float32", 1e-3, False),
            pytest.param("float64", 1e-10, True, marks=pytest.mark.slow),
        ],
    )
    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("Adam", {"learning_rate": 0.01}),
            pytest.param(
                "Adam",
                {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4},
                marks=pytest.mark.slow,
            ),
            ("SGD", {"learning_rate": 0.1}),
            pytest.param("SGD", {"learning_rate": 0.1, "momentum": 0.9}, marks=pytest.mark.slow),
            ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
        ],
    )
    def test_they_train_as_keras_update_does_over_200_steps(self, blobs, name, settings, dtype, tolerance, jit_compile):
        fits = {"batch_size": len(blobs[0]) // 20, "epochs": 10, "dtype": dtype, "jit_compile": jit_compile}
        models = [
            KerasMLPClassifier(**FULL | fits, optimizer=make(**settings), learning_rate_schedule="cosine").fit(*blobs)
            for make in (getattr(keras.optimizers, name), SUBCLASSES[name])
        ]
        assert_close_models(*models, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("change", [set_constraint, set_clipping, freeze])
    @pytest.mark.parametrize("name", ["SGD", pytest.param("Adam", marks=pytest.mark.slow)])
    def test_what_a_callback_sets_on_train_begin_applies(self, blobs, name, change):
        class Change(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                change(self.model)

        ours, of_keras, unchanged = (
            KerasMLPClassifier(**FULL, optimizer=make(0.05), keras_callbacks=callbacks).fit(*blobs)
            for make, callbacks in (
                (getattr(keras.optimizers, name), [Change]),
                (SUBCLASSES[name], [Change]),
                (getattr(keras.optimizers, name), None),
            )
        )
        assert_close_models(ours, of_keras, rtol=1e-3, atol=1e-4)
        assert not np.allclose(ours.coefs_[0], unchanged.coefs_[0], rtol=1e-2)

    @pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
    def test_a_network_of_which_all_layers_are_frozen_is_rejected(self, blobs, name):
        class FreezeAll(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                for layer in self.model.layers:
                    layer.trainable = False

        # In Keras' words.
        with pytest.raises(ValueError, match=r"values to unpack|No gradients"):
            KerasMLPClassifier(**FULL, optimizer=name, keras_callbacks=[FreezeAll]).fit(*blobs)

    @pytest.mark.parametrize("name", ["Adam", "SGD"])
    def test_an_instance_keeps_a_method_of_its_own(self, blobs, name):
        def climb(gradient, variable, learning_rate):
            variable.assign_add(gradient * learning_rate)

        optimizer = getattr(keras.optimizers, name)(0.05)
        down = KerasMLPClassifier(**FULL, optimizer=optimizer).fit(*blobs)
        optimizer.update_step = climb
        assert KerasMLPClassifier(**FULL, optimizer=optimizer).fit(*blobs).loss_ > down.loss_


class TestNamesAndInstances:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_every_name_and_its_instance_train_as_in_keras(self, blobs, name):
        by_instance = assert_trains_as_keras(blobs, lambda: keras.optimizers.get(name))
        rate = float(keras.optimizers.get(name).learning_rate)
        assert_same_model(KerasMLPClassifier(**FULL, optimizer=name, learning_rate=rate).fit(*blobs), by_instance)

    def test_an_optimizer_instance_trains_like_its_name_and_is_not_changed(self, blobs):
        instance = keras.optimizers.Adam(0.01)
        # An instance carries its own rate, and learning_rate keeps its default.
        by_instance = small(optimizer=instance, learning_rate=1e-3).fit(*blobs)
        assert_same_model(by_instance, small(learning_rate=0.01).fit(*blobs))
        assert not instance.built
        assert float(instance.learning_rate) == pytest.approx(0.01)

    def test_learning_rate_together_with_an_optimizer_instance_is_rejected(self, blobs):
        with pytest.raises(ValueError, match=r"its own learning rate, but learning_rate=0\.01 is given too"):
            small(optimizer=keras.optimizers.Adam(0.1), learning_rate=0.01).fit(*blobs)
