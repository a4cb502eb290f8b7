"""Which rows, with which weights and which learning rate, at which step: the NumPy side of training."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.sparse import issparse

SCHEDULES = ("constant", "cosine", "one_cycle")

# The shape that Smith and Topin's "super-convergence" (arXiv:1708.07120) took in PyTorch's OneCycleLR: climb from
# 1/25 of the peak over the first 30 % of the steps, then fall to 1/250,000 of it, both along a half cosine.
_WARM_UP = 0.3
_START = 1 / 25
_END = 1 / 250_000


T = TypeVar("T")


class Block(NamedTuple):
    """A fixed number of batches, of which the first ``n_steps`` are real."""

    X: np.ndarray  # (n_batches, batch_size, n_features)
    y: np.ndarray  # (n_batches, batch_size), int32
    sample_weight: np.ndarray  # (n_batches, batch_size); 0 in the rows that fill up the last batch
    learning_rate: np.ndarray  # (n_batches,)
    n_steps: int


def learning_rates(schedule: str, peak: float, steps: np.ndarray, n_steps: int) -> np.ndarray:
    """Learning rate at each of ``steps`` in a training of ``n_steps`` steps.

    Parameters
    ----------
    schedule : {"constant", "cosine", "one_cycle"}
        "cosine" falls from ``peak`` to 0 along a half cosine (Loshchilov and Hutter, arXiv:1608.03983, one cycle);
        "one_cycle" climbs to ``peak`` first (Smith and Topin, arXiv:1708.07120).
    peak : float
        The largest learning rate of the schedule.
    steps : ndarray of int
        Steps, counted from 0.
    n_steps : int
        Steps of the whole training.

    Returns
    -------
    rates : ndarray of float32, of the shape of ``steps``
    """
    progress = steps / max(1, n_steps)
    if schedule == "constant":
        factor = np.ones_like(progress)
    elif schedule == "cosine":
        factor = _half_cosine(1.0, 0.0, progress)
    else:
        climbing = _half_cosine(_START, 1.0, progress / _WARM_UP)
        falling = _half_cosine(1.0, _END, (progress - _WARM_UP) / (1 - _WARM_UP))
        factor = np.where(progress < _WARM_UP, climbing, falling)
    return (peak * factor).astype(np.float32)


def _half_cosine(start: float, end: float, progress: np.ndarray) -> np.ndarray:
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * np.clip(progress, 0, 1)))


def epoch_order(seed: int, epoch: int, n_samples: int) -> np.ndarray:
    """Order of the rows in an epoch: a function of the seed and the epoch alone, so training can go on anywhere."""
    return np.random.default_rng((seed, epoch)).permutation(n_samples)


def epoch_blocks(
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    n_batches: int,
    rates: np.ndarray,
) -> Iterator[Block]:
    """Cut an epoch into blocks of batches.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Training data; only the rows of a block are ever copied or made dense.
    y : ndarray of int32 of shape (n_samples,)
        Labels as positions in ``classes_``.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    order : ndarray of int of shape (n_samples,)
        Order of the rows.
    batch_size : int
        Rows in a batch.
    n_batches : int
        Batches in a block.
    rates : ndarray of float32 of shape (n_steps,)
        Learning rate of each step of the epoch.

    Yields
    ------
    block : Block
    """
    block_rows = n_batches * batch_size
    for start in range(0, len(order), block_rows):
        rows = order[start : start + block_rows]
        n_steps = -(-len(rows) // batch_size)
        weights = np.zeros(block_rows, dtype=sample_weight.dtype)
        weights[: len(rows)] = sample_weight[rows]
        # Rows of weight 0 fill the block up, so that one compiled shape serves every number of rows.
        rows = np.pad(rows, (0, block_rows - len(rows)))
        block_rates = rates[start // batch_size :][:n_steps]
        shape = (n_batches, batch_size)
        # The rows get no name here, or this frame would keep them while the next ones are gathered.
        yield Block(
            _take(X, rows).reshape(*shape, X.shape[1]),
            y[rows].reshape(shape),
            weights.reshape(shape),
            np.pad(block_rates, (0, n_batches - n_steps)),
            n_steps,
        )


def _take(X: Any, rows: np.ndarray) -> np.ndarray:
    return X[rows].toarray() if issparse(X) else X.take(rows, axis=0)


def prefetched(items: Iterator[T]) -> Iterator[T]:
    """Make each item in a thread, while the one before is in use."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sk_mnist-blocks") as pool:
        upcoming = pool.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, items, None)
            yield item
