"""The ``sk-mnist`` command: train the network on MNIST and see how well it does."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from sk_mnist.cli import _demo, _evaluate, _export, _fetch, _info, _predict, _train, _tune
from sk_mnist.cli._options import Parser, UsageError
from sk_mnist.cli._terminal import make_console, printable_streams, say

__all__ = ["main"]

# Each module adds a command to the parser.
COMMAND_MODULES = (_train, _evaluate, _tune, _export, _predict, _demo, _fetch, _info)
DEFAULT_COMMAND = "train"

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
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Without the name of a command, run the default command.
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments.insert(0, DEFAULT_COMMAND)
    parser = Parser.with_commands(COMMAND_MODULES)
    with printable_streams():
        options, unknown = parser.parse_known_args(arguments)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run a command; return its status."""
    errors = make_console(stderr=True)
    try:
        with warnings.catch_warnings():
            # An interrupted fit warns that it keeps its weights. The command discards them and reports the interrupt.
            warnings.filterwarnings("ignore", message="Training interrupted by user")
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged metadata, without a file name
            status = options.run(options)
    except UsageError as error:
        options.parser.error(str(error))
    except KeyboardInterrupt:
        say(errors, "Interrupted.")
        return INTERRUPTED
    except (OSError, ValueError, ImportError) as error:
        say(errors, f"sk-mnist: {error}")
        return 1
    return status or 0
