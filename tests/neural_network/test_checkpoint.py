"""A fit that was stopped, by an error or by SIGKILL, resumes from its checkpoint to the same weights."""

import functools
import importlib
import io
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

import sk_mnist
from sk_mnist import KerasMLPClassifier, RandomInk, RandomWarp
from sk_mnist.neural_network import _checkpoint
from sk_mnist.neural_network._keras.parameters import OPTIMIZERS
from tests.helpers.networks import FitCallback, assert_same_model
from tests.helpers.processes import output_of

CURVES = ("loss_curve_", "validation_scores_", "history_", "n_iter_", "best_epoch_", "loss_")


class PowerCutError(Exception):
    pass


class StopAfter(FitCallback):
    """A callback of scikit-learn's protocol that raises at the end of an epoch."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def setup(self, estimator, context):
        self.seen = 0

    def on_fit_task_end(self, estimator, context):
        self.seen += context.task_name == "epoch"
        if self.seen == self.n_epochs:
            raise PowerCutError
        return False


class Halved(keras.optimizers.Adam):
    """Adam at half the learning rate, with Adam's settings."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate / 2)


@pytest.fixture(scope="module")
def images():
    """600 images of 6 x 6 pixels in three classes."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 600)
    X = generator.random((600, 36), dtype=np.float32) * 0.5
    X[np.arange(600), y * 12 + 3] += 0.5
    return X, y


def assert_same_fit(one, other):
    assert_same_model(one, other)
    for name in CURVES:
        assert getattr(one, name) == getattr(other, name), name


def interrupted(clf, n_epochs, *data, **more):
    """Fit a clone that fails after so many epochs."""
    failing = clone(clf)
    failing.set_callbacks(StopAfter(n_epochs))
    with pytest.raises(PowerCutError):
        failing.fit(*data, **more)


def assert_resumes(clf, n_epochs, *data, **more):
    """Compare a fit that is interrupted after so many epochs, and then resumed, with one that is not."""
    whole = clone(clf).set_params(checkpoint_dir=None).fit(*data, **more)
    interrupted(clf, n_epochs, *data, **more)
    assert_same_fit(clf.fit(*data, **more), whole)


def n_epochs_trained_by(clf, *data):
    """Fit, and return the number of epochs that this fit trained itself."""
    counted = StopAfter(100)
    clf.set_callbacks(counted)
    clf.fit(*data)
    return counted.seen


def checkpoints(directory):
    return sorted(Path(directory).glob("fit-*.npz"))


def network(directory, **params):
    return KerasMLPClassifier(
        **{"hidden_layer_sizes": (8, 4), "epochs": 6, "batch_size": 64, "random_state": 0} | params,
        checkpoint_dir=directory,
    )


KINDS = {
    "plain": {},
    "cosine, dropout, warps": {
        "learning_rate_schedule": "cosine",
        "dropout": 0.2,
        "augmentation": RandomWarp(translation=0.5, elastic=0.3),
    },
    "early stopping": {"early_stopping": True, "epochs": 40, "n_iter_no_change": 3, "learning_rate": 0.01},
    "early stopping on the loss": {"early_stopping": True, "monitor": "val_loss", "n_iter_no_change": np.inf},
    "XLA": {"jit_compile": True, "alpha": 0.1, "label_smoothing": 0.1},
    "a large batch under XLA": {"jit_compile": True, "batch_size": 1000},
    "an average of the weights": {"optimizer": lambda: keras.optimizers.Adam(use_ema=True, ema_momentum=0.9)},
    "class weights": {"class_weight": "balanced", "optimizer": "sgd", "learning_rate_schedule": "one_cycle"},
    "a teacher": {"teacher": LogisticRegression(), "teacher_weight": 0.5},
    "float64": {"dtype": "float64", "optimizer": "rmsprop"},
}


# The others are slow together.
QUICK_KINDS = ("cosine, dropout, warps", "early stopping")


@pytest.mark.parametrize("n_epochs", [pytest.param(1, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK_KINDS else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_an_interrupted_fit_resumes_to_the_same_weights(kind, n_epochs, images, tmp_path):
    params = dict(KINDS[kind])
    if callable(params.get("optimizer")):
        params["optimizer"] = params["optimizer"]()
    assert_resumes(network(tmp_path, **params), n_epochs, *images)


def test_an_interrupted_fit_with_outliers_resumes_to_the_same_weights(images, tmp_path):
    X, y = images
    assert_resumes(network(tmp_path, augmentation=[RandomWarp(), RandomInk()]), 3, X, y, X_outliers=X[:50, ::-1])
    assert len(checkpoints(tmp_path)) == 1


def test_a_best_epoch_before_the_interruption_is_kept(images, tmp_path):
    clf = network(tmp_path, early_stopping=True, epochs=100, n_iter_no_change=6, learning_rate=0.03)
    whole = clone(clf).set_params(checkpoint_dir=None).fit(*images)
    assert whole.n_iter_ == whole.best_epoch_ + 6
    interrupted(clf, whole.best_epoch_ + 4, *images)
    assert_same_fit(clf.fit(*images), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_interrupted_fit_resumes_with_every_optimizer(name, images, tmp_path):
    assert_resumes(network(tmp_path, optimizer=name, epochs=3), 1, *images)


def test_a_fit_on_sparse_rows_with_weights_and_validation_data_resumes(images, tmp_path):
    X, y = images
    weight = np.arange(600) % 3
    assert_resumes(network(tmp_path), 3, csr_array(X), y, sample_weight=weight, X_val=X[:100], y_val=y[:100])


def test_a_warm_start_resumes_from_its_own_checkpoint(images, tmp_path):
    whole = network(None, warm_start=True).fit(*images).fit(*images)
    first = network(tmp_path, warm_start=True).fit(*images)
    state = first.__getstate__()
    first.set_callbacks(StopAfter(2))
    with pytest.raises(PowerCutError):
        first.fit(*images)
    again = KerasMLPClassifier()
    again.__setstate__({name: value for name, value in state.items() if name != "_skl_callbacks"})
    assert_same_fit(again.fit(*images), whole)
    assert len(checkpoints(tmp_path)) == 2


def test_epochs_before_the_interruption_are_not_trained_again(images, tmp_path, caplog):
    interrupted(network(tmp_path), 4, *images)
    with caplog.at_level(logging.INFO, logger="sk_mnist"):
        # The callback failed before the fourth epoch was kept.
        assert n_epochs_trained_by(network(tmp_path), *images) == 3
    assert f"Resuming after 3 epochs, from {checkpoints(tmp_path)[0]}" in caplog.messages


def test_a_finished_fit_is_restored_without_training_again(images, tmp_path):
    clf = network(tmp_path, epochs=3).fit(*images)
    again = clone(clf)
    assert n_epochs_trained_by(again, *images) == 0
    assert_same_fit(again, clf)


@pytest.mark.slow
def test_a_fit_that_stopped_early_counts_as_finished(images, tmp_path):
    clf = network(tmp_path, early_stopping=True, epochs=200, n_iter_no_change=1).fit(*images)
    assert clf.n_iter_ < 200
    assert_same_fit(clone(clf).fit(*images), clf)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"epochs": 7},
        {"learning_rate": 0.002},
        {"learning_rate_schedule": "cosine"},
        {"hidden_layer_sizes": (8, 5)},
        {"activation": "tanh"},
        {"alpha": 0.1},
        {"dropout": 0.1},
        {"label_smoothing": 0.1},
        {"batch_size": 32},
        {"optimizer": "sgd"},
        {"augmentation": RandomWarp(translation=0.5)},
        {"augmentation": RandomWarp(translation=0.5, fade=0.1)},
        {"augmentation": RandomInk(blur=0.5)},
        {"augmentation": [RandomWarp(translation=0.5), RandomInk()]},
        {"early_stopping": True},
        {"early_stopping": True, "n_iter_no_change": 4},
        {"early_stopping": True, "monitor": "val_loss"},
        {"class_weight": {0: 2.0, 1: 1.0, 2: 1.0}},
        {"jit_compile": True},
        {"dtype": "float64"},
        {"teacher": LogisticRegression()},
    ],
    ids=str,
)
def test_another_parameter_value_gets_its_own_checkpoint(change, images, tmp_path):
    interrupted(network(tmp_path), 1, *images)
    interrupted(network(tmp_path, **change), 1, *images)
    assert len(checkpoints(tmp_path)) == 2
    interrupted(network(tmp_path, **change), 1, *images)
    assert len(checkpoints(tmp_path)) == 2


@pytest.mark.parametrize(
    ("one", "other"), [("adamax", "nadam"), (keras.optimizers.Adam(0.001), Halved(0.001))], ids=["names", "instances"]
)
def test_optimizers_with_equal_settings_have_checkpoints_of_their_own(one, other, images, tmp_path):
    rate = {"learning_rate": 0.001}  # the default, because instances have their own
    for optimizer in (one, other):
        interrupted(network(tmp_path, optimizer=optimizer, **rate), 1, *images)
    assert len(checkpoints(tmp_path)) == 2


def test_models_with_equal_weights_but_different_histories_have_checkpoints_of_their_own(images, tmp_path):
    X, y = images
    histories = []
    for rows in (slice(50), slice(100)):
        model = network(None, warm_start=True, epochs=2).fit(X, y, X_val=X[rows], y_val=y[rows])
        before = model.history_["val_loss"]
        model.set_params(checkpoint_dir=tmp_path).fit(X, y)
        assert model.history_["val_loss"][:2] == before
        histories.append(before)
    assert histories[0] != histories[1]


@pytest.mark.slow
@pytest.mark.parametrize("change", ["pixel", "label", "weight", "fewer rows", "validation data"])
def test_other_data_gets_its_own_checkpoint(change, images, tmp_path):
    X, y = images[0].copy(), images[1].copy()
    more = {"sample_weight": np.ones(600)}
    interrupted(network(tmp_path), 1, X, y, **more)
    if change == "pixel":
        X[599, 35] += 0.01
    elif change == "label":
        y[599] = (y[599] + 1) % 3
    elif change == "weight":
        more["sample_weight"][0] = 2
    elif change == "fewer rows":
        X, y, more = X[:-1], y[:-1], {}
    else:
        more |= {"X_val": X[:50], "y_val": y[:50]}
    interrupted(network(tmp_path), 1, X, y, **more)
    assert len(checkpoints(tmp_path)) == 2


@pytest.mark.parametrize("change", [{"verbose": 1}, {"warm_start": True}], ids=str)
def test_parameters_that_do_not_change_the_weights_share_a_checkpoint(change, images, tmp_path):
    interrupted(network(tmp_path), 1, *images)
    network(tmp_path, **change).fit(*images)
    assert len(checkpoints(tmp_path)) == 1


@pytest.mark.slow
def test_all_fits_of_a_search_can_share_a_checkpoint_directory(images, tmp_path):
    grid = {"learning_rate": [1e-3, 1e-2], "random_state": [0, 1]}
    search = GridSearchCV(network(tmp_path / "new" / "directory", epochs=2), grid, cv=2)
    whole = clone(search).set_params(estimator__checkpoint_dir=None).fit(*images)
    search.fit(*images)
    # Four candidates in two folds, and the best on all rows.
    assert len(checkpoints(tmp_path / "new" / "directory")) == 9
    again = clone(search).fit(*images)
    for fitted in (search, again):
        np.testing.assert_array_equal(fitted.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])
        assert_same_fit(fitted.best_estimator_, whole.best_estimator_)


def rewritten(change):
    """A damage that NumPy and zip do not notice: the arrays are changed, or the facts among them."""

    def damage(content):
        with np.load(io.BytesIO(content)) as archive:
            arrays = dict(archive)
        facts = json.loads(str(arrays["facts"]))
        change(arrays, facts)
        if "facts" in arrays:
            arrays["facts"] = np.array(json.dumps(facts))
        written = io.BytesIO()
        np.savez(written, **arrays)
        return written.getvalue()

    return damage


def in_directory(signature, offset, value):
    """Change a byte in the first record with this signature."""

    def damage(content):
        position = content.index(signature) + offset
        return content[:position] + bytes([value]) + content[position + 1 :]

    return damage


def with_comment(content):
    """Make the second record in the directory a comment of the first."""
    first, second, third = [match.start() for match in re.finditer(b"PK\x01\x02", content)][:3]
    return content[: first + 32] + bytes([third - second]) + content[first + 33 :]


def with_facts(content, text):
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    written = io.BytesIO()
    np.savez(written, **{**arrays, "facts": np.array(text)})
    return written.getvalue()


DAMAGES = {
    # The kinds of error that the libraries raise, in that order: RuntimeError, NotImplementedError, RecursionError.
    "encrypted": in_directory(b"PK\x01\x02", 8, 1),
    "unknown compression": in_directory(b"PK\x01\x02", 10, 99),
    "nested facts": lambda content: with_facts(content, "[" * 100_000),
    "facts of another type": lambda content: with_facts(content, "[1, 2]"),
    "an offset beyond the file": in_directory(b"PK\x01\x02", 45, 0x7F),
    "a comment that hides an array": with_comment,
    "no facts": rewritten(lambda arrays, facts: arrays.pop("facts")),
    "a missing layer": rewritten(lambda arrays, facts: arrays.pop("layers-5")),
    "a missing slot": rewritten(lambda arrays, facts: arrays.pop("slots-1")),
    "another array": rewritten(lambda arrays, facts: arrays.update(more=np.zeros(3))),
    "another shape": rewritten(lambda arrays, facts: arrays.update({"layers-1": np.zeros((1, 8), np.float32)})),
    "another type": rewritten(lambda arrays, facts: arrays.update({"layers-1": np.zeros(8)})),
    "a slot of another shape": rewritten(lambda arrays, facts: arrays.update({"slots-2": np.zeros(1, np.float32)})),
    "no best layers": rewritten(lambda arrays, facts: facts.update(has_best=True)),
    "history without losses": rewritten(lambda arrays, facts: facts["history"].pop("loss")),
    "history of unequal lengths": rewritten(lambda arrays, facts: facts["history"]["loss"].append(0.1)),
    "history of text": rewritten(lambda arrays, facts: facts["history"].update(loss=["a", "b"])),
    "history of None": rewritten(lambda arrays, facts: facts.update(history=None)),
    "another optimizer": rewritten(lambda arrays, facts: facts.update(optimizer="sgd")),
    "a score of None": rewritten(lambda arrays, facts: facts.update(best_score=None)),
    "a negative count": rewritten(lambda arrays, facts: facts.update(n_worse=-1)),
    "a missing fact": rewritten(lambda arrays, facts: facts.pop("n_worse")),
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
    "empty": lambda content: b"",
    "text": lambda content: b"not a checkpoint",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_error_names_a_damaged_checkpoint(damage, images, tmp_path):
    interrupted(network(tmp_path), 2, *images)
    (path,) = checkpoints(tmp_path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match=r"fit-\w+\.npz is damaged .*Delete the file to train from the beginning"):
        network(tmp_path).fit(*images)
    path.unlink()
    assert_same_fit(network(tmp_path).fit(*images), network(None).fit(*images))


@pytest.mark.slow
def test_a_flipped_byte_in_a_checkpoint_is_noticed_or_changes_nothing(images, tmp_path):
    whole = network(tmp_path, epochs=2).fit(*images)
    (path,) = checkpoints(tmp_path)
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    drawn = random.Random(0)
    # Most damages that zip does not notice are in its directory, at the end.
    places = [*drawn.sample(range(directory), 20), *drawn.sample(range(directory, len(content)), 60)]
    errors = []
    for place in [*places, len(content) - 2, len(content) - 1]:  # the last two: the length of the comment
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << drawn.randrange(8)]) + content[place + 1 :])
        try:
            fitted = network(tmp_path, epochs=2).fit(*images)
        except ValueError as error:
            errors.append(str(error))
        else:
            assert_same_fit(fitted, whole)
    assert len(errors) > 40
    assert all(error.startswith(f"{path} is damaged") for error in errors)


def test_objects_in_a_checkpoint_are_not_unpickled(images, tmp_path):
    interrupted(network(tmp_path), 1, *images)
    (path,) = checkpoints(tmp_path)

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    with path.open("wb") as file:
        np.savez(file, facts=np.array([Evil()], dtype=object))
    np.load(path, allow_pickle=True)["facts"]
    assert (tmp_path / "owned").exists()  # the attack works
    (tmp_path / "owned").rmdir()
    with pytest.raises(ValueError, match="is damaged"):
        network(tmp_path).fit(*images)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"random_state": None}, r"checkpoint_dir needs a random_state.*got random_state=None"),
        ({"keras_callbacks": [keras.callbacks.Callback()]}, "checkpoint_dir and keras_callbacks cannot be combined"),
        ({"directory": ""}, "checkpoint_dir is an empty string"),
    ],
)
def test_parameters_that_checkpoints_do_not_support_are_rejected(params, message, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        network(**{"directory": tmp_path} | params).fit(*images)


def test_partial_fit_rejects_checkpoint_dir(images, tmp_path):
    with pytest.raises(ValueError, match="partial_fit keeps no checkpoints"):
        network(tmp_path).partial_fit(*images, classes=[0, 1, 2])


@pytest.mark.parametrize("name", ["file", "file/fits"])
def test_a_file_in_place_of_the_checkpoint_directory_is_rejected(name, images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"checkpoint_dir is not a directory.*file"):
        network(tmp_path / name).fit(*images)


def test_a_saved_model_is_loaded_without_its_checkpoint_dir(images, tmp_path):
    clf = network(tmp_path / "checkpoints", epochs=1).fit(*images)
    sk_mnist.save(clf, tmp_path / "clf.skops")
    assert clf.checkpoint_dir == tmp_path / "checkpoints"
    with pytest.warns(UserWarning, match="^checkpoint_dir=.* of KerasMLPClassifier was set to None, .* write files"):
        loaded = sk_mnist.load(tmp_path / "clf.skops")
    assert loaded.checkpoint_dir is None
    np.testing.assert_array_equal(loaded.predict_proba(images[0]), clf.predict_proba(images[0]))


def test_partial_files_of_killed_processes_are_removed(images, tmp_path):
    interrupted(network(tmp_path), 1, *images)
    (path,) = checkpoints(tmp_path)
    old, new, foreign = (tmp_path / name for name in (f".{path.name}.0a.part", f".{path.name}.0b.part", "mine.part"))
    for left in (old, new, foreign):
        left.write_bytes(b"half")
    for left in (old, foreign):
        os.utime(left, (time.time() - 3600,) * 2)
    network(tmp_path).fit(*images)
    # Another process may be writing the new one.
    assert not old.exists()
    assert new.exists()
    assert foreign.exists()


KILLED = """
import sys
from sk_mnist import KerasMLPClassifier, RandomWarp, fetch_mnist, save

