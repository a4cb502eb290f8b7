"""``sk-mnist info``: print the data home, the installed versions and the devices."""

from __future__ import annotations

import argparse
from typing import Any

from sk_mnist._versions import version_lines
from sk_mnist.cli._options import add_data_home
from sk_mnist.cli._terminal import make_console, say, waiting


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    info = commands.add_parser("info", help="print the data home, the installed versions and the devices")
    info.set_defaults(run=run)
    add_data_home(info)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist.datasets._cache import check_data_home

    status = check_data_home(options.data_home)
    lines = {
        "data home": status.home,
        "holds MNIST": "yes, all digests are correct" if status.problem is None else f"no: {status.problem}",
        "source": status.origin or "-",
        "sha256 of mnist.npz": status.sha256 or "-",
    }
    console = make_console()
    for line in [*(f"{name:20} {value}" for name, value in lines.items()), *version_lines()]:
        say(console, line)
    console.file.flush()
    # Last, because TensorFlow takes seconds to start.
    with waiting(console, "Starting TensorFlow"):
        devices = _devices()
    say(console, f"{'TensorFlow sees':20} {devices}")


def _devices() -> str:
    from sk_mnist._tensorflow import device_names

    try:
        return ", ".join(device_names())
    except Exception as error:  # whatever is wrong with the installation, the lines above help to diagnose it
        return f"no devices: it does not start ({error})"
