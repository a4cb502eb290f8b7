"""``sk-mnist fetch``: put MNIST into the cache, check it there, or remove it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    fetch = commands.add_parser("fetch", help="put MNIST into the cache, check it there, or remove it")
    fetch.set_defaults(run=run)
    fetch.add_argument("--data-home", type=Path, metavar="DIR", help="the cache (default: see sk-mnist info)")
    action = fetch.add_mutually_exclusive_group()
    action.add_argument("--verify", action="store_true", help="only check what is in the cache")
    action.add_argument("--clear", action="store_true", help="remove what sk-mnist put into the cache")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist.datasets import clear_data_home, fetch_mnist, get_data_home
    from sk_mnist.datasets._cache import check_data_home

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if options.clear:
        clear_data_home(options.data_home)
        console.print(f"Removed what sk-mnist wrote into {get_data_home(options.data_home)}.")
        return
    if not options.verify:
        source = fetch_mnist(data_home=options.data_home, normalize=False, progressbar=True).source
        console.print(f"MNIST is there, from {source}")
        return
    status = check_data_home(options.data_home)
    if status.problem is not None:
        raise OSError(f"{status.home} does not hold MNIST: {status.problem}")
    console.print(f"{status.home} holds MNIST; the digests of all four arrays are right.")
