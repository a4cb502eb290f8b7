"""The ``sk-mnist`` command: train the network on MNIST and see how well it does."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.table import Table

from sk_mnist import __version__
from sk_mnist._files import replacing

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from sk_mnist.metrics import EvaluationResult

DEFAULT_COMMAND = "train"
DEFAULT_OUTPUT = Path("sk-mnist-output")

# Figures published for the reference network; the repository's examples/benchmarks/reproduce_reference.py has more.
PUBLISHED = {"log_loss": 0.1513, "label_broadcast_mse": 27.3391, "accuracy": 0.9733}

INTERRUPTED = 130  # 128 + SIGINT, as shells count


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    status : int
        0 if all went well, 1 after an error of the system, 130 after Ctrl-C. Wrong options end the process with 2.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Options alone, and nothing at all, are for the default command.
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments.insert(0, DEFAULT_COMMAND)
    options = _make_parser().parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted.")
        return INTERRUPTED
    except OSError as error:
        Console(stderr=True).print(f"sk-mnist: {error}", markup=False, highlight=False)
        return 1
    return 0


def _make_parser() -> _Parser:
    parser = _Parser(prog="sk-mnist", description="MNIST and a Keras multilayer perceptron for scikit-learn.")
    parser.add_argument("--version", action="version", version=f"sk-mnist {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, parser_class=_Parser)
    train = commands.add_parser("train", help="train the network, evaluate it on the test images (the default command)")
    train.set_defaults(run=_train)
    train.add_argument("--recipe", default="reference", help="how to train (default: reference)")
    train.add_argument("--epochs", type=_positive(int), help="passes over the 60,000 images (default: the recipe's)")
    train.add_argument("--batch-size", type=_positive(int), help="images in a step (default: the recipe's)")
    train.add_argument("--learning-rate", type=_positive(float), help="step size (default: the recipe's)")
    train.add_argument("--seed", type=_seed, default=0, help="random state (default: 0)")
    train.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help=f"where files go (default: {DEFAULT_OUTPUT})"
    )
    train.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _positive(kind: type) -> Any:
    def parse(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"  # argparse says: invalid positive int value: '0'
    return parse


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


_seed.__name__ = "seed (0 to 4294967295)"


def _train(options: argparse.Namespace) -> None:
    from sklearn.callback import ProgressBar

    from sk_mnist._quiet import start_tensorflow
    from sk_mnist.datasets import fetch_mnist
    from sk_mnist.metrics import evaluate

    console = Console(quiet=options.quiet, highlight=False)
    pipeline = _make_pipeline(options)
    _make_directory(options.output)
    with console.status("Reading MNIST"):
        train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    console.print(
        f"MNIST: {len(train.target):,} training and {len(test.target):,} test images, from {train.source}",
        soft_wrap=True,
    )
    with console.status("Starting TensorFlow"):
        start_tensorflow()
    if not options.quiet:
        pipeline.set_callbacks(ProgressBar())
    start = time.perf_counter()
    pipeline.fit(train.data, train.target)
    seconds = time.perf_counter() - start
    pipeline.set_callbacks()
    result = evaluate(pipeline, test.data, test.target)
    console.print(_architecture_table(pipeline), _figures_table(result))
    mlp = pipeline["mlp"]
    console.print(f"Trained {mlp.n_iter_} epochs in {seconds:.1f} s on {os.cpu_count()} cores.")
    written = [
        _write_json(options.output / "metrics.json", {**result.to_dict(), "fit_seconds": seconds}),
        _write_json(options.output / "history.json", mlp.history_),
    ]
    try:
        written += _draw(pipeline, result, test, options.output)
    except ImportError as error:
        console.print(f"No pictures: {error}", markup=False, soft_wrap=True)
    console.print("Wrote " + ", ".join(str(path) for path in written), soft_wrap=True)


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
        _make_parser().error(str(error))


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _make_parser().error(f"--output {directory}: {error.strerror}")


def _architecture_table(pipeline: Pipeline) -> Table:
    table = Table(title="Network", title_justify="left")
    table.add_column("layer")
    table.add_column("output")
    table.add_column("parameters", justify="right")
    model = pipeline["mlp"].to_keras()
    for layer in model.layers:
        activation = getattr(layer, "activation", None)
        name = type(layer).__name__ + (f", {activation.__name__}" if activation else "")
        table.add_row(name, str(layer.output.shape), f"{layer.count_params():,}")
    table.add_section()
    table.add_row("total", "", f"{model.count_params():,}")
    return table


def _figures_table(result: EvaluationResult) -> Table:
    table = Table(
        title="Test images",
        title_justify="left",
        caption='The label-broadcast MSE was published as "MSE"; lower is not better.',
        caption_justify="left",
    )
    table.add_column("figure")
    table.add_column("published", justify="right")
    table.add_column("measured", justify="right")
    low, high = result.accuracy_interval or (float("nan"), float("nan"))
    table.add_row("accuracy", f"{PUBLISHED['accuracy']:.2%}", f"{result.accuracy:.2%}")
    table.add_row("  95 % interval", "", f"{low:.2%} to {high:.2%}")
    table.add_row("loss (cross-entropy)", f"{PUBLISHED['log_loss']:.4f}", f"{result.log_loss:.4f}")
    table.add_row("label-broadcast MSE", f"{PUBLISHED['label_broadcast_mse']:.4f}", f"{result.label_broadcast_mse:.4f}")
    table.add_row("Brier score", "", f"{result.brier_score:.4f}")
    return table


def _draw(pipeline: Pipeline, result: EvaluationResult, test: Any, directory: Path) -> list[Path]:
    from sklearn.metrics import ConfusionMatrixDisplay

    from sk_mnist.plotting import DigitsDisplay, TrainingHistoryDisplay

    confusion = ConfusionMatrixDisplay(result.confusion_matrix, display_labels=result.classes)
    displays = {
        # First, for it says what to install if matplotlib is missing.
        "history.png": TrainingHistoryDisplay.from_estimator(pipeline),
        "confusion_matrix.png": confusion.plot(cmap="Blues", colorbar=False),
        "misclassified.png": DigitsDisplay.from_estimator(
            pipeline, test.data, test.target, order="confidently_wrong", n_images=20, n_columns=5
        ),
    }
    written = []
    for name, display in displays.items():
        with replacing(directory / name) as partial:
            display.figure_.savefig(partial, format="png", dpi=150, bbox_inches="tight")
        written.append(directory / name)
    return written


def _write_json(path: Path, content: Any) -> Path:
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path
