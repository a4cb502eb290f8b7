"""Keras: workspaces, which are compiled networks that fits reuse."""

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf

from sk_mnist._tensorflow import limit_threads
from sk_mnist.neural_network._callbacks import KerasCallbacks, detach
from sk_mnist.neural_network._epochs import NoCallbacks, Training
from sk_mnist.neural_network._network import Network, keras_defaults
from sk_mnist.neural_network._optimizers import OptimizerRecipe
from sk_mnist.neural_network._scikeras import fit_through_scikeras
from sk_mnist.neural_network._training import NetworkSpec, NetworkState, TrainingData, TrainingPlan, TrainingResult

limit_threads()

# Idle networks kept for the next fit. The graph of a network of the reference size takes about 10 MB, in addition to
# the weights and the optimizer's variables.
MAX_IDLE_NETWORKS = 8
MAX_IDLE_BYTES = 256 * 2**20

# Networks contain reference cycles, so only the garbage collector frees them. It is triggered by the number of objects,
# not bytes. Calling it takes a tenth of a second, which is worth it from this network size.
_LARGE_BYTES = 32 * 2**20

_idle: list[Network] = []  # least recently used first
_idle_lock = threading.Lock()


def check_surroundings() -> None:
    """Raise an error in contexts in which TensorFlow cannot train."""
    if not tf.executing_eagerly():
        raise RuntimeError(
            "fit was called while TensorFlow builds a graph, inside tf.Graph or tf.function, where it cannot train. "
            "Call it outside."
        )
    if tf.distribute.has_strategy():
        raise RuntimeError(
            "fit was called in the scope of a tf.distribute strategy, but KerasMLPClassifier trains on one device. "
            "Call it outside the scope."
        )


@contextmanager
def workspace(spec: NetworkSpec, recipe: OptimizerRecipe) -> Iterator[Network]:
    """Provide a compiled network of this specification, to one fit at a time."""
    with _idle_lock:
        found = next((idle for idle in reversed(_idle) if idle.spec == spec), None) if recipe.is_shareable else None
        if found is not None:
            _idle.remove(found)
    network = found or new_network(spec, recipe, dropout=None)
    try:
        yield network
    finally:
        # Also after an error, because the next fit resets all of its state.
        if recipe.is_shareable:
            _keep(network)


def new_network(spec: NetworkSpec, recipe: OptimizerRecipe, dropout: float | None) -> Network:
    """Build a network."""
    with keras_defaults(spec.dtype):
        return Network(spec, recipe.make(), dropout)


def _keep(network: Network) -> None:
    freed_bytes = 0
    with _idle_lock:
        _idle.append(network)
        while len(_idle) > MAX_IDLE_NETWORKS or sum(idle.n_bytes for idle in _idle) > MAX_IDLE_BYTES:
            freed_bytes += _idle.pop(0).n_bytes
    del network
    if freed_bytes > _LARGE_BYTES:
        gc.collect()


def clear_workspaces() -> None:
    """Free every idle compiled network."""
    with _idle_lock:
        _idle.clear()
    # A network and its compiled functions refer to each other.
    gc.collect()


def train(
    spec: NetworkSpec,
    recipe: OptimizerRecipe,
    state: NetworkState,
    data: TrainingData,
    validation: TrainingData | None,
    plan: TrainingPlan,
    callbacks: Sequence[keras.callbacks.Callback],
) -> TrainingResult:
    """Train a network from a state."""
    if not callbacks:
        with workspace(spec, recipe) as network:
            return fit_through_scikeras(Training(network, data, validation, plan, NoCallbacks()), state)
    # Callbacks may keep a reference to the model, so no other fit reuses it.
    network = new_network(spec, recipe, plan.dropout)
    try:
        seen = KerasCallbacks(
            callbacks,
            network.model,
            n_epochs=plan.first_epoch + plan.n_epochs,
            n_steps=-(-len(data) // plan.batch_size),
            verbose=int(plan.is_verbose),
        )
        return fit_through_scikeras(Training(network, data, validation, plan, seen), state)
    finally:
        detach(callbacks)
