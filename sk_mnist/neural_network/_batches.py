"""The NumPy side of training: which rows are trained on at which step, and with which weights."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from sk_mnist.neural_network._rows import OUTLIER, MixedRows, Rows

# Rows in a block, which is trained on in one call. With XLA, a block is large enough to hide the cost of the call and
# small enough to stay in the cache. Without XLA the call costs little in comparison, and small blocks save memory.
XLA_BLOCK_ROWS = 4096
BLOCK_ROWS = 2048

# Wide rows make smaller blocks, because two blocks and their tensors are in memory at a time.
MAX_BLOCK_BYTES = 16 * 2**20

LEAST_COMPILED_BATCH = 64

# Random numbers drawn at a time for dropout.
MAX_DRAWN = 2**20

# A block of this size, which is a single wide batch, is not prefetched.
MAX_PREFETCHED_BYTES = 64 * 2**20

T = TypeVar("T")

# Takes the rows to train on and their encoded labels; returns the probabilities to learn.
MakeTargets = Callable[[np.ndarray, np.ndarray], np.ndarray]


class BlockShape(NamedTuple):
    """The size of the blocks of a training."""

    n_batches: int
    batch_size: int


class Block(NamedTuple):
    """A number of batches, of which the first ``n_steps`` are real."""

    X: np.ndarray  # (n_batches, batch_size, n_features)
    y: np.ndarray  # (n_batches, batch_size), int32; OUTLIER in rows that belong to no class
    weight: np.ndarray  # (n_batches, batch_size); 0 in the rows that fill up the last batch
    n_steps: int
    # Probabilities to learn: (n_batches, batch_size, n_classes), or (n_batches, batch_size, 0) if there are none.
    targets: np.ndarray
    # Outputs of the hidden layers that dropout keeps: (n_batches, batch_size, n_units), bool, or (..., 0) without it.
    kept: np.ndarray


def round_up_batch(n_rows: int) -> int:
    """Batch size that XLA compiles for when the data has only ``n_rows`` rows.

    A power of two, so that few compiled networks serve data of any size.
    """
    return max(LEAST_COMPILED_BATCH, 1 << (n_rows - 1).bit_length())


def count_row_bytes(rows: Rows | MixedRows, n_dropout_units: int) -> int:
    """Bytes of a row in a block, with its dropout masks."""
    return rows.n_features * rows.weight.itemsize + n_dropout_units


def count_batches(batch_size: int, row_bytes: int, *, use_xla: bool) -> int:
    """Number of batches in a block: as many as its rows and its bytes allow, and at least one."""
    max_rows = min(XLA_BLOCK_ROWS if use_xla else BLOCK_ROWS, MAX_BLOCK_BYTES // row_bytes)
    return max(1, max_rows // batch_size)


class DropoutMasks:
    """Which outputs of the hidden layers are kept, drawn for the rows of an epoch in their order.

    NumPy draws them, because in code that XLA compiles for the CPU, random numbers take ten times as long as everything
    else.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Number of units of each hidden layer that dropout follows.
    dropout : sequence of float
        Fraction of the outputs of each layer that is dropped.
    seed, epoch : int
        Seed and epoch of the masks.
    """

    def __init__(self, hidden_layer_sizes: Sequence[int], dropout: Sequence[float], seed: int, epoch: int) -> None:
        self._dropout = np.repeat(np.array(dropout, np.float32), hidden_layer_sizes)
        # The last number distinguishes it from the generators of the row order and of distortions.
        self._generator = np.random.default_rng((seed, epoch, 0, 2))

    @property
    def n_units(self) -> int:
        """Number of outputs of all these layers together."""
        return len(self._dropout)

    def draw(self, kept: np.ndarray) -> None:
        """Draw the masks of the next rows into a boolean array of shape (n_rows, n_units)."""
        step = max(1, MAX_DRAWN // max(1, self.n_units))
        for start in range(0, len(kept), step):
            part = kept[start : start + step]
            np.greater_equal(self._generator.random(part.shape, np.float32), self._dropout, out=part)


def draw_order(seed: int, epoch: int, n_samples: int) -> np.ndarray:
    """Order of the rows in an epoch; depends only on the seed and the epoch, so training can resume at any epoch."""
    return np.random.default_rng((seed, epoch)).permutation(n_samples)


def make_distorting_generator(seed: int, epoch: int, first_row: int) -> np.random.Generator:
    """Generator for the distortions in an epoch, starting at position ``first_row`` in the order of its rows."""
    # The last number distinguishes it from the generators of the row order and of dropout.
    return np.random.default_rng((seed, epoch, first_row, 1))


def make_blocks(
    rows: Rows | MixedRows,
    order: np.ndarray,
    shape: BlockShape,
    *,
    masks: DropoutMasks,
    fill: bool,
    distort: Callable[[np.ndarray, int], np.ndarray] | None = None,
    make_targets: MakeTargets | None = None,
) -> Iterator[Block]:
    """Cut an epoch into blocks of batches.

    Parameters
    ----------
    rows : Rows or MixedRows
        The rows to train on; only those of a block are ever copied or made dense.
    order : ndarray of int of shape (n_samples,)
        Order of the rows.
    shape : BlockShape
        Batches in a block, and rows in a batch.
    masks : DropoutMasks
        Draws which outputs dropout keeps.
    fill : bool
        Whether to fill up the last block with batches of weight 0, so that all blocks have one shape.
    distort : callable, default=None
        Takes rows and the position of the first one in ``order``; returns the rows to train on.
    make_targets : callable, default=None
        Takes the rows to train on and their labels; returns the probabilities to learn.

    Yields
    ------
    block : Block
    """
    n_rows, block_rows, batch_size = len(order), shape.n_batches * shape.batch_size, shape.batch_size
    # Rows of weight 0 fill up the last batch.
    order = np.pad(order, (0, -n_rows % (block_rows if fill else batch_size)))
    if distort is None:
        chunks: Iterable[tuple[int, np.ndarray, np.ndarray | None]] = ((0, order, None),)
    else:
        # Always as large as blocks with XLA, so that the distortions do not depend on the block size.
        chunk_rows = batch_size * count_batches(batch_size, count_row_bytes(rows, masks.n_units), use_xla=True)
        chunks = _distorted_chunks(rows, order, n_rows, chunk_rows, distort)
    for chunk_start, chunk, distorted in chunks:
        for start in range(0, len(chunk), block_rows):
            chosen = slice(start, start + block_rows)
            # The rows are not assigned to a variable, which would keep them in memory while the next ones are gathered.
            yield _make_block(
                rows.gather(chunk[chosen]) if distorted is None else distorted[chosen],
                rows.y[chunk[chosen]],
                rows.weight[chunk[chosen]],
                n_rows - chunk_start - start,
                batch_size,
                make_targets,
                masks,
            )


def _distorted_chunks(
    rows: Rows | MixedRows,
    order: np.ndarray,
    n_rows: int,
    chunk_rows: int,
    distort: Callable[[np.ndarray, int], np.ndarray],
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the position of each chunk in the order, its part of the order, and its distorted rows."""
    for start in range(0, len(order), chunk_rows):
        chunk = order[start : start + chunk_rows]
        # Padding rows are not distorted, because their number depends on whether XLA is used.
        distorted = distort(rows.gather(chunk[: n_rows - start]), start)
        if len(distorted) < len(chunk):
            distorted = np.pad(distorted, ((0, len(chunk) - len(distorted)), (0, 0)))
        yield start, chunk, distorted


