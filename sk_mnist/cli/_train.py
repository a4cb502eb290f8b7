"""``sk-mnist train``: fetch, fit, evaluate and write the results."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sk_mnist.cli import _output
from sk_mnist.cli._input import read_images
from sk_mnist.cli._options import UsageError, add_training_options, fraction, path, positive, sizes
from sk_mnist.cli._progress import TrainingProgress
from sk_mnist.cli._terminal import counted, make_console, print_json, say, waiting

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline
    from sklearn.utils import Bunch

    from sk_mnist.metrics import EvaluationResult

# The recipes of sk_mnist.pipeline, repeated because its import would slow down every --help.
RECIPES = ("reference", "fast", "robust", "wide")

# Times and accuracies are those of docs/accuracy.md and docs/command_line.md.
RECIPES_HELP = """\
recipes, with times on 2 cores and the accuracy on the test images:
  reference  784-128-64-32-10 units, 20 epochs; 10 seconds, 98.3 %
  fast       the same network, 3 epochs; 3 seconds, 97.7 %
  robust     the same network, 600 epochs on images whose shape and strokes
             change; half an hour, 99.5 %
  wide       784-1024-512-256-10 units, 160 epochs on images whose shape
             changes; 10 minutes, 99.6 %
"""

DEFAULT_OUTPUT = Path("sk-mnist-output")
OUTPUTS = ("model.skops", "metrics.json", "history.json", "history.png", "confusion_matrix.png", "misclassified.png")

# Options that set parameters of the network, if given.
PARAMETERS = ("epochs", "batch_size", "learning_rate", "dropout", "hidden_layer_sizes", "early_stopping")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    train = commands.add_parser(
        "train",
        help="train the network and evaluate it on the test images",
        epilog=RECIPES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.set_defaults(run=run)
    train.add_argument("--recipe", choices=RECIPES, default="reference", help="see below (default: reference)")
    train.add_argument("--epochs", type=positive(int), help="passes over the training images (default: the recipe's)")
    train.add_argument("--batch-size", type=positive(int), help="images per step (default: the recipe's)")
    train.add_argument("--learning-rate", type=positive(float), help="step size (default: the recipe's)")
    train.add_argument("--dropout", type=fraction, help="share of units to drop in each step (default: the recipe's)")
    train.add_argument(
        "--hidden",
        dest="hidden_layer_sizes",
        type=sizes,
        metavar="SIZES",
        help="units of hidden layers, such as 128,64 (default: the recipe's)",
    )
    train.add_argument(
        "--early-stopping",
        action="store_true",
        default=None,
        help="stop after 5 epochs without a better validation accuracy; the best epoch is kept, even if all epochs are "
        "trained; without --validation, a tenth of the images is held out",
    )
    train.add_argument(
        "--validation",
        type=positive(int),
        metavar="N",
        help="hold out the last N training images, and show the accuracy on them after each epoch",
    )
    train.add_argument(
        "--output",
        type=path,
        metavar="DIR",
        help=f"output directory (default: {DEFAULT_OUTPUT}, where files of an earlier run are replaced)",
    )
    train.add_argument("--no-plots", action="store_true", help="do not draw pictures")
    train.add_argument("--quiet", action="store_true", help="print only errors")
    add_training_options(train)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist._tensorflow import check_installed

    check_installed()
    console = make_console(quiet=options.quiet, stderr=options.json)
    with waiting(console, "Loading scikit-learn"):
        pipeline = _make_pipeline(options)
    output = _prepare_output(console, options)
    train, test = read_images(console, options.data_home, options.rows)
    data, held_out = _split(train, options.rows, options.validation)
    say(console, f"MNIST: {len(data[1]):,} training and {len(test.target):,} test images, from {train.source}")
    mlp = pipeline["mlp"]
    try:
        seconds = _fit(console, pipeline, data, held_out, options.threads)
        result = _report(console, pipeline, test, seconds, options)
        with output.replacing_all() as staging:
            _write(console, staging, pipeline, result, seconds, None if options.no_plots else test)
    except KeyboardInterrupt:
        _keep_network(console, pipeline, output.path)
        raise
    files = output.report(console)
    say(console, f"Draw digits for it: {shlex.join(['sk-mnist', 'demo', '--model', str(output.path / 'model.skops')])}")
    if options.json:
        print_json(
            {
                "metrics": result.to_dict(),
                "history": mlp.history_,
                "n_epochs": mlp.n_iter_,
                "fit_seconds": seconds,
                "files": files,
            }
        )


def _make_pipeline(options: argparse.Namespace) -> Pipeline:
    from sk_mnist.pipeline import make_mnist_pipeline

    given = {name: value for name in PARAMETERS if (value := getattr(options, name)) is not None}
    return make_mnist_pipeline(options.recipe, random_state=options.seed, **given)


def _prepare_output(console: Console, options: argparse.Namespace) -> _output.OutputDirectory:
    """Return the output directory, checked to be writable."""
    output = _output.OutputDirectory(options.output or DEFAULT_OUTPUT, OUTPUTS, "--output")
    output.prepare(force=options.force or options.output is None)
    if output.files():
        say(console, f"{output.path} holds the files of an earlier run. They are replaced when this run finishes.")
    return output


def _split(train: Bunch, rows: int | None, n_held_out: int | None) -> tuple[tuple, dict[str, Any]]:
    """Return the images and labels to train on, and the parameters of `fit` for validation."""
    n_images = len(train.target)
    n_left = max(0, n_images - (n_held_out or 0))
    n_rows = n_left if rows is None else min(rows, n_left)
    if len(set(train.target[:n_rows])) < len(set(train.target)):
        options = f"--rows {rows}" if n_held_out is None else f"--validation {n_held_out}"
        raise UsageError(f"{options} leaves {n_rows} of {n_images} images to train on, which lack some digits")
    if rows is not None and rows > n_left:
        raise UsageError(f"--rows {rows} and --validation {n_held_out} exceed the {n_images} training images")
    data = train.data[:n_rows], train.target[:n_rows]
    if n_held_out is None:
        return data, {}
    return data, {"mlp__X_val": train.data[n_left:], "mlp__y_val": train.target[n_left:]}


def _fit(console: Console, pipeline: Pipeline, data: tuple, held_out: dict[str, Any], n_threads: int | None) -> float:
    """Train, and return the time in seconds."""
    from threadpoolctl import threadpool_limits

    from sk_mnist._tensorflow import start_tensorflow

    with waiting(console, "Starting TensorFlow"):
        start_tensorflow(n_threads, override=True)
    mlp = pipeline["mlp"]
    if not console.quiet:
        mlp.set_callbacks(TrainingProgress(console))
    start = time.perf_counter()
    try:
        with threadpool_limits(n_threads, user_api="blas"):
            pipeline.fit(*data, **held_out)
    finally:
        mlp.set_callbacks()
    return time.perf_counter() - start


def _keep_network(console: Console, pipeline: Pipeline, directory: Path) -> None:
    """Save the network of an interrupted training, as `fit` keeps it, without replacing an earlier one."""
    from sk_mnist.persistence import save

    mlp = pipeline["mlp"]
    if hasattr(mlp, "coefs_"):
        path = save(pipeline, _output.unused_path(directory / "model.skops"))
        say(console, f"{mlp.n_iter_} of {mlp.epochs} epochs were finished. The network is in {path}")


def _report(
    console: Console, pipeline: Pipeline, test: Bunch, seconds: float, options: argparse.Namespace
) -> EvaluationResult:
    """Evaluate the network and print its figures."""
    from sk_mnist.metrics import evaluate

    result = evaluate(pipeline, test.data, test.target)
    mlp = pipeline["mlp"]
    figures = _output.figures_table(result, with_published=options.recipe == "reference")
    console.print(_output.architecture_table(mlp.to_keras()), figures)
    say(console, f"Trained {counted(mlp.n_iter_, 'epoch')} in {seconds:.1f} s on {_processors(options.threads)}.")
    return result


def _processors(n_threads: int | None) -> str:
    import joblib

    number, name = (joblib.cpu_count(), "core") if n_threads is None else (n_threads, "thread")
    return counted(number, name)


def _write(
    console: Console, directory: Path, pipeline: Pipeline, result: EvaluationResult, seconds: float, test: Any
) -> None:
    """Write the model and its figures and, given the test images, pictures."""
    from sk_mnist.persistence import save
    from sk_mnist.plotting import TrainingHistoryDisplay

    save(pipeline, directory / "model.skops")
    _output.write_json(directory / "metrics.json", {**result.to_dict(), "fit_seconds": seconds})
    _output.write_json(directory / "history.json", pipeline["mlp"].history_)
    if test is None:
        return
    try:
        displays = _output.draw_result(pipeline, result, test)
        displays["history.png"] = TrainingHistoryDisplay.from_estimator(pipeline)
    except ImportError as error:
        say(console, f"No pictures: {error}")
    else:
        _output.write_pictures(displays, directory)
