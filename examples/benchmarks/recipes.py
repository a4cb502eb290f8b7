"""
Accuracy of the recipes, and the effect of their ingredients
============================================================

Train the recipes and alternatives to them, and print the mean and spread of their accuracy. They are trained on 50,000
training images and compared on the last 10,000. Then the recipes are trained on all 60,000 images and scored on the
test images; docs/accuracy.md explains how their values were chosen. Each result is saved at once, so an interrupted run
can be resumed, and if the file is complete, the script only prints the tables::

    python examples/benchmarks/recipes.py                        # the tables of recipes.json, next to this file
    python examples/benchmarks/recipes.py --results mine.json    # repeats all trainings: hours on 2 cores
    python examples/benchmarks/recipes.py --results mine.json --split test --only warps

Networks are saved in ``--models``, because some are teachers of others, and ``robustness.py`` reads them.
"""

import argparse
import json
import platform
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _networks import N_VALIDATION, SPLITS
from _peers import IMPORTS, import_libraries, make_classifier
from _report import print_table
from joblib import cpu_count
from scipy.stats import binomtest
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, log_loss

import sk_mnist
from sk_mnist import KerasMLPClassifier, RandomWarp, fetch_mnist, load, make_mnist_pipeline, save

TEACHER_SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Training:
    """A way to train a network.

    Attributes
    ----------
    recipe : str
        A recipe of ``make_mnist_pipeline``, or a peer.
    params : dict
        Parameters that differ from the recipe's.
    teachers : str
        Name of the training whose networks, one for each of ``TEACHER_SEEDS``, form the teacher; empty for none.
    seeds : tuple of int
        Random states to train with.
    """

    recipe: str
    params: dict[str, Any] = field(default_factory=dict)
    teachers: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)


# The recipe "robust" has grown out of this one.
WARPS = {"epochs": 900, "optimizer": "adam", "learning_rate": 2e-3, "augmentation": RandomWarp()}


def short(seeds: tuple[int, ...] = (0, 1, 2), **params: Any) -> Training:
    """Return a short training on warped images, to test a change to it."""
    return Training("robust", {**WARPS, "epochs": 150, **params}, seeds=seeds)


def student(seeds: tuple[int, ...] = (3,), **params: Any) -> Training:
    """Return a training on warped images, with three networks that were trained in the same way as the teacher."""
    return Training("robust", {**WARPS, **params}, teachers="warps", seeds=seeds)


ONE_SEED = (0,)
STRONG = RandomWarp(rotation=12.0, translation=2.0, elastic=1.3)
STRONGER = RandomWarp(rotation=15.0, scale=0.15, shear=0.15, translation=2.5, elastic=1.6)
# The best student on the validation images learns only from its teachers, without labels, for twice as long.
STUDENT = {"epochs": 1800, "augmentation": STRONG, "teacher_weight": 1.0}
SILU_NO_LABELS = {"activation": "silu", "teacher_weight": 1.0}

TRAININGS = {
    "validation": {
        "warps": Training("robust", WARPS),
        "warps, 150 epochs": short(),
        "warps, 150 epochs, no distortions": short(ONE_SEED, augmentation=None),
        "warps, 150 epochs, affine only": short(ONE_SEED, augmentation=RandomWarp(elastic=0)),
        "warps, 150 epochs, no fading": short(ONE_SEED, augmentation=RandomWarp(fade=0)),
        "warps, 150 epochs, constant rate": short(ONE_SEED, learning_rate_schedule="constant", learning_rate=1e-3),
        "warps, 150 epochs, one cycle": short(ONE_SEED, learning_rate_schedule="one_cycle"),
        "warps, 150 epochs, rate 1e-3": short(ONE_SEED, learning_rate=1e-3),
        "warps, 150 epochs, rate 4e-3": short(ONE_SEED, learning_rate=4e-3),
        "warps, 150 epochs, Muon": short(ONE_SEED, optimizer="muon", learning_rate=4e-3),
        "warps, 150 epochs, batches of 128": short(ONE_SEED, batch_size=128),
        "warps, 150 epochs, silu": short(activation="silu"),
        "warps, 150 epochs, gelu": short(activation="gelu"),
        "warps, 150 epochs, smoothing 0.05": short(ONE_SEED, label_smoothing=0.05),
        "warps, silu": Training("robust", {**WARPS, "activation": "silu"}),
        "distilled, 150 epochs, as warps": student(epochs=150),
        "distilled, 150 epochs, silu": student(epochs=150, activation="silu"),
        "distilled, 150 epochs, no labels": student(epochs=150, teacher_weight=1.0),
        "distilled, 150 epochs, silu, no labels": student(epochs=150, **SILU_NO_LABELS),
        "distilled, 150 epochs, the same, warps of wide": student(epochs=150, **SILU_NO_LABELS, augmentation=STRONG),
        "distilled, 150 epochs, the same, larger warps": student(epochs=150, **SILU_NO_LABELS, augmentation=STRONGER),
        "distilled, 900 epochs, as warps": student(ONE_SEED),
        "distilled, 900 epochs, silu": student(**STUDENT | {"epochs": 900, "activation": "silu"}),
        "distilled, silu": student(**STUDENT, activation="silu"),
        "distilled": student(**STUDENT),
        "wide": Training("wide", seeds=ONE_SEED),
    },
    "test": {
        "fast": Training("fast"),
        "reference": Training("reference"),
        "warps, 40 epochs": Training("robust", {**WARPS, "epochs": 40}),
        "warps, 150 epochs": Training("robust", {**WARPS, "epochs": 150}),
        "warps": Training("robust", WARPS),
        "robust": Training("robust", seeds=ONE_SEED),
        "distilled, 900 epochs, as warps": student((3, 4, 5)),
        "distilled": student((3, 4), **STUDENT),
        "wide": Training("wide"),
        **{f"Keras, {n} epochs": Training("Keras", {"epochs": n}, seeds=ONE_SEED) for n in (2, 5, 20, 80)},
        **{
            f"scikit-learn, {n} epochs": Training("scikit-learn", {"epochs": n}, seeds=ONE_SEED) for n in (2, 5, 20, 80)
        },
    },
}

