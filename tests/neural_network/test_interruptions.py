"""Ctrl-C, and processes forked where TensorFlow runs."""

import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sk_mnist import load, save
from tests.helpers.networks import assert_same_model, small
from tests.helpers.processes import output_of


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Python's own handler, also where the tests run in a background job, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupting(epoch, hook="on_epoch_begin"):
    """A callback factory: Ctrl-C in an epoch, as the operating system sends it."""

    def factory():
        import keras

        def interrupt(number, logs=None):
            if number == epoch:
                signal.raise_signal(signal.SIGINT)

        return keras.callbacks.LambdaCallback(**{hook: interrupt})

    return factory


def interrupted(model, *data, **fit_params):
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"), pytest.raises(KeyboardInterrupt):
        model.fit(*data, **fit_params)
    return model


class TestInterrupt:
    def test_the_network_trained_so_far_is_kept(self, blobs, tmp_path):
        model = interrupted(small(epochs=50, keras_callbacks=[interrupting(4)]), *blobs)
        ended = small(epochs=4).fit(*blobs)
        assert model.n_iter_ == 4
        assert model.loss_curve_ == ended.loss_curve_
        assert_same_model(model, ended)
        np.testing.assert_array_equal(model.predict(blobs[0]), ended.predict(blobs[0]))
        restored = load(save(model.set_params(keras_callbacks=None), tmp_path / "model.skops"))
        assert restored.loss_curve_ == ended.loss_curve_

    def test_an_interrupt_in_the_first_epoch_keeps_the_network_trained_so_far(self, blobs, tmp_path):
        params = {"epochs": 50, "batch_size": 50, "keras_callbacks": [interrupting(3, "on_train_batch_end")]}
        model = interrupted(small(**params), *blobs)
        assert model.n_iter_ == 0
        assert model.loss_curve_ == []
        assert np.isnan(model.loss_)
        assert np.isnan(model.best_loss_)
        start = small(epochs=1, learning_rate=1e-30).fit(*blobs)
        assert not np.allclose(model.coefs_[0], start.coefs_[0])
        load(save(model.set_params(keras_callbacks=None), tmp_path / "model.skops")).predict(blobs[0])

    def test_an_interrupt_before_the_first_step_leaves_no_model(self, blobs):
        model = small(keras_callbacks=[interrupting(0)])
        with pytest.raises(KeyboardInterrupt):
            model.fit(*blobs)
        assert not hasattr(model, "coefs_")

    def test_with_early_stopping_an_interrupt_keeps_the_best_network_so_far(self, blobs):
        X, y = blobs
        validation = {"X_val": X[300:], "y_val": y[300:]}
        params = {"epochs": 50, "early_stopping": True, "n_iter_no_change": 100}
        model = small(**params, keras_callbacks=[interrupting(30)])
        interrupted(model, X[:300], y[:300], **validation)
        assert model.best_epoch_ < 30  # or the test tells nothing
        best = small(epochs=model.best_epoch_).fit(X[:300], y[:300])
        assert_same_model(model, best)

    @pytest.mark.parametrize("goes_on", ["warm_start", pytest.param("partial_fit", marks=pytest.mark.slow)])
    def test_training_continues_after_an_interrupt(self, blobs, goes_on):
        model = small(epochs=50, warm_start=True, keras_callbacks=[interrupting(4)])
        interrupted(model, *blobs).set_params(keras_callbacks=None, epochs=2)
        if goes_on == "warm_start":
            model.fit(*blobs)
        else:
            model.partial_fit(*blobs).partial_fit(*blobs)
        whole = small(epochs=6).fit(*blobs)
        assert model.loss_curve_ == whole.loss_curve_
        assert_same_model(model, whole)

    def test_partial_fit_is_interrupted_like_fit(self, blobs):
        params = {"batch_size": 50, "keras_callbacks": [interrupting(3, "on_train_batch_end")]}
        model = small(**params)
        with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
            model.partial_fit(*blobs, classes=[0, 1, 2])
        assert model.predict(blobs[0]).shape == (400,)

    def test_an_interrupt_does_not_affect_the_next_fit(self, blobs):
        expected = small(epochs=3).fit(*blobs)
        interrupted(small(epochs=3, keras_callbacks=[interrupting(1)]), *blobs)
        again = small(epochs=3).fit(*blobs)
        assert again.loss_curve_ == expected.loss_curve_

    def test_an_interrupt_at_the_end_of_training_loses_nothing(self, blobs):
        def interrupt(logs=None):
            signal.raise_signal(signal.SIGINT)

        def factory():
            import keras

            return keras.callbacks.LambdaCallback(on_train_end=interrupt)

        model = interrupted(small(epochs=3, keras_callbacks=[factory]), *blobs)
        assert model.n_iter_ == 3

    def test_after_an_interrupt_at_the_end_of_an_epoch_scores_match_the_weights(self, blobs):
        X, y = blobs
        params = {"epochs": 20, "early_stopping": True, "n_iter_no_change": 100}
        for epoch in (0, 1, 2, 5):
            model = small(**params, keras_callbacks=[interrupting(epoch, "on_epoch_end")])
            interrupted(model, X[:300], y[:300], X_val=X[300:], y_val=y[300:])
            assert model.n_iter_ == epoch
            if epoch:
                assert model.score(X[300:], y[300:]) == model.best_validation_score_

    def test_an_interrupt_is_raised_even_if_training_diverged_or_warnings_are_errors(self, blobs):
        diverging = {"learning_rate": 1e30, "activation": "elu", "optimizer": "sgd", "epochs": 9}
        model = small(**diverging, keras_callbacks=[interrupting(5)])
        with np.errstate(all="ignore"), pytest.raises(KeyboardInterrupt):
            model.fit(*blobs)
        assert not hasattr(model, "coefs_")
        model = small(epochs=9, keras_callbacks=[interrupting(5)])
        with warnings.catch_warnings(), pytest.raises(KeyboardInterrupt):  # noqa: PT012
            warnings.simplefilter("error")
            model.fit(*blobs)
        assert model.n_iter_ == 5

    def test_no_signal_handler_is_installed(self, blobs):
        seen = []

        def factory():
            import keras

            return keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: seen.append(signal.getsignal(signal.SIGINT))
            )

        before = signal.getsignal(signal.SIGINT)
        small(epochs=1, keras_callbacks=[factory]).fit(*blobs)
        assert seen == [before] == [signal.getsignal(signal.SIGINT)]

    @pytest.mark.slow
    def test_a_search_stops_at_the_first_interrupt(self, blobs):
        fits = []

        def third():
            fits.append(len(fits))
            return interrupting(1 if len(fits) == 3 else -1)()

        model = small(epochs=3, keras_callbacks=[third])
        search = GridSearchCV(model, {"alpha": [0, 1e-4, 1e-3, 1e-2, 0.1, 1]}, cv=3)
        with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
            search.fit(*blobs)
        assert len(fits) == 3

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="no such signal on Windows")
    @pytest.mark.parametrize(
        "callbacks", ["None", pytest.param("[keras.callbacks.History()]", marks=pytest.mark.weekly)]
    )
    def test_sigint_from_another_process_interrupts_training(self, callbacks):
        code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
