"""MNIST as it was published."""

import time
from dataclasses import replace

import numpy as np
import pytest

from sk_mnist.datasets import _mnist
from sk_mnist.datasets._dataset import BUNDLED


@pytest.fixture(scope="module")
def arrays():
    """The four arrays of the file in the package, read without this package's help."""
    with np.load(BUNDLED, allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture
def delays(monkeypatch):
    """Seconds that each retry would have waited. Retries are made at once."""
    delays = []
    monkeypatch.setattr(time, "sleep", delays.append)
    return delays


@pytest.fixture
def change_mnist(monkeypatch):
    """A function that changes what fetch_mnist knows of MNIST, such as its remotes."""

    def change(**fields):
        monkeypatch.setattr(_mnist, "MNIST", replace(_mnist.MNIST, **fields))

    return change
