"""The sources of MNIST, in order: the cache, Keras' cache, the network, the copy in this package."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch

from sk_mnist.datasets import _download
from sk_mnist.datasets._arrays import ARRAYS, IDX_NAMES, NPZ_NAME, read_directory, read_idx_array, read_npz
from sk_mnist.datasets._cache import check_data_home_argument, expand, fill_cache, get_data_home, stamp
from sk_mnist.datasets._download import DownloadError, NoNetworkError, RemoteFile, WaitBudget, download

logger = logging.getLogger(__name__)

NPZ_FILE = RemoteFile(NPZ_NAME, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1", 11_490_434)
IDX_FILES = {
    "x_train": RemoteFile(
        IDX_NAMES["x_train"], "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422
    ),
    "y_train": RemoteFile(
        IDX_NAMES["y_train"], "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881
    ),
    "x_test": RemoteFile(
        IDX_NAMES["x_test"], "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877
    ),
    "y_test": RemoteFile(
        IDX_NAMES["y_test"], "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542
    ),
}


class Remote(NamedTuple):
    """A download location: each file is at `url` + its name, and together they hold the four arrays."""

    url: str
    files: tuple[RemoteFile, ...]


REMOTES = (
    Remote("https://storage.googleapis.com/tensorflow/tf-keras-datasets/", (NPZ_FILE,)),
    Remote("https://ossci-datasets.s3.amazonaws.com/mnist/", tuple(IDX_FILES.values())),
    Remote("https://storage.googleapis.com/cvdf-datasets/mnist/", tuple(IDX_FILES.values())),
)
BUNDLED = Path(__file__).parent / "data" / NPZ_NAME

# Exceptions of a source that fails. Old versions of filelock raise NotImplementedError on a file system without locks.
_FAILURES = (OSError, ValueError, NotImplementedError)

Arrays = dict[str, np.ndarray]


@dataclass
class _Attempt:
    """The outcome of the attempt to download, in a few words."""

    outcome: str


def read_mnist(
    names: Iterable[str],
    data_home: str | os.PathLike | None = None,
    *,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    progressbar: bool = False,
) -> tuple[Arrays, str]:
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
        The arrays, uint8, with checked digests.
    source : str
        Kind and place of the source: "cache: path", "keras cache: path", "download: URL", "bundled: path".

    Raises
    ------
    ValueError
        If ``data_home`` is empty or holds a null character.
    OSError
        If no source has them.
    """
    check_data_home_argument(data_home)
    failures: dict[str, str] = {}
    home = None
    try:
        home = get_data_home(data_home)
    except _FAILURES as error:
        failures["the data home"] = _reason(error)
    attempt = _Attempt(f"{home} cannot be written" if home is not None else "There is no cache directory")
    write = None  # or the function that fills the cache
    if download_if_missing:
        write = partial(
            _write_npz, attempt=attempt, failures=failures, n_retries=n_retries, delay=delay, progressbar=progressbar
        )
    for place, read in _sources(list(names), home, write):
        try:
            arrays, source = read()
        except _FAILURES as error:
            failures[place] = _reason(error)
            continue
        for failed, reason in failures.items():
            logger.debug("%s: %s", failed, reason)
        if source.startswith("bundled") and write is not None:
            logger.warning("%s: using the bundled copy of MNIST.", attempt.outcome)
        return arrays, source
    reasons = "\n".join(f"- {place}: {reason}" for place, reason in failures.items())
    raise OSError(
        f"MNIST is not available from any source:\n{reasons}\n"
        f"Put {NPZ_NAME} from {REMOTES[0].url}{NPZ_NAME}, or the four IDX files from {REMOTES[-1].url}, "
        "into a directory, and pass it as data_home or set the environment variable SK_MNIST_DATA to it."
    )


def _sources(
    names: list[str], home: Path | None, write: Callable[[Path], str] | None
) -> Iterator[tuple[str, Callable[[], tuple[Arrays, str]]]]:
    """Yield each source with a function that reads the arrays from it, in the order to try them."""
    seen = stamp(home) if home is not None else None
    if home is not None:
        yield f"the cache {home}", partial(_read_cache, names, home)
    yield "Keras' cache", partial(_read_keras_cache, names)
    if home is not None and write is not None:
        yield f"writing to {home}", partial(_fill_and_read_cache, names, home, seen, write)
    yield f"the package's own copy {BUNDLED}", partial(_read_bundled, names)


