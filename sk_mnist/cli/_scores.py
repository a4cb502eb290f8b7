"""The scores of a search, collected while it runs. The screen shows them, and an interrupted search writes them."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sk_mnist._files import replacing


class Candidate(NamedTuple):
    """Parameters and their scores on the finished folds."""

    params: dict[str, Any]
    scores: list[float]


class ScoreRecorder:
    """A scorer that records each score with the values of some parameters.

    Parameters
    ----------
    names : iterable of str
        The parameters that differ between candidates.
    n_folds : int
        Number of scores of a finished candidate.
    """

    def __init__(self, names: Iterable[str], n_folds: int) -> None:
        self.names = tuple(names)
        self.n_folds = n_folds
        self.on_score: Callable[[dict[str, Any], float], None] = lambda params, score: None
        self._candidates: dict[tuple[str, ...], Candidate] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def __call__(self, estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
        score = float(estimator.score(X, y))
        values = estimator.get_params()
        params = {name: values[name] for name in self.names}
        with self._lock:
            if self._is_closed:
                return score
            key = tuple(map(str, params.values()))
            self._candidates.setdefault(key, Candidate(params, [])).scores.append(score)
        self.on_score(params, score)
        return score

    def close(self) -> None:
        """Ignore later scores, which come from fits that were cut short."""
        with self._lock:
            self._is_closed = True

    @property
    def n_fits(self) -> int:
        """Number of scores."""
        with self._lock:
            return sum(len(candidate.scores) for candidate in self._candidates.values())

    def best(self) -> Candidate | None:
        """Return the best finished candidate; if epochs differ, the best of those with the most epochs."""
        with self._lock:
            finished = [c for c in self._candidates.values() if len(c.scores) == self.n_folds]
        return max(finished, key=lambda c: (c.params.get("mlp__epochs", 0), np.mean(c.scores)), default=None)

    def write(self, path: Path) -> Path:
        """Write a CSV file with one line per candidate, best first."""
        with self._lock:
            best_first = sorted(self._candidates.values(), key=lambda c: float(np.mean(c.scores)), reverse=True)
        with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*self.names, "mean_test_score", "std_test_score", "n_folds"])
            for params, scores in best_first:
                figures = [f"{np.mean(scores):.6f}", f"{np.std(scores):.6f}", len(scores)]
                writer.writerow([*map(str, params.values()), *figures])
        return path
