"""The parser of the command line, and types and options that commands share."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from sys import float_info
from typing import Any, NoReturn, TypeVar

from sk_mnist import __version__
from sk_mnist._arguments import suggest

MODEL_FILE = "a file written by train or sk_mnist.save"

# TensorFlow starts as many as it is told.
MAX_THREADS = 1024

T = TypeVar("T")


class UsageError(Exception):
    """Options that argparse accepts, but that cannot be used."""


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line, and says what may have been meant."""

    commands: dict[str, Parser]

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
        parser.commands = commands.choices
        return parser

    def parse_command(self, arguments: list[str]) -> argparse.Namespace:
        """Parse the arguments, of which the first must be a command; exit with status 2 if they are wrong."""
        first = arguments[0]
        if first not in self.commands and first not in self._option_string_actions:
            self.error(self._what_is_wrong(arguments))
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            suggestion = did_you_mean(unknown[0], options.parser._option_string_actions)
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{suggestion}")
        return options

    def _what_is_wrong(self, arguments: list[str]) -> str:
        """Describe arguments that do not begin with a command."""
        first = arguments[0]
        if not first.startswith("-"):
            return f"no command {first!r}{did_you_mean(first, self.commands)}"
        option = first.partition("=")[0]
        takers = [name for name, command in self.commands.items() if option in command._option_string_actions]
        command = next(iter([name for name in arguments if name in self.commands] + takers), None)
        if command is None:
            return f"the first argument must be a command; got {option}"
        others = [argument for argument in arguments if argument != command]
        return f"{option} must follow a command: {shlex.join([self.prog, command, *others])}"

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question for the end of an error message; empty if nothing is similar to what was given."""
    suggestion = suggest(given, known)
    return f".{suggestion}" if suggestion else ""


def _type(name: str, parse: Callable[[str], T], is_valid: Callable[[T], bool]) -> Callable[[str], T]:
    def checked(text: str) -> T:
        value = parse(text)
        if not is_valid(value):
            raise ValueError
        return value

    checked.__name__ = name  # argparse says: invalid positive int value: '0'
    return checked


def positive(kind: type, most: float | None = None) -> Any:
    """Return an argparse type for numbers above 0, and of at most ``most``."""
    limit = "" if most is None else f" (at most {most})"
    last = float_info.max if most is None else most
    return _type(f"positive {kind.__name__}{limit}", kind, lambda value: 0 < value <= last)


def file_name(text: str) -> str:
    """Return the name of a file, as an argparse type; ``Path("")`` would be the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("an empty string is not a path")
    return text


def path(text: str) -> Path:
    """Return a path, as an argparse type."""
    return Path(file_name(text))


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


# More argparse types: of a random state, a dropout fraction, a TCP port, and the sizes of layers.
seed = _type("seed (0 to 4294967295)", int, lambda value: 0 <= value < 2**32)
fraction = _type("fraction (0 to below 1)", float, lambda value: 0 <= value < 1)
port = _type("port (0 to 65535)", int, lambda value: 0 <= value < 2**16)
sizes = _type("sizes (such as 128,64,32)", _integers, lambda values: min(values) >= 1)


def add_saved_model(command: argparse.ArgumentParser) -> None:
    """Add the argument for the file of a model."""
    command.add_argument("model", type=path, metavar="MODEL", help=MODEL_FILE)


def add_model(command: argparse.ArgumentParser) -> None:
    """Add the option for a model other than the pretrained one."""
    command.add_argument("--model", type=path, help=f"{MODEL_FILE} (default: the pretrained model)")


def add_training_options(command: argparse.ArgumentParser) -> None:
    """Add the options of commands that train."""
    command.add_argument(
        "--rows", type=positive(int), metavar="N", help="use the first N training images (default: all 60,000)"
    )
    command.add_argument("--seed", type=seed, default=0, help="random state (default: 0)")
    command.add_argument("--force", action="store_true", help="replace the files of an earlier run in --output")
    add_threads(command)
    add_data_home(command)
    add_json(command)


def add_data_home(command: argparse.ArgumentParser) -> None:
    """Add the option for the directory of the cache."""
    command.add_argument(
        "--data-home",
        type=path,
        metavar="DIR",
        help="directory of the MNIST cache (default: SK_MNIST_DATA, or the user's cache; see sk-mnist info)",
    )


def add_threads(command: argparse.ArgumentParser) -> None:
    """Add the option that limits the threads."""
    command.add_argument(
        "--threads", type=positive(int, MAX_THREADS), metavar="N", help="number of threads (default: one per core)"
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option that prints JSON."""
    command.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, and the rest on standard error"
    )
