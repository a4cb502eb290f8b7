import builtins
import json
from itertools import pairwise

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import binomtest
from sklearn import metrics as sk_metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits, make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from sk_mnist import KerasMLPClassifier
from sk_mnist.metrics import (
    SCORING,
    compare_classifiers,
    evaluate,
    expected_calibration_error,
    label_broadcast_mse,
    most_confident_errors,
    most_confused_pairs,
    neg_brier_scorer,
    neg_ece_scorer,
    neg_log_loss_scorer,
)
from tests.helpers.memory import peak_memory

UNIFORM = np.full((3, 3), 1 / 3)


class Oracle(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose input rows are the probabilities it is to answer."""

    def __init__(self, classes=(0, 1, 2)):
        self.classes = classes

    @property
    def classes_(self):
        return np.asarray(self.classes)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return np.asarray(X)

    def predict(self, X):
        return self.classes_[np.argmax(X, axis=1)]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    return X[:900], X[900:], y[:900], y[900:]


@pytest.fixture(scope="module")
def classifier(digits):
    X_train, _, y_train, _ = digits
    return LogisticRegression(max_iter=500).fit(X_train, y_train)


@pytest.fixture(scope="module")
def mnist_test_labels():
    from importlib.resources import files

    with (files("sk_mnist") / "datasets/data/mnist.npz").open("rb") as file:
        return np.load(file, allow_pickle=False)["y_test"]


# --- label_broadcast_mse ---------------------------------------------------------------------------------------------


def test_a_perfect_classifier_gets_a_label_broadcast_mse_of_27_3403_on_mnist(mnist_test_labels):
    perfect = np.eye(10)[mnist_test_labels]
    assert label_broadcast_mse(mnist_test_labels, perfect) == pytest.approx(27.3403, abs=5e-5)


def test_a_uniform_guess_gets_a_lower_label_broadcast_mse_than_a_perfect_classifier(mnist_test_labels):
    uniform = np.full((10_000, 10), 0.1)
    assert label_broadcast_mse(mnist_test_labels, uniform) == pytest.approx(27.2503, abs=5e-5)


def test_the_label_broadcast_mse_is_the_mean_over_rows_and_classes():
    y, p = [0, 2, 1], np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    by_hand = np.mean([(y[i] - p[i, j]) ** 2 for i in range(3) for j in range(3)])
    assert label_broadcast_mse(y, p) == pytest.approx(by_hand)


def test_label_broadcast_mse_rejects_string_labels():
    with pytest.raises(ValueError, match="numeric labels only"):
        label_broadcast_mse(["a", "b", "c"], UNIFORM)


# --- checks shared by the metrics of probabilities -------------------------------------------------------------------

PROBABILITY_METRICS = [label_broadcast_mse, expected_calibration_error, most_confident_errors]
WEIGHTED_METRICS = [label_broadcast_mse, expected_calibration_error]


@pytest.mark.parametrize("metric", PROBABILITY_METRICS)
@pytest.mark.parametrize(
    ("y_true", "y_proba", "message"),
    [
        ([[0], [1], [2]], UNIFORM, r"y_true has shape \(3, 1\)"),
        (np.eye(3), UNIFORM, r"y_true has shape \(3, 3\)"),
        ([0, 1, 2], [0.1, 0.2, 0.7], r"y_proba has shape \(3,\)"),
        ([0, 1], UNIFORM, "inconsistent numbers of samples"),
        ([0, 1, 1], UNIFORM, "3 columns but there are 2 labels"),
        ([0, 1, 2], UNIFORM * 1.001, "sums to 1.001"),
        ([0, 1, 2], [[1.5, -0.5, 0]] * 3, r"probabilities in \[0, 1\]"),
        ([0, 1, 2], [[np.nan, 0.5, 0.5]] * 3, r"probabilities in \[0, 1\]"),
        ([], np.empty((0, 3)), "y_true is empty"),
        ([0.5, 1.5, 2.5], UNIFORM, "Unknown label type"),
    ],
)
def test_invalid_labels_or_probabilities_are_rejected(metric, y_true, y_proba, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_proba)


@pytest.mark.parametrize("metric", PROBABILITY_METRICS)
def test_probabilities_that_sum_to_one_within_1e_4_are_accepted(metric):
    metric([0, 1, 2], UNIFORM * (1 + 9e-5))


@pytest.mark.parametrize("metric", PROBABILITY_METRICS)
def test_labels_name_the_columns_when_classes_are_missing(metric):
    metric([1, 2], UNIFORM[:2], labels=[0, 1, 2])


@pytest.mark.parametrize("metric", PROBABILITY_METRICS)
@pytest.mark.parametrize("labels", [[2, 1, 0], [0, 1, 1], [[0, 1, 2]], []])
def test_labels_that_are_not_sorted_and_unique_are_rejected(metric, labels):
    with pytest.raises(ValueError, match="not empty, sorted and unique"):
        metric([0, 1, 2], UNIFORM, labels=labels)


@pytest.mark.parametrize("metric", PROBABILITY_METRICS)
@pytest.mark.parametrize(
    ("y_true", "message"),
    [
        ([0, 1, 7], r"not among the classes \[0, 1, 2\]: \[7\]"),
        (["0", "1", "2"], "use strings or numbers for both"),
        (np.array(["2026-01-01"] * 3, dtype="datetime64[D]"), "y_true has dtype datetime64"),
    ],
    ids=["number", "string", "date"],
)
def test_a_true_label_that_is_not_among_labels_is_rejected(metric, y_true, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, UNIFORM, labels=[0, 1, 2])


def test_an_unknown_string_label_is_not_truncated_to_a_known_one():
    with pytest.raises(ValueError, match=r"not among the classes \['a', 'b'\]: \['aaa'\]"):
        expected_calibration_error(["aaa", "b"], [[0.7, 0.3], [0.2, 0.8]], labels=["a", "b"])


def test_numeric_labels_in_an_object_array_are_accepted():
    labels = np.array([0, 1, 2], dtype=object)
    assert expected_calibration_error([0, 1, 2], UNIFORM, labels=labels) == pytest.approx(0.0)


@pytest.mark.parametrize("label", ["[red]", ":smile:", "with\ttab", "x" * 12_000], ids=lambda label: label[:7])
def test_tables_print_labels_in_full(label, monkeypatch):
    # As in a notebook, where libraries for terminals display instead of returning.
    shell = type("ZMQInteractiveShell", (), {})
    monkeypatch.setattr(builtins, "get_ipython", shell, raising=False)
    dummy = DummyClassifier().fit([[0], [0], [0]], [label, label, "other"])
    printed = str(evaluate(dummy, [[0], [0]], [label, "other"]))
    assert printed.count(label) == 4  # classes, both sides of the matrix, the confused pair


@pytest.mark.parametrize("metric", WEIGHTED_METRICS)
@pytest.mark.parametrize("weight", [[1, 1], [[1], [1], [1]], [1, -1, 1], [0, 0, 0], [1, np.inf, 1]])
def test_invalid_sample_weights_are_rejected(metric, weight):
    with pytest.raises(ValueError, match="sample_weight"):
        metric([0, 1, 2], UNIFORM, sample_weight=weight)


# Both sides of a comparison average at most 25 * 3 numbers of at most (4 - 1)**2, and each addition rounds the sum.
ROUNDING = 2 * 75 * 9 * np.finfo(float).eps


@st.composite
def predictions(draw):
    """Labels, probabilities on a coarse grid (so that edges and ties happen), and small integer weights."""
    n_classes = draw(st.integers(2, 4))
    rows = st.lists(st.integers(0, 8), min_size=n_classes, max_size=n_classes).filter(any)
    counts = np.array(draw(st.lists(rows, min_size=1, max_size=25)), dtype=float)
    n = len(counts)
    y_true = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    weight = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    return np.array(y_true), counts / counts.sum(axis=1, keepdims=True), np.array(weight)


@pytest.mark.parametrize("metric", WEIGHTED_METRICS)
@given(data=predictions())
def test_an_integer_weight_counts_a_row_that_many_times(metric, data):
    y_true, y_proba, weight = data
    labels = range(y_proba.shape[1])
    repeated = metric(np.repeat(y_true, weight), np.repeat(y_proba, weight, axis=0), labels=labels)
    assert metric(y_true, y_proba, labels=labels, sample_weight=weight) == pytest.approx(repeated, abs=ROUNDING)


# --- expected_calibration_error --------------------------------------------------------------------------------------


def slow_calibration_error(y_true, y_proba, n_bins, strategy, norm, weight):
    """The definition, row by row and bin by bin."""
    y_proba = y_proba / y_proba.sum(axis=1, keepdims=True)
    rows = [
        (float(max(p)), float(list(p).index(max(p)) == y), int(w))
        for y, p, w in zip(y_true, y_proba, weight, strict=True)
    ]
    total = sum(w for _, _, w in rows)
    if strategy == "uniform":
        edges = [0.0, *np.linspace(0, 1, n_bins + 1)[1:-1], 1.0]
    else:
        edges = [0.0]
        for m in range(1, n_bins):
            # Integers, so that no rounding moves an edge.
            reached = [c for c, _, _ in rows if n_bins * sum(w for d, _, w in rows if d <= c) >= m * total]
            edges.append(min(reached))
        edges.append(1.0)
    gaps = []
    for low, high in pairwise(edges):
        inside = [row for row in rows if low < row[0] <= high]
        share = sum(w for _, _, w in inside)
        if share:
            confidence = sum(c * w for c, _, w in inside) / share
            accuracy = sum(correct * w for _, correct, w in inside) / share
            gaps.append((abs(accuracy - confidence), share / total))
    return sum(gap * share for gap, share in gaps) if norm == "l1" else max(gap for gap, _ in gaps)


@pytest.mark.parametrize("norm", ["l1", "max"])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@given(data=predictions(), n_bins=st.integers(1, 20))
def test_the_calibration_error_agrees_with_its_definition(strategy, norm, data, n_bins):
    y_true, y_proba, weight = data
    error = expected_calibration_error(
        y_true,
        y_proba,
        n_bins=n_bins,
        strategy=strategy,
        norm=norm,
        labels=range(y_proba.shape[1]),
        sample_weight=weight,
    )
    expected = slow_calibration_error(y_true, y_proba, n_bins, strategy, norm, weight)
    assert error == pytest.approx(expected, abs=ROUNDING)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    # Three quarters is the upper edge of the third of four bins, which it shares with 0.6: one bin, mean gap 0.325.
    y_proba = [[0.75, 0.25], [0.6, 0.4]]
    assert expected_calibration_error([0, 0], y_proba, n_bins=4, labels=[0, 1], norm="max") == pytest.approx(0.325)


@pytest.mark.parametrize("wrong", [{"n_bins": 0}, {"strategy": "kmeans"}, {"norm": "l2"}])
def test_calibration_error_rejects_invalid_options(wrong):
    with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter of expected_calibration_error"):
        expected_calibration_error([0, 1, 2], UNIFORM, **wrong)


# --- most_confused_pairs, most_confident_errors ----------------------------------------------------------------------


def test_confused_pairs_are_directed_and_sorted_by_frequency():
    y_true = ["four", "four", "nine", "nine", "nine", "one"]
    y_pred = ["nine", "four", "four", "four", "nine", "one"]
    assert most_confused_pairs(y_true, y_pred) == [("nine", "four", 2), ("four", "nine", 1)]


def test_confused_pairs_can_be_weighted():
    assert most_confused_pairs([0, 1, 0], [1, 0, 0], sample_weight=[1, 2.5, 9]) == [(1, 0, 2.5), (0, 1, 1.0)]


def test_perfect_predictions_have_no_confused_pairs():
    assert most_confused_pairs([0, 1], [0, 1]) == []


def test_confused_pairs_rejects_predictions_that_are_not_among_labels():
    with pytest.raises(ValueError, match="y_pred has labels that are not among"):
        most_confused_pairs([0, 1], [0, 7], labels=[0, 1])


def test_confident_errors_are_the_wrong_rows_by_decreasing_confidence():
    y_proba = [[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.55, 0.45]]
    assert most_confident_errors([0, 0, 0, 1], y_proba).tolist() == [2, 0, 3]


def test_the_number_of_confident_errors_can_be_limited():
    assert most_confident_errors([1, 1, 0], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], n_errors=1).tolist() == [0]


# --- evaluate --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_weighted", [False, True])
def test_evaluate_agrees_with_scikit_learn(classifier, digits, is_weighted):
    _, X, _, y = digits
    weight = np.linspace(0.1, 2, len(y)) if is_weighted else None
    result = evaluate(classifier, X, y, sample_weight=weight)
    y_pred, proba = classifier.predict(X), classifier.predict_proba(X)
    precision, recall, f1, support = sk_metrics.precision_recall_fscore_support(y, y_pred, sample_weight=weight)
    expected = {
        "accuracy": sk_metrics.accuracy_score(y, y_pred, sample_weight=weight),
        "balanced_accuracy": sk_metrics.balanced_accuracy_score(y, y_pred, sample_weight=weight),
        "top_2_accuracy": sk_metrics.top_k_accuracy_score(y, proba, k=2, sample_weight=weight),
        "log_loss": sk_metrics.log_loss(y, proba, sample_weight=weight),
        "brier_score": sk_metrics.brier_score_loss(y, proba, sample_weight=weight),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "support": support,
        "confusion_matrix": sk_metrics.confusion_matrix(y, y_pred, sample_weight=weight),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(result, name), value, err_msg=name)


def test_evaluate_agrees_with_the_individual_metric_functions(classifier, digits):
    _, X, _, y = digits
    result = evaluate(classifier, X, y)
    y_pred, proba = classifier.predict(X), classifier.predict_proba(X)
    assert result.expected_calibration_error == expected_calibration_error(y, proba)
    assert result.label_broadcast_mse == label_broadcast_mse(y, proba)
    assert result.most_confused_pairs == most_confused_pairs(y, y_pred, n_pairs=5)
    assert result.most_confident_errors.tolist() == most_confident_errors(y, proba).tolist()


def test_the_accuracy_interval_is_a_wilson_interval():
    result = evaluate(Oracle((0, 1)), [[1, 0]] * 10, [0] * 9 + [1])
    p, n, z = 0.9, 10, 1.959964
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(result.accuracy_interval, (center - half_width, center + half_width), rtol=1e-6)


def test_weighted_rows_have_no_binomial_interval():
    assert evaluate(Oracle((0, 1)), [[1, 0]], [0], sample_weight=[2]).accuracy_interval is None


def test_evaluate_takes_string_labels_but_gives_no_label_broadcast_mse():
    result = evaluate(Oracle(("cat", "dog", "eel")), np.eye(3), ["cat", "dog", "dog"])
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.label_broadcast_mse is None
    assert result.most_confused_pairs == [("dog", "eel", 1)]


def test_evaluate_takes_boolean_labels():
    assert evaluate(Oracle((False, True)), np.eye(2), [False, True]).accuracy == 1


def test_the_recall_of_an_absent_class_is_undefined_not_zero():
    result = evaluate(Oracle(), [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]], [0, 1])
    assert np.isnan(result.recall[2])
    assert result.balanced_accuracy == 1


def test_evaluate_takes_float32_probabilities_as_networks_give_them():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), size=200).astype(np.float32)
    y = np.arange(200) % 3
    assert evaluate(Oracle(), proba, y).log_loss == pytest.approx(sk_metrics.log_loss(y, proba), rel=1e-5)


def test_an_evaluation_survives_json(classifier, digits):
    _, X, _, y = digits
    plain = evaluate(classifier, X[:5], y[:5]).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_an_evaluation_has_a_frame_with_a_row_for_each_class(classifier, digits):
    _, X, _, y = digits
    result = evaluate(classifier, X, y)
    frame = result.to_frame()
    assert frame.index.name == "class"
    np.testing.assert_array_equal(frame.index, result.classes)
    for name in ("precision", "recall", "f1", "support"):
        np.testing.assert_array_equal(frame[name], getattr(result, name))


@pytest.mark.parametrize("sample_weight", [None, [1.5, 1.0, 1.0, 2.0]], ids=["counts", "weights"])
def test_an_evaluation_draws_its_confusion_matrix_with_and_without_the_diagonal(sample_weight):
    proba = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]
    result = evaluate(Oracle(("a", "b")), proba, ["a", "a", "b", "b"], sample_weight=sample_weight)
    matrix = result.confusion_matrix.copy()
    drawn = result.plot()
    np.testing.assert_array_equal(drawn.confusion_matrix, matrix)
    assert drawn.text_[0, 0].get_text() == f"{matrix[0, 0]:g}"
    errors = result.plot(errors_only=True, ax=drawn.ax_)
    np.testing.assert_array_equal(errors.confusion_matrix, [[0, 0], [matrix[1, 0], 0]])
    assert [text.get_text() for text in errors.text_.ravel()] == ["", "0", f"{matrix[1, 0]:g}", ""]
    assert errors.ax_ is drawn.ax_
    np.testing.assert_array_equal(result.confusion_matrix, matrix)


def test_an_evaluation_prints_as_aligned_tables():
    text = str(evaluate(Oracle(("a", "b")), [[0.9, 0.1], [0.9, 0.1]], ["a", "b"]))
    assert text.splitlines() == [
        "samples                 2",
        "accuracy           0.5000  95 % interval 0.0945 to 0.9055",
        "balanced accuracy  0.5000",
        "top-2 accuracy     1.0000",
        "log loss           1.2040",
        "Brier score        0.4100",
        "calibration error  0.4000",
        "",
        "class  precision  recall      F1  support",
        "    a     0.5000  1.0000  0.6667        1",
        "    b          -  0.0000  0.0000        1",
        "",
        "Confusion matrix (columns: predicted)",
        "true  a  b",
        "   a  1  0",
        "   b  1  0",
        "",
        "Most confused",
        "true  predicted  count",
        "   b          a      1",
    ]


class NextButOne(ClassifierMixin, BaseEstimator):
    """Knows many classes, and takes each tenth for the next but one."""

    def __init__(self, n_classes):
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        labels = np.ravel(X)
        proba = np.full((len(labels), self.n_classes), 0.5 / self.n_classes)
        proba[np.arange(len(labels)), (labels + 2 * (labels % 10 == 0)) % self.n_classes] += 0.5
        return proba

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


@pytest.mark.parametrize("n_classes", [21, 62, 1_000])
def test_tables_of_many_classes_show_the_twenty_most_confused(n_classes):
    y = np.repeat(np.arange(n_classes), 3)
    y[-3:] = 10  # twice as many errors as the others
    text = str(evaluate(NextButOne(n_classes), y[:, np.newaxis], y))
    assert max(map(len, text.splitlines())) < 150
    assert text.count(f"The 20 most confused of {n_classes:,} classes\n") == 2
    _, classes, matrix, pairs = text.split("\n\n")
    shown = [line.split()[0] for line in classes.splitlines()[2:]]
    assert {"10", "12"} <= set(shown[:3])
    assert len(shown) == 20
    assert [line.split()[0] for line in matrix.splitlines()[3:]] == shown == matrix.splitlines()[2].split()[1:]
    assert pairs.splitlines()[2].split() == ["10", "12", "6"]


def test_tables_of_twenty_classes_show_all_in_order():
    y = np.arange(20)
    text = str(evaluate(NextButOne(20), y[:, np.newaxis], y))
    assert "most confused of" not in text
    assert [line.split()[0] for line in text.split("\n\n")[1].splitlines()[1:]] == [str(label) for label in y]


def test_the_memory_of_evaluate_grows_with_rows_plus_classes_squared():
    clf = NextButOne(2_000)

    def peak(n_rows):
        y = np.arange(n_rows) % 2_000
        return peak_memory(lambda: evaluate(clf, y[:, np.newaxis], y))

    # The confusion matrix takes 32 MB, all probabilities would take 96 MB.
    assert (few := peak(6_000)) < 64e6
    assert peak(16_000) - few < 5e6


def test_the_pairs_of_many_classes_are_found_without_copies_of_the_matrix():
    y = np.repeat(np.arange(2_000), 3)
    assert peak_memory(lambda: most_confused_pairs(y, y[::-1])) < 1.5 * 32e6


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_scored_in_parts_have_the_scores_of_all_rows(weighted):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 1_500, 4_000)
    weight = rng.random(4_000) if weighted else None
    clf = NextButOne(1_500)
    X = y[:, np.newaxis]
    result, proba = evaluate(clf, X, y, sample_weight=weight), clf.predict_proba(X)
    labels = {"labels": clf.classes_, "sample_weight": weight}
    assert result.n_samples == 4_000
    assert result.accuracy == pytest.approx(sk_metrics.accuracy_score(y, clf.predict(X), sample_weight=weight))
    assert result.log_loss == pytest.approx(sk_metrics.log_loss(y, proba, **labels))
    assert result.brier_score == pytest.approx(sk_metrics.brier_score_loss(y, proba, **labels))
    assert result.top_2_accuracy == pytest.approx(sk_metrics.top_k_accuracy_score(y, proba, k=2, **labels))
    assert result.expected_calibration_error == pytest.approx(expected_calibration_error(y, proba, **labels))
    assert result.label_broadcast_mse == pytest.approx(label_broadcast_mse(y, proba, **labels))
    np.testing.assert_array_equal(result.most_confident_errors, most_confident_errors(y, proba, labels=clf.classes_))


def test_the_error_for_an_unknown_label_does_not_list_thousands_of_classes():
    with pytest.raises(ValueError, match="not among the classes") as error:
        evaluate(NextButOne(10_000), [[0]], [10_000])
    assert len(str(error.value)) < 300


def test_rows_and_labels_that_differ_in_number_are_rejected_with_many_classes_too():
    y = np.zeros(4_000, dtype=int)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        evaluate(NextButOne(1_500), np.zeros((4_001, 1), dtype=int), y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_equal_probabilities_count_as_in_scikit_learn(n_classes):
    rng = np.random.default_rng(0)
    proba = rng.integers(0, 3, (300, n_classes)) + 0.5
    proba /= proba.sum(axis=1, keepdims=True)
    y = rng.integers(0, n_classes, 300)
    result = evaluate(Oracle(tuple(range(n_classes))), proba, y)
    expected = 1.0 if n_classes == 2 else sk_metrics.top_k_accuracy_score(y, proba, k=2)
    assert result.top_2_accuracy == pytest.approx(expected)
    assert result.brier_score == pytest.approx(sk_metrics.brier_score_loss(y, proba, labels=range(n_classes)))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0], [1]], r"y_true has shape \(2, 1\)"),
        ([0, 7], "not among the classes"),
        (["0", "1"], "use strings or numbers for both"),
        ([0], "inconsistent numbers of samples"),
    ],
)
def test_evaluate_rejects_invalid_labels(y, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Oracle(), UNIFORM[:2], y)


@pytest.mark.parametrize("estimator", [LinearRegression(), LinearSVC()])
def test_an_estimator_without_probabilities_is_rejected(estimator):
    with pytest.raises(ValueError, match="predict_proba"):
        evaluate(estimator.fit([[0], [1]], [0, 1]), [[0]], [0])


def test_evaluate_rejects_estimators_that_are_not_classifiers():
    class Clusterer(BaseEstimator):
        def predict(self, X):
            return np.zeros(len(X))

        def predict_proba(self, X):
            return np.ones((len(X), 1))

    with pytest.raises(ValueError, match="takes a classifier; got Clusterer"):
        evaluate(Clusterer(), [[0]], [0])


# --- compare_classifiers ---------------------------------------------------------------------------------------------


def rows_from_counts(both, only_a, only_b, neither):
    y = np.zeros(both + only_a + only_b + neither, dtype=int)
    pred_a = np.repeat([0, 0, 1, 1], [both, only_a, only_b, neither])
    pred_b = np.repeat([0, 1, 0, 1], [both, only_a, only_b, neither])
    return y, pred_a, pred_b


def test_mcnemar_is_the_binomial_test_of_the_discordant_rows():
    result = compare_classifiers(*rows_from_counts(80, 12, 3, 5))
    assert (result.only_a_correct, result.only_b_correct) == (12, 3)
    assert result.p_value == pytest.approx(binomtest(12, 15).pvalue)
    assert result.p_value == pytest.approx(2 * (1 + 15 + 105 + 455) / 2**15)


def test_the_difference_interval_follows_agresti_and_min():
    result = compare_classifiers(*rows_from_counts(80, 12, 3, 5))
    difference = 9 / 102
    half_width = 1.959964 * np.sqrt(16 - 81 / 102) / 102
    expected = (difference - half_width, difference + half_width)
    np.testing.assert_allclose(result.difference_interval, expected, rtol=1e-6)


def test_identical_predictions_have_zero_difference_and_p_value_1():
    result = compare_classifiers([0, 1, 1], [0, 1, 0], [0, 1, 0])
    assert (result.difference, result.p_value) == (0, 1)


@given(counts=st.tuples(*[st.integers(0, 20)] * 4).filter(any))
def test_swapping_the_classifiers_negates_the_difference(counts):
    y, pred_a, pred_b = rows_from_counts(*counts)
    there, back = compare_classifiers(y, pred_a, pred_b), compare_classifiers(y, pred_b, pred_a)
    assert there.p_value == back.p_value
    assert there.difference_interval == tuple(-end for end in reversed(back.difference_interval))
    # Each accuracy is rounded, and so is their difference.
    assert there.difference == pytest.approx(there.accuracy_a - there.accuracy_b, abs=2 * np.finfo(float).eps)


@pytest.mark.parametrize(
    ("pred_b", "message"),
    [
        (["0", "1"], "use strings or numbers for both"),
        ([[0], [1]], r"pred_b has shape \(2, 1\)"),
        ([0], "inconsistent numbers of samples"),
    ],
)
def test_compare_classifiers_rejects_predictions_that_do_not_match_the_labels(pred_b, message):
    with pytest.raises(ValueError, match=message):
        compare_classifiers([0, 1], [0, 1], pred_b)


# --- scorers ---------------------------------------------------------------------------------------------------------


def test_the_brier_scorer_agrees_with_scikit_learn(classifier, digits):
    _, X, _, y = digits
    theirs = sk_metrics.get_scorer("neg_brier_score")(classifier, X, y)
    assert neg_brier_scorer(classifier, X, y) == pytest.approx(theirs)


def test_the_ece_scorer_is_the_negated_calibration_error(classifier, digits):
    _, X, _, y = digits
    assert neg_ece_scorer(classifier, X, y) == -expected_calibration_error(y, classifier.predict_proba(X))


@pytest.fixture(scope="module")
def sure_and_wrong():
    """A network, and rows so far out that float32 probabilities of their true classes round to 0."""
    X, y = make_classification(300, n_features=12, n_informative=8, n_classes=3, random_state=0)
    model = KerasMLPClassifier((8,), epochs=2, random_state=0).fit(X, y)
    X = 1000 * X
    assert (model.predict_proba(X)[np.arange(300), y] == 0).any()
    # In float64 from the weights: nothing rounds to 0 or overflows in a logarithm of a sum.
    logits = np.maximum(X @ model.coefs_[0].astype(float) + model.intercepts_[0], 0)
    logits = logits @ model.coefs_[1].astype(float) + model.intercepts_[1]
    losses = logsumexp(logits, axis=1) - logits[np.arange(300), y]
    return model, X, y, losses


def test_the_log_loss_of_a_network_that_is_sure_and_wrong_is_exact(sure_and_wrong):
    model, X, y, losses = sure_and_wrong
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    assert evaluate(model, X, y).log_loss == pytest.approx(losses.mean(), rel=1e-4)
    assert neg_log_loss_scorer(model, X, y) == pytest.approx(-losses.mean(), rel=1e-4)
    assert SCORING["neg_log_loss"](model, X, y) == pytest.approx(-losses.mean(), rel=1e-4)
    assert evaluate(model, X, y, sample_weight=weight).log_loss == pytest.approx(np.average(losses, weights=weight))
    # scikit-learn's, from the probabilities, says a fraction of it.
    assert sk_metrics.log_loss(y, model.predict_proba(X)) < 0.5 * losses.mean()


def test_the_log_loss_of_a_pipeline_is_exact_too(sure_and_wrong):
    model, X, y, losses = sure_and_wrong
    pipe = make_pipeline(FunctionTransformer(), model)
    assert evaluate(pipe, X, y).log_loss == pytest.approx(losses.mean(), rel=1e-4)


def test_probabilities_of_zero_count_as_in_scikit_learn(digits):
    X_train, X, y_train, y = digits
    forest = RandomForestClassifier(3, random_state=0).fit(X_train, y_train)
    expected = sk_metrics.log_loss(y, forest.predict_proba(X))
    assert evaluate(forest, X, y).log_loss == pytest.approx(expected)
    assert neg_log_loss_scorer(forest, X, y) == pytest.approx(-expected)


@pytest.mark.parametrize("is_routed", [False, True])
def test_scoring_can_be_passed_to_cross_validate(digits, is_routed):
    X, _, y, _ = digits
    with sklearn.config_context(enable_metadata_routing=is_routed):
        results = cross_validate(LogisticRegression(max_iter=500), X, y, cv=2, scoring=SCORING, error_score="raise")
    assert all(np.isfinite(results[f"test_{name}"]).all() for name in SCORING)


@pytest.mark.parametrize("scorer", [neg_ece_scorer, neg_brier_scorer, neg_log_loss_scorer])
def test_our_scorers_take_a_fold_that_lacks_a_class(scorer):
    y = np.array([0, 1, 2, 0, 1])
    cv = PredefinedSplit([-1, -1, -1, 0, 0])
    results = cross_validate(DummyClassifier(), np.zeros((5, 1)), y, cv=cv, scoring=scorer, error_score="raise")
    assert results["test_score"] < 0


@pytest.mark.parametrize("scorer", [neg_ece_scorer, neg_brier_scorer, neg_log_loss_scorer])
def test_our_scorers_take_sample_weight(scorer):
    X, y = [[0.9, 0.1, 0], [0.9, 0.1, 0]], [0, 1]
    assert scorer(Oracle(), X, y, sample_weight=[1, 0]) == scorer(Oracle(), X[:1], y[:1])
