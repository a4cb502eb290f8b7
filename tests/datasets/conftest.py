"""MNIST as it was published."""

import time

import numpy as np
import pytest

from sk_mnist.datasets._sources import BUNDLED


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
