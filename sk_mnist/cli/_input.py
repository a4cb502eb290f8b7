"""What the commands read: MNIST, and saved models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sk_mnist.cli._options import UsageError
from sk_mnist.cli._terminal import waiting

if TYPE_CHECKING:
    from sklearn.utils import Bunch


def read_images(console: Console, data_home: Path | None, rows: int | None) -> tuple[Bunch, Bunch]:
    """Return the training and the test images; raise a UsageError if there are fewer than `rows` to train on."""
    from sk_mnist.datasets import fetch_mnist

    with waiting(console, "Reading MNIST"):
        train = fetch_mnist(subset="train", data_home=data_home)
        # The first call downloads if necessary. The second does not wait for the network or log again.
        test = fetch_mnist(subset="test", data_home=data_home, download_if_missing=False)
    if rows is not None and rows > len(train.target):
        raise UsageError(f"--rows {rows}: there are {len(train.target)} training images")
    return train, test


def read_model(path: Path | None) -> Any:
    """Return the model for read_digits from a file; None, the shipped network, without a file.

    Raises
    ------
    ValueError
        If it is not a classifier of MNIST's images.
    """
    if path is None:
        return None
    from sk_mnist.persistence import load
    from sk_mnist.reading import DigitModel

    model = load(path)
    DigitModel(model)  # now, and not at each picture
    return model
