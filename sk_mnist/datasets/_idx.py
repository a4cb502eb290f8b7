"""Read the IDX format, in which MNIST was published.

A file has two zero bytes, one byte for the type, one for the rank, a big-endian 32-bit size for each axis, then the
values, big-endian and row by row. Files are usually gzipped.
"""

import gzip
import io
import math
import zlib
from os import PathLike
from typing import IO

import numpy as np

from sk_mnist._files import open_regular

DTYPES: dict[int, np.dtype] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAX_RANK = 64  # NumPy's own limit
_CHUNK = 1 << 20


def read_idx(source: bytes | str | PathLike, *, max_bytes: int = 1 << 30) -> np.ndarray:
    """Read one IDX array.

    Memory use depends on the values in the file, not on the size that its header promises, and nothing is unpacked
    beyond the promised size.

    Parameters
    ----------
    source : bytes, str or path-like
        Contents or path of the file. Gzip is recognised by its first two bytes.
    max_bytes : int, default=2**30
        Maximum size of the array in bytes.

    Returns
    -------
    array : ndarray
        Array with the dtype and shape of the header, in native byte order, C-contiguous and writable.

    Raises
    ------
    ValueError
        If the magic number is wrong, values are missing, anything follows them, the array would be larger
        than `max_bytes`, or the gzip stream is broken.
    OSError
        If the file cannot be read.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section
       "File formats for the MNIST database", http://yann.lecun.com/exdb/mnist/

    Examples
    --------
    >>> from sk_mnist.datasets._idx import read_idx
    >>> read_idx(bytes([0, 0, 0x08, 1, 0, 0, 0, 3]) + bytes([7, 2, 1]))
    array([7, 2, 1], dtype=uint8)
    """
    if isinstance(source, bytes):
        return _read_stream(io.BytesIO(source), "the given bytes", max_bytes)
    with open_regular(source) as file:
        return _read_stream(file, str(source), max_bytes)


def _read_stream(raw: IO[bytes], name: str, max_bytes: int) -> np.ndarray:
    gzipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    try:
        if not gzipped:
            return _read_array(raw, max_bytes)
        with gzip.open(raw) as stream:
            return _read_array(stream, max_bytes)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{name} is not a valid IDX file: {error}") from error


def _read_array(stream: IO[bytes] | gzip.GzipFile, max_bytes: int) -> np.ndarray:
    dtype, shape = _read_header(stream)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > max_bytes:
        raise ValueError(f"its header promises {n_bytes} bytes, more than the {max_bytes} allowed")
    values = bytearray()
    while len(values) < n_bytes and (chunk := stream.read(min(_CHUNK, n_bytes - len(values)))):
        values += chunk
    if len(values) < n_bytes:
        raise ValueError(f"it holds {len(values)} of the {n_bytes} bytes that its header promises")
    # Reading one more byte also makes gzip verify its checksum.
    if stream.read(1):
        raise ValueError(f"more data follows the {n_bytes} bytes that its header promises")
    array = np.frombuffer(values, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: IO[bytes] | gzip.GzipFile) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise ValueError(f"its magic number is {magic.hex(' ') or 'missing'}, not 00 00, a type (08 to 0e) and a rank")
    rank = magic[3]
    if rank > _MAX_RANK:
        raise ValueError(f"its rank is {rank}; NumPy arrays have at most {_MAX_RANK} axes")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(f"it ends within its header: rank {rank} takes {4 * rank} bytes of sizes, not {len(sizes)}")
    return DTYPES[magic[2]], tuple(np.frombuffer(sizes, dtype=">u4").tolist())