X, y = fetch_mnist(subset="train", return_X_y=True)
clf = KerasMLPClassifier(
    epochs=50, batch_size=256, learning_rate=3e-3, learning_rate_schedule="cosine", dropout=0.1,
    augmentation=RandomWarp(), early_stopping=True, n_iter_no_change=float("inf"),
    checkpoint_dir=sys.argv[1] if sys.argv[1] != "none" else None, random_state=0,
)
print("begins", flush=True)
clf.fit(X[:2000], y[:2000])
save(clf, sys.argv[2])
"""


def start(*arguments):
    command = [sys.executable, "-c", KILLED, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begins\n", process.stderr.read()
    return process


def finish(process):
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors


def kill(process):
    """Kill a process, which must not have ended before."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def n_epochs_in(directory):
    files = checkpoints(directory)
    if not files:
        return 0
    with np.load(files[0]) as arrays:
        return len(json.loads(str(arrays["facts"]))["history"]["loss"])


def partial_files(directory):
    """Files that a process has begun to write."""
    return sorted(directory.glob(".fit-*.part"))


@pytest.mark.weekly
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize("n_kills", [1, 4])
def test_kills_at_random_moments_do_not_change_the_result(tmp_path, n_kills):
    whole = start(tmp_path / "whole", tmp_path / "whole.skops")
    begin = time.monotonic()
    while not checkpoints(tmp_path / "whole"):
        time.sleep(0.01)
    starting = time.monotonic() - begin
    finish(whole)
    moments = random.Random(0)
    n_epochs = [0]
    for number in range(n_kills):
        process = start(tmp_path, tmp_path / "never.skops")
        if number % 2 == 1:
            # While TensorFlow is imported or XLA compiles; at the latest when the process has finished an epoch.
            end = time.monotonic() + moments.uniform(0, starting)
            while time.monotonic() < end and n_epochs_in(tmp_path) == n_epochs[-1]:
                time.sleep(0.001)
        else:
            # While it writes the next file after one to five epochs. 50 epochs do not end by that.
            last = n_epochs[-1] + moments.randint(1, 5)
            while n_epochs_in(tmp_path) < last:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.001)
            unfinished = partial_files(tmp_path)
            while partial_files(tmp_path) == unfinished:
                assert process.poll() is None, process.stderr.read()
        kill(process)
        n_epochs.append(n_epochs_in(tmp_path))
    assert partial_files(tmp_path)
    finish(start(tmp_path, tmp_path / "resumed.skops"))
    assert n_epochs == sorted(n_epochs)
    assert len(set(n_epochs)) > (n_kills + 1) // 2, n_epochs  # each kill of the second kind comes after progress
    assert n_epochs[-1] < 50
    with pytest.warns(UserWarning, match="^checkpoint_dir="):
        resumed, uninterrupted = (sk_mnist.load(tmp_path / f"{name}.skops") for name in ("resumed", "whole"))
    assert_same_fit(resumed, uninterrupted)


