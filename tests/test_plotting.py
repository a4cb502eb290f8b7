import matplotlib as mpl
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sk_mnist.metrics import expected_calibration_error, most_confident_errors
from sk_mnist.pipeline import make_mnist_pipeline
from sk_mnist.plotting import (
    DigitsDisplay,
    ReliabilityDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
    WeightsDisplay,
)
from tests.helpers.processes import run_python

HISTORY = {
    "loss": [0.9, 0.5, 0.3, 0.2],
    "accuracy": [0.7, 0.8, 0.9, 0.95],
    "val_loss": [0.8, 0.5, 0.4, 0.6],
    "val_accuracy": [0.7, 0.85, 0.88, 0.86],
}
TRAINING_ONLY = {key: HISTORY[key] for key in ("loss", "accuracy")}


@pytest.fixture(autouse=True)
def plt():
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="module")
def held_out_digits(digits):
    return digits[0][900:], digits[1][900:]


@pytest.fixture(scope="module")
def classifier(digits):
    X, y = digits
    return LogisticRegression(max_iter=500).fit(X[:900], y[:900])


@pytest.fixture(scope="module")
def network(digits):
    return MLPClassifier((16,), solver="lbfgs", max_iter=1000, random_state=0).fit(*digits)


@pytest.fixture(scope="module")
def grid_search(digits):
    X, y = digits
    grid = {"max_depth": [4, 2, 8], "criterion": ["gini", "entropy"]}
    return GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=3).fit(X[:500], y[:500])


def results(settings, scores):
    return {"params": settings, "mean_test_score": np.array(scores), "std_test_score": np.zeros(len(scores))}


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_nothing_is_clipped(display):
    """Every text lies within the figure."""
    figure = display.figure_
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for ax in figure.axes:
        legends = [ax.get_legend()] if ax.get_legend() else []
        for artist in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label, *legends]:
            box = artist.get_window_extent(renderer)
            if box.width > 0:
                assert min(box.x0, box.y0) >= -1, artist
                assert max(box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1) <= 1, artist


# --- what all Displays share -----------------------------------------------------------------------------------------


@pytest.fixture(
    params=[
        "digits",
        "history",
        "reliability",
        "weights",
        "search line",
        "search heat map",
    ]
)
def draw(request, classifier, network, grid_search, held_out_digits):
    """A function of `ax` that makes a Display."""
    return {
        "digits": lambda ax: DigitsDisplay.from_estimator(classifier, *held_out_digits, ax=ax),
        "history": lambda ax: TrainingHistoryDisplay.from_history({"a": HISTORY, "b": TRAINING_ONLY}, ax=ax),
        "reliability": lambda ax: ReliabilityDisplay.from_estimator(classifier, *held_out_digits, ax=ax),
        "weights": lambda ax: WeightsDisplay.from_estimator(network, ax=ax),
        "search line": lambda ax: SearchResultsDisplay.from_estimator(grid_search, params="max_depth", ax=ax),
        "search heat map": lambda ax: SearchResultsDisplay.from_estimator(grid_search, ax=ax),
    }[request.param]


def test_a_new_figure_shows_every_text_in_full(draw):
    assert_nothing_is_clipped(draw(None))


def test_a_display_draws_into_given_axes(draw, plt):
    n_axes = np.size(draw(None).ax_)
    figure, axes = plt.subplots(1, 2)
    given = axes if n_axes == 2 else axes[0]
    display = draw(given)
    np.testing.assert_array_equal(display.ax_, given)
    assert display.figure_ is figure


def test_plot_draws_again_and_returns_the_display(draw):
    display = draw(None)
    figure = display.figure_
    assert display.plot() is display
    assert display.figure_ is not figure


