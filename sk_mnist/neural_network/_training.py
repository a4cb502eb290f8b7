"""The values that describe a training run: specification, state, data, plan, result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that changes the compiled graph, and nothing else; what is not here is a run-time value."""

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    n_classes: int
    activation: str
    has_dropout: bool
    has_smoothing: bool
    has_penalty: bool
    optimizer_class: type
    optimizer: str  # the optimizer's settings without the learning rate, as OptimizerRecipe.key
    dtype: str
    # (batches, rows in a batch) of the blocks that XLA compiles for; None: without XLA, for blocks of any shape.
    xla_shape: tuple[int, int] | None


@dataclass
class NetworkState:
    """Where a training stands: all it takes to go on from here, in NumPy."""

    weights: list[np.ndarray]  # kernel, bias, kernel, bias, ...
    # The optimizer's variables and the settings (NetworkSpec.optimizer) they belong to; None: a new optimizer. With
    # an average of the weights, the weights that are averaged follow.
    optimizer: tuple[str, list[np.ndarray]] | None = None


@dataclass
class TrainingData:
    """Rows of ``X`` with their labels and weights; ``X`` itself is never copied as a whole."""

    X: Any
    rows: np.ndarray | None  # positions in X; None: all of them
    y: np.ndarray  # positions in classes_, one for each of the rows
    sample_weight: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


@dataclass
class TrainingPlan:
    """The run-time values of a training."""

    n_epochs: int
    first_epoch: int
    seed: int
    learning_rate: float
    batch_size: int
    batches_per_block: int
    schedule: str = "constant"
    alpha: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    is_verbose: bool = False
    patience: float | None = None  # epochs without a better validation accuracy before stopping; None: never stop
    keeps_optimizer: bool = True
    on_epoch_begin: Callable[[], None] = lambda: None
    # Takes the weights as a function, because copying them costs; returns True to stop the training.
    on_epoch_end: Callable[[Callable[[], list[np.ndarray]]], bool] = lambda weights: False


@dataclass
class TrainingResult:
    """What a training leaves behind."""

    state: NetworkState
    history: list[dict[str, float]]  # one entry for each epoch that was completed
    is_interrupted: bool
