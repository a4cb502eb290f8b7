"""Read the header of an npy file before any of its values."""

from __future__ import annotations

import io
import math
from tokenize import TokenError
from typing import IO, NamedTuple

import numpy as np

# NumPy writes headers of 80 to 200 bytes. Python's parser runs out of memory on some much longer headers.
_MAX_HEADER = 1000

# By version: the reader of the header, and the number of bytes that encode its length.
_READERS = {(1, 0): (np.lib.format.read_array_header_1_0, 2), (2, 0): (np.lib.format.read_array_header_2_0, 4)}


class NpyHeader(NamedTuple):
    """Description of the array in an npy file."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: IO[bytes]) -> NpyHeader:
    """Read the header of an npy file; the stream is then at the first value.

    Raises
    ------
    ValueError
        If the header is damaged, longer than any that NumPy writes, or of a version that plain arrays do not need.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"npy format version {version} is not used for plain arrays")
    read_header, n_length_bytes = _READERS[version]
    length = stream.read(n_length_bytes)
    if int.from_bytes(length, "little") > _MAX_HEADER:
        raise ValueError(f"an npy header of {int.from_bytes(length, 'little')} bytes is too long")
    text = stream.read(int.from_bytes(length, "little"))
    # Python would also parse such headers, and its warnings would quote them.
    if not text.isascii() or not text.decode().rstrip("\n").isprintable() or b"\\" in text:
        raise ValueError("an npy header that is not plain text")
    try:
        shape, is_fortran, dtype = read_header(io.BytesIO(length + text), max_header_size=_MAX_HEADER)
    except TokenError as error:  # NumPy does not catch it
        raise ValueError(f"an npy header that cannot be parsed: {error}") from error
    # NumPy reads a negative length as "whatever is left".
    if any(length < 0 for length in shape):
        raise ValueError(f"an npy header with the shape {shape}")
    return NpyHeader(shape, is_fortran, dtype)