import keras
from sk_mnist import KerasMLPClassifier

X = np.random.default_rng(0).normal(size=(20_000, 50)).astype("float32")
y = (X[:, 0] > 0).astype(int)
clf = KerasMLPClassifier((32,), epochs=100_000, keras_callbacks={callbacks}, verbose=1)
try:
    clf.fit(X, y)
except KeyboardInterrupt:
    print("interrupted", clf.n_iter_, clf.score(X, y) > 0.9)
"""
        with subprocess.Popen(
            [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                if line.startswith("Epoch 3/"):
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        assert "Training interrupted by user." in err
        name, n_epochs, is_good = out.splitlines()[-1].split()
        assert name == "interrupted"
        assert int(n_epochs) >= 3
        assert is_good == "True"


TENSORFLOW = "import tensorflow as tf; tf.constant(1.0) + 1"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and looks into /proc")
class TestFork:
    CODE = """
import multiprocessing, os, signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 and newer, on forking with threads
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True)

def train():
    exec(in_child)
    from sk_mnist import KerasMLPClassifier
    try:
        print("fitted", KerasMLPClassifier((4,), epochs=1).fit(X, y).n_iter_, flush=True)
    except RuntimeError as error:
        print(error, flush=True)

for before, in_child in {steps}:
    exec(before)
    if os.fork() == 0:
        signal.alarm(300)
        train()
        os._exit(0)
    print("child ended with", os.wait()[1], flush=True)
    child = multiprocessing.get_context("fork").Process(target=train)
    child.start()
    child.join(300)
    print("child ended with", child.exitcode, flush=True)
"""

    def outcomes(self, *steps):
        """What a child prints that is forked after each step, by os.fork and by multiprocessing.

        A step is what the parent does first, and what the child does before its fit.
        """
        lines = output_of(self.CODE.format(steps=steps)).splitlines()
        assert lines[1::2] == ["child ended with 0"] * (2 * len(steps)), lines
        return lines[::2]

    @pytest.mark.weekly
    @pytest.mark.parametrize(
        "steps",
        [[(TENSORFLOW, ""), ("import sk_mnist.neural_network", "")],
         [("import sk_mnist; sk_mnist.KerasMLPClassifier((4,), epochs=1).fit(X, y)", "")]],
        ids=["TensorFlow alone, then with sk-mnist", "a fit"],
    )  # fmt: skip
    def test_a_fit_in_a_process_forked_after_tensorflow_ran_is_rejected(self, steps):
        refusals = self.outcomes(*steps)
        assert len(refusals) == 2 * len(steps)
        assert all("This process was forked from one in which TensorFlow was running" in line for line in refusals)

    @pytest.mark.weekly
    def test_a_fit_in_a_process_forked_before_tensorflow_ran_works(self):
        # TensorFlow is used in the child first, or imported in the parent only.
        steps = [("import sk_mnist.neural_network", TENSORFLOW), ("import tensorflow", "")]
        assert self.outcomes(*steps) == ["fitted 1"] * 4
