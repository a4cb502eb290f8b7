"""Which rows, with which weights, at which step: the NumPy side of training."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.sparse import issparse

from sk_mnist.neural_network._training import TrainingData

# Rows in a block, which one call trains on. With XLA, enough to hide the call, and few enough to stay in the cache.
# Without it the call is the least of the costs, and small blocks save memory.
XLA_BLOCK_ROWS = 4096
BLOCK_ROWS = 2048

# Wide rows make smaller blocks: two blocks, and the tensors made of them, are in memory at a time.
MAX_BLOCK_BYTES = 16 * 2**20

# A block of this size, which is a single wide batch, is made when its turn has come, not ahead of it.
MAX_PREFETCHED_BYTES = 64 * 2**20

T = TypeVar("T")


class Block(NamedTuple):
    """A number of batches, of which the first ``n_steps`` are real."""

    X: np.ndarray  # (n_batches, batch_size, n_features)
    y: np.ndarray  # (n_batches, batch_size), int32
    sample_weight: np.ndarray  # (n_batches, batch_size); 0 in the rows that fill up the last batch
    n_steps: int


def batches_per_block(batch_size: int, n_features: int, itemsize: int, *, use_xla: bool) -> int:
    """Number of batches in a block: as many as its rows and its bytes allow, and at least one."""
    max_rows = min(XLA_BLOCK_ROWS if use_xla else BLOCK_ROWS, MAX_BLOCK_BYTES // (n_features * itemsize))
    return max(1, max_rows // batch_size)


def epoch_order(seed: int, epoch: int, n_samples: int) -> np.ndarray:
    """Order of the rows in an epoch: a function of the seed and the epoch alone, so training can go on anywhere."""
    return np.random.default_rng((seed, epoch)).permutation(n_samples)


def epoch_blocks(
    data: TrainingData, order: np.ndarray, batch_size: int, n_batches: int, *, fill: bool
) -> Iterator[Block]:
    """Cut an epoch into blocks of batches.

    Parameters
    ----------
    data : TrainingData
        Training data; only the rows of a block are ever copied or made dense.
    order : ndarray of int of shape (n_samples,)
        Order of the rows.
    batch_size : int
        Rows in a batch.
    n_batches : int
        Batches in a block.
    fill : bool
        Whether to fill up the last block with batches of weight 0, so that all blocks have one shape.

    Yields
    ------
    block : Block
    """
    block_rows = n_batches * batch_size
    for start in range(0, len(order), block_rows):
        chosen = order[start : start + block_rows]
        n_steps = -(-len(chosen) // batch_size)
        shape = (n_batches if fill else n_steps, batch_size)
        weights = np.zeros(shape[0] * batch_size, dtype=data.sample_weight.dtype)
        weights[: len(chosen)] = data.sample_weight[chosen]
        # Rows of weight 0 fill up the last batch.
        chosen = np.pad(chosen, (0, len(weights) - len(chosen)))
        # The rows get no name here, or this frame would keep them while the next ones are gathered.
        yield Block(
            take_rows(data, chosen).reshape(*shape, data.X.shape[1]),
            data.y[chosen].reshape(shape),
            weights.reshape(shape),
            n_steps,
        )


def take_rows(data: TrainingData, chosen: np.ndarray) -> np.ndarray:
    """Rows of the data, by their positions among ``data.rows``, as a dense array."""
    positions = chosen if data.rows is None else data.rows[chosen]
    return data.X[positions].toarray() if issparse(data.X) else data.X.take(positions, axis=0)


def prefetched(made: Iterator[T]) -> Iterator[T]:
    """Make each item in a thread, while the one before is in use."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sk_mnist-blocks") as pool:
        upcoming = pool.submit(next, made, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, made, None)
            yield item
