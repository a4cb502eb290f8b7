"""The modules that the benchmarks share."""

import importlib
from argparse import Namespace

import pytest

from tests.helpers.benchmarks import BENCHMARKS


@pytest.fixture
def shared(monkeypatch):
    """The modules that the benchmarks share, imported: a namespace with ``measure`` and ``report``."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return Namespace(measure=importlib.import_module("_measure"), report=importlib.import_module("_report"))
