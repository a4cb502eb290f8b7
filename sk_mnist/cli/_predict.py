"""``sk-mnist predict``: read the digits in pictures."""

from __future__ import annotations

import argparse
import glob
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sk_mnist._images import SIDE
from sk_mnist.cli._input import make_reader
from sk_mnist.cli._options import add_model
from sk_mnist.cli._terminal import make_console, print_json, say

STANDARD_INPUT = "-"
# Suffixes of the pictures to read in a directory.
SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}

# The values of a digit that --json prints.
FIELDS = ("label", "confidence", "runner_up", "box", "sure")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    predict = commands.add_parser("predict", help="read the digits in your own pictures")
    predict.set_defaults(run=run)
    predict.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a picture, a directory of pictures, a pattern such as '*.png', or - for standard input",
    )
    add_model(predict)
    predict.add_argument("--split", action="store_true", help="read several digits per picture instead of one")
    predict.add_argument("--json", action="store_true", help="print only JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command; return 1 if a picture could not be read."""
    reader = make_reader(options.model)
    console = make_console()
    errors = make_console(stderr=True)
    results = []
    status = 0
    for name in _names(options.images):
        try:
            digits = reader.read(_opened(name), _shown(name), split=options.split)["digits"]
        except (OSError, ValueError) as error:
            status = 1
            say(errors, f"sk-mnist: {_reason(error, _shown(name))}")
            continue
        if options.json:
            results.append({"file": name, "digits": [{key: digit[key] for key in FIELDS} for digit in digits]})
        else:
            _print_digits(console, _shown(name), digits)
    if options.json:
        print_json(results)
    return status


def _names(images: list[str]) -> Iterator[str]:
    """Yield the files that the arguments name, after expanding directories and patterns."""
    for name in images:
        path = Path(name)
        if path.is_dir():
            pictures = [str(entry) for entry in sorted(path.iterdir()) if entry.suffix.lower() in SUFFIXES]
            yield from pictures or [name]
        elif glob.has_magic(name) and not path.exists():
            # A pattern that the shell did not expand. Without a match, it is an error like a missing file.
            yield from sorted(glob.glob(name)) or [name]
        else:
            yield name


def _opened(name: str) -> Any:
    if name == STANDARD_INPUT:
        return io.BytesIO(sys.stdin.buffer.read())
    if Path(name).is_dir():
        raise ValueError(f"{name}: no pictures in this directory")
    return name


def _shown(name: str) -> str:
    """Return a printable form of a file name, whatever its bytes are."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return str(error) if str(error).startswith(name) else f"{name}: {error}"


def _print_digits(console: Console, name: str, digits: list[dict[str, Any]]) -> None:
    if not digits:
        console.print(Text(f"{name}: no digit found"), soft_wrap=True)
    for number, digit in enumerate(digits, start=1):
        place = f"{name}, digit {number}" if len(digits) > 1 else name
        sure = "" if digit["sure"] else "not sure, "
        text = f"{place}: {digit['label']}  ({sure}{digit['confidence']:.1%}, second choice {digit['runner_up']})"
        if _shows_pictures(console):
            grid = Table.grid(padding=(0, 2))
            grid.add_row(_half_blocks(digit["image"]), Text(text))
            console.print(grid)
        else:
            console.print(Text(text), soft_wrap=True)


def _shows_pictures(console: Console) -> bool:
    return console.color_system is not None and not console.no_color and not console.options.ascii_only


def _half_blocks(image: list[int]) -> Text:
    """Draw two rows of pixels per line of text: the upper one in the foreground, the lower one in the background."""
    text = Text()
    for row in range(0, SIDE, 2):
        for column in range(SIDE):
            upper, lower = image[row * SIDE + column], image[(row + 1) * SIDE + column]
            text.append("\N{UPPER HALF BLOCK}", style=f"rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})")
        text.append("\n")
    return text
