"""The network's forward pass in NumPy: hidden layers, softmax, in batches of bounded memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import erf, expit
from sklearn.utils import assert_all_finite

# Rows in flight at once: few enough for the first layer's output to stay in the cache, enough to hide Python's part.
BATCH_ROWS = 2048


def _relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0, out=z)


def _tanh(z: np.ndarray) -> np.ndarray:
    return np.tanh(z, out=z)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return expit(z, out=z)


def _elu(z: np.ndarray) -> np.ndarray:
    # Negative values only: expm1 of a large positive one would overflow.
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _gelu(z: np.ndarray) -> np.ndarray:
    # The exact form, which is Keras' default; its tanh approximation differs by up to 5e-4.
    return z * (0.5 * (1 + erf(z / np.sqrt(z.dtype.type(2)))))


def _silu(z: np.ndarray) -> np.ndarray:
    return z * expit(z)


# Keras' names. Each may write to its argument.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits of shape (n_samples, n_classes) into probabilities, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits of shape (n_samples, n_classes) into log-probabilities, in place."""
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


def logits(X: Any, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], activation: str) -> np.ndarray:
    """Output of the last layer before the softmax.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Input in the dtype of ``coefs``, checked but for values that are not finite.
    coefs, intercepts : sequences of ndarray
        A weight matrix of shape (n_inputs, n_units) and a bias of shape (n_units,) for each layer.
    activation : str
        A key of ``ACTIVATIONS``, applied after each layer but the last.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If X has NaN or infinity.
    """
    n_samples = X.shape[0]
    if n_samples <= BATCH_ROWS:
        return _batch_logits(X, coefs, intercepts, ACTIVATIONS[activation])
    out = np.empty((n_samples, intercepts[-1].size), dtype=coefs[-1].dtype)
    for start in range(0, n_samples, BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        out[rows] = _batch_logits(X[rows], coefs, intercepts, ACTIVATIONS[activation])
    return out


def _batch_logits(
    X: Any,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    activate: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        out = X @ coefs[0]
        out += intercepts[0]
        # NaN or infinity anywhere in a row reaches all its sums, and there are far fewer of them than values in X.
        if not np.isfinite(out.sum()):
            assert_all_finite(X, estimator_name="KerasMLPClassifier", input_name="X")
    for coef, intercept in zip(coefs[1:], intercepts[1:], strict=True):
        out = activate(out) @ coef
        out += intercept
    return out
