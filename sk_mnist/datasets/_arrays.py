"""Read the arrays of a data set from npz and IDX files, and check their shapes and digests."""

import hashlib
import logging
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pooch

from sk_mnist._files import open_regular
from sk_mnist._npy import NpyHeader, read_npy_header
from sk_mnist.datasets._dataset import DataSet, KnownArray, KnownFile
from sk_mnist.datasets._idx import read_idx

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

# Maximum size of the directory of a zip file in bytes; that of the official file has 224. Python creates an object for
# each entry before we can ask how many there are.
_MAX_ZIP_DIRECTORY = 4096
# The last records of a zip file, as its specification lays them out (APPNOTE.TXT, 4.3.15 and 4.3.16).
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_ZIP_END = struct.Struct("<4s4H2LH")


def read_directory(directory: Path, data_set: DataSet, names: Collection[str]) -> Arrays:
    """Read arrays from the npz file in a directory, or else from the IDX files there, gzipped or not."""
    npz = directory / data_set.npz
    found = {name: _find_idx(directory / file.name) for name, file in data_set.idx.items() if name in names}
    idx = {name: path for name, path in found.items() if path is not None}
    if npz.is_file():
        try:
            return read_npz(npz, data_set, names)
        except (OSError, ValueError) as error:
            if len(idx) < len(names):
                raise
            logger.warning("%s is not used, but the IDX files beside it: %s", npz, error)
    if len(idx) < len(names):
        raise FileNotFoundError(f"it holds neither {npz.name} nor the IDX files")
    return {name: _read_idx_array(path, data_set, name) for name, path in idx.items()}


def find_foreign(directory: Path, data_set: DataSet, names: Collection[str], *, npz: bool) -> list[str]:
    """Find files in a directory that have names of the data set's files and are not its files.

    Parameters
    ----------
    directory : Path
        The directory.
    data_set : DataSet
        The data set.
    names : collection of str
        Names of the arrays that are wanted. The files of others are not looked at.
    npz : bool
        Whether to look at the npz file, besides the IDX files.

    Returns
    -------
    foreign : list of str
        The name of each such file, and what is wrong with it.
    """
    foreign = []

    def check(path: Path, read: Callable[[], Any]) -> None:
        try:
            read()
        except (OSError, ValueError) as error:
            foreign.append(f"{path.name}: {error}")

    path = directory / data_set.npz
    if npz and path.exists():
        check(path, lambda: read_npz(path, data_set, names))
    for name in names:
        file = data_set.idx[name]
        idx = _find_idx(directory / file.name)
        if idx is not None and not _is_known_file(idx, file):
            check(idx, partial(_read_idx_array, idx, data_set, name))
    return foreign


def _is_known_file(path: Path, file: KnownFile) -> bool:
    """Whether a file is the published one; its hash says so in less time than its arrays."""
    return path.stat().st_size == file.size and pooch.file_hash(path) == file.sha256


def read_file(path: Path, data_set: DataSet) -> Arrays:
    """Read all arrays from a file with one of the names that the data set knows."""
    if path.name == data_set.npz:
        return read_npz(path, data_set, data_set.arrays)
    names = [name for name, file in data_set.idx.items() if file.name == path.name]
    return {name: _read_idx_array(path, data_set, name) for name in names}


def read_npz(path: Path, data_set: DataSet, names: Collection[str]) -> Arrays:
    """Read arrays from an npz file that must hold the arrays of the data set and nothing else.

    Headers are read before values, so nothing is unpacked beyond the known sizes.
    """
    with open_regular(path) as file:
        try:
            _check_zip_directory(file)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, data_set.arrays)
                arrays = {name: _read_member(archive, name) for name in names}
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise ValueError(f"not the npz file of {data_set.name}: {error}") from error
    for name, array in arrays.items():
        _check_digest(name, array, data_set)
    return arrays


def _find_idx(gzipped: Path) -> Path | None:
    return next((path for path in (gzipped, gzipped.with_suffix("")) if path.is_file()), None)


def _read_idx_array(path: Path, data_set: DataSet, name: str) -> np.ndarray:
    known = data_set.arrays[name]
    array = read_idx(path, max_bytes=math.prod(known.shape) * np.dtype(known.dtype).itemsize)
    _check_kind(f"{path} holds", array, known)
    _check_digest(name, array, data_set)
    return array


def _check_members(archive: zipfile.ZipFile, arrays: Mapping[str, KnownArray]) -> None:
    members = sorted(archive.namelist())
    wanted = sorted(f"{name}.npy" for name in arrays)
    if members != wanted:
        raise ValueError(f"it holds {', '.join(members[:8]) or 'nothing'}, not {', '.join(wanted)}")
    for name, known in arrays.items():
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is compressed by a method that NumPy does not write")
        with archive.open(member) as stream:
            _check_kind(f"{name} is", read_npy_header(stream), known)


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


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


def _check_kind(beginning: str, found: np.ndarray | NpyHeader, known: KnownArray) -> None:
    if (found.shape, found.dtype) != (known.shape, known.dtype):
        was, wanted = (f"{np.dtype(array.dtype).name} of shape {array.shape}" for array in (found, known))
        raise ValueError(f"{beginning} {was}, not {wanted}")


def _check_digest(name: str, array: np.ndarray, data_set: DataSet) -> None:
    digest, known = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest(), data_set.arrays[name].sha256
    if digest != known:
        raise ValueError(f"{name} is not {data_set.name}'s: sha256 {digest} instead of {known}")
