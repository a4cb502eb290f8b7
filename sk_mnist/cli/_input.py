"""What the commands read: MNIST, and saved models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sk_mnist.cli._options import UsageError
from sk_mnist.cli._terminal import waiting

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sk_mnist.demo import Reader


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


def make_reader(path: Path | None) -> Reader:
    """Return a reader of pictures with the model from a file, or with the pretrained model."""
    from sk_mnist.demo import Reader

    if path is None:
        from sk_mnist.pretrained import load_pretrained

        return Reader(load_pretrained())
    from sk_mnist.persistence import load

    return Reader(load(path))
