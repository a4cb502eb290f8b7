"""Short descriptions of the candidates of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

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
