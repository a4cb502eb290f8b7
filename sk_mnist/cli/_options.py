"""What the commands' options are made of."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from sk_mnist import __version__


class UsageError(Exception):
    """Options that are each in order, but cannot be obeyed."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    @classmethod
    def with_commands(cls, modules: Iterable[Any]) -> Parser:
        """Make the parser of the command line."""
        parser = cls(prog="sk-mnist", description="MNIST and a Keras multilayer perceptron for scikit-learn.")
        parser.add_argument("--version", action="version", version=f"sk-mnist {__version__}")
        commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=cls)
        for module in modules:
            module.add_command(commands)
        for command in commands.choices.values():
            # What the options mean together is found out later, but its help is the command's as well.
            command.set_defaults(parser=command)
        return parser

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def positive(kind: type) -> Any:
    """Return a type for argparse: a number above 0."""

    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"  # argparse says: invalid positive int value: '0'
    return parse


def seed(text: str) -> int:
    """Return a random state."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


seed.__name__ = "seed (0 to 4294967295)"


def rate(text: str) -> float:
    """Return a share of units to leave out."""
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError
    return value


rate.__name__ = "rate (0 to below 1)"


def sizes(text: str) -> tuple[int, ...]:
    """Return the sizes of layers."""
    values = tuple(int(part) for part in text.split(","))
    if min(values) < 1:
        raise ValueError
    return values


sizes.__name__ = "sizes (such as 128,64,32)"


def port(text: str) -> int:
    """Return a port of TCP."""
    value = int(text)
    if not 0 <= value < 2**16:
        raise ValueError
    return value


port.__name__ = "port (0 to 65535)"


def add_data_home(command: argparse.ArgumentParser) -> None:
    """Add the option that says where MNIST is cached."""
    command.add_argument(
        "--data-home",
        type=Path,
        metavar="DIR",
        help="the cache of MNIST (default: SK_MNIST_DATA, or the user's; see sk-mnist info)",
    )


def add_threads(command: argparse.ArgumentParser) -> None:
    """Add the option that limits the threads."""
    command.add_argument(
        "--threads", type=positive(int), metavar="N", help="threads to compute in (default: one for each core)"
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option that prints for programs."""
    command.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output; all else goes to standard error"
    )