def test_a_series_of_partial_fits_continues_from_the_saved_estimator(images, tmp_path):
    X, y = images

    def stream(clf, last):
        for number in range(len(getattr(clf, "loss_curve_", ())), last):
            part = slice(100 * (number % 6), 100 * (number % 6 + 1))
            clf.partial_fit(X[part], y[part], classes=[0, 1, 2])
            sk_mnist.save(clf, tmp_path / "stream.skops")
        return clf

    whole = stream(network(None, augmentation=RandomWarp(translation=0.5), dropout=0.1), 9)
    stream(network(None, augmentation=RandomWarp(translation=0.5), dropout=0.1), 4)
    assert_same_fit(stream(sk_mnist.load(tmp_path / "stream.skops"), 9), whole)


def test_a_fit_with_a_frozen_teacher_resumes(images, tmp_path):
    teacher = FrozenEstimator(LogisticRegression().fit(*images))
    assert_resumes(network(tmp_path, teacher=teacher), 3, *images)


class Stop(FitCallback):
    """A callback that stops the fit at the end of an epoch."""

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch"


def test_a_fit_stopped_by_a_callback_resumes(images, tmp_path):
    stopped = network(tmp_path).set_callbacks(Stop()).fit(*images)
    assert stopped.n_iter_ == 1
    assert_same_fit(network(tmp_path).fit(*images), network(None).fit(*images))


