"""Printing on terminals of any width and encoding, and to files."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from rich.console import Console


def make_console(*, quiet: bool = False, stderr: bool = False) -> Console:
    """Return a console that prints text unchanged, by default on standard output."""
    # On a width of 0, rich prints nothing. Elsewhere, COLUMNS=0 means that the width is not known.
    columns = os.environ.get("COLUMNS", "")
    width = shutil.get_terminal_size().columns if columns.isdigit() and int(columns) == 0 else None
    return Console(quiet=quiet, stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def say(console: Console, text: str) -> None:
    """Print a line; on a terminal, break it only at spaces, so that paths can be copied."""
    # The width of a dumb terminal is not known.
    if is_live(console):
        text = textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False)
    console.print(text, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """Return a number with a noun, such as "1 epoch" or "2 epochs"."""
    return f"{number} {noun}" + ("s" if number != 1 else "")


def shown(path: str | os.PathLike[str]) -> str:
    """Return a printable form of a file name, whatever its bytes are."""
    return os.fsencode(path).decode(errors="backslashreplace")


def print_json(content: Any) -> None:
    """Print JSON on standard output."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def is_live(console: Console) -> bool:
    """Whether printed lines can be redrawn: not in a file, a pipe or a dumb terminal."""
    return console.is_interactive and console.file.isatty()


def waiting(console: Console, text: str) -> AbstractContextManager[Any]:
    """Show a spinner on a terminal."""
    # "dots" uses Braille characters, which not every encoding has.
    return console.status(text, spinner="line" if console.options.ascii_only else "dots")


@contextmanager
def printable_streams() -> Iterator[None]:
    """Make standard output and error escape characters that their encoding lacks instead of failing."""
    streams = [cast(Any, stream) for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=errors)
