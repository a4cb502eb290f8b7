"""The values that describe a training run: specification, state, data, plan, result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

if TYPE_CHECKING:
    from sk_mnist.neural_network._checkpoint import Checkpoint

# Takes rows of an epoch, a generator, and the progress from 0 in the first epoch to 1 in the last; returns the rows to
# train on.
Distort = Callable[[np.ndarray, np.random.Generator, float], np.ndarray]

# Takes the rows to train on and their encoded labels; returns the probabilities to learn.
MakeTargets = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Validation scores that determine the best epoch, with the factor that makes higher values better.
MONITORS = {"val_accuracy": 1.0, "val_loss": -1.0}

# From this number of steps, training with XLA saves more than the additional half second of compilation, as measured by
# examples/benchmarks/training_profile.py. Larger networks gain earlier, and networks with few inputs later.
XLA_MIN_STEPS = 1000


class Layer(NamedTuple):
    """The weights of a dense layer."""

    kernel: np.ndarray  # (n_inputs, n_units)
    bias: np.ndarray  # (n_units,)


def arrays_of(layers: Iterable[Layer]) -> list[np.ndarray]:
    """Return kernel, bias, kernel, bias, ...: the order of Keras' variables."""
    return [array for layer in layers for array in layer]


def layers_of(arrays: Sequence[np.ndarray]) -> list[Layer]:
    """Return the layers of kernel, bias, kernel, bias, ..."""
    return list(map(Layer, arrays[::2], arrays[1::2]))


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that changes the compiled graph; everything else is a run-time value."""

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    n_classes: int
    activation: str
    has_dropout: bool
    has_smoothing: bool
    has_penalty: bool
    has_teacher: bool
    optimizer_class: type
    optimizer: str  # the optimizer's settings without the learning rate, as OptimizerRecipe.key
    dtype: str
    # (batches, rows in a batch) of the blocks that XLA compiles for; None: no XLA, and blocks of any shape.
    xla_shape: tuple[int, int] | None

    @property
    def dropout_layer_sizes(self) -> tuple[int, ...]:
        """Number of units of each layer that dropout follows."""
        return self.hidden_layer_sizes if self.has_dropout else ()


@dataclass
class NetworkState:
    """State of a training, in NumPy: everything needed to continue from here."""

    layers: list[Layer]
    # The settings (NetworkSpec.optimizer) and the optimizer's variables; None: a new optimizer. If the optimizer
    # averages the weights, the weights before averaging follow, as arrays_of returns them.
    optimizer: tuple[str, list[np.ndarray]] | None = None


@dataclass
class TrainingData:
    """Rows of ``X`` with their labels and weights; ``X`` itself is never copied as a whole."""

    X: Any
    rows: np.ndarray | None  # positions in X; None: all of them
    y: np.ndarray  # positions in classes_ as int32, one per row
    sample_weight: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, chosen: np.ndarray) -> np.ndarray:
        """Return rows, by their positions among ``rows``, as a dense array."""
        positions = chosen if self.rows is None else self.rows[chosen]
        return self.X[positions].toarray() if issparse(self.X) else self.X.take(positions, axis=0)


@dataclass
class Best:
    """The best validation score so far; a higher one is better."""

    score: float = -np.inf
    n_worse: int = 0  # epochs since then
    layers: list[Layer] | None = None


@dataclass
class Progress:
    """A training after some of its epochs: everything needed to continue as if it had not been interrupted."""

    layers: list[Layer]
    slots: list[np.ndarray]  # the optimizer's variables
    history: list[dict[str, float]]  # one entry per epoch
    best: Best


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
    distort: Distort | None = None
    make_targets: MakeTargets | None = None  # None: the labels are the targets
    is_verbose: bool = False
    monitor: str = "val_accuracy"  # name of the validation score that determines the best epoch
    patience: float | None = None  # epochs without a better one before stopping; None: never stop
    keeps_optimizer: bool = True
    checkpoint: Checkpoint | None = None
    on_epoch_begin: Callable[[], None] = lambda: None
    # Takes a function that returns the layers, because copying them takes time, and the values of each epoch so far;
    # returns True to stop the training.
    on_epoch_end: Callable[[Callable[[], list[Layer]], list[dict[str, float]]], bool] = lambda get_layers, logs: False


@dataclass
class TrainingResult:
    """Result of a training."""

    state: NetworkState
    history: list[dict[str, float]]  # one entry per completed epoch
    is_interrupted: bool
