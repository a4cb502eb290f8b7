"""Output directories of commands: checked before the work, filled in one go after it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from sk_mnist.cli._options import UsageError


def prepare(directory: Path, names: Sequence[str], option: str) -> None:
    """Create a directory and check that files with these names can be written there.

    Raises
    ------
    UsageError
        If they cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(prefix=".sk-mnist-", dir=directory):
            pass
    except OSError as error:
        raise UsageError(f"{option} {directory}: {error.strerror}") from error
    for name in names:
        if (directory / name).is_dir():
            raise UsageError(f"{option} {directory}: {name} must be a file, but is a directory")


def files_in(directory: Path, names: Sequence[str]) -> list[Path]:
    """Return the paths of the names that exist in the directory, in the given order."""
    return [directory / name for name in names if os.path.lexists(directory / name)]


def refuse_earlier_run(directory: Path, names: Sequence[str], option: str) -> None:
    """Raise a UsageError if the directory holds files of an earlier run."""
    earlier = files_in(directory, names)
    if earlier:
        found = ", ".join(path.name for path in earlier)
        them = "it" if len(earlier) == 1 else "them"
        raise UsageError(
            f"{directory} holds {found} of an earlier run: use --force to replace {them}, or choose another {option}"
        )


@contextmanager
def replacing_all(directory: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary directory and, if the block succeeds, move its files to `directory`.

    Those of `names` that were not written are deleted from `directory`, so that no picture of an earlier run stays
    next to the figures of this one.
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
    """Return a path or, if it exists, the first free one of name-2, name-3, ..."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
