"""The candidates of a search: their scores while it runs, and how they are shown."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table
from rich.text import Text

from sk_mnist._files import replacing

N_SHOWN = 10

# How to show a parameter. The others are shown as name=value.
WORDS: dict[str, Callable[[Any], str]] = {
    "learning_rate": lambda value: f"lr={value:.2g}",
    "dropout": lambda value: f"dropout={round(float(value), 2):g}",
    "alpha": lambda value: f"alpha={value:.0e}",
    "batch_size": lambda value: f"batch={value}",
    "hidden_layer_sizes": lambda value: "net=" + "-".join(map(str, value)),
    "learning_rate_schedule": str,
}


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
        self._lock = threading.RLock()  # on_score reads what is recorded
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
            # Fits run in threads. Holding the lock, so that each is shown once, in the order of its number.
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


def in_words(params: dict[str, Any]) -> str:
    """Return the parameters of a candidate as text, such as "lr=0.0012 dropout=0.42"."""
    short = {name.removeprefix("mlp__"): value for name, value in params.items()}
    known = [write(short.pop(name)) for name, write in WORDS.items() if name in short]
    return " ".join([*known, *(f"{name}={value}" for name, value in short.items())])


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Convert NumPy values to Python values, so that the printed parameters can be pasted into any program."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}


def ranking(results: dict[str, Any]) -> np.ndarray:
    """Return the rows of ``cv_results_``, best first. Candidates with the most epochs come first."""
    epochs = [params.get("mlp__epochs", 0) for params in results["params"]]
    return np.lexsort((results["rank_test_score"], np.negative(epochs)))


def best_table(results: dict[str, Any]) -> Table:
    """Return a table of the best candidates, at most 80 columns wide."""
    order = ranking(results)
    shown = order[:N_SHOWN]
    title = "Candidates, best first" if len(order) <= N_SHOWN else f"The best {N_SHOWN} of {len(order)} candidates"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("acc %", justify="right")
    table.add_column("std", justify="right")
    table.add_column("candidate")
    for index in shown:
        score, spread = results["mean_test_score"][index], results["std_test_score"][index]
        table.add_row(f"{100 * score:.2f}", f"{100 * spread:.2f}", Text(in_words(results["params"][index])))
    return table
