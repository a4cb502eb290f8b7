"""Read arrays of bytes in the IDX format, in which MNIST was published.

A file has two zero bytes, one byte for the type, one for the rank, a big-endian 32-bit size for each axis, then the
values, row by row. Files are usually gzipped. Only unsigned bytes, the type of MNIST, are read.
"""

import gzip
import math
import zlib
from os import PathLike
from typing import IO

import numpy as np

from sk_mnist._files import open_regular

# Two zero bytes and the type.
_MAGIC = b"\0\0\x08"
_CHUNK = 1 << 20


def read_idx(path: str | PathLike, *, max_bytes: int) -> np.ndarray:
    """Read one IDX array.

    Memory use depends on the values in the file, not on the size that its header promises, and nothing is unpacked
    beyond the promised size.

    Parameters
    ----------
    path : str or path-like
        Path of the file. Gzip is recognised by its first two bytes.
    max_bytes : int
        Maximum size of the array in bytes.

    Returns
    -------
    array : ndarray of uint8
        Array with the shape of the header, C-contiguous and writable.

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
    """
    with open_regular(path) as file:
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            if not gzipped:
                return _read_array(file, max_bytes)
            with gzip.open(file) as stream:
                return _read_array(stream, max_bytes)
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} is not a valid IDX file: {error}") from error


def _read_array(stream: IO[bytes] | gzip.GzipFile, max_bytes: int) -> np.ndarray:
    shape = _read_header(stream)
    n_bytes = math.prod(shape)
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
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_header(stream: IO[bytes] | gzip.GzipFile) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != _MAGIC:
        found = magic.hex(" ") or "missing"
        raise ValueError(f"its magic number is {found}, not 00 00, 08 for unsigned bytes, and a rank")
    rank = magic[3]
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(f"it ends within its header: rank {rank} takes {4 * rank} bytes of sizes, not {len(sizes)}")
    return tuple(np.frombuffer(sizes, dtype=">u4").tolist())
