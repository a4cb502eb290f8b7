"""Workspaces: compiled networks, which are lent to one fit at a time."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import tensorflow as tf

from sk_mnist._tensorflow import is_eager_by_default, limit_threads
from sk_mnist.neural_network._batches import MakeTargets
from sk_mnist.neural_network._checkpoint import Checkpoint
from sk_mnist.neural_network._epochs import Callbacks, Hooks, NoCallbacks, Result, run
from sk_mnist.neural_network._job import Job
from sk_mnist.neural_network._keras.callbacks import KerasCallbacks, detach, have_batch_hooks, make_callbacks
from sk_mnist.neural_network._keras.network import Network, draw_layers, keras_defaults
from sk_mnist.neural_network._keras.optimizers import (
    OptimizerDescription,
    describe_optimizer,
    identify_optimizer,
    read_learning_rate,
)
from sk_mnist.neural_network._keras.scikeras import fit_through_scikeras
from sk_mnist.neural_network._reporting import Task
from sk_mnist.neural_network._training import State

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


@dataclass(frozen=True)
class Setup:
    """A job with what only Keras knows of it."""

    job: Job
    optimizer: OptimizerDescription
    optimizer_content: str  # its class and all settings except the learning rate, if the job keeps a checkpoint
    callbacks: list[keras.callbacks.Callback]


def prepare(job: Job) -> Setup:
    """Check what only Keras can check of a job, and complete it.

    Raises
    ------
    RuntimeError
        In contexts in which TensorFlow cannot train.
    TypeError, ValueError
        If the optimizer or the callbacks cannot be used.
    """
    _check_surroundings()
    callbacks = make_callbacks(job.keras_callbacks)
    optimizer = describe_optimizer(job.optimizer)
    if job.settings.learning_rate is None:
        job = job.with_learning_rate(read_learning_rate(job.optimizer))
    if have_batch_hooks(callbacks):
        job = job.in_single_batches()
    return Setup(job, optimizer, identify_optimizer(optimizer) if job.checkpoint_dir else "", callbacks)


def train_network(
    setup: Setup, make_targets: MakeTargets | None, task: Task, checkpoint: Checkpoint | None = None
) -> Result:
    """Train a network as a job describes."""
    job = setup.job
    with lend_network(setup) as (network, callbacks):
        hooks = Hooks(task, callbacks, checkpoint)
        return fit_through_scikeras(network, lambda: run(job, _first_state(job), network, make_targets, hooks))


@contextmanager
def lend_network(setup: Setup) -> Iterator[tuple[Network, Callbacks]]:
    """Lend a compiled network to one fit at a time: an idle one of the same specification, or a new one."""
    if setup.callbacks:
        # Callbacks may keep a reference to the model, so no other fit reuses it.
        network = _build_network(setup, setup.job.settings.dropout)
        try:
            yield network, KerasCallbacks(setup.callbacks, network.model, setup.job)
        finally:
            detach(setup.callbacks)
        return
    is_shareable = setup.optimizer.is_shareable
    network = (_take_idle(setup) if is_shareable else None) or _build_network(setup, dropout=None)
    try:
        yield network, NoCallbacks()
    finally:
        # Also after an error, because the next fit resets all of its state.
        if is_shareable:
            _keep(network)


def clear_workspaces() -> None:
    """Free every idle compiled network."""
    with _idle_lock:
        _idle.clear()
    # A network and its compiled functions refer to each other.
    gc.collect()


def _check_surroundings() -> None:
    if not is_eager_by_default():
        raise RuntimeError(
            "fit needs TensorFlow's eager execution, which tf.compat.v1.disable_v2_behavior() or "
            "disable_eager_execution() has switched off for this process. Remove that call, or fit in another process."
        )
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


def _first_state(job: Job) -> State:
    if job.start is not None:
        return job.start
    return State(draw_layers(job.specification.layer_sizes, job.settings.seed, job.specification.dtype))


def _build_network(setup: Setup, dropout: float | None) -> Network:
    specification = setup.job.specification
    with keras_defaults(specification.dtype):
        return Network(specification, setup.optimizer, dropout)


def _take_idle(setup: Setup) -> Network | None:
    wanted = (setup.job.specification, setup.optimizer.key)
    with _idle_lock:
        for network in reversed(_idle):
            if (network.specification, network.optimizer_key) == wanted:
                _idle.remove(network)
                return network
    return None


def _keep(network: Network) -> None:
    freed_bytes = 0
    with _idle_lock:
        _idle.append(network)
        while len(_idle) > MAX_IDLE_NETWORKS or sum(idle.n_bytes for idle in _idle) > MAX_IDLE_BYTES:
            freed_bytes += _idle.pop(0).n_bytes
    del network
    if freed_bytes > _LARGE_BYTES:
        gc.collect()
