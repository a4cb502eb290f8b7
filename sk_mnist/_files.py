"""Open only regular files, which cannot hang or be endless, and write files atomically."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# The scheme of an address such as https://..., given in place of a file name. A Path has a single slash there, and a
# single letter is a drive of Windows.
SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:(?=/)", re.IGNORECASE)


@contextmanager
def open_regular(path: str | os.PathLike, *, or_pipe: bool = False) -> Iterator[IO[bytes]]:
    """Open a regular file, or a link to one, for reading bytes.

    A plain ``open`` hangs forever on a pipe without a writer, and a device such as /dev/zero never ends.

    Parameters
    ----------
    path : str or path-like
        The file.
    or_pipe : bool, default=False
        Also open a pipe, such as a shell's ``<(command)``. Without a writer, it is empty.

    Raises
    ------
    OSError
        If the file cannot be opened, or is a directory, a pipe, a socket or a device.
    """
    # O_NONBLOCK keeps a pipe from hanging; regular files ignore it. Windows has neither the flag nor such pipes.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if or_pipe and stat.S_ISFIFO(mode):
        os.set_blocking(descriptor, True)  # a writer may be slow
    elif not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    with os.fdopen(descriptor, "rb") as file:
        yield file


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to ``path``, and rename it to ``path`` if the block succeeds."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such directory", os.fspath(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    # Created here and not by tempfile, so that the system applies the umask. The umask can only be read by changing it,
    # which would affect every thread.
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
