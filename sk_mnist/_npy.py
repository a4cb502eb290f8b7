"""The header of an npy file, read before any of its values."""

from __future__ import annotations

import io
import math
from tokenize import TokenError
from typing import IO, NamedTuple

import numpy as np

# NumPy writes 80 to 200 bytes; Python's parser runs out of memory on some headers that are much longer.
_MAX_HEADER = 1000

# Reader of a header and bytes of its length, by version.
_READERS = {(1, 0): (np.lib.format.read_array_header_1_0, 2), (2, 0): (np.lib.format.read_array_header_2_0, 4)}


class NpyHeader(NamedTuple):
    """What an npy file says of the array that follows."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype

    @property
    def n_bytes(self) -> int:
        """Bytes that the values take."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: IO[bytes]) -> NpyHeader:
    """Read the header of an npy file, and leave the stream at the first value.

    Raises
    ------
    ValueError
        If the header is damaged, longer than NumPy writes it, or of a version that plain arrays do not need.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"npy format version {version} is not one that plain arrays are written in")
    read_header, n_length_bytes = _READERS[version]
    length = stream.read(n_length_bytes)
    if int.from_bytes(length, "little") > _MAX_HEADER:
        raise ValueError(f"an npy header as large as {int.from_bytes(length, 'little')} bytes")
    text = stream.read(int.from_bytes(length, "little"))
    # Python would parse these as well, and warn of some of them in their own words.
    if not text.isascii() or not text.decode().rstrip("\n").isprintable() or b"\\" in text:
        raise ValueError("an npy header that is not plain text")
    try:
        shape, is_fortran, dtype = read_header(io.BytesIO(length + text), max_header_size=_MAX_HEADER)
    except TokenError as error:  # NumPy lets it out
        raise ValueError(f"an npy header that cannot be parsed: {error}") from error
    # NumPy reads a negative length as "whatever is left".
    if any(length < 0 for length in shape):
        raise ValueError(f"an npy header with the shape {shape}")
    return NpyHeader(shape, is_fortran, dtype)
