"""``sk-mnist evaluate``: figures and pictures of a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from sk_mnist.cli import _output
from sk_mnist.cli._options import UsageError, make_directory


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    evaluate = commands.add_parser("evaluate", help="evaluate a saved model on the test images")
    evaluate.set_defaults(run=run)
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="a file that train or sk_mnist.save wrote")
    evaluate.add_argument("--plots", type=Path, metavar="DIR", help="draw pictures into this directory")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist.datasets import fetch_mnist
    from sk_mnist.metrics import evaluate
    from sk_mnist.persistence import load

    console = Console(highlight=False)
    model = load(options.model)
    if options.plots is not None:
        make_directory(options.plots, "--plots")
    test = fetch_mnist(subset="test")
    result = evaluate(model, test.data, test.target)
    console.print(str(result), markup=False, soft_wrap=True)
    if options.plots is None:
        return
    try:
        displays = _output.draw_result(model, result, test)
    except ImportError as error:
        raise UsageError(f"--plots: {error}") from error
    _output.print_written(console, _output.write_pictures(displays, options.plots))
