"""The network's forward pass in NumPy: hidden layers and softmax, in batches of bounded memory."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import erf, expit

# Rows per batch; with 128 units they take 8 MB. Smaller batches, which stay in the cache, are 5 % faster on an idle
# machine, but on a busy one the threads wait for each other in each matrix product, so fewer products are faster.
BATCH_ROWS = 16_384


def _relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0, out=z)


def _tanh(z: np.ndarray) -> np.ndarray:
    return np.tanh(z, out=z)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return expit(z, out=z)


def _elu(z: np.ndarray) -> np.ndarray:
    # Negative values only, because expm1 of a large positive value would overflow.
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
    """Turn logits of shape (n_samples, n_classes), which may be overwritten, into probabilities."""
    # Column-major, because NumPy is slow at computing the maximum and the sum of many short rows.
    out = np.asfortranarray(logits)
    out -= out.max(axis=1, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(out)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits of shape (n_samples, n_classes), which may be overwritten, into log-probabilities."""
    out = np.asfortranarray(logits)
    out -= out.max(axis=1, keepdims=True)
    out -= np.log(np.exp(out).sum(axis=1, keepdims=True))
    return np.ascontiguousarray(out)


def logits(
    X: Any,
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    activation: str,
    check_finite: Callable[[Any], None] | None = None,
) -> np.ndarray:
    """Output of the last layer before the softmax.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Input in the dtype of the kernels.
    layers : sequence of (kernel, bias)
        A matrix of shape (n_inputs, n_units) and a vector of shape (n_units,) for each layer.
    activation : str
        A key of ``ACTIVATIONS``, applied after each layer but the last.
    check_finite : callable, default=None
        Called with each batch of ``X`` that may contain NaN or infinity, and raises an error if it does. None skips
        all checks.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If ``check_finite`` is given, and ``X`` is finite but so large that the logits are not.
    """
    n_samples = X.shape[0]
    if n_samples <= BATCH_ROWS:
        return _batch_logits(X, layers, ACTIVATIONS[activation], check_finite)
    _, last_bias = layers[-1]
    out = np.empty((n_samples, last_bias.size), dtype=last_bias.dtype)
    for start in range(0, n_samples, BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        out[rows] = _batch_logits(X[rows], layers, ACTIVATIONS[activation], check_finite)
    return out


def _batch_logits(
    X: Any,
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    activate: Callable[[np.ndarray], np.ndarray],
    check_finite: Callable[[Any], None] | None,
) -> np.ndarray:
    first_kernel, first_bias = layers[0]
    # Finite values that overflow here make NumPy warn in the next step.
    with np.errstate(invalid="ignore", over="ignore"):
        out = X @ first_kernel
        out += first_bias
        # NaN or infinity in a row propagates to all its sums, of which there are far fewer than values in X.
        if check_finite and not math.isfinite(out.sum()):
            check_finite(X)
        for kernel, bias in layers[1:]:
            out = activate(out) @ kernel
            out += bias
        if check_finite and not math.isfinite(out.sum()) and not np.isfinite(out).all():
            raise ValueError(
                f"X has values of up to {abs(X).max():.3g}, so that the network's outputs overflow {out.dtype}. "
                "Scale X to a few units, as in fit."
            )
    return out