def test_tree_teachers_that_agree_on_the_training_rows_get_separate_checkpoints(images, tmp_path):
    for seed in range(2):
        teacher = DecisionTreeClassifier(random_state=seed, max_features=2)
        network(tmp_path, epochs=1, teacher=teacher).fit(*images)
    assert len(checkpoints(tmp_path)) == 2


def test_checkpoints_belong_to_the_version_that_wrote_them(images, tmp_path, monkeypatch):
    for version in ("1.0", "1.1"):
        monkeypatch.setattr(_checkpoint, "__version__", version)
        network(tmp_path, epochs=1).fit(*images)
    assert len(checkpoints(tmp_path)) == 2


def test_teachers_that_differ_on_one_training_row_get_separate_checkpoints(images, tmp_path):
    X, y = images
    for last_label in (0, 1):
        # One neighbor: the teachers agree on all rows but the last.
        given = np.append(y[:-1], last_label)
        teacher = FrozenEstimator(KNeighborsClassifier(1).fit(X, given))
        network(tmp_path, epochs=1, teacher=teacher).fit(X, y)
    assert len(checkpoints(tmp_path)) == 2


class StepTeacher(ClassifierMixin, BaseEstimator):
    """Certain of class 0, but of class 1 where the first pixel is above a threshold."""

    def __init__(self, threshold):
        self.threshold = threshold

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.eye(3)[(X[:, 0] > self.threshold).astype(int)]


