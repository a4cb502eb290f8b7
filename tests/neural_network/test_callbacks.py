"""Keras' callbacks in ``keras_callbacks``: as under ``Sequential.fit``, or refused."""

import copy
import csv
import http.server
import json
import re
import threading
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_validate

from sk_mnist import KerasMLPClassifier
from sk_mnist.neural_network._schedules import SCHEDULES
from tests.helpers.networks import assert_same_model, weights_of

N_ROWS, N_VALIDATION = 200, 60
EPOCHS = 6
RATE = 0.1
# One batch is all rows: the order of the rows, which is drawn in another way, does not matter.
FULL = {"hidden_layer_sizes": (8,), "optimizer": "sgd", "learning_rate": RATE, "batch_size": N_ROWS, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(N_ROWS + N_VALIDATION, n_features=6, n_informative=5, n_redundant=0, random_state=0)
    X = X.astype(np.float32)
    return X[:N_ROWS], y[:N_ROWS], X[N_ROWS:], y[N_ROWS:]


@pytest.fixture(scope="module")
def start(data):
    """The weights that every training below starts from."""
    X, y, *_ = data
    return KerasMLPClassifier(**FULL | {"learning_rate": 1e-30, "epochs": 1}).fit(X, y).to_keras()


def fit_ours(data, callbacks, **params):
    X, y, X_val, y_val = data
    model = KerasMLPClassifier(**{**FULL, "epochs": EPOCHS, "keras_callbacks": callbacks, **params})
    return model.fit(X, y, X_val=X_val, y_val=y_val)


def fit_keras(data, start, callbacks, epochs=EPOCHS, batch_size=N_ROWS, rate=RATE):
    X, y, X_val, y_val = data
    model = keras.models.clone_model(start)
    model.set_weights(start.get_weights())
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        X, y, validation_data=(X_val, y_val), epochs=epochs, batch_size=batch_size, verbose=0, callbacks=callbacks
    )
    return model, history.history


def assert_same_histories(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-4, err_msg=name)


