"""MNIST as it was published."""

import numpy as np
import pytest

from sk_mnist.datasets._sources import BUNDLED


@pytest.fixture(scope="module")
def arrays():
    """The four arrays of the file in the package, read without this package's help."""
    with np.load(BUNDLED, allow_pickle=False) as archive:
        return dict(archive)
