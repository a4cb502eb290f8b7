"""``sk-mnist fetch`` and ``sk-mnist info``: the data, where it is and whether it is right."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

# The packages whose versions matter to what comes out of training.
PACKAGES = ("sk-mnist", "scikit-learn", "numpy", "scipy", "tensorflow", "keras", "scikeras", "pooch", "skops")


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    fetch = commands.add_parser("fetch", help="put MNIST into the cache, check it there, or remove it")
    fetch.set_defaults(run=run_fetch)
    fetch.add_argument("--data-home", type=Path, metavar="DIR", help="the cache (default: see sk-mnist info)")
    action = fetch.add_mutually_exclusive_group()
    action.add_argument("--verify", action="store_true", help="only check what is in the cache")
    action.add_argument("--clear", action="store_true", help="remove what sk-mnist put into the cache")
    info = commands.add_parser("info", help="where the data is, and the versions of the packages that matter")
    info.set_defaults(run=run_info)
    info.add_argument("--data-home", type=Path, metavar="DIR", help="the cache (default: SK_MNIST_DATA, or the user's)")


def run_fetch(options: argparse.Namespace) -> None:
    """Run ``fetch``."""
    from sk_mnist.datasets import clear_data_home, fetch_mnist, get_data_home
    from sk_mnist.datasets._sources import check_data_home

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if options.clear:
        clear_data_home(options.data_home)
        console.print(f"Removed what sk-mnist wrote into {get_data_home(options.data_home)}.")
        return
    if not options.verify:
        source = fetch_mnist(data_home=options.data_home, normalize=False, progressbar=True).source
        console.print(f"MNIST is there, from {source}")
        return
    status = check_data_home(options.data_home)
    if status.problem is not None:
        raise OSError(f"{status.home} does not hold MNIST: {status.problem}")
    console.print(f"{status.home} holds MNIST; the digests of all four arrays are right.")


def run_info(options: argparse.Namespace) -> None:
    """Run ``info``."""
    from sk_mnist.datasets._sources import check_data_home

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