@pytest.mark.slow
def test_without_matplotlib_one_sentence_says_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None
sys.modules["matplotlib.pyplot"] = None
from sk_mnist.plotting import TrainingHistoryDisplay
TrainingHistoryDisplay.from_history({"loss": [1], "accuracy": [0]})
"""
    last_line = run_python(code).stderr.splitlines()[-1]
    assert last_line == ("ImportError: TrainingHistoryDisplay.from_history needs matplotlib: pip install matplotlib")


@pytest.mark.parametrize(
    ("display", "attribute"),
    [(TrainingHistoryDisplay, "history_"), (WeightsDisplay, "coefs_"), (SearchResultsDisplay, "cv_results_")],
)
def test_an_estimator_without_the_values_to_draw_is_rejected(display, attribute, classifier):
    with pytest.raises(ValueError, match=f"LogisticRegression has no {attribute}; fit a "):
        display.from_estimator(classifier)


# --- DigitsDisplay ---------------------------------------------------------------------------------------------------


def test_digits_are_drawn_as_given(classifier, held_out_digits):
    X, y = held_out_digits
    display = DigitsDisplay.from_estimator(classifier, X, y, n_images=6)
    drawn = np.array([image.get_array() for image in display.images_])
    np.testing.assert_array_equal(drawn, X[:6].reshape(6, 8, 8))


def test_a_caption_holds_true_and_predicted_label_and_confidence():
    display = DigitsDisplay.from_predictions(np.zeros((1, 4)), [4], [9], confidence=[0.987])
    assert display.text_[0].get_text() == "true 4\nas 9 (98.7%)"


def test_wrong_predictions_stand_out_without_colour():
    display = DigitsDisplay.from_predictions(np.zeros((2, 4)), [4, 4], [4, 9])
    assert [text.get_fontweight() for text in display.text_] == ["normal", "bold"]
    right, wrong = (patch.get_linewidth() for patch in display.ax_.patches)
    assert wrong > 2 * right


def test_predictions_are_drawn_without_true_labels(classifier, held_out_digits):
    X, _ = held_out_digits
    display = DigitsDisplay.from_estimator(classifier, X, n_images=6)
    captions = [text.get_text() for text in display.text_]
    y_pred, confidence = classifier.predict(X[:6]), classifier.predict_proba(X[:6]).max(axis=1)
    assert captions == [f"{label} ({value:.1%})" for label, value in zip(y_pred, confidence, strict=True)]
    assert {text.get_fontweight() for text in display.text_} == {"normal"}
    assert display.ax_.get_title() == "predicted label (confidence)"
    assert DigitsDisplay.from_predictions(X, y_pred=classifier.predict(X)).text_[0].get_text() == str(y_pred[0])


def test_confidently_wrong_shows_only_errors_in_the_order_of_the_metric(classifier, held_out_digits):
    X, y = held_out_digits
    display = DigitsDisplay.from_estimator(classifier, X, y, order="confidently_wrong", n_images=9)
    rows = most_confident_errors(y, classifier.predict_proba(X), n_errors=9)
    np.testing.assert_array_equal(display.images, X[rows].reshape(-1, 8, 8))


def test_a_frame_keeps_its_feature_names_on_the_way_to_the_classifier(digits):
    import pandas as pd

    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel_{i}" for i in range(64)])
    named = LinearSVC().fit(frame[:100], y[:100])
    # With the names lost, scikit-learn would warn, and warnings are errors.
    assert len(DigitsDisplay.from_estimator(named, frame[:4], y[:4]).images_) == 4


def test_a_message_is_shown_if_there_are_no_errors_to_draw():
    display = DigitsDisplay.from_predictions(np.zeros((1, 4)), [1], [1], order="confidently_wrong")
    assert [text.get_text() for text in display.ax_.texts] == ["no image to show"]


def test_a_classifier_without_probabilities_is_drawn_without_confidence(digits):
    X, y = digits
    svc = LinearSVC().fit(X[:100], y[:100])
    assert DigitsDisplay.from_estimator(svc, X, y, n_images=1).confidence is None


@pytest.mark.parametrize("shape", [(3, 784), (3, 28, 28), (3, 28, 28, 1)])
def test_images_are_taken_in_every_usual_shape(shape):
    assert DigitsDisplay.from_predictions(np.zeros(shape), [0, 1, 2]).images.shape == (3, 28, 28)


def test_oblong_images_need_their_shape():
    with pytest.raises(ValueError, match="image_shape"):
        DigitsDisplay.from_predictions(np.zeros((1, 6)), [0])
    assert DigitsDisplay.from_predictions(np.zeros((1, 6)), [0], image_shape=(2, 3)).images.shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "random"}, "The 'order' parameter of DigitsDisplay.from_predictions must be a str among"),
        ({"order": "confidently_wrong"}, "needs y_pred"),
        ({"order": "confidently_wrong", "y_true": None, "y_pred": [1]}, "needs true labels"),
        ({"y_pred": [[1]]}, r"y_pred has shape \(1, 1\)"),
        ({"y_pred": ["1"]}, "use strings or numbers for both"),
        ({"y_pred": [1, 2]}, "inconsistent numbers of samples"),
        ({"X": np.zeros(4)}, r"X has shape \(4,\)"),
    ],
)
def test_digits_display_rejects_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DigitsDisplay.from_predictions(**{"X": np.zeros((1, 4)), "y_true": [1], **arguments})


@pytest.mark.parametrize("wrong", [{"n_images": -1}, {"n_images": 0}, {"n_columns": -3}, {"n_columns": 0}])
def test_fewer_than_one_image_or_column_is_rejected(wrong, classifier, held_out_digits):
    (name,) = wrong
    X, y = held_out_digits
    with pytest.raises(ValueError, match=f"The '{name}' parameter of .*from_predictions must be an int"):
        DigitsDisplay.from_predictions(X, y, **wrong)
    with pytest.raises(ValueError, match=f"The '{name}' parameter of .*from_estimator must be an int"):
        DigitsDisplay.from_estimator(classifier, X, y, **wrong)
    if name == "n_columns":
        with pytest.raises(ValueError, match=r"The 'n_columns' parameter of .*plot must be an int"):
            DigitsDisplay.from_predictions(X[:4], y[:4]).plot(**wrong)


@pytest.mark.parametrize("image_shape", [(8,), 8, (8, 8, 1), (-8, -8), (8.0, 8.0), ()])
def test_an_image_shape_that_is_not_two_positive_integers_is_rejected(image_shape, network, held_out_digits):
    message = r"image_shape must be \(height, width\), two integers of at least 1, or None; got"
    with pytest.raises(ValueError, match=message):
        DigitsDisplay.from_predictions(*held_out_digits, image_shape=image_shape)
    with pytest.raises(ValueError, match=message):
        WeightsDisplay.from_estimator(network, image_shape=image_shape)


class Constant(ClassifierMixin, BaseEstimator):
    """Predicts its first class with all confidence."""

    def __init__(self, classes):
        self.classes_ = classes

    def predict(self, X):
        return np.repeat(np.min(self.classes_), len(X))

    def predict_proba(self, X):
        return np.eye(len(self.classes_))[np.zeros(len(X), dtype=int)]


def test_numeric_classes_in_an_object_array_are_accepted(digits):
    X, y = digits
    display = DigitsDisplay.from_estimator(Constant(np.arange(10).astype(object)), X[:4], y[:4])
    assert display.confidence.tolist() == [1.0] * 4


def test_classes_that_are_not_sorted_are_rejected(digits):
    X, y = digits
    with pytest.raises(ValueError, match="sorted"):
        DigitsDisplay.from_estimator(Constant(np.arange(10)[::-1]), X[:4], y[:4])


# --- TrainingHistoryDisplay ------------------------------------------------------------------------------------------


def test_a_history_is_drawn_against_epochs_from_one():
    display = TrainingHistoryDisplay.from_history(HISTORY)
    loss, val_loss, accuracy, val_accuracy = display.lines_
    for line, key in [(loss, "loss"), (val_loss, "val_loss"), (accuracy, "accuracy"), (val_accuracy, "val_accuracy")]:
        assert line.get_xdata().tolist() == [1, 2, 3, 4]
        assert list(line.get_ydata()) == HISTORY[key]


def test_validation_curves_are_dashed():
    training, validation, *_ = TrainingHistoryDisplay.from_history(HISTORY).lines_
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")


def test_a_star_marks_the_epoch_of_the_best_validation_accuracy():
    display = TrainingHistoryDisplay.from_history(HISTORY)
    stars = [line for line in display.ax_[0].lines if line.get_marker() == "*"]
    assert [(list(s.get_xdata()), list(s.get_ydata())) for s in stars] == [([3], [0.4])]


def test_a_star_marks_the_epoch_that_is_given_as_the_best():
    display = TrainingHistoryDisplay({"a": HISTORY, "b": HISTORY}, best_epochs={"b": 2}).plot()
    assert display.best_epochs_ == {"a": 3, "b": 2}
    stars = [line for line in display.ax_[1].lines if line.get_marker() == "*"]
    assert [(list(s.get_xdata()), list(s.get_ydata())) for s in stars] == [([3], [0.88]), ([2], [0.85])]


def test_without_validation_no_epoch_is_marked():
    display = TrainingHistoryDisplay.from_history(TRAINING_ONLY)
    assert display.best_epochs_ == {}
    assert labels_of(display.ax_[0]) == ["training"]


def test_runs_are_overlaid_with_names_and_markers():
    display = TrainingHistoryDisplay.from_history({"slow": TRAINING_ONLY, "fast": TRAINING_ONLY})
    assert labels_of(display.ax_[0]) == ["slow, training", "fast, training"]
    assert len({line.get_marker() for line in display.ax_[0].lines}) == 2


def test_the_history_of_a_fitted_pipeline_is_drawn(digits):
    X, y = digits
    pipe = make_mnist_pipeline(epochs=2, early_stopping=True, random_state=0).fit(X[:300], y[:300])
    display = TrainingHistoryDisplay.from_estimator(pipe)
    assert list(display.lines_[0].get_ydata()) == pipe[-1].history_["loss"]
    assert display.best_epochs_ == {"run": pipe[-1].best_epoch_}


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"loss": [1.0]}, r"lacks \['accuracy'\]"),
        ({"loss": [1.0, 0.5], "accuracy": [0.5]}, "differ in length"),
        ({}, "empty"),
    ],
)
def test_an_incomplete_history_is_rejected(history, message):
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay.from_history(history)


def test_a_single_axes_for_two_panels_is_rejected(plt):
    with pytest.raises(ValueError, match="two axes"):
        TrainingHistoryDisplay.from_history(HISTORY, ax=plt.subplots()[1])


# --- ReliabilityDisplay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_diagram_shows_the_calibration_error_of_the_metric(classifier, held_out_digits, strategy):
    X, y = held_out_digits
    display = ReliabilityDisplay.from_estimator(classifier, X, y, strategy=strategy)
    ece = expected_calibration_error(y, classifier.predict_proba(X), strategy=strategy)
    assert display.ece == ece
    assert display.line_.get_label() == f"LogisticRegression (ECE {ece:.3f})"


def test_the_diagram_draws_accuracy_against_confidence():
    y_proba = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]
    display = ReliabilityDisplay.from_predictions([0, 1, 1], y_proba)
    np.testing.assert_allclose(display.line_.get_xydata(), [[0.6, 1], [0.9, 0.5]])
    np.testing.assert_allclose([bar.get_height() for bar in display.bars_], [1 / 3, 2 / 3])


@pytest.mark.parametrize("wrong", [{"n_bins": 0}, {"strategy": "kmeans"}])
def test_invalid_bins_are_rejected(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ReliabilityDisplay.from_predictions([0, 1], np.eye(2), **wrong)


def test_two_classifiers_in_one_diagram_differ_in_marker_and_line():
    y_proba = [[0.9, 0.1], [0.2, 0.8]]
    first = ReliabilityDisplay.from_predictions([0, 1], y_proba, name="a")
    second = ReliabilityDisplay.from_predictions([0, 1], y_proba, name="b", ax=first.ax_)
    assert first.line_.get_marker() != second.line_.get_marker()
    assert first.line_.get_linestyle() != second.line_.get_linestyle()
    assert labels_of(first.ax_)[0] == "perfectly calibrated"
    assert len(labels_of(first.ax_)) == 3


# --- WeightsDisplay --------------------------------------------------------------------------------------------------


def test_the_units_with_the_largest_weights_come_first(network):
    display = WeightsDisplay.from_estimator(network, n_units=4)
    norms = np.linalg.norm(network.coefs_[0], axis=0)
    np.testing.assert_allclose(np.linalg.norm(display.weights, axis=(1, 2)), np.sort(norms)[::-1][:4])


def test_zero_is_in_the_middle_of_the_grey_scale(network):
    low, high = WeightsDisplay.from_estimator(network).image_.get_clim()
    assert low == -high == -np.abs(network.coefs_[0]).max()


def test_each_unit_is_an_image_of_the_mosaic(network):
    display = WeightsDisplay.from_estimator(network, n_units=4)
    mosaic = display.image_.get_array()
    np.testing.assert_array_equal(mosaic[:8, :8], display.weights[0])
    np.testing.assert_array_equal(mosaic[-8:, -8:], display.weights[3])


def test_weights_of_the_last_step_of_a_searched_pipeline_are_found(digits):
    X, y = digits
    pipe = make_pipeline(MinMaxScaler(), MLPClassifier((3,), solver="lbfgs", max_iter=5000, alpha=10, random_state=0))
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [10]}, cv=2).fit(X[:200], y[:200])
    assert WeightsDisplay.from_estimator(search).weights.shape == (3, 8, 8)


@pytest.mark.parametrize("n_units", [0, -1, 2.5])
def test_an_invalid_number_of_units_is_rejected(n_units, network):
    with pytest.raises(ValueError, match=r"The 'n_units' parameter of .*from_estimator must be an int"):
        WeightsDisplay.from_estimator(network, n_units=n_units)


# --- SearchResultsDisplay --------------------------------------------------------------------------------------------


def test_two_parameters_give_a_heat_map_of_the_mean_scores(grid_search):
    display = SearchResultsDisplay.from_estimator(grid_search)
    results = grid_search.cv_results_
    assert display.params == ["criterion", "max_depth"]
    assert display.values == [["gini", "entropy"], [2, 4, 8]]
    for setting, score in zip(results["params"], results["mean_test_score"], strict=True):
        row, column = ["gini", "entropy"].index(setting["criterion"]), [2, 4, 8].index(setting["max_depth"])
        assert display.image_.get_array()[row, column] == score


def test_the_cells_of_a_heat_map_show_mean_and_standard_deviation(grid_search):
    display = SearchResultsDisplay.from_estimator(grid_search)
    first = f"{display.mean_score[0, 0]:.4f}\n± {display.std_score[0, 0]:.4f}"
    assert display.text_[0].get_text() == first
    assert len(display.text_) == 6


def test_the_parameters_given_are_rows_and_columns(grid_search):
    display = SearchResultsDisplay.from_estimator(grid_search, params=["max_depth", "criterion"])
    assert (display.ax_.get_ylabel(), display.ax_.get_xlabel()) == ("max_depth", "criterion")


def test_one_parameter_gives_a_line_of_the_best_scores_with_its_band(grid_search):
    display = SearchResultsDisplay.from_estimator(grid_search, params="max_depth")
    best = SearchResultsDisplay.from_estimator(grid_search).mean_score.max(axis=0)
    np.testing.assert_allclose(display.line_.get_xydata(), np.column_stack([[2, 4, 8], best]))
    band = display.band_.get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx((display.mean_score - display.std_score).min())
    assert band.max() == pytest.approx((display.mean_score + display.std_score).max())


def test_a_parameter_without_numbers_is_drawn_by_category(grid_search):
    ax = SearchResultsDisplay.from_estimator(grid_search, params="criterion").ax_
    assert [label.get_text() for label in ax.get_xticklabels()] == ["gini", "entropy"]


def test_a_wide_range_of_numbers_is_drawn_on_a_logarithmic_scale():
    cv_results = results([{"alpha": 1e-4}, {"alpha": 1.0}], [0.8, 0.9])
    assert SearchResultsDisplay.from_cv_results(cv_results).ax_.get_xscale() == "log"


@pytest.mark.slow
def test_a_random_search_over_numbers_gives_points(digits):
    X, y = digits
    search = RandomizedSearchCV(
        LogisticRegression(max_iter=200),
        {"C": loguniform(1e-3, 1), "tol": loguniform(1e-4, 1e-2)},
        n_iter=5,
        cv=2,
        random_state=0,
    ).fit(X[:200], y[:200])
    display = SearchResultsDisplay.from_estimator(search)
    expected = {(p["tol"], p["C"]) for p in search.cv_results_["params"]}
    assert {tuple(point) for point in display.points_.get_offsets()} == expected
    assert_nothing_is_clipped(display)


def test_the_last_score_of_each_candidate_of_a_halving_search_is_drawn(digits):
    X, y = digits
    search = HalvingGridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"criterion": ["gini", "entropy"], "min_samples_leaf": [1, 20]},
        resource="max_depth",
        min_resources=2,
        max_resources=8,
        cv=3,
        factor=2,
        random_state=0,
    ).fit(X[:300], y[:300])
    display = SearchResultsDisplay.from_estimator(search)
    assert display.params == ["criterion", "min_samples_leaf"]
    results = search.cv_results_
    for i, criterion in enumerate(["gini", "entropy"]):
        for j, leaf in enumerate([1, 20]):
            rows = [
                row
                for row, setting in enumerate(results["params"])
                if (setting["criterion"], setting["min_samples_leaf"]) == (criterion, leaf)
            ]
            last = max(rows, key=lambda row: results["n_resources"][row])
            assert display.mean_score[i, j] == results["mean_test_score"][last]


def test_the_score_of_refit_is_drawn_unless_another_is_asked_for(digits):
    X, y = digits
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [2, 4]},
        scoring=["accuracy", "neg_brier_score"],
        refit="neg_brier_score",
        cv=2,
    ).fit(X[:200], y[:200])
    assert SearchResultsDisplay.from_estimator(search).score_name == "neg_brier_score"
    accuracy = SearchResultsDisplay.from_estimator(search, scoring="accuracy").mean_score
    np.testing.assert_array_equal(accuracy, search.cv_results_["mean_test_accuracy"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"params": "depth"}, r"params='depth' must be one or two of"),
        ({"params": ["max_depth"] * 3}, "one or two"),
        ({"params": ["max_depth"] * 2}, "names a parameter twice"),
        ({"scoring": "recall"}, r"scoring='recall' is not among .*\['score'\]"),
    ],
)
def test_unknown_parameters_and_scores_are_rejected(grid_search, arguments, message):
    with pytest.raises(ValueError, match=message):
        SearchResultsDisplay.from_estimator(grid_search, **arguments)


@pytest.mark.parametrize("make", [np.array, lambda value: (np.array(value), 1)], ids=["array", "array in a tuple"])
def test_parameters_may_be_arrays(make):
    settings = [{"priors": priors, "a": a} for priors in (None, make([0.2, 0.8]), make([0.5, 0.5])) for a in (1, 2)]
    display = SearchResultsDisplay.from_cv_results(results(settings, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    np.testing.assert_array_equal(display.mean_score, [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])


def test_a_halving_search_over_arrays_is_drawn():
    settings = [{"priors": np.array([0.2, 0.8])}, {"priors": np.array([0.5, 0.5])}]
    halving = results(settings, [0.8, 0.9]) | {"iter": [0, 0], "n_resources": [10, 10]}
    np.testing.assert_array_equal(SearchResultsDisplay.from_cv_results(halving).mean_score, [0.8, 0.9])


@pytest.mark.parametrize("settings", [[{"a": 1}, {"a": 2}], [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]])
def test_a_search_whose_scores_are_all_nan_is_rejected(settings):
    with pytest.raises(ValueError, match=r"All values of mean test score are NaN, .* error_score='raise'"):
        SearchResultsDisplay.from_cv_results(results(settings, [np.nan, np.nan]))


def test_parameters_that_no_candidate_sets_together_are_rejected():
    with pytest.raises(ValueError, match=r"No candidate of the search sets both of params=\['a', 'b'\]"):
        SearchResultsDisplay.from_cv_results(results([{"a": 1}, {"b": 2}], [0.8, 0.9]), params=["a", "b"])


def test_a_search_over_three_parameters_without_params_is_rejected():
    cv_results = results([{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}], [0.8, 0.9])
    with pytest.raises(ValueError, match=r"varies \['a', 'b', 'c'\]; choose"):
        SearchResultsDisplay.from_cv_results(cv_results)
