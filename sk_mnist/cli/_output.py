"""What the commands print and write: tables, pictures, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sk_mnist._files import replacing
from sk_mnist.cli._terminal import say

if TYPE_CHECKING:
    from sk_mnist.metrics import EvaluationResult


def architecture_table(model: Any) -> Table:
    """Return a table of the layers of a Keras model with their output shapes and parameter counts."""
    table = Table(title="Network", title_justify="left")
    table.add_column("layer")
    table.add_column("output")
    table.add_column("parameters", justify="right")
    for layer in model.layers:
        activation = getattr(layer, "activation", None)
        name = type(layer).__name__ + (f", {activation.__name__}" if activation else "")
        table.add_row(name, str(layer.output.shape), f"{layer.count_params():,}")
    table.add_section()
    table.add_row("total", "", f"{model.count_params():,}")
    return table


def figures_table(result: EvaluationResult) -> Table:
    """Return a table of published and measured figures on the test images."""
    from sk_mnist.pipeline import PUBLISHED

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


def draw_result(estimator: Any, result: EvaluationResult, test: Any) -> dict[str, Any]:
    """Draw the confusion matrix and the most confident errors; return the displays by file name."""
    from sk_mnist.plotting import DigitsDisplay

    # First, because its error tells what to install if matplotlib is missing.
    misclassified = DigitsDisplay.from_estimator(
        estimator, test.data, test.target, order="confidently_wrong", n_images=20, n_columns=5
    )
    from sklearn.metrics import ConfusionMatrixDisplay

    confusion = ConfusionMatrixDisplay(result.confusion_matrix, display_labels=result.classes)
    confusion.plot(cmap="Blues", colorbar=False)
    return {"confusion_matrix.png": confusion, "misclassified.png": misclassified}


def write_pictures(displays: dict[str, Any], directory: Path) -> list[Path]:
    """Write displays as PNG files."""
    paths = []
    for name, display in displays.items():
        with replacing(directory / name) as partial:
            display.figure_.savefig(partial, format="png", dpi=150, bbox_inches="tight")
        paths.append(directory / name)
    return paths


def write_json(path: Path, content: Any) -> Path:
    """Write a JSON file."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def print_written(console: Console, paths: list[Path]) -> None:
    """Print which files were written to a directory."""
    say(console, f"Wrote to {paths[0].parent}: {', '.join(path.name for path in paths)}")
