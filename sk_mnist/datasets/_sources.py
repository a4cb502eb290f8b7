"""The sources of a data set, in order: the cache, Keras' cache, the network, the copy in this package."""

import logging
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pooch

from sk_mnist.datasets import _download
from sk_mnist.datasets._arrays import Arrays, find_foreign, read_directory, read_file, read_npz
from sk_mnist.datasets._cache import expand, fill_cache, get_data_home, record_of, stamp
from sk_mnist.datasets._dataset import DataSet, KnownFile, Remote, Source
from sk_mnist.datasets._download import DownloadError, NoNetworkError, download

logger = logging.getLogger(__name__)

# Exceptions of a source that fails. Old versions of filelock raise NotImplementedError on a file system without locks.
_FAILURES = (OSError, ValueError, NotImplementedError)


def read_data_set(
    data_set: DataSet,
    names: Collection[str],
    data_home: str | os.PathLike | None,
    *,
    download_if_missing: bool,
    n_retries: int,
    delay: float,
    progressbar: bool,
) -> tuple[Arrays, Source]:
    """Return arrays of a data set from the first source that has them.

    Parameters
    ----------
    data_set : DataSet
        The data set.
    names : collection of str
        Which of its arrays to return.
    data_home, download_if_missing, n_retries, delay, progressbar
        As in :func:`sk_mnist.datasets.fetch_mnist`.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays, with checked digests.
    source : Source
        Where they came from.

    Raises
    ------
    ValueError
        If ``data_home`` is empty or holds a null character.
    OSError
        If no source has them.
    """
    failures: list[str] = []

    @contextmanager
    def trying(place: str, expected: tuple[type[Exception], ...] = _FAILURES) -> Iterator[None]:
        try:
            yield
        except expected as error:
            failures.append(f"{place}: {getattr(error, 'strerror', None) or error}")
            logger.debug("%s", failures[-1])

    home = None
    with trying("the data home", (OSError,)):  # a ValueError is the caller's
        home = get_data_home(data_home)
    if home is not None:
        npz = home / data_set.npz
        seen = stamp(npz)
        with trying(f"the cache {home}"):
            arrays = read_directory(home, data_set, names)
            if seen is not None:  # the IDX files were not read
                _warn_of_foreign(data_set, home, names, npz=False)
            return arrays, Source("cache", home)
        # What this package wrote is repaired.
        _warn_of_foreign(data_set, home, names, npz=not record_of(npz).is_file())
    with trying("Keras' cache"):
        path = expand(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets" / data_set.keras
        read = read_npz if path.suffix == ".npz" else read_directory
        return read(path, data_set, names), Source("keras cache", path)
    if home is not None and download_if_missing:
        write = partial(_write_npz, data_set, n_retries=n_retries, delay=delay, progressbar=progressbar)
        with trying(f"writing to {home}"):
            source = fill_cache(npz, seen, write)
            return read_directory(home, data_set, names), source
    if data_set.bundled is not None:
        with trying(f"the package's own copy {data_set.bundled}"):
            arrays = read_npz(data_set.bundled, data_set, names)
            if download_if_missing:
                _warn(data_set, "There is no cache directory" if home is None else f"{home} cannot be written")
            return arrays, Source("bundled", data_set.bundled)
    reasons = "\n".join(f"- {failure}" for failure in failures)
    raise OSError(
        f"{data_set.name} is not available from any source:\n{reasons}\n"
        f"Put {_files_by_hand(data_set)}, into a directory, and pass it as data_home or set the environment variable "
        "SK_MNIST_DATA to it."
    )


def _write_npz(data_set: DataSet, work: Path, *, n_retries: int, delay: float, progressbar: bool) -> Source:
    """Write a checked npz file into a directory, from a remote or else from our copy, and return its source.

    Each remote is tried in turn, then those with temporary failures are retried.
    """
    errors: dict[str, DownloadError] = {}
    seconds_left = _download.TOTAL_TIMEOUT
    pending = list(data_set.remotes)
    for attempt in range(1 + n_retries):
        if attempt and pending:
            time.sleep(delay)
        for remote in pending:
            try:
                _download_remote(data_set, remote, work, progressbar)
            except DownloadError as error:
                errors[remote.url] = error
                logger.debug("%s: %s", remote.url, error)
                seconds_left -= error.waited
                if isinstance(error, NoNetworkError) or seconds_left <= 0:
                    return _copy_bundled(data_set, work, errors)
            else:
                logger.info("Downloaded %s from %s", data_set.name, remote.url)
                return Source("download", remote.url)
        pending = [remote for remote in pending if errors[remote.url].transient]
    return _copy_bundled(data_set, work, errors)


def _copy_bundled(data_set: DataSet, work: Path, errors: dict[str, DownloadError]) -> Source:
    if data_set.bundled is None or not data_set.bundled.is_file():
        reasons = "".join(f"\n  - {url}: {error}" for url, error in errors.items())
        raise FileNotFoundError(f"nothing was downloaded, and the package has no copy{reasons}")
    shutil.copyfile(data_set.bundled, work / data_set.npz)
    read_directory(work, data_set, data_set.arrays)
    _warn(data_set, "No network" if all(error.offline for error in errors.values()) else "The download failed")
    return Source("bundled", data_set.bundled)


def _warn(data_set: DataSet, because: str) -> None:
    logger.warning("%s: using the bundled copy of %s.", because, data_set.name)


def _warn_of_foreign(data_set: DataSet, home: Path, names: Collection[str], *, npz: bool) -> None:
    if foreign := find_foreign(home, data_set, names, npz=npz):
        lines = "".join(f"\n- {problem}" for problem in foreign)
        logger.warning("%s has files that are not %s's and are not used:%s", home, data_set.name, lines)


def _download_remote(data_set: DataSet, remote: Remote, work: Path, progressbar: bool) -> None:
    """Download a data set from a remote, and leave a checked npz file in the work directory."""
    arrays: dict[str, Any] = {}
    for file in remote.files:
        path = download(remote.url + file.name, work, file, progressbar=progressbar)
        arrays |= _read_download(path, file, data_set)
    if not (work / data_set.npz).exists():
        np.savez_compressed(work / data_set.npz, **arrays)


def _read_download(path: Path, file: KnownFile, data_set: DataSet) -> Arrays:
    """Read a downloaded file, and delete it unless its arrays and its hash are the known ones.

    The arrays are always checked, so that a wrong hash in our own table does not let wrong data in, and so that a
    file that was re-packed can be told from wrong data.
    """
    sha256 = pooch.file_hash(path)
    try:
        arrays = read_file(path, data_set)
    except ValueError as error:
        with open(path, "rb") as stream:
            problem = f"it begins with {stream.read(16)!r}: {error}"
    else:
        if sha256 == file.sha256:
            return arrays
        problem = f"it was re-packed: the arrays in it are {data_set.name}'s"
    path.unlink()
    raise DownloadError(f"the sha256 of {file.name} is {sha256}, that of the known file {file.sha256}; {problem}")


def _files_by_hand(data_set: DataSet) -> str:
    """Say which files a user can put into a data home, and where they are."""
    npz = data_set.npz
    return ", or ".join(
        f"{npz} from {remote.url}{npz}" if npz == remote.files[0].name else f"the IDX files from {remote.url}"
        for remote in data_set.remotes
    )
