"""The parser of the command line, and types and options that commands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from sk_mnist import __version__


class UsageError(Exception):
    """Options that argparse accepts, but that cannot be used."""


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line."""

    @classmethod
    def with_commands(cls, modules: Iterable[Any]) -> Parser:
        """Create the parser of the command line."""
        parser = cls(prog="sk-mnist", description="MNIST and a Keras multilayer perceptron for scikit-learn.")
        parser.add_argument("--version", action="version", version=f"sk-mnist {__version__}")
        commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=cls)
        for module in modules:
            module.add_command(commands)
        for command in commands.choices.values():
            # For errors that are found after parsing, which refer to the help of the command too.
            command.set_defaults(parser=command)
        return parser

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def positive(kind: type) -> Any:
    """Return an argparse type for numbers above 0."""

    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"  # argparse says: invalid positive int value: '0'
    return parse


def seed(text: str) -> int:
    """Parse a random state."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


seed.__name__ = "seed (0 to 4294967295)"


def rate(text: str) -> float:
    """Parse a dropout rate."""
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError
    return value


rate.__name__ = "rate (0 to below 1)"


def sizes(text: str) -> tuple[int, ...]:
    """Parse the sizes of layers."""
    values = tuple(int(part) for part in text.split(","))
    if min(values) < 1:
        raise ValueError
    return values


sizes.__name__ = "sizes (such as 128,64,32)"


def port(text: str) -> int:
    """Parse a TCP port."""
    value = int(text)
    if not 0 <= value < 2**16:
        raise ValueError
    return value


port.__name__ = "port (0 to 65535)"


def add_data_home(command: argparse.ArgumentParser) -> None:
    """Add the option for the directory of the cache."""
    command.add_argument(
        "--data-home",
        type=Path,
        metavar="DIR",
        help="directory of the MNIST cache (default: SK_MNIST_DATA, or the user's cache; see sk-mnist info)",
    )


def add_threads(command: argparse.ArgumentParser) -> None:
    """Add the option that limits the threads."""
    command.add_argument("--threads", type=positive(int), metavar="N", help="number of threads (default: one per core)")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option that prints JSON."""
    command.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, and the rest on standard error"
    )
