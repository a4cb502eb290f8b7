"""A teacher, whose probabilities a network learns in addition to the labels."""

import copy
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sk_mnist import KerasMLPClassifier, PixelScaler, RandomWarp
from tests.helpers.networks import assert_close_models, assert_same_model, small, weights_of
from tests.helpers.processes import output_of

# Where two ways to the same loss must come out the same.
EXACT = {"dtype": "float64", "epochs": 3}

NAMES = np.array(["cat", "ant", "bee"])


class Log:
    """What a teacher and its clones were given, in the order of the calls; copies are the log itself."""

    def __init__(self):
        self.fits, self.rows, self.threads = [], [], []

    def __deepcopy__(self, memo):
        return self


class Recorder(ClassifierMixin, BaseEstimator):
    """A teacher that writes down what it is given, and then does what naive Bayes does."""

    def __init__(self, log=None, change=None):
        self.log = log
        self.change = change

    def fit(self, X, y, sample_weight=None):
        self.log.fits.append((X, y, sample_weight))
        self.model_ = GaussianNB().fit(X, y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        self.log.rows.append(X)
        self.log.threads.append(threading.current_thread().name)
        probabilities = self.model_.predict_proba(X)
        return probabilities if self.change is None else self.change(probabilities)


class InOtherOrder(ClassifierMixin, BaseEstimator):
    """A classifier whose columns are not sorted by label, as those of scikit-learn's are."""

    def __init__(self, estimator=None):
        self.estimator = estimator

    def fit(self, X, y):
        self.fitted_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.fitted_.classes_[[2, 0, 1]]
        return self

    def predict_proba(self, X):
        return self.fitted_.predict_proba(X)[:, [2, 0, 1]]


class WithoutClasses(BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict_proba(self, X):
        return np.ones((len(X), 3)) / 3


class OtherClasses(GaussianNB):
    def fit(self, X, y, sample_weight=None):
        super().fit(X, y)
        self.classes_ = np.array([0, 1, 9])
        return self


@pytest.fixture
def log():
    return Log()


@pytest.fixture(scope="module")
def digits():
    """Images of 8 x 8 pixels in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def taught(teacher, **params):
    return small(**{"epochs": 2, **params}, teacher=teacher)


def frozen(estimator, X, y):
    return FrozenEstimator(estimator.fit(X, y))


def sorted_rows(*parts):
    rows = np.vstack(parts)
    return rows[np.lexsort(rows.T)]


class TestLoss:
    def test_the_loss_averages_the_cross_entropies_to_labels_and_teacher(self, blobs):
        X, y = blobs
        weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
        teacher = GaussianNB().fit(X[:100], y[:100])
        params = {"teacher_weight": 0.25, "label_smoothing": 0.3, "epochs": 1, "learning_rate": 1e-30}
        model = taught(FrozenEstimator(teacher), **params).fit(X, y, sample_weight=weight)  # the loss before any step
        log_proba = model.predict_log_proba(X)
        of_labels = -0.7 * log_proba[np.arange(len(y)), y] - 0.3 * log_proba.mean(axis=1)
        of_teacher = -(teacher.predict_proba(X) * log_proba).sum(axis=1)
        assert model.loss_ == pytest.approx(np.average(0.75 * of_labels + 0.25 * of_teacher, weights=weight), rel=1e-5)

    @pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
    def test_a_teacher_of_weight_zero_changes_nothing(self, blobs, label_smoothing):
        params = {**EXACT, "label_smoothing": label_smoothing}
        alone = small(**params).fit(*blobs)
        assert_close_models(taught(GaussianNB(), teacher_weight=0, **params).fit(*blobs), alone, 1e-5, 1e-6)

    def test_a_teacher_that_predicts_the_labels_gives_the_same_network_as_the_labels(self, blobs):
        # The nearest neighbour of a row that it was fitted on is the row itself.
        model = taught(KNeighborsClassifier(1), teacher_weight=1, **EXACT).fit(*blobs)
        assert_close_models(model, small(**EXACT).fit(*blobs), 1e-5, 1e-6)

    def test_with_teacher_weight_1_the_labels_are_ignored(self, blobs):
        X, y = blobs
        teacher = frozen(GaussianNB(), X, y)
        one, other = (taught(teacher, teacher_weight=1).fit(X, labels) for labels in (y, np.roll(y, 1)))
        assert_same_model(one, other)

    def test_classes_of_the_teacher_are_matched_by_label(self, blobs):
        X, y = blobs
        in_order = frozen(LogisticRegression(), X, NAMES[y])
        other_order = frozen(InOtherOrder(LogisticRegression()), X, NAMES[y])
        assert_same_model(taught(other_order).fit(X, NAMES[y]), taught(in_order).fit(X, NAMES[y]))

    def test_classes_whose_rows_all_have_weight_zero_are_not_learned(self, blobs):
        X, y = blobs
        model = taught(GaussianNB(), teacher_weight=1, epochs=20).fit(X, y, sample_weight=(y != 1).astype(float))
        assert model.classes_.tolist() == [0, 1, 2]
        assert set(model.predict(X)) == {0, 2}

    def test_scores_are_computed_from_the_labels_alone(self, blobs):
        X, y = blobs
        model = taught(GaussianNB(), epochs=1, learning_rate=1e-30).fit(X, y, X_val=X, y_val=y)
        log_proba = model.predict_log_proba(X)
        assert model.history_["val_loss"] == [pytest.approx(-log_proba[np.arange(len(y)), y].mean(), rel=1e-5)]
        assert model.history_["accuracy"] == [pytest.approx(model.score(X, y))]


class TestFitOfTheTeacher:
    def test_the_given_teacher_is_not_changed(self, blobs):
        teacher = DecisionTreeClassifier(max_depth=3)
        model = taught(teacher).fit(*blobs)
        assert model.teacher is teacher
        assert vars(teacher) == vars(DecisionTreeClassifier(max_depth=3))

    def test_the_teacher_is_fitted_on_the_training_rows_and_labels(self, blobs, log):
        X, y = blobs
        taught(Recorder(log), epochs=1).fit(X, NAMES[y])
        ((X_given, y_given, weight_given),) = log.fits
        np.testing.assert_array_equal(X_given, X.astype(np.float32))
        np.testing.assert_array_equal(y_given, NAMES[y])
        assert weight_given is None

    def test_the_teacher_does_not_see_held_out_rows(self, blobs, log):
        taught(Recorder(log), epochs=1, early_stopping=True, validation_fraction=0.25).fit(*blobs)
        ((X_given, y_given, _),) = log.fits
        assert X_given.shape == (300, 12)
        assert len(y_given) == 300
        np.testing.assert_array_equal(sorted_rows(*log.rows), sorted_rows(X_given))

    def test_the_teacher_does_not_see_validation_data(self, blobs, log):
        X, y = blobs
        taught(Recorder(log), epochs=1).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        assert len(log.fits[0][0]) == len(np.vstack(log.rows)) == 300

    def test_the_teacher_does_not_see_rows_of_weight_zero(self, blobs, log):
        X, y = blobs
        weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
        taught(Recorder(log), epochs=1).fit(X, y, sample_weight=weight)
        ((X_given, y_given, weight_given),) = log.fits
        np.testing.assert_array_equal(X_given, X[weight > 0].astype(np.float32))
        np.testing.assert_array_equal(y_given, y[weight > 0])
        np.testing.assert_array_equal(weight_given, weight[weight > 0])
        np.testing.assert_array_equal(sorted_rows(*log.rows), sorted_rows(X_given))

    def test_in_cross_validation_the_teacher_is_fitted_on_the_training_folds_only(self, blobs, log):
        X, y = blobs
        cross_validate(taught(Recorder(log), epochs=1), X, y, cv=KFold(2))
        for (X_given, _, _), (train, _) in zip(log.fits, KFold(2).split(X), strict=True):
            np.testing.assert_array_equal(X_given, X[train].astype(np.float32))

    def test_class_weights_are_not_passed_to_the_teacher(self, blobs, log):
        taught(Recorder(log), epochs=1, class_weight={0: 5, 1: 1, 2: 1}).fit(*blobs)
        assert log.fits[0][2] is None

    def test_sample_weights_reach_the_members_of_a_voting_teacher(self, blobs, log):
        X, y = blobs
        weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
        members = [("a", Recorder(log)), ("b", "drop"), ("c", GaussianNB())]
        taught(VotingClassifier(members, voting="soft"), epochs=1).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(log.fits[0][2], weight)

    @pytest.mark.parametrize(
        "teacher",
        [
            KNeighborsClassifier(),
            make_pipeline(StandardScaler(), GaussianNB()),
            VotingClassifier([("a", GaussianNB()), ("b", KNeighborsClassifier())], voting="soft"),
        ],
        ids=lambda teacher: type(teacher).__name__,
    )
    def test_a_teacher_that_does_not_take_sample_weights_causes_a_warning(self, blobs, teacher):
        X, y = blobs
        message = f"teacher, a {type(teacher).__name__}, is fitted without sample_weight"
        with pytest.warns(UserWarning, match=message):
            taught(teacher, epochs=1).fit(X, y, sample_weight=np.full(len(y), 2.0))

    def test_a_frozen_teacher_is_not_fitted(self, blobs, log):
        X, y = blobs
        teacher = frozen(Recorder(log), X[:100], y[:100])
        model = taught(teacher, epochs=1).fit(X, y, sample_weight=np.full(len(y), 2.0))
        assert len(log.fits) == 1
        assert len(np.vstack(log.rows)) == 400
        assert model.teacher is teacher

    def test_the_parameters_of_the_teacher_are_checked(self, blobs):
        with pytest.raises(ValueError, match="The 'max_depth' parameter of DecisionTreeClassifier"):
            taught(DecisionTreeClassifier(max_depth=-1)).fit(*blobs)

    def test_an_error_while_fitting_the_teacher_names_the_teacher(self, blobs):
        X, y = blobs
        with pytest.raises(TypeError, match=r"(?s)dense data is required.*from the teacher of .*, a GaussianNB"):
            taught(GaussianNB()).fit(scipy.sparse.csr_array(X), y)

    def test_a_dense_only_teacher_that_is_frozen_teaches_on_sparse_rows(self, blobs):
        X, y = blobs
        teacher = frozen(GaussianNB(), X, y)
        assert_same_model(taught(teacher).fit(scipy.sparse.csr_array(X), y), taught(teacher).fit(X, y))

    def test_an_interrupt_while_fitting_the_teacher_leaves_no_model(self, blobs):
        class Interrupted(GaussianNB):
            def fit(self, X, y, sample_weight=None):
                raise KeyboardInterrupt

        model = taught(Interrupted())
        with pytest.raises(KeyboardInterrupt):
            model.fit(*blobs)
        assert not hasattr(model, "coefs_")


class TestRows:
    @pytest.mark.parametrize("jit_compile", [False, True])  # XLA wants blocks of one shape
    def test_the_teacher_sees_each_row_once_per_epoch_in_a_background_thread(self, blobs, log, jit_compile):
        X, y = blobs
        taught(Recorder(log), epochs=3, jit_compile=jit_compile).fit(
            X, y
        )  # 400 rows leave the last batch of 32 half empty
        rows = np.vstack(log.rows)
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(sorted_rows(rows), sorted_rows(*[X.astype(np.float32)] * 3))
        assert all(name.startswith("sk_mnist-blocks") for name in log.threads)

    def test_the_teacher_sees_the_same_distorted_images_as_the_network(self, digits, log):
        X, y = (part[:160] for part in digits)
        warp = RandomWarp(translation=0.5, elastic=0.2)
        taught(Recorder(log), epochs=2, augmentation=warp).fit(X, y)
        np.testing.assert_array_equal(log.fits[0][0], X)
        first, second = np.split(np.vstack(log.rows), 2)
        originals = {row.tobytes() for row in X}
        assert not any(row.tobytes() in originals for row in first)
        assert not np.array_equal(sorted_rows(first), sorted_rows(second))
        # The loss before any step, from the rows that the teacher was given.
        still = taught(frozen(Recorder(log), X, y), epochs=1, augmentation=warp, teacher_weight=1, learning_rate=1e-30)
        log.rows.clear()
        still.fit(X, y)
        seen = np.vstack(log.rows)
        expected = -(GaussianNB().fit(X, y).predict_proba(seen) * still.predict_log_proba(seen)).sum(axis=1).mean()
        assert still.loss_ == pytest.approx(expected, rel=1e-4)

    def test_a_teacher_with_a_pixel_scaler_accepts_distorted_images(self, digits):
        # Interpolating white pixels rounds some to a little above white.
        X, y = np.minimum(2 * digits[0], 1), digits[1]
        teacher = make_pipeline(PixelScaler(), LogisticRegression(max_iter=1000, tol=0.01))
        network = KerasMLPClassifier((8,), epochs=2, augmentation="elastic", teacher=teacher, random_state=0)
        assert len(network.fit(X, y).loss_curve_) == 2

    def test_sparse_and_dense_rows_train_the_same_network(self, blobs):
        X, y = blobs
        teacher = DecisionTreeClassifier(max_depth=3, random_state=0)
        assert_same_model(taught(teacher).fit(scipy.sparse.csr_array(X), y), taught(teacher).fit(X, y))

    def test_the_teacher_gets_rows_in_the_dtype_of_the_network(self, blobs, log):
        taught(Recorder(log), epochs=1, dtype="float64").fit(*blobs)
        assert log.fits[0][0].dtype == log.rows[0].dtype == np.float64

    @pytest.mark.parametrize("container", [np.asarray, pd.DataFrame], ids=["array", "frame"])
    def test_a_teacher_fitted_on_a_data_frame_works_with_arrays_and_data_frames(self, blobs, container):
        X, y = pd.DataFrame(blobs[0]).add_prefix("x"), blobs[1]
        teacher = frozen(DecisionTreeClassifier(max_depth=3, random_state=0), X, y)
        # Warnings are errors here, and it would warn of rows without names.
        given = X if container is pd.DataFrame else X.to_numpy()
        unnamed = frozen(DecisionTreeClassifier(max_depth=3, random_state=0), X.to_numpy(), y)
        assert_same_model(taught(teacher).fit(given, y), taught(unnamed).fit(given, y))

    def test_a_teacher_works_if_transform_output_is_set_to_pandas(self, blobs):
        teacher = make_pipeline(StandardScaler(), LogisticRegression())
        expected = taught(teacher).fit(*blobs)
        with sklearn.config_context(transform_output="pandas"):
            # Warnings are errors here: LogisticRegression learns names, and would warn of rows without them.
            assert_same_model(taught(teacher).fit(*blobs), expected)


class TestRefusals:
    @pytest.mark.parametrize(
        "teacher",
        [
            LinearSVC(),
            LinearRegression(),
            VotingClassifier([("a", GaussianNB())], voting="hard"),
            FrozenEstimator(LinearSVC()),
            "forest",
        ],
        ids=str,
    )
    def test_a_teacher_without_probabilities_is_rejected(self, blobs, teacher):
        with pytest.raises(ValueError, match=r"The 'teacher' parameter of KerasMLPClassifier .*'predict_proba'"):
            taught(teacher).fit(*blobs)

    @pytest.mark.parametrize("weight", [-0.1, 1.1, "all"])
    def test_a_teacher_weight_outside_0_to_1_is_rejected(self, blobs, weight):
        with pytest.raises(ValueError, match="The 'teacher_weight' parameter of KerasMLPClassifier"):
            taught(GaussianNB(), teacher_weight=weight).fit(*blobs)

    @pytest.mark.parametrize(
        ("teacher", "message"),
        [
            (lambda X, y: FrozenEstimator(GaussianNB()), "FrozenEstimator of a GaussianNB that is not fitted. Fit it"),
            (
                lambda X, y: FrozenEstimator(make_pipeline(StandardScaler(), GaussianNB())),
                "FrozenEstimator of a Pipeline that is not fitted",
            ),
            (
                lambda X, y: frozen(GaussianNB(), X, np.where(y == 2, 7, y)),
                r"teacher, a GaussianNB, was fitted on the classes \[0, 1, 7\], but y has \[0, 1, 2\]. Give a teacher",
            ),
            (lambda X, y: frozen(GaussianNB(), X, y.astype(str)), r"classes \['0', '1', '2'\], but y has \[0, 1, 2\]"),
            (lambda X, y: frozen(GaussianNB(), X[y < 2], y[y < 2]), r"classes \[0, 1\], but y has \[0, 1, 2\]"),
            (
                lambda X, y: frozen(GaussianNB(), X[:, 1:], y),
                "teacher, a GaussianNB, was fitted on 11 features, but X has 12. The teacher gets the same rows as the",
            ),
            (
                lambda X, y: frozen(DecisionTreeClassifier(), X, np.column_stack([y, y])),
                "teacher, a DecisionTreeClassifier, was fitted on 2 outputs. Give a teacher",
            ),
            (
                lambda X, y: frozen(WithoutClasses(), X, y),
                "teacher, a WithoutClasses, has no classes_ though it is fitted. Give a classifier",
            ),
        ],
    )
    def test_a_frozen_teacher_that_does_not_match_the_data_is_rejected(self, blobs, teacher, message):
        model = taught(teacher(*blobs))
        with pytest.raises(ValueError, match=message):
            model.fit(*blobs)

    def test_a_frozen_teacher_fitted_on_columns_in_another_order_is_rejected(self, blobs):
        X, y = pd.DataFrame(blobs[0]).add_prefix("x"), blobs[1]
        teacher = frozen(GaussianNB(), X[X.columns[::-1]], y)
        with pytest.raises(ValueError, match=r"teacher, a GaussianNB, .* in another order: .*'x11' .* and 'x0' in X"):
            taught(teacher).fit(X, y)

    @pytest.mark.parametrize(
        ("teacher", "error", "message"),
        [
            (GaussianNB, TypeError, r"(?s)provide an instance.*from the teacher"),
            (MultiOutputClassifier(GaussianNB()), ValueError, r"(?s)two dimensions.*from the teacher .* MultiOutputCl"),
            (WithoutClasses(), ValueError, "teacher, a WithoutClasses, has no classes_"),
            (OtherClasses(), ValueError, r"teacher, a OtherClasses, has the classes \[0, 1, 9\] after its fit"),
        ],
        ids=["class", "multi-output", "no classes", "other classes"],
    )
    def test_an_error_says_that_it_comes_from_the_teacher(self, blobs, teacher, error, message):
        with pytest.raises(error, match=message):
            taught(teacher).fit(*blobs)

    def test_a_network_as_its_own_teacher_is_rejected(self, blobs):
        model = small()
        model.teacher = model
        with pytest.raises(ValueError, match=r"teacher is the KerasMLPClassifier .* Give a clone"):
            model.fit(*blobs)

    def test_partial_fit_rejects_a_teacher_that_is_not_frozen(self, blobs):
        with pytest.raises(ValueError, match=r"partial_fit does not fit a teacher.*FrozenEstimator"):
            taught(GaussianNB()).partial_fit(*blobs, classes=[0, 1, 2])

    @pytest.mark.slow
    def test_arguments_are_checked_before_tensorflow_is_imported_or_a_teacher_is_fitted(self):
        code = """
import sys
import numpy as np
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import GaussianNB
from sk_mnist import KerasMLPClassifier, RandomWarp

class Teacher(GaussianNB):
    def fit(self, X, y, sample_weight=None):
        print("fitted")

X, y = load_iris(return_X_y=True)
other = GaussianNB().fit(X, y + 1)
lookalike = type("Lookalike", (), {"apply_gradients": print, "get_config": dict})()
for named, params, data in [
    ("hidden_layer_sizes", {"hidden_layer_sizes": (0,)}, {}),
    ("hidden_layer_sizes", {"hidden_layer_sizes": (10**9, 10**9)}, {}),
    ("optimizer", {"optimizer": lookalike}, {}),
    ("keras_callbacks", {"keras_callbacks": [3]}, {}),
    ("learning_rate", {"learning_rate": 0}, {}),
    ("9 pixels", {"augmentation": RandomWarp(image_shape=(3, 3))}, {}),
    ("scale", {"augmentation": RandomWarp(scale=-1)}, {}),
    ("validation_fraction", {"early_stopping": True, "validation_fraction": 0.001}, {}),
    ("X_val", {}, {"X_val": X[:, 1:], "y_val": y}),
    ("sample_weight", {}, {"sample_weight": -np.ones(150)}),
    ("class_weight", {"class_weight": {0: -1}}, {}),
    ("teacher", {"teacher": FrozenEstimator(other)}, {}),
    ("teacher", {"teacher": FrozenEstimator(GaussianNB())}, {}),
    ("instance", {"teacher": GaussianNB}, {}),
]:
    try:
        KerasMLPClassifier(**{"teacher": Teacher()} | params).fit(X, y, **data)
    except (ValueError, TypeError) as error:
        print(named in str(error), "tensorflow" in sys.modules or "keras" in sys.modules)
"""
        assert output_of(code).splitlines() == ["True False"] * 14

    def test_warm_start_rejects_other_layers_before_the_teacher_is_fitted(self, blobs, log):
        model = small(epochs=1, warm_start=True).fit(*blobs)
        model.set_params(hidden_layer_sizes=(4,), teacher=Recorder(log))
        with pytest.raises(ValueError, match="differs from the fitted network"):
            model.fit(*blobs)
        assert log.fits == []

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (lambda p: p * np.nan, ValueError, "predict_proba of teacher returned NaN or infinity"),
            (
                lambda p: p[:, 1:],
                ValueError,
                r"predict_proba of teacher returned shape \(400, 2\) .* must return \(400, 3\)",
            ),
            (lambda p: p - 1, ValueError, "predict_proba of teacher returned rows that are not probabilities"),
            (lambda p: 2 * p, ValueError, "predict_proba of teacher returned rows that are not probabilities"),
            (lambda p: p[:1], ValueError, r"predict_proba of teacher returned shape \(1, 3\)"),
            (lambda p: [p, p], ValueError, r"predict_proba of teacher returned shape \(2, 400, 3\)"),
            (lambda p: p / "2", TypeError, "from the teacher of KerasMLPClassifier, a Recorder"),
        ],
        ids=["NaN", "columns", "negative", "sums", "rows", "outputs", "raises"],
    )
    def test_invalid_probabilities_of_the_teacher_are_rejected_and_leave_no_model(
        self, blobs, log, change, error, message
    ):
        model = taught(Recorder(log, change))
        with pytest.raises(error, match=message):
            model.fit(*blobs)
        assert not hasattr(model, "coefs_")

    def test_a_teacher_that_fails_in_the_middle_of_training_leaves_no_model(self, blobs, log):
        def fail(probabilities):
            return probabilities * (np.nan if len(log.rows) == 3 else 1)

        model = taught(Recorder(log, fail), epochs=5)
        with pytest.raises(ValueError, match="teacher returned NaN"):
            model.fit(*blobs)
        assert len(log.rows) == 3
        assert not hasattr(model, "coefs_")
        # The thread is gone, and the next fit is as ever.
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("sk_mnist-blocks")]
        expected = taught(GaussianNB()).fit(*blobs)
        assert_same_model(taught(Recorder(log)).fit(*blobs), expected)


class TestCopies:
    def test_copies_have_an_unfitted_teacher_and_predict_the_same(self, blobs):
        X, y = blobs
        model = taught(DecisionTreeClassifier(max_depth=3)).fit(X, y)
        for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert vars(copied.teacher) == vars(DecisionTreeClassifier(max_depth=3))
            assert copied.teacher is not model.teacher
            np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
        cloned = clone(model)
        assert cloned.teacher is not model.teacher
        assert_same_model(cloned.set_params(teacher__random_state=0).fit(X, y), cloned.fit(X, y))

    def test_a_deep_copy_keeps_the_members_of_a_voting_teacher_frozen(self, blobs):
        members = [("a", frozen(small(), *blobs)), ("b", frozen(GaussianNB(), *blobs))]
        copied = copy.deepcopy(taught(VotingClassifier(members, voting="soft")))
        assert [type(member) for _, member in copied.teacher.estimators] == [FrozenEstimator, FrozenEstimator]

    def test_predicting_needs_no_teacher(self, blobs):
        X, y = blobs
        model = taught(GaussianNB()).fit(X, y)
        expected = model.predict_proba(X)
        model.set_params(teacher=None)
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        del model.teacher
        np.testing.assert_array_equal(model.predict_proba(X), expected)

    def test_after_the_teacher_is_removed_the_next_fit_learns_the_labels(self, blobs):
        model = taught(GaussianNB()).fit(*blobs)
        assert_same_model(model.set_params(teacher=None).fit(*blobs), small(epochs=2).fit(*blobs))


class TestScikitLearn:
    def test_the_same_seeds_give_the_same_weights(self, blobs):
        model = taught(RandomForestClassifier(5, random_state=0), early_stopping=True)
        assert_same_model(clone(model).fit(*blobs), model.fit(*blobs))
        assert_same_model(clone(model).fit(*blobs), model.fit(*blobs))

    def test_a_voting_classifier_of_networks_can_be_the_teacher(self, blobs):
        members = [(str(seed), small(random_state=seed)) for seed in range(2)]
        model = taught(VotingClassifier(members, voting="soft"), epochs=10).fit(*blobs)
        assert model.score(*blobs) > 0.85

    def test_a_network_with_a_teacher_can_be_the_teacher_of_another_network(self, blobs):
        X, y = blobs
        inner = taught(GaussianNB(), random_state=1)
        expected = taught(frozen(clone(inner), X, y)).fit(X, y)
        assert_same_model(taught(inner).fit(X, y), expected)

    def test_in_a_pipeline_the_teacher_gets_the_output_of_the_previous_steps(self, blobs, log):
        X, y = blobs
        make_pipeline(StandardScaler(), taught(Recorder(log), epochs=1)).fit(X, y)
        np.testing.assert_allclose(log.fits[0][0], StandardScaler().fit_transform(X), rtol=1e-5, atol=1e-6)

    def test_searches_can_set_teacher_weight_and_parameters_of_the_teacher(self, blobs):
        model = taught(DecisionTreeClassifier(random_state=0), epochs=1)
        grid = {"teacher_weight": [0.2, 0.9], "teacher__max_depth": [1, 5]}
        search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss").fit(*blobs)
        assert len(set(search.cv_results_["mean_test_score"])) == 4
        assert search.best_estimator_.teacher.max_depth == search.best_params_["teacher__max_depth"]

    @pytest.mark.weekly
    @pytest.mark.slow
    def test_two_processes_give_the_same_scores_as_one(self, blobs):
        teachers = [DecisionTreeClassifier(max_depth=3, random_state=0), frozen(GaussianNB(), *blobs)]
        for teacher in teachers:
            one, two = (
                cross_validate(taught(teacher), *blobs, cv=2, n_jobs=n, scoring="neg_log_loss")["test_score"]
                for n in (1, 2)
            )
            np.testing.assert_array_equal(one, two)

    def test_sample_weights_routed_to_the_network_reach_the_teacher(self, blobs, log):
        X, y = blobs
        weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
        with sklearn.config_context(enable_metadata_routing=True):
            model = taught(Recorder(log), epochs=1).set_fit_request(sample_weight=True)
            scaler = StandardScaler().set_fit_request(sample_weight=False)
            make_pipeline(scaler, model).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(log.fits[0][2], weight)

    def test_warm_start_continues_with_a_teacher(self, blobs):
        teacher = frozen(GaussianNB(), *blobs)
        whole = taught(teacher, epochs=4).fit(*blobs)
        parts = taught(teacher, epochs=2, warm_start=True).fit(*blobs).fit(*blobs)
        assert_same_model(parts, whole)
        # Without it the same network continues to learn the labels.
        parts.set_params(teacher=None).fit(*blobs)
        assert len(parts.loss_curve_) == 6

    def test_partial_fit_equals_one_epoch_of_fit(self, blobs):
        X, y = blobs
        teacher = frozen(GaussianNB(), X, y)
        model = taught(teacher)
        for _ in range(2):
            model.partial_fit(X, y, classes=[0, 1, 2])
        assert_same_model(model, taught(teacher, epochs=2).fit(X, y))
        # A part that lacks a class is not a mismatch.
        model.partial_fit(X[y == 1], y[y == 1])
        assert len(model.loss_curve_) == 3

    def test_early_stopping_keeps_the_best_epoch(self, blobs):
        model = taught(GaussianNB(), early_stopping=True, n_iter_no_change=3, epochs=50).fit(*blobs)
        assert model.best_epoch_ == model.n_iter_ - 3
        ended = clone(model).set_params(epochs=model.best_epoch_, n_iter_no_change=100).fit(*blobs)
        assert_same_model(ended, model)

    def test_networks_with_and_without_a_teacher_do_not_share_compiled_code(self, blobs):
        alone, with_teacher = small(epochs=2).fit(*blobs), taught(GaussianNB()).fit(*blobs)
        assert_same_model(small(epochs=2).fit(*blobs), alone)
        assert_same_model(taught(GaussianNB()).fit(*blobs), with_teacher)
        assert not np.array_equal(weights_of(alone)[0], weights_of(with_teacher)[0])


def test_a_student_with_few_labels_learns_more_from_a_good_teacher(digits):
    X, y = digits
    teacher = frozen(ExtraTreesClassifier(50, random_state=0), X[:1000], y[:1000])
    few, test = slice(1000, 1030), slice(1100, None)
    params = {"hidden_layer_sizes": (64,), "epochs": 60, "learning_rate": 3e-3, "random_state": 0}
    params["augmentation"] = RandomWarp(translation=0.5, elastic=0.3)
    alone = KerasMLPClassifier(**params).fit(X[few], y[few])
    student = KerasMLPClassifier(**params, teacher=teacher, teacher_weight=1).fit(X[few], y[few])
    assert student.score(X[test], y[test]) > alone.score(X[test], y[test]) + 0.05
