"""Where the MNIST bytes come from: caches, the official URL, the IDX mirrors, the copy in this package."""

import hashlib
import itertools
import json
import logging
import math
import os
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

import numpy as np
import pooch
from filelock import FileLock

from sk_mnist._files import open_regular
from sk_mnist._npy import read_npy_header
from sk_mnist.datasets import _download
from sk_mnist.datasets._download import DownloadError, NoNetworkError, Patience, RemoteFile, download
from sk_mnist.datasets._idx import read_idx

logger = logging.getLogger(__name__)


class _Array(NamedTuple):
    shape: tuple[int, ...]
    sha256: str


# Array digests, not file digests, decide: whatever the container, these are the bytes we hand out (uint8, C order).
ARRAYS = {
    "x_train": _Array((60_000, 28, 28), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"),
    "y_train": _Array((60_000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
    "x_test": _Array((10_000, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"),
    "y_test": _Array((10_000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
}

NPZ_FILE = RemoteFile("mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1", 11_490_434)
IDX_FILES = {
    "x_train": RemoteFile(
        "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422
    ),
    "y_train": RemoteFile(
        "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881
    ),
    "x_test": RemoteFile(
        "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877
    ),
    "y_test": RemoteFile(
        "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542
    ),
}


class Remote(NamedTuple):
    """A place on the network: each file is at `url` + its name, and together they hold the four arrays."""

    url: str
    files: tuple[RemoteFile, ...]


REMOTES = (
    Remote("https://storage.googleapis.com/tensorflow/tf-keras-datasets/", (NPZ_FILE,)),
    Remote("https://ossci-datasets.s3.amazonaws.com/mnist/", tuple(IDX_FILES.values())),
    Remote("https://storage.googleapis.com/cvdf-datasets/mnist/", tuple(IDX_FILES.values())),
)
BUNDLED = Path(__file__).parent / "data" / NPZ_FILE.name

# What this package writes into a data home, besides mnist.npz.
RECORD = ".sk_mnist.json"
LOCK = ".sk_mnist.lock"
TEMP_PREFIX = ".sk_mnist-"
_MAX_RECORD = 10_000  # bytes; a path and a few words

# Bytes that the directory of a zip file may have; that of the official file has 224. Python makes an object of each
# entry before it can be asked how many there are.
_MAX_ZIP_DIRECTORY = 4096
# The last records of a zip file, as its specification lays them out (APPNOTE.TXT, 4.3.15 and 4.3.16).
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_ZIP_END = struct.Struct("<4s4H2LH")

# Longer than a network that swallows packets is waited for; a process that holds the lock longer is not waited for.
LOCK_TIMEOUT = 60.0


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Return the directory in which MNIST is cached. It need not exist.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory, if you want your own. A leading ``~`` is your home directory. By default the environment
        variable ``SK_MNIST_DATA``, or where it is empty or not set, the user's cache directory of the
        platform, on Linux ``~/.cache/sk_mnist``.

    Returns
    -------
    data_home : Path
        Absolute path of the directory.

    Raises
    ------
    ValueError
        If ``data_home`` is empty or holds a null character.
    OSError
        If there is no home directory to put the cache into.

    Examples
    --------
    >>> from sk_mnist import get_data_home
    >>> get_data_home("/srv/mnist").as_posix()
    '/srv/mnist'
    """
    _check_data_home(data_home)
    if data_home is None:
        data_home = os.environ.get("SK_MNIST_DATA") or _user_cache()
    return _expand(data_home)


def clear_data_home(data_home: str | os.PathLike | None = None) -> None:
    """Delete what this package wrote into a data home, and nothing else.

    A ``mnist.npz`` that you put there yourself stays, and so does the directory.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory, as in :func:`get_data_home`.

    Raises
    ------
    OSError
        If a file cannot be deleted, or another process has been writing for a minute.

    Examples
    --------
    >>> import tempfile
    >>> from sk_mnist import clear_data_home
    >>> with tempfile.TemporaryDirectory() as data_home:
    ...     clear_data_home(data_home)
    """
    home = get_data_home(data_home)
    if not any((home / name).exists() for name in (RECORD, LOCK)):
        return
    with FileLock(home / LOCK, timeout=LOCK_TIMEOUT):
        _delete_strays(home)
        if (home / RECORD).is_file():
            # What is not a file was not written by this package.
            if (home / NPZ_FILE.name).is_file():
                (home / NPZ_FILE.name).unlink()
            (home / RECORD).unlink()
        with suppress(PermissionError):  # Windows deletes a lock file at its release, and not before
            (home / LOCK).unlink()


class CacheStatus(NamedTuple):
    """What a data home holds.

    Attributes
    ----------
    home : Path
        The directory.
    origin : str or None
        Where the fetcher had its ``mnist.npz`` from; None if it did not write one here.
    sha256 : str or None
        Of ``mnist.npz``; None if there is none.
    problem : str or None
        Why nothing here can serve; None if all four arrays are there with the right digests.
    """

    home: Path
    origin: str | None
    sha256: str | None
    problem: str | None


def check_data_home(data_home: str | os.PathLike | None = None) -> CacheStatus:
    """Read a data home as `fetch_mnist` would, check all digests, and say what was found. Writes nothing.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory, as in :func:`get_data_home`.

    Returns
    -------
    status : CacheStatus
        What is there and whether it is right.

    Raises
    ------
    OSError
        If there is no home directory to look in.
    """
    home = get_data_home(data_home)
    npz = home / NPZ_FILE.name
    origin = sha256 = problem = None
    # No record, or one that something else has damaged.
    with suppress(OSError, ValueError, KeyError, TypeError), open_regular(home / RECORD) as record:
        origin = str(json.loads(record.read(_MAX_RECORD))["source"])
    try:
        sha256 = pooch.file_hash(npz) if npz.is_file() else None
        read_directory(home, ARRAYS)
    except (OSError, ValueError) as error:
        problem = str(error)
    return CacheStatus(home, origin, sha256, problem)


def load_arrays(
    names: Iterable[str],
    data_home: str | os.PathLike | None = None,
    *,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    progressbar: bool = False,
) -> tuple[dict[str, np.ndarray], str]:
    """Return MNIST's arrays from the first source that has them.

    Parameters
    ----------
    names : iterable of str
        Which of x_train, y_train, x_test, y_test to return.
    data_home, download_if_missing, n_retries, delay, progressbar
        As in :func:`sk_mnist.datasets.fetch_mnist`.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays, uint8, their digests checked.
    source : str
        Kind and place of the source: "cache: path", "keras cache: path", "download: URL", "bundled: path".

    Raises
    ------
    ValueError
        If ``data_home`` is empty or holds a null character.
    OSError
        If no source has them.
    """
    _check_data_home(data_home)
    names = list(names)
    failures: dict[str, str] = {}
    home = None
    with _noting("the data home", failures):
        home = get_data_home(data_home)
    if home is not None:
        seen = _stamp(home)
        with _noting(f"the cache {home}", failures):
            return read_directory(home, names), f"cache: {home}"
    with _noting("Keras' cache", failures):
        path = _expand(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets" / NPZ_FILE.name
        return read_npz(path, names), f"keras cache: {path}"
    if home is not None and download_if_missing:
        with _noting(f"writing to {home}", failures):
            source = _fill_cache(home, seen, failures, n_retries=n_retries, delay=delay, progressbar=progressbar)
            return read_directory(home, names), source
    with _noting(f"the package's own copy {BUNDLED}", failures):
        arrays = read_npz(BUNDLED, names)
        if download_if_missing:
            _log_fallback(failures)
        return arrays, f"bundled: {BUNDLED}"
    reasons = "\n".join(f"- {place}: {reason}" for place, reason in failures.items())
    raise OSError(
        f"MNIST could not be had from any source:\n{reasons}\n"
        f"Put {NPZ_FILE.name} from {REMOTES[0].url}{NPZ_FILE.name}, or the four IDX files from {REMOTES[-1].url}, "
        "into a directory, and name the directory in data_home or in the environment variable SK_MNIST_DATA."
    )


def read_directory(directory: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read arrays from mnist.npz in a directory, or else from the IDX files there, gzipped or not."""
    npz = directory / NPZ_FILE.name
    idx = {name: _find_idx(directory, name) for name in names}
    if npz.is_file():
        try:
            return read_npz(npz, names)
        except (OSError, ValueError):
            if None in idx.values():
                raise
    if None in idx.values():
        raise FileNotFoundError(f"it holds neither {NPZ_FILE.name} nor the IDX files")
    return {name: read_idx_file(path, name) for name, path in idx.items() if path is not None}


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read arrays from an npz file that must hold MNIST's four and nothing else.

    Headers are read before values, so nothing is unpacked past the known sizes.
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
            raise ValueError(f"not MNIST's npz file: {error}") from error
    for name, array in arrays.items():
        _check_digest(name, array)
    return arrays


def read_idx_file(path: Path, name: str) -> np.ndarray:
    """Read one array of MNIST from its IDX file."""
    array = read_idx(path, max_bytes=math.prod(ARRAYS[name].shape))
    if array.dtype != np.uint8 or array.shape != ARRAYS[name].shape:
        raise ValueError(f"{path} holds {_describe(array.shape, array.dtype)}, not {_describe(ARRAYS[name].shape)}")
    _check_digest(name, array)
    return array


def _find_idx(directory: Path, name: str) -> Path | None:
    gzipped = directory / IDX_FILES[name].name
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
        raise zipfile.BadZipFile("File is not a zip file, or one with a comment")
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


def _fill_cache(
    home: Path,
    seen: tuple[int, ...] | None,
    failures: dict[str, str],
    *,
    n_retries: int,
    delay: float,
    progressbar: bool,
) -> str:
    """Put a checked mnist.npz into the data home, and say where it came from."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"{home} is a file, not a directory") from error
    with FileLock(home / LOCK, timeout=LOCK_TIMEOUT):
        if _stamp(home) != seen:  # another process filled the cache while this one waited for the lock
            return f"cache: {home}"
        _delete_strays(home)
        with TemporaryDirectory(prefix=TEMP_PREFIX, dir=home) as temporary:
            work = Path(temporary)
            source = _download_from_any(work, failures, n_retries=n_retries, delay=delay, progressbar=progressbar)
            if source is None:
                source = _copy_bundled(work)
                _log_fallback(failures)
            _install(work, home, source)
    return source


def _download_from_any(
    work: Path, failures: dict[str, str], *, n_retries: int, delay: float, progressbar: bool
) -> str | None:
    """Ask each remote in turn, then again those whose failure may pass; None if none delivers."""
    patience = Patience(_download.TOTAL_PATIENCE)
    pending = list(REMOTES)
    for attempt in range(1 + n_retries):
        if attempt:
            time.sleep(delay)
        for remote in list(pending):
            try:
                _download_remote(remote, work, patience, progressbar)
            except DownloadError as error:
                failures[remote.url] = str(error)
                if isinstance(error, NoNetworkError) or patience.seconds <= 0:
                    return None
                if not error.passing:
                    pending.remove(remote)
            else:
                logger.info("Downloaded MNIST from %s", remote.url)
                return f"download: {remote.url}"
        if not pending:
            break
    return None


def _download_remote(remote: Remote, work: Path, patience: Patience, progressbar: bool) -> None:
    """Leave a checked mnist.npz in the work directory."""
    for file in remote.files:
        download(remote.url + file.name, work, file, patience=patience, explain=_explain, progressbar=progressbar)
    try:
        arrays: dict[str, Any] = read_directory(work, ARRAYS)
    except ValueError as error:
        for file in remote.files:  # or the next remote would find them
            (work / file.name).unlink()
        raise DownloadError(str(error)) from error
    if not (work / NPZ_FILE.name).exists():
        np.savez_compressed(work / NPZ_FILE.name, **arrays)


def _explain(path: Path, file: RemoteFile) -> str:
    """Tell a file that was packed anew from one that is not MNIST at all."""
    with open(path, "rb") as stream:
        start = stream.read(16)
    try:
        if file.name == NPZ_FILE.name:
            read_npz(path, ARRAYS)
        else:
            read_idx_file(path, next(name for name, known in IDX_FILES.items() if known.name == file.name))
    except (OSError, ValueError) as error:
        finding = f"it begins with {start!r}: {error}"
    else:
        finding = "it was re-packed: the arrays in it are MNIST's"
    return f"the sha256 of {file.name} is {pooch.file_hash(path)}, not {file.sha256}; {finding}"


def _copy_bundled(work: Path) -> str:
    if not BUNDLED.is_file():
        raise FileNotFoundError("there was nothing to write")
    shutil.copyfile(BUNDLED, work / NPZ_FILE.name)
    read_directory(work, ARRAYS)
    return f"bundled: {BUNDLED}"


def _install(work: Path, home: Path, source: str) -> None:
    """Move the checked file into place, with a record that it is ours."""
    new, place = work / NPZ_FILE.name, home / NPZ_FILE.name
    if place.exists() and not ((home / RECORD).is_file() and place.is_file()):
        _set_aside(place)
    if (home / RECORD).exists() and not (home / RECORD).is_file():
        _set_aside(home / RECORD)
    record = work / RECORD
    record.write_text(json.dumps({"source": source}) + "\n", encoding="utf-8")
    # A temporary file of pooch is readable by its owner only, but a data home may be shared.
    shutil.copymode(record, new)
    os.replace(record, home / RECORD)
    os.replace(new, place)


def _set_aside(path: Path) -> None:
    """Rename what is in the way: it is not what belongs there, but neither is it ours to delete."""
    names = (path.with_name(f"{path.name}.rejected-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    path.rename(aside)
    logger.warning("%s was not written by sk-mnist, and was renamed to %s", path, aside.name)


def _stamp(home: Path) -> tuple[int, ...] | None:
    """Something that differs after another process put a new file into the data home."""
    try:
        status = (home / NPZ_FILE.name).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _delete_strays(home: Path) -> None:
    """Delete what a killed process left behind; only the holder of the lock may have a temporary directory."""
    for stray in home.glob(TEMP_PREFIX + "*"):
        shutil.rmtree(stray, ignore_errors=True)


def _log_fallback(failures: dict[str, str]) -> None:
    reasons = "; ".join(f"{place}: {reason}" for place, reason in failures.items())
    logger.warning("MNIST was not downloaded, so the copy in the sk_mnist package serves (%s)", reasons)


@contextmanager
def _noting(place: str, failures: dict[str, str]) -> Iterator[None]:
    """Take a source's failure down and go on to the next."""
    try:
        yield
    # Older filelocks raise NotImplementedError on a file system without locks.
    except (OSError, ValueError, NotImplementedError) as error:
        failures[place] = getattr(error, "strerror", None) or str(error)


def _user_cache() -> Path:
    try:
        return pooch.os_cache("sk_mnist")
    except RuntimeError as error:
        raise OSError(f"there is no user cache directory: {error}") from error


def _check_data_home(data_home: str | os.PathLike | None) -> None:
    if data_home is None:
        return
    text = os.fspath(data_home)
    if not text or "\0" in text:
        raise ValueError(
            f"data_home must be the path of a directory; got {text!r}. Give '.' for the working directory, or None for "
            "the default."
        )


def _expand(path: str | os.PathLike) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise OSError(f"there is no home directory to find {path} in") from error
