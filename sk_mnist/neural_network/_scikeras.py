"""scikeras: what this package needs of it, all in one place.

A scikeras ``KerasClassifier`` fits a compiled Keras model that it is given. Ours is given an object that looks like one
and whose ``fit`` runs a whole training, so that everything which builds on scikeras still sees a fit of scikeras.
``KerasMLPClassifier`` does not inherit from it, because scikeras is not a classifier to scikit-learn 1.9.
"""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator, TransformerMixin

from sk_mnist.neural_network._epochs import Training
from sk_mnist.neural_network._optimizers import optimizer_recipe
from sk_mnist.neural_network._training import NetworkState, TrainingResult


def fit_through_scikeras(training: Training, state: NetworkState) -> TrainingResult:
    """Run a training from a state as the fit of a scikeras classifier."""
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


def build_classifier(
    model: keras.Sequential, classes: np.ndarray, optimizer: Any, learning_rate: float
) -> KerasClassifier:
    """Return a scikeras classifier around a trained model, ready to predict and to go on training."""
    optimizer_of_its_own = optimizer_recipe(optimizer).make()
    if isinstance(optimizer, str):
        optimizer_of_its_own.learning_rate = learning_rate
    model.compile(optimizer=optimizer_of_its_own, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    wrapper = KerasClassifier(model=model, warm_start=True, verbose=0)
    # One row for each class is all that its encoders need to see.
    return wrapper.initialize(np.zeros((len(classes), model.input_shape[1]), dtype=model.dtype), classes)
