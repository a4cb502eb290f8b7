"""Give tests, pages and docstrings a temporary data home, and close their figures."""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sk_mnist.datasets._dataset import BUNDLED

# The configuration of Sphinx and the files that it generates.
collect_ignore_glob = ["docs/conf.py", "docs/auto_examples/*", "docs/api/*", "docs/_build/*", "build/*"]


def pytest_configure(config):
    """Point SK_MNIST_DATA, KERAS_HOME and hypothesis at temporary directories, for subprocesses too.

    The data home holds MNIST already, so code that calls fetch_mnist() without arguments needs no network.
    """
    temporary = Path(tempfile.mkdtemp(prefix="sk-mnist-tests-"))
    data_home = temporary / "data-home"
    data_home.mkdir()
    shutil.copy(BUNDLED, data_home)
    os.environ["SK_MNIST_DATA"] = str(data_home)
    os.environ["KERAS_HOME"] = str(temporary / "keras-home")
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(temporary / "hypothesis")
    config.add_cleanup(lambda: shutil.rmtree(temporary, ignore_errors=True))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the pages that train most as slow."""
    for item in items:
        if item.path.name in ("classifier.md", "coming_from.md", "scaling.md", "tuning.md"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def same_start_of_global_generators():
    """Make results of code without a seed independent of the tests before."""
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def no_figure_left_open():
    """Close all figures after each test."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
