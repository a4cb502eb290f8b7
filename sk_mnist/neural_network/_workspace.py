"""Keras: compiled networks made, lent and kept, and trained through scikeras."""

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator, TransformerMixin

from sk_mnist._tensorflow import limit_threads
from sk_mnist.neural_network._convert import KerasCallbacks, OptimizerRecipe, detach
from sk_mnist.neural_network._epochs import NoCallbacks, Training
from sk_mnist.neural_network._network import Network, keras_defaults
from sk_mnist.neural_network._training import NetworkSpec, NetworkState, TrainingData, TrainingPlan, TrainingResult

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"Keras runs on {keras.backend.backend()!r} here; sk-mnist trains with its TensorFlow backend. "
        "Unset KERAS_BACKEND, or set it to 'tensorflow', before Keras is first imported."
    )

limit_threads()

# Idle networks kept for the next fit. The graph of one of the reference size takes about 10 MB; to that come the
# weights and the optimizer's variables.
MAX_IDLE_NETWORKS = 8
MAX_IDLE_BYTES = 256 * 2**20

# Networks refer to themselves, so that only the garbage collector frees them. It counts objects, not bytes, and takes a
# tenth of a second: worth it for a network of this size.
_LARGE_BYTES = 32 * 2**20

_idle: list[Network] = []  # the least recently used first
_idle_lock = threading.Lock()


def check_surroundings() -> None:
    """Refuse to train where TensorFlow would not."""
    if not tf.executing_eagerly():
        raise RuntimeError(
            "fit was called while TensorFlow builds a graph, inside tf.Graph or tf.function, where nothing is trained. "
            "Call it outside."
        )
    if tf.distribute.has_strategy():
        raise RuntimeError(
            "fit was called in the scope of a tf.distribute strategy, but KerasMLPClassifier trains on one device. "
            "Call it outside of the scope."
        )


@contextmanager
def lent_network(spec: NetworkSpec, recipe: OptimizerRecipe) -> Iterator[Network]:
    """Lend a compiled network of this specification, to one fit at a time."""
    with _idle_lock:
        found = next((idle for idle in reversed(_idle) if idle.spec == spec), None) if recipe.is_shareable else None
        if found is not None:
            _idle.remove(found)
    network = found or new_network(spec, recipe, dropout=None)
    try:
        yield network
    finally:
        # After an error too, because the next fit sets all of its state.
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
    # A network and the functions compiled for it refer to each other.
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
        with lent_network(spec, recipe) as network:
            return _train_through_scikeras(Training(network, data, validation, plan, NoCallbacks()), state)
    # Callbacks may keep the model that they see, so it is never lent to another fit.
    network = new_network(spec, recipe, plan.dropout)
    try:
        seen = KerasCallbacks(
            callbacks,
            network.model,
            n_epochs=plan.first_epoch + plan.n_epochs,
            n_steps=-(-len(data) // plan.batch_size),
            verbose=int(plan.is_verbose),
        )
        return _train_through_scikeras(Training(network, data, validation, plan, seen), state)
    finally:
        detach(callbacks)


def _train_through_scikeras(training: Training, state: NetworkState) -> TrainingResult:
    model = _TrainingAsModel(training, state)
    wrapper = _Wrapper(model=lambda: model, warm_start=True, verbose=0)
    # The estimator has checked the data, and scikeras' checks would read all of it a second time. It gets a row for
    # each class.
    spec = training.network.spec
    X, y = np.zeros((spec.n_classes, spec.n_features), spec.dtype), np.arange(spec.n_classes)
    wrapper.initialize(X, y).fit(X, y)
    return model.result


class _TrainingAsModel:
    """What scikeras asks of a compiled model: its ``fit`` runs a training."""

    compiled = True

    def __init__(self, training: Training, state: NetworkState) -> None:
        self.loss = training.network.model.loss
        self.optimizer = training.network.optimizer
        self._training = training
        self._state = state

    def fit(self, x: Any, y: Any, **_keras_arguments: Any) -> SimpleNamespace:
        """Run the training, whose data and epochs are its own."""
        self.result = self._training.run(self._state)
        return SimpleNamespace(history={})


class _Wrapper(KerasClassifier):
    """A scikeras classifier that takes labels and rows as they are."""

    # scikeras' own encoders are scikit-learn estimators, and what watches those, such as MLflow's autolog, would
    # record their fit instead of that of KerasMLPClassifier.
    @property
    def target_encoder(self) -> "_AsTheyAre":
        return _AsTheyAre()

    @property
    def feature_encoder(self) -> "_AsTheyAre":
        return _AsTheyAre()


class _AsTheyAre(TransformerMixin, BaseEstimator):
    def fit(self, X: Any, y: Any = None) -> "_AsTheyAre":
        return self

    def transform(self, X: Any) -> Any:
        return X
