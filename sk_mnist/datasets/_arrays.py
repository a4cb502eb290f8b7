"""The four arrays of MNIST: their shapes, their digests, and how they are read from npz and IDX files."""

import hashlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from sk_mnist._files import open_regular
from sk_mnist._npy import read_npy_header
from sk_mnist.datasets._idx import read_idx

NPZ_NAME = "mnist.npz"
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


class _Array(NamedTuple):
    shape: tuple[int, ...]
    sha256: str


# We check the digests of arrays, not of files: these are the bytes we return (uint8, C order), whatever the container.
ARRAYS = {
    "x_train": _Array((60_000, 28, 28), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"),
    "y_train": _Array((60_000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
    "x_test": _Array((10_000, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"),
    "y_test": _Array((10_000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
}

# Maximum size of the directory of a zip file in bytes; that of the official file has 224. Python creates an object for
# each entry before we can ask how many there are.
_MAX_ZIP_DIRECTORY = 4096
# The last records of a zip file, as its specification lays them out (APPNOTE.TXT, 4.3.15 and 4.3.16).
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_ZIP_END = struct.Struct("<4s4H2LH")


def read_directory(directory: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read arrays from mnist.npz in a directory, or else from the IDX files there, gzipped or not."""
    npz = directory / NPZ_NAME
    idx = {name: _find_idx(directory, name) for name in names}
    if npz.is_file():
        try:
            return read_npz(npz, names)
        except (OSError, ValueError):
            if None in idx.values():
                raise
    if None in idx.values():
        raise FileNotFoundError(f"it holds neither {NPZ_NAME} nor the IDX files")
    return {name: read_idx_array(path, name) for name, path in idx.items() if path is not None}


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read arrays from an npz file that must hold the four arrays of MNIST and nothing else.

    Headers are read before values, so nothing is unpacked beyond the known sizes.
    """
    with open_regular(path) as file:
        try:
            _check_zip_directory(file)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive)
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in names}
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise ValueError(f"not the npz file of MNIST: {error}") from error
    for name, array in arrays.items():
        _check_digest(name, array)
    return arrays


def read_idx_array(path: Path, name: str) -> np.ndarray:
    """Read one array of MNIST from its IDX file."""
    array = read_idx(path, max_bytes=math.prod(ARRAYS[name].shape))
    if array.dtype != np.uint8 or array.shape != ARRAYS[name].shape:
        raise ValueError(f"{path} holds {_describe(array.shape, array.dtype)}, not {_describe(ARRAYS[name].shape)}")
    _check_digest(name, array)
    return array


def _find_idx(directory: Path, name: str) -> Path | None:
    gzipped = directory / IDX_NAMES[name]
    return next((path for path in (gzipped, gzipped.with_suffix("")) if path.is_file()), None)


def _check_members(archive: zipfile.ZipFile) -> None:
    members = sorted(archive.namelist())
    wanted = sorted(f"{name}.npy" for name in ARRAYS)
    if members != wanted:
        raise ValueError(f"it holds {', '.join(members[:8]) or 'nothing'}, not {', '.join(wanted)}")
    for name, known in ARRAYS.items():
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is compressed by a method that NumPy does not write")
        with archive.open(member) as stream:
            shape, _, dtype = read_npy_header(stream)
        if dtype != np.uint8 or shape != known.shape:
            raise ValueError(f"{name} is {_describe(shape, dtype)}, not {_describe(known.shape)}")


def _check_zip_directory(file: IO[bytes]) -> None:
    """Refuse a zip file whose directory is longer than four members need."""
    end = os.fstat(file.fileno()).st_size
    file.seek(max(0, end - _ZIP64_LOCATOR.size - _ZIP_END.size))
    tail = file.read()
    locator, record = tail[: -_ZIP_END.size], tail[-_ZIP_END.size :]
    if not (record.startswith(b"PK\x05\x06") and record.endswith(b"\0\0")):
        raise zipfile.BadZipFile("File is not a zip file, or has a comment")
    *_, directory_bytes, _, _ = _ZIP_END.unpack(record)
    if locator.startswith(b"PK\x06\x07") or directory_bytes > _MAX_ZIP_DIRECTORY:
        raise zipfile.BadZipFile("its directory is longer than that of four arrays")
    file.seek(0)


def _describe(shape: tuple[int, ...], dtype: np.dtype | type = np.uint8) -> str:
    return f"{np.dtype(dtype).name} of shape {shape}"


def _check_digest(name: str, array: np.ndarray) -> None:
    digest = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    if digest != ARRAYS[name].sha256:
        raise ValueError(f"{name} is not MNIST's: sha256 {digest} instead of {ARRAYS[name].sha256}")
