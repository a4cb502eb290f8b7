"""``sk-mnist export``: convert a saved model to ONNX."""

from __future__ import annotations

import argparse
from typing import Any

from sk_mnist.cli._options import UsageError, add_saved_model, path
from sk_mnist.cli._output import OutputDirectory
from sk_mnist.cli._terminal import make_console, say


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    export = commands.add_parser("export", help="convert a saved model to ONNX")
    export.set_defaults(run=run)
    add_saved_model(export)
    export.add_argument(
        "--onnx", type=path, metavar="FILE", required=True, help="the file to write; an existing file is replaced"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist.persistence import load, to_onnx

    path = options.onnx
    OutputDirectory(path.parent, [path.name], "--onnx").prepare(force=True)
    model = load(options.model)
    try:
        to_onnx(model, path)
    except ImportError as error:
        raise UsageError(f"--onnx {str(error).removeprefix('to_onnx ')}") from error
    except RuntimeError as error:  # from skl2onnx, with many lines
        raise ValueError(f"{options.model} cannot be converted to ONNX: {str(error).splitlines()[0]}") from error
    say(make_console(), f"Wrote {path}")
