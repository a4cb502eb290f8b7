"""The plan of a search: the number of fits, epochs and images."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log
from typing import NamedTuple

HALVING_FACTOR = 3  # one candidate out of this many enters the next round


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
        words = f"{first.n_candidates} candidates x {self.n_folds} folds, {_epochs(first.epochs)} each"
        for round_ in others:
            words += f"; the best {round_.n_candidates} again, {_epochs(round_.epochs)} each"
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


def _epochs(number: int) -> str:
    return f"{number} epoch" + ("s" if number > 1 else "")
