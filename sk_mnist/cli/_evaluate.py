"""``sk-mnist evaluate``: figures and pictures of a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from sk_mnist.cli import _directory, _output
from sk_mnist.cli._options import UsageError, add_data_home, add_json, add_threads
from sk_mnist.cli._terminal import make_console, print_json

PICTURES = ("confusion_matrix.png", "misclassified.png")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    evaluate = commands.add_parser("evaluate", help="evaluate a saved model on the test images")
    evaluate.set_defaults(run=run)
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="a file written by train or sk_mnist.save")
    evaluate.add_argument("--plots", type=Path, metavar="DIR", help="write pictures to this directory")
    evaluate.add_argument("--force", action="store_true", help="replace earlier pictures in --plots")
    add_data_home(evaluate)
    add_threads(evaluate)
    add_json(evaluate)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from threadpoolctl import threadpool_limits

    from sk_mnist.datasets import fetch_mnist
    from sk_mnist.metrics import evaluate
    from sk_mnist.persistence import load

    console = make_console(stderr=options.json)
    model = load(options.model)
    if options.plots is not None:
        if not options.force:
            _directory.refuse_earlier_run(options.plots, PICTURES, "--plots")
        _directory.prepare(options.plots, PICTURES, "--plots")
    test = fetch_mnist(subset="test", data_home=options.data_home)
    with threadpool_limits(options.threads, user_api="blas"):
        result = evaluate(model, test.data, test.target)
        if not options.json:
            console.print(str(result), soft_wrap=True)
        written = [] if options.plots is None else _draw(console, options.plots, model, result, test)
    if options.json:
        files = [str(path) for path in written]
        print_json({"model": str(options.model), "metrics": result.to_dict(), "files": files})


def _draw(console: Console, directory: Path, model: Any, result: Any, test: Any) -> list[Path]:
    try:
        displays = _output.draw_result(model, result, test)
    except ImportError as error:
        raise UsageError(f"--plots: {error}") from error
    written = _output.write_pictures(displays, directory)
    _output.print_written(console, written)
    return written
