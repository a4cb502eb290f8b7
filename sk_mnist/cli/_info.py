"""``sk-mnist info``: where the data is, and which versions of the packages that matter are installed."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

# The packages whose versions matter to what comes out of training.
PACKAGES = ("sk-mnist", "scikit-learn", "numpy", "scipy", "tensorflow", "keras", "scikeras", "pooch", "skops")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    info = commands.add_parser("info", help="where the data is, and the versions of the packages that matter")
    info.set_defaults(run=run)
    info.add_argument("--data-home", type=Path, metavar="DIR", help="the cache (default: SK_MNIST_DATA, or the user's)")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from sk_mnist.datasets._cache import check_data_home

    status = check_data_home(options.data_home)
    lines = {
        "data home": status.home,
        "MNIST there": "yes, all digests are right" if status.problem is None else f"no: {status.problem}",
        "came from": status.origin or "-",
        "sha256 of mnist.npz": status.sha256 or "-",
        "Python": f"{platform.python_version()} on {platform.platform()}",
        **{package: _version(package) for package in PACKAGES},
    }
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in lines.items():
        console.print(f"{name:20} {value}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
