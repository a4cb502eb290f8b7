"""An IDX writer that follows the format's description and is independent of the reader under test."""

import struct

import numpy as np


def idx_bytes(array):
    """Encode an array of bytes as an uncompressed IDX file."""
    array = np.asarray(array, dtype=np.uint8)
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()
