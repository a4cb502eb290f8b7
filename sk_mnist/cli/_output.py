"""What the commands print and write: tables, and a directory with models, pictures and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sk_mnist._files import replacing
from sk_mnist.cli._options import UsageError
from sk_mnist.cli._terminal import say, shown

if TYPE_CHECKING:
    from sk_mnist.metrics import EvaluationResult


@dataclass(frozen=True)
class OutputDirectory:
    """A directory that a command checks before the work, and fills in one go after it.

    Parameters
    ----------
    path : Path
        The directory.
    names : sequence of str
        Names of all files that the command may write.
    option : str
        The option that gives the path, for error messages.
    """

    path: Path
    names: Sequence[str]
    option: str

    def prepare(self, *, force: bool) -> None:
        """Create the directory and check that the files can be written there.

        Raises
        ------
        UsageError
            If they cannot be written or, unless `force` is True, if there are files of an earlier run.
        """
        earlier = self.files()
        if earlier and not force:
            found = ", ".join(path.name for path in earlier)
            them = "it" if len(earlier) == 1 else "them"
            raise UsageError(
                f"{self.path} holds {found} of an earlier run: use --force to replace {them}, or choose another "
                f"{self.option}"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(prefix=".sk-mnist-", dir=self.path):
                pass
        except OSError as error:
            raise UsageError(f"{self.option} {self.path}: {error.strerror}") from error
        for path in earlier:
            if path.is_dir():
                raise UsageError(f"{self.option} {self.path}: {path.name} must be a file, but is a directory")

    def files(self) -> list[Path]:
        """Return the paths of the files that exist."""
        return [self.path / name for name in self.names if os.path.lexists(self.path / name)]

    @contextmanager
    def replacing_all(self) -> Iterator[Path]:
        """Yield a temporary directory and, if the block succeeds, move its files to this one.

        Files that were not written are deleted, so that no picture of an earlier run stays next to the figures of this
        one.
        """
        with TemporaryDirectory(prefix=".sk-mnist-", dir=self.path) as staging:
            yield Path(staging)
            written = {path.name for path in Path(staging).iterdir()}
            for name in sorted(written):
                os.replace(Path(staging, name), self.path / name)
        for path in self.files():
            if path.name not in written:
                path.unlink()

    def report(self, console: Console) -> list[str]:
        """Print which files are there, and return their paths."""
        say(console, f"Wrote to {self.path}: {', '.join(path.name for path in self.files())}")
        return [shown(path) for path in self.files()]


def unused_path(path: Path) -> Path:
    """Return a path or, if it exists, the first free one of name-2, name-3, ..."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


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


def figures_table(result: EvaluationResult, *, with_published: bool) -> Table:
    """Return a table of figures on the test images, with those of the Kaggle notebook that is reproduced or without."""
    from sk_mnist.pipeline import PUBLISHED

    low, high = result.accuracy_interval or (float("nan"), float("nan"))
    rows = [
        ("accuracy", f"{PUBLISHED['accuracy']:.2%}", f"{result.accuracy:.2%}"),
        ("  95 % interval", "", f"{low:.2%} to {high:.2%}"),
        ("loss (cross-entropy)", f"{PUBLISHED['log_loss']:.4f}", f"{result.log_loss:.4f}"),
        ("Brier score", "", f"{result.brier_score:.4f}"),
    ]
    table = Table(title="Test images", title_justify="left", caption_justify="left")
    table.add_column("figure")
    if with_published:
        rows.append(
            ("label-broadcast MSE", f"{PUBLISHED['label_broadcast_mse']:.4f}", f"{result.label_broadcast_mse:.4f}")
        )
        table.caption = (
            'Published in the Kaggle notebook "neuralnetworks-mnistdigitclassification". Its "MSE" is the '
            "label-broadcast MSE; lower is not better."
        )
        table.add_column("published", justify="right")
    table.add_column("measured", justify="right")
    for name, published, measured in rows:
        table.add_row(name, *([published] if with_published else []), measured)
    return table


def draw_result(estimator: Any, result: EvaluationResult, test: Any) -> dict[str, Any]:
    """Draw the confusion matrix and the most confident errors; return the displays by file name."""
    from sk_mnist.plotting import DigitsDisplay

    misclassified = DigitsDisplay.from_estimator(
        estimator, test.data, test.target, order="confidently_wrong", n_images=20, n_columns=5
    )
    return {"confusion_matrix.png": result.plot(), "misclassified.png": misclassified}


def write_pictures(displays: dict[str, Any], directory: Path) -> None:
    """Write displays as PNG files."""
    for name, display in displays.items():
        with replacing(directory / name) as partial:
            display.figure_.savefig(partial, format="png", dpi=150, bbox_inches="tight")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