# The lines of the picture.
CURVES = {
    "sk-mnist, fast and reference": ["fast", "reference"],
    "sk-mnist, warps in 40, 150 and 900 epochs": ["warps, 40 epochs", "warps, 150 epochs", "warps"],
    "sk-mnist, taught by three of them": ["distilled, 900 epochs, as warps"],
    "sk-mnist, wide (13 times the weights)": ["wide"],
    "Keras in 2 to 80 epochs": [f"Keras, {n} epochs" for n in (2, 5, 20, 80)],
    "scikit-learn in 2 to 80 epochs": [f"scikit-learn, {n} epochs" for n in (2, 5, 20, 80)],
}


def main() -> None:
    """Train the networks that have no result yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results, models = Path(__file__).with_suffix(".json"), Path("sk-mnist-output") / "networks"
    parser.add_argument("--results", type=Path, default=results, help="file of the results (default: recipes.json)")
    parser.add_argument("--models", type=Path, default=models, help="where networks are saved (default: %(default)s)")
    parser.add_argument("--split", choices=SPLITS, help="what is scored (default: both)")
    parser.add_argument("--only", default=".*", help="trainings whose whole name matches this regular expression")
    parser.add_argument("--picture", type=Path, help="draw test error against time to this file (needs matplotlib)")
    options = parser.parse_args()
    study = Study(options.results, options.models)
    splits = (options.split,) if options.split else SPLITS
    for split in splits:
        for name, training in TRAININGS[split].items():
            for seed in training.seeds if re.fullmatch(options.only, name) else ():
                study.run(split, name, seed)
    for split in splits:
        print_results(split, study.results)
    if options.picture:
        draw_curves(study.results, options.picture)


class Study:
    """The results so far, and their networks."""

    def __init__(self, results: Path, models: Path) -> None:
        self.path, self.models = results, models
        self.results: list[dict[str, Any]] = json.loads(results.read_text()) if results.exists() else []
        self._data: dict[str, tuple] = {}

    def has_result(self, split: str, name: str, seed: int) -> bool:
        """Whether a training has been scored."""
        return any((r["split"], r["training"], r["seed"]) == (split, name, seed) for r in self.results)

    def run(self, split: str, name: str, seed: int) -> None:
        """Train and score, unless there is a result."""
        if not self.has_result(split, name, seed):
            self._record(split, name, seed, *self._network(split, name, seed))

    def _network(self, split: str, name: str, seed: int) -> tuple[Any, float | None]:
        """Return a fitted classifier, and the seconds of its training unless it comes from a file."""
        training = TRAININGS[split][name]
        classifier = make_network(training, seed)
        path = self.models / f"{re.sub('[^a-z0-9.]+', '-', name.lower())}-{split}-{seed}.skops"
        if path.exists():
            saved = load(path)
            if str(saved) != str(classifier):
                raise SystemExit(f"{path} holds {saved}, but {name!r} is {classifier} now. Move the file away.")
            return saved, None
        X, y, *_ = self._load(split)
        if training.teachers:
            classifier.set_params(teacher=self._teacher(split, training.teachers))
        start = time.perf_counter()
        classifier.fit(X, y)
        seconds = time.perf_counter() - start
        if isinstance(classifier, KerasMLPClassifier):
            self.models.mkdir(parents=True, exist_ok=True)
            save(classifier.set_params(teacher=None), path)
        return classifier, seconds

    def _load(self, split: str) -> tuple:
        if split not in self._data:
            X, y = fetch_mnist(subset="train", return_X_y=True)
            scored = fetch_mnist(subset="test", return_X_y=True)
            if split == "validation":
                X, y, scored = X[:-N_VALIDATION], y[:-N_VALIDATION], (X[-N_VALIDATION:], y[-N_VALIDATION:])
            self._data[split] = X, y, *scored
        return self._data[split]

    def _teacher(self, split: str, name: str) -> FrozenEstimator:
        networks = []
        for seed in TEACHER_SEEDS:
            self.run(split, name, seed)
            networks.append((f"seed {seed}", FrozenEstimator(self._network(split, name, seed)[0])))
        X, y, *_ = self._load(split)
        # The networks are frozen, so this fit only stores the classes.
        return FrozenEstimator(VotingClassifier(networks, voting="soft").fit(X[:1000], y[:1000]))

    def _record(self, split: str, name: str, seed: int, classifier: Any, seconds: float | None) -> None:
        *_, X, y = self._load(split)
        result = {
            "split": split,
            "training": name,
            "seed": seed,
            "accuracy": accuracy_score(y, classifier.predict(X)),
            "log_loss": log_loss(y, classifier.predict_proba(X)),
            "seconds": seconds,
            "cores": cpu_count(),
            "python": platform.python_version(),
            "sk_mnist": sk_mnist.__version__,
        }
        print(json.dumps(result), flush=True)
        self.results.append(result)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.results, indent=1) + "\n")
        partial.replace(self.path)


def make_network(training: Training, seed: int) -> Any:
    """Return an unfitted classifier, without its teacher."""
    if training.recipe in IMPORTS:
        import_libraries(training.recipe)
        return make_classifier(training.recipe, seed=seed, **training.params)
    return make_mnist_pipeline(training.recipe, random_state=seed, **training.params)["mlp"]


def print_results(split: str, results: list[dict[str, Any]]) -> None:
    """Print mean and spread of each training."""
    rows = []
    for name in TRAININGS[split]:
        found = [r for r in results if (r["split"], r["training"]) == (split, name)]
        if found:
            accuracies = [r["accuracy"] for r in found]
            correct = round(float(np.mean(accuracies)) * N_VALIDATION)
            low, high = binomtest(correct, N_VALIDATION).proportion_ci(method="wilson")
            spread = f"{np.std(accuracies, ddof=1):.2%}" if len(found) > 1 else ""
            each = " ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
            loss = f"{np.mean([r['log_loss'] for r in found]):.4f}"
            times = [r["seconds"] for r in found if r["seconds"] is not None]
            seconds = f"{np.mean(times):,.0f} s" if times else ""
            rows.append([name, f"{np.mean(accuracies):.2%}", spread, f"{low:.2%}-{high:.2%}", each, loss, seconds])
    if not rows:
        return
    scored = {"validation": "the last 10,000 training images", "test": "the 10,000 test images"}[split]
    n_scored = sum(r["split"] == split for r in results)
    columns = ["training", "mean", "sd", "95 % interval", "seeds", "log loss", "time"]
    print_table(f"Accuracy on {scored}, which were scored {n_scored} times", columns, rows)


def draw_curves(results: list[dict[str, Any]], path: Path) -> None:
    """Draw test error against training time, both as means over seeds. A student's time includes its teachers'."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for label, names in CURVES.items():
        points = []
        for name in names:
            found = [r for r in results if (r["split"], r["training"]) == ("test", name)]
            if found:
                accuracy = np.mean([r["accuracy"] for r in found])
                points.append((seconds_in_all(name, results), 100 * (1 - accuracy)))
        if points:
            is_ours = label.startswith("sk-mnist")
            axes.plot(*zip(*points, strict=True), marker="o", linestyle="-" if is_ours else "--", label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel(f"seconds of training on {cpu_count()} cores")
    axes.set_ylabel("error on the test images in %")
    axes.grid(which="both", color="0.9")
    axes.legend()
    figure.savefig(path, dpi=150)


def seconds_in_all(name: str, results: list[dict[str, Any]]) -> float:
    """Mean seconds of a training on all training images, including its teachers."""
    times = [r["seconds"] for r in results if (r["split"], r["training"]) == ("test", name) and r["seconds"]]
    teachers = TRAININGS["test"][name].teachers
    return float(np.mean(times)) + (len(TEACHER_SEEDS) * seconds_in_all(teachers, results) if teachers else 0)


if __name__ == "__main__":
    main()
