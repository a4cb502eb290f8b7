"""``sk-mnist predict``: read the digits in pictures."""

from __future__ import annotations

import argparse
import errno
import glob
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from sk_mnist._images import SIDE
from sk_mnist.cli._input import read_model
from sk_mnist.cli._options import add_model, file_name
from sk_mnist.cli._terminal import make_console, print_json, say, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sk_mnist.reading import DigitReading

STANDARD_INPUT = "-"
# Suffixes of the pictures to read in a directory.
SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
# The most pages of a TIFF that are read.
MAX_PAGES = 100


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    predict = commands.add_parser("predict", help="read the digits in your own pictures")
    predict.set_defaults(run=run)
    predict.add_argument(
        "images",
        nargs="+",
        type=file_name,
        metavar="IMAGE",
        help="a picture, a directory of pictures, a pattern such as '*.png', or - for standard input",
    )
    add_model(predict)
    predict.add_argument("--single", action="store_true", help="read each picture as one digit")
    predict.add_argument("--json", action="store_true", help="print only JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command; return 1 if a picture could not be read."""
    model = read_model(options.model)
    console = make_console()
    errors = make_console(stderr=True)
    results = []
    status = 0
    for name, error in _files(options.images):
        for page, outcome in [(name, error)] if error else _read(name, model, split=not options.single):
            if isinstance(outcome, Exception):
                status = 1
            if options.json:
                results.append({"file": shown(page), **_content(outcome, page)})
            elif isinstance(outcome, Exception):
                say(errors, f"sk-mnist: {_reason(outcome, page)}")
            else:
                _print_reading(console, shown(page), outcome)
    if options.json:
        print_json(results)
    return status


def _files(images: list[str]) -> Iterator[tuple[str, Exception | None]]:
    """Yield the files that the arguments name, each with the reason if it cannot be read."""
    for name in images:
        try:
            yield from _expanded(name)
        except (OSError, ValueError) as error:
            yield name, error


def _expanded(name: str) -> Iterator[tuple[str, Exception | None]]:
    """Expand directories and patterns; what they contain besides files is not read, because a pipe could hang."""
    path = Path(name)
    if name != STANDARD_INPUT and path.is_dir():
        found = [str(entry) for entry in sorted(path.iterdir()) if entry.suffix.lower() in SUFFIXES]
        if not found:
            raise ValueError(f"{name}: no pictures in this directory")
    elif glob.has_magic(name) and not path.exists():
        # A pattern that the shell did not expand. Without a match, it is an error like a missing file.
        found = sorted(glob.glob(name)) or [name]
    else:
        yield name, None
        return
    for entry in found:
        is_other = os.path.exists(entry) and not os.path.isfile(entry)
        yield entry, OSError(errno.EINVAL, "Not a regular file", entry) if is_other else None


def _read(name: str, model: Any, *, split: bool) -> Iterator[tuple[str, DigitReading | Exception]]:
    """Yield the names of the pictures in a file, each with what was read in it or why it could not be read."""
    from sk_mnist.reading import read_digits

    try:
        for page, picture in _pages(name):
            outcome: DigitReading | Exception
            try:
                with _naming(page):
                    outcome = read_digits(picture, model, split=split)
            except (OSError, ValueError) as error:
                outcome = error
            yield page, outcome
    except (OSError, ValueError) as error:
        yield name, error


@contextmanager
def _naming(page: str) -> Iterator[None]:
    """Put the name of a picture before each line that a library writes to stderr, as libtiff does in C."""
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        yield
        return
    with tempfile.TemporaryFile() as messages:
        try:
            os.dup2(messages.fileno(), 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            messages.seek(0)
            for line in messages:
                say(make_console(stderr=True), f"sk-mnist: {shown(page)}: {line.decode(errors='replace').strip()}")


def _pages(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the pages of a TIFF as name[1], name[2] and so on; any other file as it is."""
    from sk_mnist.preprocessing._pictures import open_picture, pages_of_tiff

    if name == STANDARD_INPUT and sys.stdin is None:
        raise OSError(errno.EBADF, "Standard input is closed")
    with open_picture(sys.stdin.buffer if name == STANDARD_INPUT else name, name) as file:
        n_pages = 0
        for page in pages_of_tiff(file, name):
            n_pages += 1
            if n_pages > MAX_PAGES:
                raise ValueError(f"{name} has more than {MAX_PAGES} pages. The others are not read.")
            yield f"{name}[{n_pages}]", page
        if not n_pages:
            yield name, file


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{shown(name)}: {error.strerror}"
    text = str(error)
    for subject in (name, "picture"):  # read_digits does not know the name of an open file
        if text.startswith(subject):
            return shown(name) + text[len(subject) :]
    return f"{shown(name)}: {text}"


def _content(outcome: DigitReading | Exception, name: str) -> dict[str, Any]:
    """Return what --json prints of a picture."""
    if isinstance(outcome, Exception):
        return {"error": _reason(outcome, name)}
    # Without the images, which would be most of the output.
    digits = [{key: value for key, value in digit._asdict().items() if key != "image"} for digit in outcome.digits]
    rejected = [{"box": piece.box} for piece in outcome.rejected]
    return {"text": outcome.text, "digits": digits, "rejected": rejected, "reason": outcome.reason}


def _print_reading(console: Console, name: str, reading: DigitReading) -> None:
    """Print the number, and the pieces below it."""
    console.print(Text(f"{name}: {_number(reading, len(name))}"), soft_wrap=True)
    captions = [
        f"{_marked(digit):3} {digit.confidence:6.1%}, second choice {digit.runner_up}" for digit in reading.digits
    ]
    captions += [f"no digit, at {piece.box[0]}, {piece.box[1]}" for piece in reading.rejected]
    if _shows_pictures(console) and captions:
        images = [*(digit.image for digit in reading.digits), *(piece.image for piece in reading.rejected)]
        cells = [Group(_half_blocks(image), Text(text)) for image, text in zip(images, captions, strict=True)]
        console.print(Padding(Columns(cells, padding=(1, 2)), (0, 0, 1, 2)))
    else:
        for text in captions:
            console.print(Text(f"  {text}"), soft_wrap=True)


def _number(reading: DigitReading, indent: int) -> str:
    """Return the digits, each line below the other, or why there are none."""
    if reading.reason is not None:
        return reading.reason if reading.reason.startswith("no digit") else f"no digit: {reading.reason}"
    lines = ["".join(map(_marked, line)) for line in reading.lines]
    return ("\n" + " " * (indent + 2)).join(lines)


def _marked(digit: Any) -> str:
    return f"{digit.label}" if digit.is_sure else f"{digit.label}?"


def _shows_pictures(console: Console) -> bool:
    return console.color_system is not None and not console.no_color and not console.options.ascii_only


def _half_blocks(image: NDArray[np.uint8]) -> Text:
    """Draw two rows of pixels per line of text: the upper one in the foreground, the lower one in the background."""
    text = Text()
    for row in range(0, SIDE, 2):
        for column in range(SIDE):
            upper, lower = image[row, column], image[row + 1, column]
            text.append("\N{UPPER HALF BLOCK}", style=f"rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})")
        if row + 2 < SIDE:
            text.append("\n")
    return text
