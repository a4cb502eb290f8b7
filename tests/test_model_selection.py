import re

import numpy as np
import pytest
from scipy.stats import t
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import (
    HalvingGridSearchCV,
    KFold,
    LeaveOneOut,
    ParameterGrid,
    ParameterSampler,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)

from sk_mnist.metrics import SCORING, neg_ece_scorer
from sk_mnist.model_selection import (
    cross_validation_report,
    mnist_param_distributions,
    mnist_param_grid,
    official_split,
)
from sk_mnist.pipeline import make_mnist_pipeline

CLASSIFIER = LogisticRegression(max_iter=500)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def accuracy_in_percent(estimator, X, y):
    return 100 * estimator.score(X, y)


@pytest.fixture(scope="module")
def report(digits):
    return cross_validation_report(CLASSIFIER, *digits, cv=3)


def test_the_official_split_trains_on_the_first_60000_rows_and_tests_on_the_last_10000():
    ((train, test),) = official_split().split()
    np.testing.assert_array_equal(train, np.arange(60_000))
    np.testing.assert_array_equal(test, np.arange(60_000, 70_000))


def test_the_report_has_the_scores_of_cross_validate(report, digits):
    assert list(report.scores) == list(SCORING)
    expected = cross_val_score(CLASSIFIER, *digits, cv=3, scoring="neg_log_loss")
    np.testing.assert_allclose(report.scores["neg_log_loss"], expected)


def test_the_report_has_mean_and_sample_standard_deviation(report):
    accuracy = report.scores["accuracy"]
    assert report.mean["accuracy"] == pytest.approx(sum(accuracy) / 3)
    assert report.std["accuracy"] ** 2 == pytest.approx(sum((accuracy - np.mean(accuracy)) ** 2) / 2)


def test_the_interval_is_corrected_for_shared_training_rows(report):
    accuracy = report.scores["accuracy"]
    variance = np.var(accuracy, ddof=1)
    # Three folds test on half as many rows as they train on.
    half_width = t.ppf(0.975, 2) * np.sqrt((1 / 3 + 1 / 2) * variance)
    expected = (accuracy.mean() - half_width, accuracy.mean() + half_width)
    np.testing.assert_allclose(report.interval["accuracy"], np.minimum(expected, 1))


def test_out_of_fold_probabilities_are_those_of_cross_val_predict(report, digits):
    expected = cross_val_predict(CLASSIFIER, *digits, cv=3, method="predict_proba")
    np.testing.assert_allclose(report.out_of_fold_proba, expected)


def test_the_confusion_matrix_pools_all_folds(report, digits):
    expected = confusion_matrix(digits[1], cross_val_predict(CLASSIFIER, *digits, cv=3))
    np.testing.assert_array_equal(report.confusion_matrix, expected)


def test_fit_times_are_measured_for_each_fold(report):
    assert report.fit_times.shape == (3,)
    assert (report.fit_times > 0).all()


def test_repeated_folds_average_the_probabilities_of_a_row(digits):
    X, y = digits
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    report = cross_validation_report(CLASSIFIER, X, y, cv=cv, scoring="accuracy")
    expected = np.zeros_like(report.out_of_fold_proba)
    for train, test in cv.split(X, y):
        expected[test] += clone(CLASSIFIER).fit(X[train], y[train]).predict_proba(X[test]) / 2
    np.testing.assert_allclose(report.out_of_fold_proba, expected)


def report_of_unequal_folds(scoring):
    """A report with wide intervals: half of the labels in the first of three folds are wrong."""
    X, y = np.array([[0.0], [1.0]] * 30), np.array([0, 1] * 30)
    y[:10] = 1 - y[:10]
    return cross_validation_report(LogisticRegression(C=100), X, y, cv=KFold(3), scoring=scoring)


@pytest.mark.parametrize("scoring", [None, ["accuracy"], {"share": "accuracy", "gap": neg_ece_scorer}])
def test_an_interval_ends_where_the_range_of_its_score_ends(scoring):
    report = report_of_unequal_folds(scoring)
    ends = {"accuracy": 1, "balanced_accuracy": 1, "share": 1}
    for name, (low, high) in report.interval.items():
        assert low < report.mean[name] < high == ends.get(name, 0), name


def test_the_interval_of_a_score_of_ones_own_is_not_cut():
    assert report_of_unequal_folds({"accuracy": accuracy_in_percent}).interval["accuracy"][1] > 100


def test_rows_in_no_test_fold_have_no_probabilities_and_one_fold_has_no_interval(digits):
    X, y = digits
    cv = PredefinedSplit(np.repeat([-1, 0], [500, 100]))
    report = cross_validation_report(CLASSIFIER, X, y, cv=cv, scoring="accuracy")
    assert np.isnan(report.out_of_fold_proba[:500]).all()
    assert np.isfinite(report.out_of_fold_proba[500:]).all()
    assert np.isnan(report.interval["accuracy"]).all()
    assert np.isnan(report.std["accuracy"])


