"""``sk-mnist train``: fetch, fit, evaluate, and write down what came of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sk_mnist.cli import _output
from sk_mnist.cli._options import UsageError, make_directory, positive, seed

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline
    from sklearn.utils import Bunch

DEFAULT_OUTPUT = Path("sk-mnist-output")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    train = commands.add_parser("train", help="train the network, evaluate it on the test images (the default command)")
    train.set_defaults(run=run)
    train.add_argument("--recipe", default="reference", help="how to train (default: reference)")
    train.add_argument("--epochs", type=positive(int), help="passes over the 60,000 images (default: the recipe's)")
    train.add_argument("--batch-size", type=positive(int), help="images in a step (default: the recipe's)")
    train.add_argument("--learning-rate", type=positive(float), help="step size (default: the recipe's)")
    train.add_argument(
        "--validation",
        type=positive(int),
        metavar="N",
        help="keep the last N training images out of the training, and show the accuracy on them after each epoch",
    )
    train.add_argument("--seed", type=seed, default=0, help="random state (default: 0)")
    train.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help=f"where files go (default: {DEFAULT_OUTPUT})"
    )
    train.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import joblib

    from sk_mnist._tensorflow import start_tensorflow
    from sk_mnist.cli._progress import TrainingProgress
    from sk_mnist.datasets import fetch_mnist
    from sk_mnist.metrics import evaluate
    from sk_mnist.persistence import save

    console = Console(quiet=options.quiet, highlight=False)
    pipeline = _make_pipeline(options)
    make_directory(options.output, "--output")
    with console.status("Reading MNIST"):
        train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    console.print(
        f"MNIST: {len(train.target):,} training and {len(test.target):,} test images, from {train.source}",
        markup=False,
        soft_wrap=True,
    )
    data, held_out = _hold_out(train, options.validation)
    with console.status("Starting TensorFlow"):
        start_tensorflow()
    mlp = pipeline["mlp"]
    if not options.quiet:
        mlp.set_callbacks(TrainingProgress(console))
    start = time.perf_counter()
    pipeline.fit(*data, **held_out)
    seconds = time.perf_counter() - start
    mlp.set_callbacks()
    result = evaluate(pipeline, test.data, test.target)
    console.print(_output.architecture_table(mlp.to_keras()), _output.figures_table(result))
    n_cores = joblib.cpu_count()
    on_cores = f"{n_cores} core" + ("s" if n_cores > 1 else "")
    console.print(f"Trained {mlp.n_iter_} epochs in {seconds:.1f} s on {on_cores}.")
    written = [
        save(pipeline, options.output / "model.skops"),
        _output.write_json(options.output / "metrics.json", {**result.to_dict(), "fit_seconds": seconds}),
        _output.write_json(options.output / "history.json", mlp.history_),
    ]
    try:
        displays = {**_output.draw_result(pipeline, result, test), "history.png": _draw_history(pipeline)}
    except ImportError as error:
        console.print(f"No pictures: {error}", markup=False, soft_wrap=True)
    else:
        written += _output.write_pictures(displays, options.output)
    _output.print_written(console, written)


def _make_pipeline(options: argparse.Namespace) -> Pipeline:
    from sk_mnist.pipeline import make_mnist_pipeline

    given = {name: getattr(options, name) for name in ("epochs", "batch_size", "learning_rate")}
    try:
        return make_mnist_pipeline(
            options.recipe,
            random_state=options.seed,
            **{name: value for name, value in given.items() if value is not None},
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _hold_out(train: Bunch, n_held_out: int | None) -> tuple[tuple, dict[str, Any]]:
    """Return the images and labels to train on, and what `fit` gets beside them to validate with."""
    if n_held_out is None:
        return (train.data, train.target), {}
    n_images = len(train.target)
    rest = max(0, n_images - n_held_out)
    if len(set(train.target[:rest])) < len(set(train.target)):
        raise UsageError(
            f"--validation {n_held_out} leaves {rest} of {n_images} images, and not of each digit, to train on"
        )
    held_out = {"mlp__X_val": train.data[rest:], "mlp__y_val": train.target[rest:]}
    return (train.data[:rest], train.target[:rest]), held_out


def _draw_history(pipeline: Pipeline) -> Any:
    from sk_mnist.plotting import TrainingHistoryDisplay

    return TrainingHistoryDisplay.from_estimator(pipeline)
