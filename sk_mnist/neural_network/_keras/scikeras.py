"""Everything that this package uses from scikeras.

A scikeras ``KerasClassifier`` fits a compiled Keras model. Ours receives an object that looks like such a model, and
whose ``fit`` runs the whole training, so that tools that build on scikeras still see a scikeras fit.
``KerasMLPClassifier`` does not inherit from it, because scikit-learn 1.9 does not recognize it as a classifier.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator, TransformerMixin

from sk_mnist.neural_network._epochs import Result
from sk_mnist.neural_network._keras.network import Network
from sk_mnist.neural_network._keras.optimizers import describe_optimizer


def fit_through_scikeras(network: Network, run: Callable[[], Result]) -> Result:
    """Run the training of a network as the fit of a scikeras classifier."""
    model = _TrainingAsModel(network, run)
    wrapper = _Wrapper(model=lambda: model, warm_start=True, verbose=0)
    # The estimator has already checked the data, and scikeras would read all of it again. So scikeras gets only one
    # row per class.
    n_features, *_, n_classes = network.specification.layer_sizes
    X, y = np.zeros((n_classes, n_features), network.specification.dtype), np.arange(n_classes)
    wrapper.initialize(X, y).fit(X, y)
    return model.result


class _TrainingAsModel:
    """The interface of a compiled model that scikeras needs; its ``fit`` runs a training."""

    compiled = True

    def __init__(self, network: Network, run: Callable[[], Result]) -> None:
        self.loss = network.model.loss
        self.optimizer = network.optimizer
        self._run = run

    def fit(self, x: Any, y: Any, **_keras_arguments: Any) -> SimpleNamespace:
        """Run the training, which has its own data and epochs."""
        self.result = self._run()
        return SimpleNamespace(history={})


class _Wrapper(KerasClassifier):
    """A scikeras classifier that does not encode labels and rows."""

    # scikeras' encoders are scikit-learn estimators. Tools that watch estimators, such as MLflow's autolog, would
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


def build_classifier(
    model: keras.Sequential, classes: np.ndarray, optimizer: Any, learning_rate: float
) -> KerasClassifier:
    """Return a scikeras classifier around a trained model, ready to predict and to continue training."""
    optimizer_of_its_own = describe_optimizer(optimizer).make()
    if isinstance(optimizer, str):
        optimizer_of_its_own.learning_rate = learning_rate
    model.compile(optimizer=optimizer_of_its_own, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    wrapper = KerasClassifier(model=model, warm_start=True, verbose=0)
    # Its encoders need only one row per class.
    return wrapper.initialize(np.zeros((len(classes), model.input_shape[1]), dtype=model.dtype), classes)
