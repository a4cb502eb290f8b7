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


def port(text: str) -> int:
    """Return a port of TCP."""
    value = int(text)
    if not 0 <= value < 2**16:
        raise ValueError
    return value


port.__name__ = "port (0 to 65535)"


def make_directory(directory: Path, option: str) -> None:
    """Make the directory that an option names."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {directory}: {error.strerror}") from error
