"""A job describes one fit completely, before TensorFlow starts and before anything is written or begun."""

import dataclasses
import json
import pickle
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sk_mnist import KerasMLPClassifier
from sk_mnist.neural_network._job import XLA_MIN_STEPS
from tests.helpers import rejections
from tests.helpers.networks import FitCallback
from tests.helpers.rejections import X, Y

ROOT = Path(__file__).parent.parent.parent


def describe(sample_weight=None, X_val=None, y_val=None, rows=X, **parameters):
    """The job of a fit."""
    model = KerasMLPClassifier(**{"hidden_layer_sizes": (5,), "random_state": 0, **parameters})
    return model._describe_fit(rows, Y, sample_weight, X_val, y_val, None, None)


@pytest.mark.slow
def test_a_bad_argument_leaves_no_directory_begins_no_task_and_starts_no_tensorflow(tmp_path):
    assert rejections.PARAMETERS.keys() == KerasMLPClassifier().get_params(deep=False).keys()
    command = [sys.executable, "-m", "tests.helpers.rejections", tmp_path]
    assert json.loads(subprocess.check_output(command, text=True, cwd=ROOT)) == []


@pytest.mark.parametrize("case", ["a Keras schedule", "an optimizer that wraps another", "no callback", "a graph"])
def test_what_only_keras_can_reject_is_rejected_before_anything_is_written_begun_or_fitted(case, tmp_path):
    # Not at the top, because a job is built without it.
    import keras
    import tensorflow as tf

    optimizers = keras.optimizers
    wrong = {
        "a Keras schedule": {"optimizer": optimizers.Adam(optimizers.schedules.CosineDecay(0.1, 10))},
        "an optimizer that wraps another": {"optimizer": optimizers.LossScaleOptimizer(optimizers.Adam())},
        "no callback": {"keras_callbacks": [lambda: None], "checkpoint_dir": None},
        "a graph": {},
    }[case]

    class Told(FitCallback):
        def on_fit_task_begin(self, estimator, context):
            raise AssertionError("told of a fit")

        def on_fit_task_end(self, estimator, context):
            """Do nothing."""

    class Fitted(DummyClassifier):
        def fit(self, X, y):
            raise AssertionError("fitted")

    model = KerasMLPClassifier((3,), epochs=1, random_state=0).fit(X, Y)
    before = pickle.dumps(model)
    parameters = {"checkpoint_dir": tmp_path / "checkpoints", "teacher": Fitted(), **wrong}
    model.set_params(**parameters).set_callbacks(Told())
    errors = TypeError, ValueError, RuntimeError
    surroundings = tf.Graph().as_default() if case == "a graph" else nullcontext()
    with surroundings, pytest.raises(errors, match=r"optimizer|keras_callbacks|graph"):
        model.fit(X, Y)
    assert list(tmp_path.iterdir()) == []
    defaults = {name: KerasMLPClassifier().get_params(deep=False)[name] for name in parameters}
    assert pickle.dumps(model.set_params(**defaults).set_callbacks()) == before


def test_running_a_job_does_not_change_it():
    from sk_mnist.neural_network._keras import workspace
    from sk_mnist.neural_network._reporting import NoTask

    model = KerasMLPClassifier((3,), epochs=2, random_state=0, warm_start=True, early_stopping=True).fit(X, Y)
    job = model._describe_fit(X, Y, None, None, None, None, None)
    before = pickle.dumps(job)
    one, other = (workspace.train_network(workspace.prepare(job), None, NoTask(), None).state for _ in range(2))
    assert pickle.dumps(job) == before
    assert one.history == other.history


@pytest.mark.slow
def test_a_job_is_built_without_tensorflow():
    code = "import sys; from tests.neural_network.test_job import describe; describe(); print([*sys.modules])"
    assert "'tensorflow'" not in subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)


def test_a_job_cannot_be_changed():
    job = describe()
    for part in (job, job.specification, job.settings, job.rows):
        field = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, None)


def test_the_specification_is_what_changes_the_compiled_graph():
    one = describe(learning_rate=0.1, alpha=0.1, dropout=0.1, random_state=0).specification
    assert one == describe(learning_rate=0.2, alpha=0.2, dropout=0.2, random_state=1).specification
    for change in (
        {"activation": "tanh"},
        {"alpha": 0.0},
        {"dropout": 0.0},
        {"dtype": "float64"},
        {"jit_compile": True},
    ):
        assert describe(**{"alpha": 0.1, "dropout": 0.1, **change}).specification != one
    assert one.layer_sizes == (16, 5, 3)


def test_the_batch_size_is_capped_at_the_rows():
    job = describe(batch_size=np.int8(100))
    assert (job.settings.block.batch_size, job.steps_per_epoch) == (60, 1)


@pytest.mark.parametrize(("epochs", "batch_size", "uses_xla"), [
    (XLA_MIN_STEPS, 60, True), (XLA_MIN_STEPS - 1, 60, False), (XLA_MIN_STEPS, 61, False),
])  # fmt: skip
def test_xla_is_chosen_for_many_steps_of_full_batches(epochs, batch_size, uses_xla):
    job = describe(epochs=epochs, batch_size=batch_size)
    assert (job.specification.xla_shape == job.settings.block) is uses_xla
    assert job.in_single_batches().specification.xla_shape is None
    assert job.in_single_batches().settings.block == (1, min(batch_size, 60))
    compiled = describe(epochs=epochs, batch_size=batch_size, jit_compile=True).in_single_batches()
    assert compiled.specification.xla_shape == compiled.settings.block


@pytest.mark.parametrize("to_rows", [np.asarray, csr_array])
def test_given_weights_and_class_weights_are_both_kept(to_rows):
    given = np.linspace(0, 2, 60)
    job = describe(
        given, class_weight={0: 1, 1: 0, 2: 3}, early_stopping=True, validation_fraction=0.25, rows=to_rows(X)
    )
    used = (given > 0) & (Y != 1)
    positions = np.concatenate([job.rows.positions, job.validation.positions])
    assert np.array_equal(np.sort(positions), np.flatnonzero(used))
    assert np.array_equal(job.rows.sample_weight, given[job.rows.positions])
    assert np.array_equal(job.rows.y, Y[job.rows.positions])
    np.testing.assert_allclose(job.rows.weight, given[job.rows.positions] * np.array([1, 0, 3])[job.rows.y], rtol=1e-6)
    # Held-out rows are scored without class weights.
    np.testing.assert_allclose(job.validation.weight, given[job.validation.positions], rtol=1e-6)
    np.testing.assert_array_equal(job.rows.gather(np.array([2, 0])), X[job.rows.positions[[2, 0]]])


def test_validation_rows_that_were_given_replace_those_held_out():
    job = describe(X_val=X[:10], y_val=Y[:10], early_stopping=True)
    assert (len(job.rows), len(job.validation)) == (60, 10)
    assert job.settings.patience == 5
    assert describe(early_stopping=False).settings.patience is None


def test_the_labels_of_a_teacher_are_smoothed_once():
    teacher = FrozenEstimator(LogisticRegression().fit(X, Y))
    assert describe(label_smoothing=0.1).specification.has_smoothing
    job = describe(label_smoothing=0.1, teacher=teacher)
    assert not job.specification.has_smoothing
    assert job.teacher.label_smoothing == 0.1


def test_the_same_seed_describes_the_same_fit():
    one, other = describe(early_stopping=True), describe(early_stopping=True)
    assert one.settings == other.settings
    assert np.array_equal(one.rows.positions, other.rows.positions)
    assert describe(random_state=1).settings.seed != one.settings.seed