def _read_cache(names: list[str], home: Path) -> tuple[Arrays, str]:
    return read_directory(home, names), f"cache: {home}"


def _read_keras_cache(names: list[str]) -> tuple[Arrays, str]:
    path = expand(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets" / NPZ_NAME
    return read_npz(path, names), f"keras cache: {path}"


def _fill_and_read_cache(
    names: list[str], home: Path, seen: tuple[int, ...] | None, write: Callable[[Path], str]
) -> tuple[Arrays, str]:
    source = fill_cache(home, seen, write)
    return read_directory(home, names), source


def _read_bundled(names: list[str]) -> tuple[Arrays, str]:
    return read_npz(BUNDLED, names), f"bundled: {BUNDLED}"


def _write_npz(
    work: Path, attempt: _Attempt, failures: dict[str, str], *, n_retries: int, delay: float, progressbar: bool
) -> str:
    """Write a checked mnist.npz into a directory, from a remote or else from our copy, and return its source."""
    errors: dict[str, DownloadError] = {}
    source = _download_from_any(work, errors, n_retries=n_retries, delay=delay, progressbar=progressbar)
    failures.update({url: str(error) for url, error in errors.items()})
    if source is None:
        is_offline = all(error.offline for error in errors.values())
        attempt.outcome = "No network" if is_offline else "The download failed"
        source = _copy_bundled(work)
    return source


def _download_from_any(
    work: Path, errors: dict[str, DownloadError], *, n_retries: int, delay: float, progressbar: bool
) -> str | None:
    """Try each remote in turn, then retry those with temporary failures; return None if all fail."""
    budget = WaitBudget(_download.TOTAL_TIMEOUT)
    pending = list(REMOTES)
    for attempt in range(1 + n_retries):
        if attempt:
            time.sleep(delay)
        for remote in list(pending):
            try:
                _download_remote(remote, work, budget, progressbar)
            except DownloadError as error:
                errors[remote.url] = error
                if isinstance(error, NoNetworkError) or budget.seconds <= 0:
                    return None
                if not error.transient:
                    pending.remove(remote)
            else:
                logger.info("Downloaded MNIST from %s", remote.url)
                return f"download: {remote.url}"
        if not pending:
            break
    return None


def _download_remote(remote: Remote, work: Path, budget: WaitBudget, progressbar: bool) -> None:
    """Download MNIST from a remote, and leave a checked mnist.npz in the work directory."""
    for file in remote.files:
        download(remote.url + file.name, work, file, budget=budget, explain=_explain, progressbar=progressbar)
    try:
        arrays: dict[str, Any] = read_directory(work, ARRAYS)
    except ValueError as error:
        for file in remote.files:  # so that the next remote does not use them
            (work / file.name).unlink()
        raise DownloadError(str(error)) from error
    if not (work / NPZ_NAME).exists():
        np.savez_compressed(work / NPZ_NAME, **arrays)


def _explain(path: Path, file: RemoteFile) -> str:
    """Describe a file with a wrong hash: MNIST that was re-packed, or not MNIST at all."""
    with open(path, "rb") as stream:
        start = stream.read(16)
    try:
        if file.name == NPZ_NAME:
            read_npz(path, ARRAYS)
        else:
            read_idx_array(path, next(name for name, known in IDX_NAMES.items() if known == file.name))
    except (OSError, ValueError) as error:
        finding = f"it begins with {start!r}: {error}"
    else:
        finding = "it was re-packed: the arrays in it are MNIST's"
    return f"the sha256 of {file.name} is {pooch.file_hash(path)}, not {file.sha256}; {finding}"


def _copy_bundled(work: Path) -> str:
    if not BUNDLED.is_file():
        raise FileNotFoundError("nothing was downloaded, and the package has no copy")
    shutil.copyfile(BUNDLED, work / NPZ_NAME)
    read_directory(work, ARRAYS)
    return f"bundled: {BUNDLED}"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