def test_teachers_that_differ_on_distorted_rows_get_separate_checkpoints(tmp_path):
    X = np.zeros((300, 36), np.float32)
    X[:, 7] = 1
    y = np.arange(300) % 3
    for threshold in (0.0, 2.0):
        # The first pixel is 0 in all rows. It is not where RandomWarp moves the white pixel there.
        params = {"teacher": StepTeacher(threshold), "augmentation": RandomWarp(translation=1.0)}
        network(tmp_path, epochs=1, **params).fit(X, y)
    assert len(checkpoints(tmp_path)) == 2


@keras.saving.register_keras_serializable("test_checkpoint")
class Scaled(keras.optimizers.SGD):
    """An optimizer with a setting of any type."""

    def __init__(self, scale=1.0, **params):
        super().__init__(**params)
        self.scale = scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def test_optimizers_with_different_array_settings_get_separate_checkpoints(images, tmp_path):
    for scale in (np.zeros(3), np.ones(3), np.ones(3)):
        network(tmp_path, epochs=1, optimizer=Scaled(scale)).fit(*images)
    assert len(checkpoints(tmp_path)) == 2


OWN = """
import keras
import {helpers}

FACTOR = {factor}
LIMIT = {{"names": ["kernel"], "rate": {rate}}}

def turned(gradient):
    return FACTOR * gradient if "one" in {{"one", "two", "three"}} else gradient

class Base(keras.optimizers.SGD):
    sign = {sign}

    @property
    def half(self):
        return {half}

    def update_step(self, gradient, variable, learning_rate):
        gradient = {helpers}.scale(turned(gradient)) * self.sign * self.half * LIMIT["rate"]
        super().update_step(gradient, variable, learning_rate)

class Own(Base):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient {operator} 1.0, variable, learning_rate)
"""
HELPERS = "def scale(gradient):\n    return {scale} * gradient\n"
PARTS = {"factor": 1.0, "rate": 1.0, "sign": 1.0, "half": 1.0, "operator": "*", "scale": 1.0}


