"""
How accurate the recipes are, and what each of their ingredients is worth
=========================================================================

Train the recipes, and the alternatives that were tried, with several seeds, and print mean and spread of their
accuracy. What is chosen is chosen by the last 10,000 training images; then the chosen ones are trained on all 60,000
and scored on the test images. Each result is kept in a file as soon as it is there, so that a run that was interrupted
goes on, and the tables of a complete file are printed at once::

    python examples/benchmarks/recipes.py                        # the tables of recipes.json, beside this file
    python examples/benchmarks/recipes.py --results mine.json    # all trainings anew: hours on 2 cores
    python examples/benchmarks/recipes.py --results mine.json --only accurate --split test
"""

import argparse
import json
import platform
import re
import time
from pathlib import Path

import numpy as np
from joblib import cpu_count
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

import sk_mnist
from sk_mnist import RandomWarp, fetch_mnist, load, make_mnist_pipeline, save

N_VALIDATION = 10_000
SEEDS = [0, 1, 2]

# Trainings by name: recipe, parameters that differ from it, and the trainings whose networks are its teachers.
TRAININGS = {
    "reference": ("reference", {}, []),
    "fast": ("fast", {}, []),
    "accurate": ("accurate", {}, []),
    "accurate, 150 epochs": ("accurate", {"epochs": 150}, []),
    "accurate, 150 epochs, no distortions": ("accurate", {"epochs": 150, "augmentation": None}, []),
    "accurate, 150 epochs, affine only": ("accurate", {"epochs": 150, "augmentation": RandomWarp(elastic=0)}, []),
    "accurate, 150 epochs, no fading": ("accurate", {"epochs": 150, "augmentation": RandomWarp(fade=0)}, []),
    "accurate, 150 epochs, constant rate": (
        "accurate",
        {"epochs": 150, "learning_rate_schedule": "constant", "learning_rate": 1e-3},
        [],
    ),
    "accurate, 150 epochs, one cycle": ("accurate", {"epochs": 150, "learning_rate_schedule": "one_cycle"}, []),
    "accurate, 150 epochs, rate 1e-3": ("accurate", {"epochs": 150, "learning_rate": 1e-3}, []),
    "accurate, 150 epochs, rate 4e-3": ("accurate", {"epochs": 150, "learning_rate": 4e-3}, []),
    "accurate, 150 epochs, batches of 128": ("accurate", {"epochs": 150, "batch_size": 128}, []),
    "wide": ("wide", {}, []),
    "student": ("accurate", {"teacher_weight": 0.7}, ["accurate"]),
}


def main() -> None:
    """Train what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--results", type=Path, default=here / "recipes.json", help="file of the results")
    parser.add_argument("--models", type=Path, default=Path("sk-mnist-output"), help="directory of the networks")
    parser.add_argument("--only", default="", help="trainings whose whole name matches this regular expression")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="what is scored")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    results = json.loads(options.results.read_text()) if options.results.exists() else []
    data = load_split(options.split)
    for name in TRAININGS:
        if re.fullmatch(options.only, name):
            for seed in options.seeds:
                train(name, seed, data, options, results)


def load_split(split: str) -> tuple:
    """Return training data and the data that is scored."""
    X, y = fetch_mnist(subset="train", return_X_y=True)
    if split == "validation":
        return X[:-N_VALIDATION], y[:-N_VALIDATION], X[-N_VALIDATION:], y[-N_VALIDATION:]
    return X, y, *fetch_mnist(subset="test", return_X_y=True)


def train(name: str, seed: int, data: tuple, options: argparse.Namespace, results: list):
    """Train with a seed, unless that has been done, and return the fitted network."""
    path = options.models / f"{name.replace(',', '').replace(' ', '_')}-{options.split}-{seed}.skops"
    if path.exists():
        return load(path)
    recipe, params, teachers = TRAININGS[name]
    X, y, X_scored, y_scored = data
    teacher = combined([train(t, s, data, options, results) for t in teachers for s in SEEDS], X, y)
    network = make_mnist_pipeline(recipe, random_state=seed, teacher=teacher, **params)["mlp"]
    start = time.perf_counter()
    network.fit(X, y)
    seconds = time.perf_counter() - start
    probabilities = network.predict_proba(X_scored)
    results.append(
        {
            "training": name,
            "split": options.split,
            "seed": seed,
            "accuracy": float(np.mean(network.classes_[probabilities.argmax(axis=1)] == y_scored)),
            "log_loss": float(log_loss(y_scored, probabilities.astype(float))),
            "seconds": round(seconds, 1),
            "cores": cpu_count(),
            "python": platform.python_version(),
            "sk_mnist": sk_mnist.__version__,
        }
    )
    options.results.write_text(json.dumps(results, indent=1) + "\n")
    options.models.mkdir(parents=True, exist_ok=True)
    save(network.set_params(teacher=None, augmentation=None), path)
    print(json.dumps(results[-1]), flush=True)
    return network


def combined(networks: list, X: np.ndarray, y: np.ndarray):
    """Return one classifier with the mean probabilities of fitted networks; None if there are none."""
    if not networks:
        return None
    voting = VotingClassifier([(f"network {i}", FrozenEstimator(n)) for i, n in enumerate(networks)], voting="soft")
    return FrozenEstimator(voting.fit(X[:1000], y[:1000]))


if __name__ == "__main__":
    main()
