"""Fitted networks of the recipes, from the files that ``recipes.py`` saves."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _measure import show_progress

import sk_mnist

SPLITS = ("validation", "test")
# To choose among networks, this many of the last training images are scored instead of the test images.
N_VALIDATION = 10_000

QUICK_TO_TRAIN = ("reference", "fast")


def fitted_networks(recipes: Sequence[str], models: Path, split: str = "test") -> Iterator[tuple[str, Any]]:
    """Load or train the networks of seed 0; yield the recipe and the fitted classifier of each."""
    for recipe in recipes:
        path = models / f"{recipe}-{split}-0.skops"
        if path.exists():
            yield recipe, sk_mnist.load(path)
        elif recipe in QUICK_TO_TRAIN:
            show_progress(f"training {recipe}, as {path} does not exist")
            X, y = sk_mnist.fetch_mnist(subset="train", return_X_y=True)
            n_rows = len(X) - (N_VALIDATION if split == "validation" else 0)
            # Not saved, because recipes.py would assume that it has trained and scored this network itself.
            yield recipe, sk_mnist.make_mnist_pipeline(recipe, random_state=0)["mlp"].fit(X[:n_rows], y[:n_rows])
        else:
            print(f"{recipe} is left out, as {path} does not exist: recipes.py --split {split} --only {recipe}")