def own_optimizer(directory, monkeypatch, **parts):
    """An optimizer of a module in this directory, imported anew."""
    monkeypatch.syspath_prepend(directory)
    directory.mkdir(exist_ok=True)
    parts = {**PARTS, **parts}
    (directory / "own_helpers.py").write_text(HELPERS.format(**parts))
    (directory / "own_optimizer.py").write_text(OWN.format(helpers="own_helpers", **parts))
    for name in ("own_helpers", "own_optimizer"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        return importlib.import_module("own_optimizer").Own(0.01)
    finally:
        sys.dont_write_bytecode = before


@pytest.mark.parametrize(
    "change",
    [
        {"operator": "/"},
        {"sign": -1.0},
        {"half": 0.5},
        *(
            pytest.param(change, marks=pytest.mark.slow)
            for change in ({"factor": -1.0}, {"rate": 0.5}, {"scale": -1.0})
        ),
    ],
    ids=["its method", "a class attribute", "a property", "a global", "a global dict", "a function of a module"],
)
def test_a_changed_code_of_an_optimizer_gets_its_own_checkpoint(change, images, tmp_path, monkeypatch):
    for parts, n_checkpoints in [({}, 1), ({}, 1), (change, 2)]:
        optimizer = own_optimizer(tmp_path / "code", monkeypatch, **parts)
        network(tmp_path / "fits", epochs=1, optimizer=optimizer).fit(*images)
        assert len(checkpoints(tmp_path / "fits")) == n_checkpoints


def optimizer_with(sign, decorate=lambda function: function):
    """An optimizer whose code is the same for every sign."""

    class Signed(keras.optimizers.SGD):
        @decorate
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(sign * gradient, variable, learning_rate)

    return Signed(0.01)


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.slow
def test_the_values_in_closures_and_in_patched_classes_belong_to_the_code(images, tmp_path):
    patched = optimizer_with(1.0)
    type(patched).update_step = lambda self, gradient, variable, learning_rate: variable.assign_add(gradient)
    optimizers = [optimizer_with(1.0), optimizer_with(1.0), optimizer_with(-1.0), patched]
    optimizers += [optimizer_with(1.0, wrapped), optimizer_with(-1.0, wrapped), optimizer_with(-1.0, wrapped)]
    counts = []
    for optimizer in optimizers:
        network(tmp_path, epochs=1, optimizer=optimizer).fit(*images)
        counts.append(len(checkpoints(tmp_path)))
    assert counts == [1, 1, 2, 3, 4, 5, 5]


def test_an_optimizer_whose_code_uses_what_cannot_be_compared_is_rejected(images, tmp_path):
    clf = network(tmp_path, epochs=1, optimizer=optimizer_with(keras.Variable(-1.0)))
    with pytest.raises(ValueError, match=r"checkpoint_dir .* what its code uses.* optimizer is a Signed .*Variable"):
        clf.fit(*images)


@pytest.mark.weekly
@pytest.mark.slow
def test_a_checkpoint_of_an_own_optimizer_is_found_by_another_process(images, tmp_path, monkeypatch):
    own_optimizer(tmp_path / "code", monkeypatch)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "code")!r})
