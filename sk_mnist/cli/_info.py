"""``sk-mnist info``: print the data home, the installed versions and the devices."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from sk_mnist._versions import installed_versions
from sk_mnist.cli._options import add_data_home
from sk_mnist.cli._terminal import make_console, say, waiting


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    info = commands.add_parser("info", help="print the data home, the installed versions and the devices")
    info.set_defaults(run=run)
    add_data_home(info)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    console = make_console()
    for name, value in _facts(console, options.data_home):
        say(console, f"{name:20} {value}")
        console.file.flush()


def _facts(console: Console, data_home: Path | None) -> Iterator[tuple[str, Any]]:
    """Yield names and values. Each is printed before the next is computed, which may take seconds or fail."""
    from sk_mnist.datasets._cache import check_data_home

    status = check_data_home(data_home)
    yield "data home", status.home
    yield "holds MNIST", "yes, all digests are correct" if status.problem is None else f"no: {status.problem}"
    yield "source", status.origin or "-"
    yield "sha256 of mnist.npz", status.sha256 or "-"
    yield from installed_versions().items()
    with waiting(console, "Starting TensorFlow"):
        devices = _devices()
    yield "TensorFlow sees", devices


def _devices() -> str:
    from sk_mnist._tensorflow import device_names

    try:
        return ", ".join(device_names())
    except Exception as error:  # whatever is wrong with the installation, the lines above help to diagnose it
        return f"no devices: it does not start ({error})"
