"""Download one URL to one file with pooch, without hanging or filling the disk."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import WARNING, LogRecord
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pooch

from sk_mnist.datasets._dataset import KnownFile

# A transfer is abandoned if a name takes longer than NAME_TIMEOUT to resolve, if MIN_BYTES do not arrive within
# IDLE_TIMEOUT (at the start, one byte is enough). No other is begun once a call has waited for idle servers for
# TOTAL_TIMEOUT in all.
NAME_TIMEOUT = 2.0
IDLE_TIMEOUT = 4.0
TOTAL_TIMEOUT = 12.0
MIN_BYTES = 40 * 1024
# Room for MNIST in any container, even uncompressed, so that a re-packed file can still be recognised.
MAX_BYTES = 64 * 1024 * 1024

_CHUNK = 4096
_TICK = 0.05


class DownloadError(Exception):
    """A download failed.

    Parameters
    ----------
    reason : str
        What happened.
    transient : bool, default=False
        Whether the same request may succeed later.
    offline : bool, default=False
        Whether no server was reached at all.
    waited : float, default=0.0
        Seconds spent in waiting for an idle server.
    """

    def __init__(self, reason: str, *, transient: bool = False, offline: bool = False, waited: float = 0.0) -> None:
        super().__init__(reason)
        self.transient = transient
        self.offline = offline
        self.waited = waited


class NoNetworkError(DownloadError):
    """No server can be reached, so there is no point in trying the next one."""


def download(url: str, directory: Path, file: KnownFile, *, progressbar: bool = False) -> Path:
    """Download a file into a directory, under its own name. Its hash is not checked.

    Parameters
    ----------
    url : str
        URL of the file.
    directory : Path
        Where to put it. A file that is already there is not downloaded again.
    file : KnownFile
        Name of the file, and its size, which the progress bar needs.
    progressbar : bool, default=False
        Whether to show a progress bar on stderr.

    Returns
    -------
    path : Path
        Path of the file.

    Raises
    ------
    DownloadError
        If the network or the server fails.
    OSError
        If the file cannot be written.
    """
    import requests

    def receive(url: str, output_file: str, _pooch: Any) -> None:
        with open(output_file, "wb") as output, _progress(file, progressbar) as show:
            _receive(_Transfer(url, output), show)

    try:
        with _without_pooch_chatter():
            return Path(pooch.retrieve(url, known_hash=None, fname=file.name, path=directory, downloader=receive))
    except (requests.RequestException, socket.gaierror) as error:
        transient = _is_transient(error)
        offline = isinstance(error, (requests.ConnectionError, socket.gaierror)) and not transient
        raise DownloadError(str(error), transient=transient, offline=offline) from error


class _Transfer(threading.Thread):
    """One HTTP request in its own thread, because a name look-up or a slow read cannot be interrupted."""

    def __init__(self, url: str, output: BinaryIO) -> None:
        super().__init__(name="sk-mnist-download", daemon=True)
        self.url = url
        self.output = output
        self.resolved = False
        self.received = 0
        self.abandoned = False
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._resolve()
            if not self.abandoned:
                self._transfer()
        except BaseException as error:
            self.error = error

    def _resolve(self) -> None:
        import requests

        proxies = requests.utils.get_environ_proxies(self.url)
        if not requests.utils.select_proxy(self.url, proxies):  # a proxy looks names up itself
            parts = urlsplit(self.url)
            socket.getaddrinfo(parts.hostname, parts.port or parts.scheme)
        self.resolved = True

    def _transfer(self) -> None:
        import requests

        # The timeout only ends an abandoned thread, because _watch is faster. Compression would change the bytes.
        with requests.get(
            self.url, stream=True, timeout=2 * IDLE_TIMEOUT, headers={"Accept-Encoding": "identity"}
        ) as response:
            response.raise_for_status()
            for chunk in response.iter_content(_CHUNK):
                if self.abandoned:
                    return
                self.received += len(chunk)
                if self.received > MAX_BYTES:
                    raise DownloadError(f"more than {MAX_BYTES} bytes, which no known file has")
                self.output.write(chunk)


def _receive(transfer: _Transfer, show: Callable[[int], None]) -> None:
    """Run a transfer as long as it makes progress."""
    counted, since = 0, time.monotonic()
    transfer.start()
    try:
        while transfer.is_alive():
            transfer.join(_TICK)
            show(transfer.received)
            waited = time.monotonic() - since
            if transfer.received - counted >= (MIN_BYTES if counted else 1):
                counted, since = transfer.received, time.monotonic()
            elif waited > (IDLE_TIMEOUT if transfer.resolved else NAME_TIMEOUT):
                raise _too_slow(transfer, waited)
    finally:
        transfer.abandoned = True
    if transfer.error is not None:
        raise transfer.error
    show(transfer.received)


def _too_slow(transfer: _Transfer, waited: float) -> DownloadError:
    if not transfer.resolved:
        return NoNetworkError(f"no name resolution within {waited:.1f} s", offline=True, waited=waited)
    reason = f"too slow: fewer than {MIN_BYTES} bytes in {waited:.1f} s, {transfer.received} in all"
    return DownloadError(reason, transient=True, waited=waited)


def _is_transient(error: Exception) -> bool:
    """Whether a failed request is worth repeating: a timeout, a dropped connection or an overloaded server."""
    import requests
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    response = getattr(error, "response", None)
    if response is not None:
        return response.status_code in (408, 429) or response.status_code >= 500
    if isinstance(error, (requests.Timeout, requests.exceptions.ChunkedEncodingError)):
        return True
    # requests uses one class for unknown names, refused connections and dropped ones; only the cause differs.
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ConnectionError) and isinstance(cause, (ProtocolError, ReadTimeoutError))


@contextmanager
def _progress(file: KnownFile, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda received: None
        return
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True))
    bar = progress.add_task(file.name, total=file.size)

    def show(received: int) -> None:
        if received:  # no bar for a server that never answers
            progress.start()
            progress.update(bar, completed=received)

    try:
        yield show
    except BaseException:
        progress.live.transient = True  # erase the bar of a failed download
        raise
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def _without_pooch_chatter() -> Iterator[None]:
    """Keep pooch from printing temporary paths to stderr, which its logger does by default."""

    def is_warning(record: LogRecord) -> bool:
        return record.levelno >= WARNING

    logger = pooch.get_logger()
    logger.addFilter(is_warning)
    try:
        yield
    finally:
        logger.removeFilter(is_warning)