def test_a_class_unknown_to_a_fold_gets_probability_zero_there():
    y, cv = [0, 1, 2, 0], PredefinedSplit([-1, -1, 0, -1])
    report = cross_validation_report(DummyClassifier(), np.zeros((4, 1)), y, cv=cv, scoring="accuracy")
    np.testing.assert_allclose(report.out_of_fold_proba[2], [2 / 3, 1 / 3, 0])


# The only row of class 2 is a test row of fold 1.
RARE = {
    "X": np.arange(9.0).reshape(9, 1),
    "y": [0, 1, 0, 1, 0, 1, 0, 2, 0],
    "cv": PredefinedSplit([0, 0, 0, 1, 1, 2, 2, 1, 2]),
}
SCIKIT_LEARN_WARNS_TOO = pytest.mark.filterwarnings(
    "ignore:Scoring failed", "ignore:(?s).*fits failed", "ignore:Only one class"
)


class NeedsThreeClasses(DummyClassifier):
    """Fails in `method` if it was fitted on fewer classes, as classifiers with two do if there is only one."""

    def __init__(self, method="fit"):
        super().__init__()
        self.method = method

    def _check(self, method, y):
        if method == self.method and len(np.unique(y)) < 3:
            raise ValueError("three classes are needed")

    def fit(self, X, y):
        self._check("fit", y)
        return super().fit(X, y)

    def predict_proba(self, X):
        self._check("predict_proba", self.classes_)
        return super().predict_proba(X)


@SCIKIT_LEARN_WARNS_TOO
@pytest.mark.parametrize(
    ("estimator", "scoring", "nan"),
    [
        (DummyClassifier(), None, ["neg_log_loss", "neg_brier_score", "neg_ece"]),
        (NeedsThreeClasses("fit"), None, [*SCORING, "out_of_fold_proba"]),
        (NeedsThreeClasses("fit"), lambda estimator, X, y: 1.0, ["score", "out_of_fold_proba"]),
        (NeedsThreeClasses("predict_proba"), "accuracy", ["out_of_fold_proba"]),
    ],
)
def test_a_fold_that_lacks_a_class_loses_only_what_cannot_be_computed(estimator, scoring, nan):
    with pytest.warns(UserWarning, match="are NaN") as caught:
        report = cross_validation_report(estimator, **RARE, scoring=scoring)
    (message,) = (str(warning.message) for warning in caught if "are NaN" in str(warning.message))
    assert re.findall(r"fold (\d)", message) == ["1"]
    assert all(name in message for name in nan)
    assert "no class 2 among its training rows" in message
    for name, values in report.scores.items():
        assert np.isnan(values).tolist() == [False, name in nan, False]
        assert np.isnan(report.mean[name]) == (name in nan)
    lost = (RARE["cv"].test_fold == 1) & ("out_of_fold_proba" in nan)
    np.testing.assert_array_equal(np.isnan(report.out_of_fold_proba).any(axis=1), lost)
    assert report.confusion_matrix.sum() == (~lost).sum()


