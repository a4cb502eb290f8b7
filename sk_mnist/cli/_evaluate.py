"""``sk-mnist evaluate``: figures and pictures of a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from sk_mnist.cli._options import UsageError, add_data_home, add_json, add_saved_model, add_threads, path
from sk_mnist.cli._output import OutputDirectory, draw_result, write_pictures
from sk_mnist.cli._terminal import make_console, print_json, shown

PICTURES = ("confusion_matrix.png", "misclassified.png")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    evaluate = commands.add_parser("evaluate", help="evaluate a saved model on the test images")
    evaluate.set_defaults(run=run)
    add_saved_model(evaluate)
    evaluate.add_argument("--plots", type=path, metavar="DIR", help="write pictures to this directory")
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
    plots = None if options.plots is None else OutputDirectory(options.plots, PICTURES, "--plots")
    if plots is not None:
        plots.prepare(force=options.force)
    test = fetch_mnist(subset="test", data_home=options.data_home)
    with threadpool_limits(options.threads, user_api="blas"):
        result = evaluate(model, test.data, test.target)
        if not options.json:
            console.print(str(result), soft_wrap=True)
        files = [] if plots is None else _draw(console, plots, model, result, test)
    if options.json:
        print_json({"model": shown(options.model), "metrics": result.to_dict(), "files": files})


def _draw(console: Console, plots: OutputDirectory, model: Any, result: Any, test: Any) -> list[str]:
    try:
        displays = draw_result(model, result, test)
    except ImportError as error:
        raise UsageError(f"--plots: {error}") from error
    write_pictures(displays, plots.path)
    return plots.report(console)