def assert_same_weights(ours, model):
    for one, other in zip(weights_of(ours), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def assert_trains_as_keras(data, start, make, epochs=EPOCHS):
    """Compare a training with callbacks with Keras' own; return Keras' history."""
    model, history = fit_keras(data, start, make(), epochs=epochs)
    ours = fit_ours(data, make(), epochs=epochs)
    assert_same_histories(ours.history_, history)
    assert_same_weights(ours, model)
    return history


def doing(**hooks):
    """A callback with these hooks. They get the model, then the number of the epoch or batch, if there is one."""
    callback = keras.callbacks.Callback()

    def without_logs(hook):
        return lambda *arguments, logs=None: hook(callback.model, *(n for n in arguments if isinstance(n, int)))

    for name, hook in hooks.items():
        setattr(callback, name, without_logs(hook))
    return callback


class Hooks(keras.callbacks.Callback):
    """Notes each hook with the names in its logs."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _noting(name):
    def hook(self, *arguments, logs=None):
        *position, last = [*arguments, logs] if logs is not None or not arguments else [*arguments]
        if not isinstance(last, dict | None):
            position, last = [*position, last], None
        self.calls.append((name, *position, sorted(last or {})))

    return hook


for _name in ("train_begin", "train_end", "epoch_begin", "epoch_end", "train_batch_begin", "train_batch_end",
              "test_begin", "test_end", "test_batch_begin", "test_batch_end"):  # fmt: skip
    setattr(Hooks, f"on_{_name}", _noting(_name))


def test_without_callbacks_training_matches_keras(data, start):
    assert_trains_as_keras(data, start, list)


class TestHooks:
    def test_hooks_are_called_in_the_order_and_with_the_logs_and_params_of_keras(self, data, start):
        ours, theirs = Hooks(), Hooks()
        fit_ours(data, [ours], batch_size=64)
        # Validation is one batch for both.
        fit_keras(data, start, [theirs], batch_size=64)
        assert len(theirs.calls) == 2 + EPOCHS * (2 + 2 * 4 + 4)
        assert ours.calls == theirs.calls
        assert ours.params == theirs.params == {"verbose": 0, "epochs": EPOCHS, "steps": 4}

    @pytest.mark.slow
    def test_batch_hooks_see_the_same_running_means_as_in_keras(self, data, start):
        def logs_of(fit, *arguments, **keywords):
            seen = []
            note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(dict(logs)))
            fit(*arguments, [note], **keywords)
            return seen

        ours, theirs = logs_of(fit_ours, data), logs_of(fit_keras, data, start)
        assert len(ours) == EPOCHS
        for one, other in zip(ours, theirs, strict=True):
            assert one == pytest.approx(other, rel=1e-4)

    def test_batch_hooks_do_not_change_the_training(self, data):
        watched = fit_ours(data, [Hooks()], batch_size=32, dropout=0.2)
        alone = fit_ours(data, None, batch_size=32, dropout=0.2)
        assert_same_model(watched, alone)

    def test_a_batch_hook_can_stop_the_training(self, data):
        in_second_batch = doing(on_train_batch_end=lambda model, batch: setattr(model, "stop_training", batch == 1))
        assert fit_ours(data, [in_second_batch], batch_size=32).n_iter_ == 1

    def test_numbers_that_callbacks_add_to_the_logs_are_in_the_history(self, data):
        class Add(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs["twice"] = 2.0 * epoch
                logs["words"] = "are left out"

        history = fit_ours(data, [Add()]).history_
        assert history["twice"] == [2.0 * epoch for epoch in range(EPOCHS)]
        assert "words" not in history

    def test_callbacks_cannot_overwrite_measured_scores(self, data):
        class Rewrite(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs["val_accuracy"] = 2.0
                del logs["loss"]

        rewritten, alone = fit_ours(data, [Rewrite()]), fit_ours(data, None)
        assert rewritten.history_ == alone.history_
        assert rewritten.best_epoch_ == alone.best_epoch_

    def test_callbacks_see_assume_finite_as_the_user_set_it(self, data):
        seen = []
        note = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(sklearn.get_config()["assume_finite"])
        )
        fit_ours(data, [note], epochs=1)
        with sklearn.config_context(assume_finite=True):
            fit_ours(data, [note], epochs=1)
        assert seen == [False, True]


class TestModel:
    """``self.model`` is a plain compiled Sequential, and the network that is trained."""

    def test_the_model_predicts_and_evaluates(self, data):
        X, _, X_val, y_val = data
        seen = []

        class Look(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                loss, accuracy = self.model.evaluate(X_val, y_val, verbose=0)
                seen.append((loss, accuracy, logs["val_loss"], logs["val_accuracy"]))
                self.proba = self.model.predict(X, verbose=0)

        look = Look()
        model = fit_ours(data, [look])
        for loss, accuracy, val_loss, val_accuracy in seen:
            assert (loss, accuracy) == pytest.approx((val_loss, val_accuracy), rel=1e-5)
        np.testing.assert_allclose(look.proba, model.predict_proba(X), atol=1e-6)
        assert len(seen) == EPOCHS

    def test_training_continues_from_weights_that_a_callback_sets(self, data, start):
        def restart(model, epoch):
            if epoch == 3:
                model.set_weights(start.get_weights())

        ours = fit_ours(data, [doing(on_epoch_begin=restart)])
        assert_same_weights(ours, fit_keras(data, start, [], epochs=3)[0])

    def test_the_model_is_a_keras_sequential_with_its_metrics(self, data):
        kept = []
        fit_ours(data, [doing(on_train_end=kept.append)], dropout=0.3)
        (model,) = kept
        assert type(model) is keras.Sequential
        assert model.metrics[1].metrics[0].name == "accuracy"
        assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.3]

    def test_the_model_is_not_reused_by_other_fits(self, data):
        kept = []
        fit_ours(data, [doing(on_train_end=kept.append)])
        before = kept[0].get_weights()
        fit_ours(data, None, random_state=1)
        fit_ours(data, [doing(on_train_end=kept.append)], random_state=2)
        for one, other in zip(before, kept[0].get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("hook", ["on_train_begin", pytest.param("on_epoch_begin", marks=pytest.mark.slow)])
    def test_a_frozen_layer_is_frozen_as_in_keras(self, data, start, hook):
        def freeze(model, epoch=1):
            if epoch == 1:
                model.layers[1].trainable = False

        ours = fit_ours(data, [doing(**{hook: freeze})])
        assert_same_weights(ours, fit_keras(data, start, [doing(**{hook: freeze})])[0])
        assert [coef.shape for coef in ours.coefs_] == [(6, 8), (8, 2)]
        first = start.get_weights()[0]
        assert np.array_equal(ours.coefs_[0], first) == (hook == "on_train_begin")

    @pytest.mark.slow
    def test_optimizer_and_dropout_settings_changed_in_on_train_begin_take_effect(self, data, start):
        def change(model):
            model.optimizer.clipnorm = 1e-9
            for layer in model.layers:
                if isinstance(layer, keras.layers.Dropout):
                    layer.rate = 0.0

        ours = fit_ours(data, [doing(on_train_begin=change)], dropout=0.5)
        assert_same_weights(ours, fit_keras(data, start, [doing(on_train_begin=change)])[0])
        np.testing.assert_allclose(ours.loss_curve_, ours.loss_curve_[0], rtol=1e-6)

    @pytest.mark.slow
    def test_weights_set_at_the_end_are_kept_even_with_early_stopping(self, data):
        def clip(limit):
            return lambda model, *_: model.set_weights([np.clip(w, -limit, limit) for w in model.get_weights()])

        for early_stopping in (False, True):
            zero = fit_ours(data, [doing(on_train_end=clip(0))], early_stopping=early_stopping)
            assert not np.any(zero.coefs_[0])
            clipped = fit_ours(data, [doing(on_epoch_end=clip(0.1))], early_stopping=early_stopping)
            assert np.abs(clipped.coefs_[0]).max() == np.float32(0.1)

    @pytest.mark.slow
    def test_at_the_end_of_an_epoch_the_model_holds_the_averaged_weights(self, data, tmp_path):
        path = tmp_path / "best.keras"
        params = {"optimizer": keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "learning_rate": 1e-3}
        checkpoint = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True)
        stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=50, restore_best_weights=True)
        ours = fit_ours(data, [checkpoint, stop], **params, epochs=8)
        assert keras.models.load_model(path).evaluate(*data[2:], verbose=0)[0] == pytest.approx(
            checkpoint.best, rel=1e-5
        )
        assert -np.log(ours.predict_proba(data[2])[np.arange(N_VALIDATION), data[3]]).mean() == pytest.approx(
            stop.best, rel=1e-5
        )
        assert_same_histories(ours.history_, fit_ours(data, None, **params, epochs=8).history_)

    @pytest.mark.slow
    @pytest.mark.parametrize("jit_compile", [False, True])
    @pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
    def test_training_stopped_before_it_begins_takes_one_step_as_in_keras(self, data, start, hook, jit_compile):
        def stop():
            return doing(**{hook: lambda model, *_: setattr(model, "stop_training", True)})

        kept = []
        fit_ours(data, [stop(), doing(on_train_end=kept.append)], batch_size=40, jit_compile=jit_compile)
        theirs, _ = fit_keras(data, start, [stop()], batch_size=40)
        assert int(kept[0].optimizer.iterations) == int(theirs.optimizer.iterations)

    def test_recompiling_the_model_is_rejected(self, data):
        again = doing(on_epoch_end=lambda model, epoch: model.compile("adam", "sparse_categorical_crossentropy"))
        with pytest.raises(ValueError, match="A callback recompiled the model"):
            fit_ours(data, [again])


def rate_of(model):
    return float(model.optimizer.learning_rate)


def set_rate(model, rate):
    model.optimizer.learning_rate = rate


class TestLearningRate:
    def test_a_learning_rate_set_by_a_callback_is_used(self, data, start):
        def assign():
            return [doing(on_epoch_begin=lambda model, epoch: set_rate(model, 0.3 / (epoch + 1)))]

        assert_trains_as_keras(data, start, assign)

    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_callbacks_see_the_current_learning_rate(self, data, schedule):
        seen = []

        def look(model, *_):
            seen.append(rate_of(model))

        fit_ours(data, [doing(on_train_begin=look, on_epoch_end=look)], learning_rate_schedule=schedule)
        progress = np.arange(EPOCHS) / EPOCHS
        expected = {
            "constant": np.full(EPOCHS, RATE),
            "cosine": RATE * 0.5 * (1 + np.cos(np.pi * progress)),
            "one_cycle": np.where(
                progress < 0.3,
                RATE * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * progress / 0.3))),
                RATE * 0.5 * (1 + np.cos(np.pi * (progress - 0.3) / 0.7)),
            ),
        }[schedule]
        np.testing.assert_allclose(seen, [expected[0], *expected], rtol=1e-3)
        assert seen[0] == seen[1]  # before the first step and in it

    def test_the_learning_rate_may_be_set_at_the_end_of_training(self, data):
        late = doing(on_train_end=lambda model: set_rate(model, 0.5))
        assert fit_ours(data, [late], learning_rate_schedule="cosine").n_iter_ == EPOCHS

    def test_callbacks_see_the_learning_rate_of_each_batch_before_it(self, data):
        before, after = [], []

        look = doing(
            on_train_batch_begin=lambda model, batch: before.append(rate_of(model)),
            on_train_batch_end=lambda model, batch: after.append(rate_of(model)),
        )
        fit_ours(data, [look], learning_rate_schedule="one_cycle", batch_size=50)
        assert before == after
        assert len(set(before)) > EPOCHS

    @pytest.mark.parametrize("schedule", sorted(SCHEDULES.keys() - {"constant"}))
    def test_setting_the_learning_rate_during_a_schedule_is_rejected(self, data, schedule):
        halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        with pytest.raises(
            ValueError, match=rf"A callback set the learning rate to .*learning_rate_schedule='{schedule}'"
        ):
            fit_ours(data, [halve], learning_rate_schedule=schedule)

    def test_a_keras_schedule_as_learning_rate_is_rejected(self, data):
        schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
        with pytest.raises(ValueError, match="gave its optimizer a learning-rate schedule"):
            fit_ours(data, [doing(on_epoch_begin=lambda model, epoch: set_rate(model, schedule))])

    def test_the_next_fit_starts_with_the_learning_rate_parameter(self, data):
        X, y, *_ = data
        seen = []

        def change(model, epoch):
            seen.append(rate_of(model))
            set_rate(model, 0.7)

        callbacks = [doing(on_epoch_begin=change)]
        model = KerasMLPClassifier(**FULL, epochs=2, warm_start=True, keras_callbacks=callbacks)
        model.fit(X, y).fit(X, y)
        assert seen == pytest.approx([RATE, 0.7, RATE, 0.7])


class TestInstances:
    def test_a_fit_uses_the_given_callback_instance(self, data):
        history = keras.callbacks.History()
        model = fit_ours(data, [history])
        assert history.history == {name: pytest.approx(values) for name, values in model.history_.items()}
        assert history.epoch == list(range(EPOCHS))

    @pytest.mark.slow
    def test_clone_and_cross_validate_copy_callbacks(self, data):
        X, y, *_ = data
        history = keras.callbacks.History()
        model = KerasMLPClassifier(**FULL, epochs=2, keras_callbacks=[history])
        clone(model).fit(X, y)
        cross_validate(model, X, y, cv=2)
        assert not history.history
        assert clone(model).keras_callbacks[0] is not history

    @pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
    def test_callbacks_are_detached_from_the_model_after_the_fit(self, data, error):
        class End(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if error and epoch == 1:
                    raise error

        end = End()
        model = KerasMLPClassifier(**FULL, epochs=3, keras_callbacks=[end])
        # The warning "Training interrupted by user." is an error in these tests.
        with pytest.raises((error, UserWarning)) if error else nullcontext():
            model.fit(*data[:2])
        assert end.model is None
        clone(model)  # would copy the model

    def test_the_error_names_a_callback_that_cannot_be_copied(self, data):
        class Locked(keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.lock = threading.Lock()

        model = KerasMLPClassifier(**FULL, epochs=1, keras_callbacks=[Locked()])
        model.fit(*data[:2])  # a plain fit does not copy
        for copying in (clone, lambda model: GridSearchCV(model, {"epochs": [1]}, cv=2).fit(*data[:2])):
            with pytest.raises(
                TypeError, match=r"keras_callbacks has a Locked that cannot be copied .*function without"
            ):
                copying(model)
        clone(KerasMLPClassifier(**FULL, epochs=1, keras_callbacks=[Locked])).fit(*data[:2])

    def test_copies_of_a_fitted_estimator_keep_the_callbacks(self, data):
        model = fit_ours(data, [Hooks()])
        assert copy.copy(model).keras_callbacks == model.keras_callbacks
        copied = copy.deepcopy(model).fit(*data[:2])
        assert len(copied.keras_callbacks[0].calls) > len(model.keras_callbacks[0].calls)

    def test_if_a_callback_cannot_be_attached_the_others_are_detached(self, data):
        class Refuses(keras.callbacks.Callback):
            def set_model(self, model):
                raise RuntimeError("not this model")

        hooks = Hooks()
        with pytest.raises(RuntimeError, match="not this model"):
            fit_ours(data, [hooks, Refuses()])
        assert hooks.model is None

    def test_a_factory_that_does_not_return_a_callback_is_rejected(self, data):
        with pytest.raises(TypeError, match=r"keras_callbacks must hold .*; got None from <function"):
            fit_ours(data, [lambda: None])

    @pytest.mark.slow
    def test_optunas_pruning_callback_prunes(self, data):
        import optuna
        from optuna_integration import KerasPruningCallback

        study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2.0))

        def objective(trial):
            return fit_ours(data, [KerasPruningCallback(trial, "val_accuracy")]).best_validation_score_

        study.optimize(objective, n_trials=1)
        assert study.trials[0].state == optuna.trial.TrialState.PRUNED


# One test for each row of the table in docs/callbacks.md.
class TestKerasOwn:
    @pytest.mark.parametrize(
        "monitor",
        ["val_accuracy", *(pytest.param(name, marks=pytest.mark.weekly) for name in ("val_loss", "accuracy", "loss"))],
    )
    def test_early_stopping_works_as_in_keras(self, data, start, monitor):
        settings = {"monitor": monitor, "patience": 2, "min_delta": 0.02, "restore_best_weights": True}
        history = assert_trains_as_keras(data, start, lambda: [keras.callbacks.EarlyStopping(**settings)], epochs=40)
        assert 2 < len(history["loss"]) < 40

    def test_learning_rate_scheduler_works_as_in_keras(self, data, start):
        def decay():
            return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.7 * rate)]

        history = assert_trains_as_keras(data, start, decay)
        assert history["learning_rate"][-1] < 0.2 * RATE

    @pytest.mark.slow
    def test_reduce_lr_on_plateau_works_as_in_keras(self, data, start):
        settings = {"monitor": "val_accuracy", "patience": 1, "min_delta": 0.1, "factor": 0.3}
        history = assert_trains_as_keras(
            data, start, lambda: [keras.callbacks.ReduceLROnPlateau(**settings)], epochs=12
        )
        assert history["learning_rate"][-1] < 0.2 * RATE

    @pytest.mark.slow
    def test_model_checkpoint_saves_the_same_files_as_in_keras(self, data, start, tmp_path):
        def checkpoint(name):
            path = tmp_path / name / "{epoch:02d}-{val_accuracy:.3f}.keras"
            return keras.callbacks.ModelCheckpoint(path, monitor="val_accuracy", save_best_only=True)

        model = fit_ours(data, [checkpoint("ours")])
        fit_keras(data, start, [checkpoint("theirs")])
        names = sorted(path.name for path in (tmp_path / "ours").iterdir())
        assert names == sorted(path.name for path in (tmp_path / "theirs").iterdir())
        # In a plain Keras, which knows nothing of this package.
        best = keras.models.load_model(tmp_path / "ours" / names[-1])
        assert best.evaluate(*data[2:], verbose=0)[1] == pytest.approx(model.best_validation_score_)
        assert float(best.optimizer.learning_rate) == pytest.approx(RATE)
        best.fit(*data[:2], verbose=0)

    @pytest.mark.slow
    def test_model_checkpoint_saves_after_a_number_of_batches_as_in_keras(self, data, start, tmp_path):
        def checkpoint(name):
            return keras.callbacks.ModelCheckpoint(tmp_path / name / "{epoch:02d}-{batch:02d}.keras", save_freq=3)

        fit_ours(data, [checkpoint("ours")], batch_size=50)
        fit_keras(data, start, [checkpoint("theirs")], batch_size=50)
        names = sorted(path.name for path in (tmp_path / "ours").iterdir())
        assert len(names) == EPOCHS * 4 // 3
        assert names == sorted(path.name for path in (tmp_path / "theirs").iterdir())

    @pytest.mark.slow
    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    @pytest.mark.parametrize("schedule", ["constant", "cosine"])
    def test_backup_and_restore_resumes_an_interrupted_fit(self, data, tmp_path, optimizer, schedule):
        class CutOff(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 3:
                    raise RuntimeError("cut off")

        params = {"optimizer": optimizer, "learning_rate_schedule": schedule, "batch_size": 32}
        with pytest.raises(RuntimeError, match="cut off"):
            fit_ours(data, [keras.callbacks.BackupAndRestore(tmp_path / "backup"), CutOff()], **params)
        went_on = fit_ours(data, [keras.callbacks.BackupAndRestore(tmp_path / "backup")], **params)
        whole = fit_ours(data, None, **params)
        # The epochs after the last backup, and exactly the training that was cut off.
        assert went_on.n_iter_ == EPOCHS - 4
        assert went_on.loss_curve_ == whole.loss_curve_[4:]
        assert_same_model(went_on, whole)
        assert not (tmp_path / "backup").exists()

    @pytest.mark.slow
    def test_csv_logger_writes_the_same_rows_as_in_keras(self, data, start, tmp_path):
        fit_ours(data, [keras.callbacks.CSVLogger(tmp_path / "ours.csv")])
        fit_keras(data, start, [keras.callbacks.CSVLogger(tmp_path / "theirs.csv")])
        ours, theirs = (
            list(csv.DictReader((tmp_path / f"{who}.csv").read_text().splitlines())) for who in ("ours", "theirs")
        )
        assert len(ours) == EPOCHS
        for one, other in zip(ours, theirs, strict=True):
            assert one.keys() == other.keys()
            assert [float(v) for v in one.values()] == pytest.approx([float(v) for v in other.values()], rel=1e-4)

    @pytest.mark.slow
    def test_tensorboard_gets_the_same_records_as_in_keras(self, data, start, tmp_path):
        def tags(directory):
            from tensorflow.core.util.event_pb2 import Event
            from tensorflow.data import TFRecordDataset

            found = []
            for path in sorted(directory.rglob("events*")):
                for record in TFRecordDataset(str(path)).as_numpy_iterator():
                    event = Event.FromString(record)
                    # The model's own name counts the models of the process.
                    found += [
                        (path.parent.name, re.sub(r"^sequential_\d+", "", value.tag), event.step)
                        for value in event.summary.value
                    ]
            return sorted(found)

        for who, fit in {"ours": lambda c: fit_ours(data, c), "theirs": lambda c: fit_keras(data, start, c)}.items():
            fit([keras.callbacks.TensorBoard(tmp_path / who, histogram_freq=2)])
        ours, theirs = tags(tmp_path / "ours"), tags(tmp_path / "theirs")
        assert ("train", "epoch_loss", EPOCHS - 1) in ours
        assert ("validation", "epoch_accuracy", 0) in ours
        assert ours == theirs

    def test_terminate_on_nan_stops_a_diverging_fit(self, data):
        X, y, *_ = data
        hooks = Hooks()
        model = KerasMLPClassifier(
            **FULL | {"learning_rate": 1e30, "activation": "elu"},
            epochs=50,
            keras_callbacks=[keras.callbacks.TerminateOnNaN(), hooks],
        )
        with np.errstate(all="ignore"), pytest.raises(ValueError, match="Training diverged"):
            model.fit(X, y)
        assert sum(name == "epoch_end" for name, *_ in hooks.calls) < 10

    def test_lambda_callback_is_called_in_each_epoch(self, data):
        epochs = []
        fit_ours(data, [keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))])
        assert epochs == list(range(EPOCHS))

    @pytest.mark.slow
    def test_progbar_logger_prints_steps_and_scores(self, data, capsys):
        fit_ours(data, [keras.callbacks.ProgbarLogger()], verbose=1, batch_size=32)
        out = capsys.readouterr().out
        assert "7/7" in out
        assert re.search(r"accuracy: 0\.\d+ - loss: 0\.\d+ - val_accuracy", out)

    @pytest.mark.slow
    def test_remote_monitor_posts_the_scores_of_each_epoch(self, data):
        received = []

        class Receive(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                """Say nothing."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receive) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            root = f"http://127.0.0.1:{server.server_port}"
            fit_ours(data, [keras.callbacks.RemoteMonitor(root=root, send_as_json=True)])
            server.shutdown()
        assert [message["epoch"] for message in received] == list(range(EPOCHS))
        assert received[0].keys() == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}

    @pytest.mark.parametrize(
        ("name", "make", "reason"),
        [
            ("SwapEMAWeights", lambda: keras.callbacks.SwapEMAWeights(), "already use the averaged weights"),
            ("CallbackList", lambda: keras.callbacks.CallbackList([]), "Give the callbacks themselves"),
            # Its constructor needs Orbax.
            ("OrbaxCheckpoint", lambda: _without_init(keras.callbacks.OrbaxCheckpoint), "Use ModelCheckpoint"),
        ],
    )
    def test_unsupported_callbacks_are_rejected_with_the_reason(self, data, name, make, reason):
        if not hasattr(keras.callbacks, name):
            pytest.skip(f"this Keras has no {name}")
        with pytest.raises(ValueError, match=f"keras_callbacks has a {name}, which is not supported: .*{reason}"):
            fit_ours(data, [make])

    def test_the_table_in_the_docs_has_a_row_for_each_callback_of_keras(self):
        page = Path(__file__).parents[2] / "docs" / "callbacks.md"
        rows = re.findall(r"^\| `([A-Z]\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
        own = {
            name for name, value in vars(keras.callbacks).items()
            if isinstance(value, type) and issubclass(value, keras.callbacks.Callback)
        } - {"Callback"}  # fmt: skip
        assert set(rows) == own | {"OrbaxCheckpoint"}


def _without_init(callback_class):
    callback = callback_class.__new__(callback_class)
    keras.callbacks.Callback.__init__(callback)
    return callback