@SCIKIT_LEARN_WARNS_TOO
def test_a_score_that_needs_every_class_is_nan_in_folds_whose_test_rows_lack_one():
    y, cv = [0, 1, 0, 1, 0, 0], PredefinedSplit([0, 0, 1, 1, 2, 2])
    with pytest.warns(UserWarning, match=r"NaN:\n- fold 2: roc_auc; no class 1 among its test rows$"):
        report = cross_validation_report(DummyClassifier(), np.zeros((6, 1)), y, cv=cv, scoring=["accuracy", "roc_auc"])
    np.testing.assert_array_equal(report.scores["roc_auc"], [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(report.scores["accuracy"], [0.5, 0.5, 1])


@SCIKIT_LEARN_WARNS_TOO
def test_a_warning_names_at_most_ten_folds_and_five_classes():
    y = np.arange(12)
    with pytest.warns(
        UserWarning, match=r"no class 0 among its training rows; no class 1, 2, 3, 4, 5, \.\.\. among"
    ) as caught:
        cross_validation_report(DummyClassifier(), np.zeros((12, 1)), y, cv=LeaveOneOut(), scoring=["neg_log_loss"])
    assert [str(warning.message).endswith("- and 2 more") for warning in caught].count(True) == 1


def test_a_classifier_that_knows_more_classes_than_the_labels_keeps_their_columns():
    classifier = FrozenEstimator(DummyClassifier().fit(np.zeros((4, 1)), [0, 1, 2, 3]))
    report = cross_validation_report(classifier, np.zeros((4, 1)), [1, 3, 1, 3], cv=2, scoring="accuracy")
    assert report.classes.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(report.out_of_fold_proba, 0.25)


def test_a_report_in_which_every_fit_fails_is_an_error():
    with pytest.raises(ValueError, match=r"(?s)All the 3 fits failed.*three classes are needed"):
        cross_validation_report(NeedsThreeClasses(), RARE["X"][:7], [0, 1, 0, 1, 0, 1, 0], cv=3)


def test_string_labels_are_kept_in_sorted_order(digits):
    X, y = digits
    names = np.array(["nought", "one", "two"])[y[y < 3]]
    report = cross_validation_report(CLASSIFIER, X[y < 3], names, cv=2)
    assert report.classes.tolist() == ["nought", "one", "two"]


def test_an_integer_cv_is_stratified(digits):
    X, y = digits
    order = np.argsort(y, kind="stable")
    report = cross_validation_report(CLASSIFIER, X[order], y[order], cv=3, scoring="accuracy")
    expected = cross_val_score(CLASSIFIER, X[order], y[order], cv=StratifiedKFold(3))
    np.testing.assert_allclose(report.scores["accuracy"], expected)


@pytest.mark.parametrize(
    ("scoring", "names"),
    [
        ("accuracy", ["accuracy"]),
        (["accuracy", "neg_log_loss"], ["accuracy", "neg_log_loss"]),
        ({"acc": "accuracy"}, ["acc"]),
        (lambda estimator, X, y: 1.0, ["score"]),
    ],
)
def test_scores_keep_their_names(digits, scoring, names):
    assert sorted(cross_validation_report(CLASSIFIER, *digits, cv=2, scoring=scoring).mean) == names


@pytest.mark.slow
def test_two_jobs_give_the_same_report(report, digits):
    parallel = cross_validation_report(CLASSIFIER, *digits, cv=3, n_jobs=2)
    np.testing.assert_allclose(parallel.out_of_fold_proba, report.out_of_fold_proba)


def test_the_report_prints_a_line_for_each_score(report):
    lines = str(report).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [*SCORING, "fit time (s)"]
    assert len({len(line) for line in lines}) == 1


def test_the_report_as_a_frame_has_a_row_for_each_fold(report):
    frame = report.to_frame()
    assert list(frame.columns) == [*SCORING, "fit_time", "n_train", "n_test"]
    assert frame["n_train"].tolist() == [400, 400, 400]
    np.testing.assert_array_equal(frame["accuracy"], report.scores["accuracy"])


def test_the_report_rejects_regressors():
    with pytest.raises(ValueError, match="predict_proba"):
        cross_validation_report(DummyRegressor(), [[0], [1]], [0, 1])


def test_labels_in_a_column_are_rejected(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"y has shape \(600, 1\)"):
        cross_validation_report(CLASSIFIER, X, y[:, np.newaxis])


def test_rows_and_labels_that_differ_in_number_are_rejected(digits):
    X, y = digits
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_validation_report(CLASSIFIER, X, y[:-1])


@pytest.mark.parametrize(("size", "n_candidates"), [("small", 6), ("large", 36)])
def test_the_grids_have_the_documented_number_of_candidates(size, n_candidates):
    assert len(ParameterGrid(mnist_param_grid(size))) == n_candidates


def test_an_unknown_grid_is_rejected_with_a_list_of_the_known_ones():
    with pytest.raises(ValueError, match=r"'small'.*'large'|'large'.*'small'"):
        mnist_param_grid("medium")


def test_changing_a_grid_leaves_the_next_one_as_it_is():
    mnist_param_grid()["mlp__learning_rate"].append(1.0)
    assert 1.0 not in mnist_param_grid()["mlp__learning_rate"]


@pytest.mark.parametrize("space", [mnist_param_grid("small"), mnist_param_grid("large"), mnist_param_distributions()])
def test_the_epochs_are_left_to_successive_halving(space):
    assert "mlp__epochs" not in space


def test_the_small_grid_works_with_successive_halving_over_the_epochs(digits):
    search = HalvingGridSearchCV(
        make_mnist_pipeline(batch_size=128, random_state=0),
        mnist_param_grid("small"),
        resource="mlp__epochs",
        min_resources=1,
        max_resources=3,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(*digits)
    assert search.n_candidates_ == [6, 2]


@pytest.mark.slow
def test_the_pipeline_takes_every_candidate_of_the_large_grid(digits):
    pipe = make_mnist_pipeline(epochs=1, random_state=0)
    for candidate in ParameterGrid(mnist_param_grid("large")):
        clone(pipe).set_params(**candidate).fit(*digits)


def test_the_pipeline_takes_parameters_drawn_from_the_distributions(digits):
    search = RandomizedSearchCV(
        make_mnist_pipeline(epochs=1, random_state=0),
        mnist_param_distributions(),
        n_iter=3,
        cv=2,
        error_score="raise",
        random_state=0,
    ).fit(*digits)
    assert search.best_params_.keys() == mnist_param_distributions().keys()


def test_the_same_seed_draws_the_same_parameters():
    first, second = (list(ParameterSampler(mnist_param_distributions(), 5, random_state=3)) for _ in range(2))
    assert first == second
