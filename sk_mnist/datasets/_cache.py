"""The data home: where it is, what it holds, and how it is filled and cleared."""

import itertools
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pooch
from filelock import FileLock

from sk_mnist._files import open_regular
from sk_mnist.datasets._arrays import read_directory
from sk_mnist.datasets._dataset import FASHION_MNIST, MNIST, Source

logger = logging.getLogger(__name__)

# What this package writes into a data home, besides npz files and their records.
LOCK = ".sk_mnist.lock"
TEMP_PREFIX = ".sk_mnist-"
_MAX_RECORD = 10_000  # bytes; a path and a few words

# Seconds to wait for a process that holds the lock: longer than it waits for a network that drops packets.
LOCK_TIMEOUT = 60.0


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Return the directory in which the data sets are cached. It need not exist.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory. A leading ``~`` is your home directory. By default, the environment variable ``SK_MNIST_DATA``
        or, if that is empty or not set, the platform's user cache directory, on Linux ``~/.cache/sk_mnist``.

    Returns
    -------
    data_home : Path
        Absolute path of the directory.

    Raises
    ------
    ValueError
        If ``data_home`` is empty or holds a null character.
    OSError
        If there is no home directory for the cache.

    Examples
    --------
    >>> from sk_mnist import get_data_home
    >>> get_data_home("/srv/mnist").as_posix()
    '/srv/mnist'
    """
    if data_home is not None and ((path := os.fspath(data_home)) == "" or "\0" in path):
        raise ValueError(
            f"data_home must be the path of a directory; got {path!r}. Use '.' for the working directory, or None for "
            "the default."
        )
    try:
        return expand(data_home or os.environ.get("SK_MNIST_DATA") or pooch.os_cache("sk_mnist"))
    except RuntimeError as error:
        raise OSError(f"there is no user cache directory: {error}") from error


def clear_data_home(data_home: str | os.PathLike | None = None) -> None:
    """Delete what this package wrote into a data home, and nothing else.

    A file that you put there yourself stays, and so does the directory.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory, as in :func:`get_data_home`.

    Raises
    ------
    OSError
        If a file cannot be deleted, or another process has held the lock for a minute.

    Examples
    --------
    >>> import tempfile
    >>> from sk_mnist import clear_data_home
    >>> with tempfile.TemporaryDirectory() as data_home:
    ...     clear_data_home(data_home)
    """
    home = get_data_home(data_home)
    files = [home / data_set.npz for data_set in (MNIST, FASHION_MNIST)]
    lock = home / LOCK
    if not (lock.exists() or any(record_of(npz).exists() for npz in files)):
        return
    with FileLock(lock, timeout=LOCK_TIMEOUT):
        _delete_strays(home)
        for npz in files:
            record = record_of(npz)
            if record.is_file():
                # What is not a file was not written by this package.
                if npz.is_file():
                    npz.unlink()
                record.unlink()
        with suppress(PermissionError):  # Windows deletes a lock file only when it is released
            lock.unlink()


class CacheStatus(NamedTuple):
    """The contents of a data home.

    Attributes
    ----------
    home : Path
        The directory.
    origin : str or None
        Source of the ``mnist.npz`` that the fetcher wrote here; None if it wrote none.
    sha256 : str or None
        Digest of ``mnist.npz``; None if there is no such file.
    problem : str or None
        Why the data home cannot be used; None if it holds all four arrays with the right digests.
    """

    home: Path
    origin: str | None
    sha256: str | None
    problem: str | None


def check_data_home(data_home: str | os.PathLike | None = None) -> CacheStatus:
    """Read a data home as `fetch_mnist` does, check all digests and report the result. Writes nothing.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory, as in :func:`get_data_home`.

    Returns
    -------
    status : CacheStatus
        What the data home holds, and whether it is correct.

    Raises
    ------
    OSError
        If there is no home directory for the cache.
    """
    home = get_data_home(data_home)
    npz = home / MNIST.npz
    origin = sha256 = problem = None
    # The record may be missing or damaged.
    with suppress(OSError, ValueError, KeyError, TypeError), open_regular(record_of(npz)) as record:
        origin = str(json.loads(record.read(_MAX_RECORD))["source"])
    try:
        sha256 = pooch.file_hash(npz) if npz.is_file() else None
        read_directory(home, MNIST, MNIST.arrays)
    except (OSError, ValueError) as error:
        problem = str(error)
    return CacheStatus(home, origin, sha256, problem)


def expand(path: str | os.PathLike) -> Path:
    """Return the absolute path, with a leading ``~`` replaced by the home directory."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise OSError(f"there is no home directory, which {path} needs") from error


def stamp(npz: Path) -> tuple[int, ...] | None:
    """Return a value that changes when another process puts a new file there."""
    try:
        status = npz.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def fill_cache(npz: Path, seen: tuple[int, ...] | None, write: Callable[[Path], Source]) -> Source:
    """Put a checked npz file into a data home.

    Parameters
    ----------
    npz : Path
        Path of the file. Its directory is the data home, which is created if it does not exist.
    seen : tuple of int or None
        Its ``stamp`` when reading it failed. If the stamp has changed since, another process has filled the cache.
    write : callable
        Writes a checked file of the same name into a given directory, and returns its source.

    Returns
    -------
    source : Source
        What ``write`` returned, or the cache.

    Raises
    ------
    OSError
        If nothing can be written there, or another process has held the lock for a minute.
    """
    home = npz.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"{home} is a file, not a directory") from error
    with FileLock(home / LOCK, timeout=LOCK_TIMEOUT):
        if stamp(npz) != seen:
            return Source("cache", home)
        _delete_strays(home)
        with TemporaryDirectory(prefix=TEMP_PREFIX, dir=home) as work:
            source = write(Path(work))
            _install(Path(work) / npz.name, npz, str(source))
    return source


def _install(new: Path, npz: Path, source: str) -> None:
    """Move a checked file into place, with a record that it is ours."""
    new_record, record = record_of(new), record_of(npz)
    if npz.exists() and not (record.is_file() and npz.is_file()):
        _set_aside(npz)
    if record.exists() and not record.is_file():
        _set_aside(record)
    new_record.write_text(json.dumps({"source": source}) + "\n", encoding="utf-8")
    # Only its owner can read a temporary file of pooch, but a data home may be shared.
    shutil.copymode(new_record, new)
    os.replace(new_record, record)
    os.replace(new, npz)


def record_of(npz: Path) -> Path:
    """Return the path of the file that says from which source this package wrote an npz file."""
    return npz.with_name(f".sk_{npz.stem}.json")


def _set_aside(path: Path) -> None:
    """Rename something in the way that we did not write and therefore must not delete."""
    names = (path.with_name(f"{path.name}.rejected-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    path.rename(aside)
    logger.warning("%s was not written by sk-mnist, and was renamed to %s", path, aside.name)


def _delete_strays(home: Path) -> None:
    """Delete temporary directories of killed processes. Only the holder of the lock may have one."""
    for stray in home.glob(TEMP_PREFIX + "*"):
        shutil.rmtree(stray, ignore_errors=True)