def _make_block(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    n_real: int,
    batch_size: int,
    make_targets: MakeTargets | None,
    masks: DropoutMasks,
) -> Block:
    """Make a block of rows, of which the first ``n_real`` count."""
    weight[n_real:] = 0
    targets = np.empty((len(y), 0), X.dtype)
    if make_targets is not None:
        # A teacher may be slower than the network, so it predicts neither padding rows nor outliers.
        taught = np.flatnonzero(y[:n_real] != OUTLIER)
        all_taught = len(taught) == len(y[:n_real])
        made = make_targets(X[:n_real], y[:n_real]) if all_taught else make_targets(X[taught], y[taught])
        targets = np.zeros((len(y), made.shape[1]), X.dtype)
        targets[taught] = made
    kept = np.zeros((len(y), masks.n_units), dtype=bool)
    masks.draw(kept[:n_real])
    return Block(
        X.reshape(-1, batch_size, X.shape[1]),
        y.reshape(-1, batch_size),
        weight.reshape(-1, batch_size),
        -(-min(n_real, len(y)) // batch_size),
        targets.reshape(len(y) // batch_size, batch_size, targets.shape[1]),
        kept.reshape(len(y) // batch_size, batch_size, masks.n_units),
    )


def prefetch(made: Iterator[T]) -> Iterator[T]:
    """Make each item in a thread, while the previous one is in use."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sk_mnist-blocks") as pool:
        upcoming = pool.submit(next, made, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, made, None)
            yield item
