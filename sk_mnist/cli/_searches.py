"""The searches of ``sk-mnist tune``, and how much work each of them is."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import floor, log
from typing import Any, NamedTuple

from sk_mnist.cli._candidates import ScoreRecorder
from sk_mnist.cli._options import MAX_THREADS, UsageError
from sk_mnist.cli._terminal import counted

HALVING_FACTOR = 3  # one candidate out of this many enters the next round

DEFAULT_GRID = "small"
DEFAULT_CANDIDATES = 10
MAX_CANDIDATES = 10_000  # more would take weeks

# Options that only some searches use.
SEARCHES_WITH = {"grid": ("grid", "halving"), "candidates": ("random",)}


class Round(NamedTuple):
    """Candidates that are trained for the same number of epochs."""

    n_candidates: int
    epochs: int


@dataclass(frozen=True)
class SearchPlan:
    """The rounds of a search, and its number of folds and images.

    The unit of work is one epoch on all images.
    """

    rounds: tuple[Round, ...]
    n_folds: int
    n_images: int

    @property
    def n_fits(self) -> int:
        """Number of fits in cross-validation."""
        return self.n_folds * sum(round_.n_candidates for round_ in self.rounds)

    @property
    def epoch_work(self) -> float:
        """Work of one epoch of such a fit, on all folds but one."""
        return (self.n_folds - 1) / self.n_folds

    @property
    def total_work(self) -> float:
        """Work of all fits, including the final one on all images."""
        epochs = self.n_folds * sum(round_.n_candidates * round_.epochs for round_ in self.rounds)
        return self.epoch_work * epochs + self.rounds[-1].epochs

    def __str__(self) -> str:
        first, *others = self.rounds
        candidates = counted(first.n_candidates, "candidate")
        words = f"{candidates} x {self.n_folds} folds, {counted(first.epochs, 'epoch')} each"
        for round_ in others:
            words += f"; the best {round_.n_candidates} again, {counted(round_.epochs, 'epoch')} each"
        return f"{self.n_fits} fits on {self.n_images:,} images: {words}. Then the best is trained on all of them."


def halving_rounds(n_candidates: int, max_epochs: int) -> tuple[Round, ...]:
    """Return the rounds of scikit-learn's ``HalvingGridSearchCV`` with ``min_resources="exhaust"``."""
    n_required = 1 + floor(log(n_candidates, HALVING_FACTOR))
    epochs = max(1, max_epochs // HALVING_FACTOR ** (n_required - 1))
    n_possible = 1 + floor(log(max_epochs // epochs, HALVING_FACTOR))
    rounds = []
    for _ in range(min(n_required, n_possible)):
        rounds.append(Round(n_candidates, epochs))
        n_candidates, epochs = -(-n_candidates // HALVING_FACTOR), epochs * HALVING_FACTOR
    return tuple(rounds)


def check_options(options: argparse.Namespace) -> None:
    """Raise a UsageError if there are too few folds, or an option is given that the search does not use."""
    for name, searches in SEARCHES_WITH.items():
        if getattr(options, name) is not None and options.search not in searches:
            raise UsageError(f"--{name} needs --search {' or '.join(searches)}; got --search {options.search}")
    if options.cv < 2:
        raise UsageError(f"--cv must be at least 2; got {options.cv}")


def make_search(options: argparse.Namespace, n_images: int) -> tuple[Any, ScoreRecorder, SearchPlan]:
    """Return the unfitted search, its scorer and its plan."""
    search, recorder, rounds = SEARCHES[options.search](options)
    plan = SearchPlan(rounds, options.cv, n_images)
    # joblib starts as many threads as it is told, even if there is nothing for them to do.
    search.set_params(
        scoring=recorder, cv=options.cv, n_jobs=min(options.n_jobs, plan.n_fits, MAX_THREADS), error_score="raise"
    )
    return search, recorder, plan


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
    from sk_mnist.pipeline import make_mnist_pipeline

    return make_mnist_pipeline(random_state=options.seed, epochs=options.epochs, jit_compile=jit_compile)


def _param_grid(options: argparse.Namespace) -> dict[str, list[Any]]:
    from sk_mnist.model_selection import mnist_param_grid

    return mnist_param_grid(options.grid or DEFAULT_GRID)


SEARCHES = {"grid": _grid_search, "random": _random_search, "halving": _halving_search}
