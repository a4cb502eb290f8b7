"""``sk-mnist fetch``: fill, check or clear the cache of MNIST."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sk_mnist.cli._options import UsageError, add_data_home
from sk_mnist.cli._terminal import make_console, say


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    fetch = commands.add_parser("fetch", help="fill, check or clear the cache of MNIST")
    fetch.set_defaults(run=run)
    add_data_home(fetch)
    fetch.add_argument("-v", "--verbose", action="store_true", help="show which sources were tried and why they failed")
    action = fetch.add_mutually_exclusive_group()
    action.add_argument("--verify", action="store_true", help="only check the cache")
    action.add_argument("--clear", action="store_true", help="delete the files that sk-mnist wrote to the cache")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist.datasets import clear_data_home, fetch_mnist, get_data_home
    from sk_mnist.datasets._cache import check_data_home

    if options.verbose and (options.verify or options.clear):
        # Neither tries a source.
        raise UsageError(f"--verbose cannot be combined with {'--verify' if options.verify else '--clear'}")
    console = make_console()
    if options.clear:
        clear_data_home(options.data_home)
        say(console, f"Deleted the files that sk-mnist wrote to {get_data_home(options.data_home)}.")
    elif options.verify:
        status = check_data_home(options.data_home)
        if status.problem is not None:
            raise OSError(f"{status.home} does not hold MNIST: {status.problem}")
        say(console, f"{status.home} holds MNIST; the digests of all four arrays are correct.")
    else:
        with _logged(logging.DEBUG if options.verbose else logging.WARNING):
            source = fetch_mnist(data_home=options.data_home, normalize=False, progressbar=True).source
        say(console, f"MNIST is available, from {source}")


@contextmanager
def _logged(level: int) -> Iterator[None]:
    """Print the package's log messages of at least this level on standard error."""
    logger = logging.getLogger("sk_mnist")
    handler, before = logging.StreamHandler(sys.stderr), (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False  # otherwise another handler could print the same line again
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
