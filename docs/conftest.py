"""The pages are doctests: they find MNIST in a cache of their own, and leave no figures open."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import sk_mnist

# Sphinx' configuration and what it generated.
collect_ignore_glob = ["conf.py", "auto_examples/*", "api/*", "_build/*"]


def pytest_configure(config):
    """Fill a data home from the package's copy, unless the tests' own conftest has."""
    if "SK_MNIST_DATA" not in os.environ:
        data_home = Path(tempfile.mkdtemp(prefix="sk-mnist-docs-"))
        shutil.copy(Path(sk_mnist.__file__).parent / "datasets" / "data" / "mnist.npz", data_home)
        os.environ["SK_MNIST_DATA"] = str(data_home)
        config.add_cleanup(lambda: shutil.rmtree(data_home, ignore_errors=True))


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """Close what a page has drawn."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")
