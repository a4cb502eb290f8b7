"""MNIST for the commands that train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sk_mnist.cli._options import UsageError
from sk_mnist.cli._terminal import waiting

if TYPE_CHECKING:
    from sklearn.utils import Bunch


def read_images(console: Console, data_home: Path | None) -> tuple[Bunch, Bunch]:
    """Return the training and the test images."""
    from sk_mnist.datasets import fetch_mnist

    with waiting(console, "Reading MNIST"):
        train = fetch_mnist(subset="train", data_home=data_home)
        # The first call downloads if necessary. The second does not wait for the network or log again.
        return train, fetch_mnist(subset="test", data_home=data_home, download_if_missing=False)


def check_rows(rows: int | None, n_images: int) -> None:
    """Raise a UsageError if `rows` is more than the number of images."""
    if rows is not None and rows > n_images:
        raise UsageError(f"--rows {rows}: there are {n_images} training images")
