"""The ``sk-mnist`` command: train the network on MNIST and see how well it does."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import argparse

__all__ = ["main", "program"]

INTERRUPTED = 130  # 128 + SIGINT, as in shells


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Command-line arguments. None uses those of the process.

    Returns
    -------
    status : int
        0 on success, 1 after a file or system error, 130 after Ctrl-C. Wrong options exit the process with status 2.
    """
    try:
        return _parse_and_run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED


def _parse_and_run(arguments: list[str]) -> int:
    # Imported here, where Ctrl-C is handled. Each module adds a command to the parser.
    from sk_mnist.cli import _demo, _evaluate, _export, _fetch, _info, _predict, _train, _tune
    from sk_mnist.cli._options import Parser
    from sk_mnist.cli._terminal import make_console, printable_streams, say

    parser = Parser.with_commands((_train, _evaluate, _tune, _export, _predict, _demo, _fetch, _info))
    with printable_streams():
        if not arguments:
            parser.print_help()
            return 0
        options = parser.parse_command(arguments)
        if sys.stdout is None and not getattr(options, "quiet", False):
            say(make_console(stderr=True), "sk-mnist: standard output is closed")
            return 1
        return _run(options)


def program() -> NoReturn:
    """Run the command line and exit the process with its status."""
    try:
        status = main()
    except KeyboardInterrupt:  # before or after the command itself
        status = INTERRUPTED
    finally:
        # Everything is written. Ctrl-C while Python exits would end the process by the signal.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


def _run(options: argparse.Namespace) -> int:
    """Run a command; return its status."""
    import warnings

    from sk_mnist.cli._options import UsageError
    from sk_mnist.cli._terminal import make_console, say

    try:
        with warnings.catch_warnings():
            # An interrupted fit warns that it keeps its weights. The command says so itself.
            warnings.filterwarnings("ignore", message="Training interrupted by user")
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged metadata, without a file name
            status = options.run(options)
    except UsageError as error:
        options.parser.error(str(error))
    except (OSError, ValueError, ImportError) as error:
        say(make_console(stderr=True), f"sk-mnist: {error}")
        return 1
    return status or 0
