"""Directories that commands write to: found to be writable before the work, filled at once after it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from sk_mnist.cli._options import UsageError


def prepare(directory: Path, names: Sequence[str], option: str) -> None:
    """Make a directory, and see that files of some names can be written there.

    Raises
    ------
    UsageError
        If they cannot.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(prefix=".sk-mnist-", dir=directory):
            pass
    except OSError as error:
        raise UsageError(f"{option} {directory}: {error.strerror}") from error
    for name in names:
        if (directory / name).is_dir():
            raise UsageError(f"{option} {directory}: {name} is a directory there, and would have to be a file")


def files_in(directory: Path, names: Sequence[str]) -> list[Path]:
    """Return those of the names that are there, in their order."""
    return [directory / name for name in names if os.path.lexists(directory / name)]


def refuse_earlier_run(directory: Path, names: Sequence[str]) -> None:
    """Raise a UsageError if the files of an earlier run are there."""
    earlier = files_in(directory, names)
    if earlier:
        found = ", ".join(path.name for path in earlier)
        raise UsageError(
            f"{directory} holds {found} of an earlier run: give --force to replace them, or another --output"
        )


@contextmanager
def replacing_all(directory: Path, names: Sequence[str]) -> Iterator[Path]:
    """Give a directory to write to and, when the block ends well, move its files into another one.

    Those of the names that were not written are deleted there, so that no picture of an earlier run stays beside the
    figures of this one.
    """
    with TemporaryDirectory(prefix=".sk-mnist-", dir=directory) as staging:
        yield Path(staging)
        written = {path.name for path in Path(staging).iterdir()}
        for name in sorted(written):
            os.replace(Path(staging, name), directory / name)
    for path in files_in(directory, names):
        if path.name not in written:
            path.unlink()


def unused_path(path: Path) -> Path:
    """Return a path or, if there is such a file, the first free one of name-2, name-3, ..."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