import numpy as np
from own_optimizer import Own
from sk_mnist import KerasMLPClassifier
X, y = np.eye(6, 4, dtype=np.float32), [0, 1, 0, 1, 0, 1]
params = dict(epochs=1, random_state=0, checkpoint_dir={str(tmp_path / "fits")!r}, optimizer=Own(0.01))
KerasMLPClassifier((2,), **params).fit(X, y)
"""
    for seed in ("1", "2"):
        output_of(program, env={**os.environ, "PYTHONHASHSEED": seed})
    assert len(checkpoints(tmp_path / "fits")) == 1


@pytest.mark.parametrize("library", [keras, tf], ids=["Keras", "TensorFlow"])
def test_checkpoints_belong_to_the_versions_of_keras_and_tensorflow(library, images, tmp_path, monkeypatch):
    network(tmp_path, epochs=1).fit(*images)
    monkeypatch.setattr(library, "__version__", "99.0")
    network(tmp_path, epochs=1).fit(*images)
    assert len(checkpoints(tmp_path)) == 2


def test_an_optimizer_whose_settings_cannot_be_compared_is_rejected(images, tmp_path):
    clf = network(tmp_path, epochs=1, optimizer=Scaled(len))
    with pytest.raises(ValueError, match=r"checkpoint_dir .* optimizer is a Scaled .*builtin_function_or_method"):
        clf.fit(*images)
    clf.set_params(checkpoint_dir=None).fit(*images)


def test_a_tilde_in_checkpoint_dir_is_expanded(images, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    network("~/fits", epochs=1).fit(*images)
    assert len(checkpoints(tmp_path / "fits")) == 1


def test_invalid_data_creates_no_checkpoint_directory(images, tmp_path):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        network(tmp_path / "fits").fit(images[0], images[1][:-1])
    assert not (tmp_path / "fits").exists()
