"""The values that all parts of a fit share: the layers of a network, and the state of its training.

How the values of a fit follow from each other::

    parameters, X, y, weights
      |   _rows.py        checked, encoded, weighted, held out: Rows
      v   _job.py         described completely: Job, with a Specification and Settings
    Job                   so far only NumPy; a fit whose arguments are wrong ends here
      |   _keras/         the checks that need Keras: Setup
      v   _teacher.py     the targets that a teacher adds; it is fitted now
    run                   _epochs.py: epoch after epoch, with a compiled network on loan
      |   _batches.py     rows -> blocks of batches, in a second thread
      |   _schedules.py   the learning rate of each step
      |   _forward.py     the validation scores
      |   _reporting.py   what scikit-learn's callbacks and the user see
      |   _checkpoint.py  State -> file -> State
      v
    State                 back in NumPy: the attributes of KerasMLPClassifier
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

# The settings of an optimizer, its variables and, if it averages the weights, the layers before averaging, as arrays.
OptimizerState = tuple[str, list[np.ndarray], list[np.ndarray]]

# Values of each epoch by their name. All lists have one entry for each epoch, NaN where it has no such value.
History = dict[str, list[float]]

# Validation scores that determine the best epoch, with the factor that makes higher values better.
MONITORS = {"val_accuracy": 1.0, "val_loss": -1.0}


class Layer(NamedTuple):
    """The weights of a dense layer."""

    kernel: np.ndarray  # (n_inputs, n_units)
    bias: np.ndarray  # (n_units,)


def arrays_of(layers: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Return kernel, bias, kernel, bias, ...: the order of Keras' variables."""
    return [array for layer in layers for array in layer]


def layers_of(arrays: Sequence[np.ndarray]) -> list[Layer]:
    """Return the layers of kernel, bias, kernel, bias, ..."""
    return list(map(Layer, arrays[::2], arrays[1::2]))


def empty_history() -> History:
    """Return the history of a network that was not trained yet."""
    return {"loss": [], "accuracy": []}


@dataclass
class Best:
    """The best validation score so far; a higher one is better."""

    score: float = -np.inf
    n_worse: int = 0  # epochs since then
    layers: list[Layer] | None = None


@dataclass
class State:
    """A training after some of its epochs: where a fit begins, what a checkpoint keeps, and how a fit ends."""

    layers: list[Layer]  # what training continues from
    average: list[Layer] | None = None  # the optimizer's average of the layers, if it keeps one: what predicts
    slots: list[np.ndarray] | None = None  # the optimizer's variables; None: those of a new optimizer
    optimizer: str = ""  # the settings of the optimizer that the variables belong to
    history: History = field(default_factory=empty_history)
    best: Best = field(default_factory=Best)

    @property
    def fitted_layers(self) -> list[Layer]:
        """The layers that predict."""
        return self.layers if self.average is None else self.average

    @property
    def n_epochs(self) -> int:
        return len(self.history["loss"])


def append_epoch(history: History, values: dict[str, float]) -> None:
    """Append the values of an epoch to a history."""
    n_before = len(history["loss"])
    for name in dict.fromkeys([*history, *values]):
        history.setdefault(name, [np.nan] * n_before).append(values.get(name, np.nan))


def find_best_epoch(history: History, monitor: str, first_epoch: int) -> int | None:
    """Return the number of the best epoch from ``first_epoch`` on, counted from 1; None if none has a score."""
    scores = MONITORS[monitor] * np.array(history.get(monitor, [])[first_epoch:])
    return None if np.isnan(scores).all() else first_epoch + int(np.nanargmax(scores)) + 1
