"""The members of a model file, and the arrays in them."""

from __future__ import annotations

import io
import sys
import zipfile

import numpy as np

from sk_mnist._npy import NpyHeader, read_npy_header

# An empty array can still take time or memory for its other axes.
_MAX_EMPTY_AXIS = 1_000_000


class Archive:
    """A zip file in memory with uncompressed members, so that the size of the file bounds the cost of reading."""

    def __init__(self, content: bytes) -> None:
        self.n_bytes = len(content)
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        self.members = {member.filename: member for member in self._zip.infolist()}
        self._headers: dict[str, NpyHeader] = {}
        if len(self.members) < len(self._zip.infolist()):
            raise ValueError("it names a member twice")
        for name, member in self.members.items():
            # Python reads a stored member up to its compressed size, whatever its uncompressed size is.
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                raise ValueError(f"its member {name!r:.100} is compressed, which save never does")
        # Overlapping members would be read more than once.
        if (total := sum(member.file_size for member in self.members.values())) > self.n_bytes:
            raise ValueError(f"it would unpack to {total:,} bytes, more than its own size of {self.n_bytes:,}")

    def read(self, name: str) -> bytes:
        """Return the content of a member, and check its checksum."""
        self._require(name)
        return self._zip.read(name)

    def array_header(self, name: str) -> NpyHeader:
        """Read the npy header of a member, and check that it matches the member's size and its values are plain."""
        if name in self._headers:
            return self._headers[name]
        self._require(name)
        with self._zip.open(name) as stream:
            header = read_npy_header(stream)
            length = self.members[name].file_size - stream.tell()
        if header.dtype.hasobject or header.dtype.subdtype is not None or header.dtype.itemsize == 0:
            raise ValueError(f"its member {name!r:.100} holds values of dtype {header.dtype}")
        if header.n_bytes != length:
            raise ValueError(f"its member {name!r:.100} promises {header.n_bytes:,} bytes and holds {length:,}")
        if 0 in header.shape and max(header.shape) > _MAX_EMPTY_AXIS:
            raise ValueError(f"its member {name!r:.100} is an empty array of shape {header.shape}")
        self._headers[name] = header
        return header

    def array(self, name: str) -> np.ndarray:
        """Read the array of a member, an npy file, into its own memory."""
        header = self.array_header(name)
        content = self.read(name)
        values = np.frombuffer(content, dtype=header.dtype, offset=len(content) - header.n_bytes)
        # NumPy accepts any bytes for these types, and fails or misbehaves later.
        if header.dtype.kind == "b" and (values.view(np.uint8) > 1).any():
            raise ValueError(f"its member {name!r:.100} has booleans that are neither true nor false")
        if header.dtype.kind == "U" and (values.view(header.dtype.str[0] + "u4") > sys.maxunicode).any():
            raise ValueError(f"its member {name!r:.100} has characters that are not in Unicode")
        return values.reshape(header.shape, order="F" if header.is_fortran else "C").copy(order="K")

    def _require(self, name: str) -> None:
        if name not in self.members:
            raise ValueError(f"it has no member {name!r:.100}")
