"""The searches of ``sk-mnist tune``."""

from __future__ import annotations

import argparse
from typing import Any

from sk_mnist.cli._options import UsageError
from sk_mnist.cli._pipeline import make_pipeline
from sk_mnist.cli._plan import HALVING_FACTOR, Round, SearchPlan, halving_rounds
from sk_mnist.cli._scores import ScoreRecorder

DEFAULT_GRID = "small"
DEFAULT_CANDIDATES = 10

# Options that only some searches use.
SEARCHES_WITH = {"grid": ("grid", "halving"), "candidates": ("random",)}


def check_options(options: argparse.Namespace) -> None:
    """Raise an error if an option is given that the search does not use."""
    for name, searches in SEARCHES_WITH.items():
        if getattr(options, name) is not None and options.search not in searches:
            raise UsageError(f"--{name} needs --search {' or '.join(searches)}; got --search {options.search}")


def make_search(options: argparse.Namespace, n_images: int) -> tuple[Any, ScoreRecorder, SearchPlan]:
    """Return the unfitted search, its scorer and its plan."""
    search, recorder, rounds = SEARCHES[options.search](options)
    search.set_params(scoring=recorder, cv=options.cv, n_jobs=options.n_jobs, error_score="raise")
    return search, recorder, SearchPlan(rounds, options.cv, n_images)


Search = tuple[Any, ScoreRecorder, tuple[Round, ...]]


def _grid_search(options: argparse.Namespace) -> Search:
    from sklearn.model_selection import GridSearchCV, ParameterGrid

    grid = _param_grid(options)
    recorder = ScoreRecorder(grid, options.cv)
    return GridSearchCV(_pipeline(options), grid), recorder, (Round(len(ParameterGrid(grid)), options.epochs),)


def _random_search(options: argparse.Namespace) -> Search:
    from sklearn.model_selection import RandomizedSearchCV

    from sk_mnist.model_selection import mnist_param_distributions

    distributions = mnist_param_distributions()
    # Candidates differ in architecture and batch size, and each combination has to be compiled.
    pipeline = _pipeline(options, jit_compile="auto")
    n_candidates = options.candidates or DEFAULT_CANDIDATES
    search = RandomizedSearchCV(pipeline, distributions, n_iter=n_candidates, random_state=options.seed)
    return search, ScoreRecorder(distributions, options.cv), (Round(n_candidates, options.epochs),)


def _halving_search(options: argparse.Namespace) -> Search:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the import below work)
    from sklearn.model_selection import HalvingGridSearchCV, ParameterGrid

    grid = _param_grid(options)
    search = HalvingGridSearchCV(
        _pipeline(options),
        grid,
        resource="mlp__epochs",
        max_resources=options.epochs,
        min_resources="exhaust",
        factor=HALVING_FACTOR,
        random_state=options.seed,
        # The recorder cannot tell scores on the training images from those on the test fold.
        return_train_score=False,
    )
    rounds = halving_rounds(len(ParameterGrid(grid)), options.epochs)
    return search, ScoreRecorder([*grid, "mlp__epochs"], options.cv), rounds


def _pipeline(options: argparse.Namespace, jit_compile: Any = True) -> Any:
    return make_pipeline(random_state=options.seed, epochs=options.epochs, jit_compile=jit_compile)


def _param_grid(options: argparse.Namespace) -> dict[str, list[Any]]:
    from sk_mnist.model_selection import mnist_param_grid

    return mnist_param_grid(options.grid or DEFAULT_GRID)


SEARCHES = {"grid": _grid_search, "random": _random_search, "halving": _halving_search}
