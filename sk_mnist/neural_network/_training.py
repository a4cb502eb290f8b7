"""The values that describe a training run: specification, state, data, plan, result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

if TYPE_CHECKING:
    from sk_mnist.neural_network._checkpoint import Checkpoint

# From rows of an epoch to what is trained on: with a generator, and from 0 in the first epoch to 1 in the last.
Distort = Callable[[np.ndarray, np.random.Generator, float], np.ndarray]

# From rows as they are trained on, and their encoded labels, to the probabilities to learn.
MakeTargets = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Validation scores that say which epoch is best, with the factor that makes higher the better.
MONITORS = {"val_accuracy": 1.0, "val_loss": -1.0}

# A training of at least this many steps is worth the half second more that XLA takes to compile it, which
# examples/benchmarks/training_profile.py measures. Larger networks gain earlier, and those for few columns later.
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
    """Everything that changes the compiled graph, and nothing else; what is not here is a run-time value."""

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
    # (batches, rows in a batch) of the blocks that XLA compiles for; None: without XLA, for blocks of any shape.
    xla_shape: tuple[int, int] | None

    @property
    def dropout_layer_sizes(self) -> tuple[int, ...]:
        """Number of units of each layer that dropout follows."""
        return self.hidden_layer_sizes if self.has_dropout else ()


@dataclass
class NetworkState:
    """Where a training stands: all it takes to go on from here, in NumPy."""

    layers: list[Layer]
    # The optimizer's variables and the settings (NetworkSpec.optimizer) they belong to; None: a new optimizer. With
    # an average of the weights, the weights that are averaged follow, as arrays_of returns them.
    optimizer: tuple[str, list[np.ndarray]] | None = None


@dataclass
class TrainingData:
    """Rows of ``X`` with their labels and weights; ``X`` itself is never copied as a whole."""

    X: Any
    rows: np.ndarray | None  # positions in X; None: all of them
    y: np.ndarray  # positions in classes_ as int32, one for each of the rows
    sample_weight: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, chosen: np.ndarray) -> np.ndarray:
        """Return rows, by their positions among ``rows``, as a dense array."""
        positions = chosen if self.rows is None else self.rows[chosen]
        return self.X[positions].toarray() if issparse(self.X) else self.X.take(positions, axis=0)


@dataclass
class Progress:
    """A training after some of its epochs: all it takes to go on as if it had never stopped."""

    layers: list[Layer]
    slots: list[np.ndarray]  # the optimizer's variables
    history: list[dict[str, float]]  # one entry for each epoch
    best_score: float  # of the validation scores so far, higher being better
    n_worse: int  # epochs since then
    best_layers: list[Layer] | None
    is_finished: bool


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
    make_targets: MakeTargets | None = None  # None: the labels are what is learned
    is_verbose: bool = False
    monitor: str = "val_accuracy"  # name of the validation score that says which epoch is best
    patience: float | None = None  # epochs without a better one before stopping; None: never stop
    keeps_optimizer: bool = True
    checkpoint: Checkpoint | None = None
    on_epoch_begin: Callable[[], None] = lambda: None
    # Takes the layers as a function, because copying them costs, and the values of each epoch so far; returns True to
    # stop the training.
    on_epoch_end: Callable[[Callable[[], list[Layer]], list[dict[str, float]]], bool] = lambda get_layers, logs: False


@dataclass
class TrainingResult:
    """What a training leaves behind."""

    state: NetworkState
    history: list[dict[str, float]]  # one entry for each epoch that was completed
    is_interrupted: bool
