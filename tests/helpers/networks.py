"""Small networks that train quickly, and comparisons of their weights."""

import numpy as np

from sk_mnist import KerasMLPClassifier

SMALL = {"hidden_layer_sizes": (16, 8), "epochs": 10, "learning_rate": 0.01, "random_state": 0}


class FitCallback:
    """A callback of scikit-learn's protocol that does nothing, for tests to build on."""

    def setup(self, estimator, context):
        """Do nothing."""

    teardown = on_fit_task_begin = setup


def small(**params):
    """A classifier with these parameters, and with those of `SMALL` otherwise."""
    return KerasMLPClassifier(**SMALL | params)


def weights_of(model):
    """All weights, in the order of Keras' ``get_weights``."""
    return [array for pair in zip(model.coefs_, model.intercepts_, strict=True) for array in pair]


def assert_same_model(one, other):
    """Compare the weights bit for bit."""
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close_models(one, other, rtol=1e-7, atol=1e-9):
    """Compare the weights up to rounding."""
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
