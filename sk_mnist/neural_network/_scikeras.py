"""Everything that this package uses from scikeras.

A scikeras ``KerasClassifier`` fits a compiled Keras model. Ours receives an object that looks like such a model, and
whose ``fit`` runs the whole training, so that tools that build on scikeras still see a scikeras fit.
``KerasMLPClassifier`` does not inherit from it, because scikit-learn 1.9 does not recognize it as a classifier.
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
    """Run a training from a state, as the fit of a scikeras classifier."""
    model = _TrainingAsModel(training, state)
    wrapper = _Wrapper(model=lambda: model, warm_start=True, verbose=0)
    # The estimator has already checked the data, and scikeras would read all of it again. So scikeras gets only one
    # row per class.
    spec = training.network.spec
    X, y = np.zeros((spec.n_classes, spec.n_features), spec.dtype), np.arange(spec.n_classes)
    wrapper.initialize(X, y).fit(X, y)
    return model.result


class _TrainingAsModel:
    """The interface of a compiled model that scikeras needs; its ``fit`` runs a training."""

    compiled = True

    def __init__(self, training: Training, state: NetworkState) -> None:
        self.loss = training.network.model.loss
        self.optimizer = training.network.optimizer
        self._training = training
        self._state = state

    def fit(self, x: Any, y: Any, **_keras_arguments: Any) -> SimpleNamespace:
        """Run the training, which has its own data and epochs."""
        self.result = self._training.run(self._state)
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
    optimizer_of_its_own = optimizer_recipe(optimizer).make()
    if isinstance(optimizer, str):
        optimizer_of_its_own.learning_rate = learning_rate
    model.compile(optimizer=optimizer_of_its_own, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    wrapper = KerasClassifier(model=model, warm_start=True, verbose=0)
    # Its encoders need only one row per class.
    return wrapper.initialize(np.zeros((len(classes), model.input_shape[1]), dtype=model.dtype), classes)
