"""The cost of sharing distortions, as augmentation.py --groups measures it."""

import importlib
import re

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from tests.helpers.benchmarks import run_with


@pytest.mark.slow
def test_sizes_of_groups_are_compared(tmp_path):
    change = "augmentation.GRADIENT_EPOCHS, augmentation.N_GRADIENT_BLOCKS = 1, 3"
    arguments = ["--groups", "1", "--rounds", "2", "--rows", "6000", "--output", str(tmp_path)]
    process = run_with(change, "augmentation", *arguments)
    assert process.returncode == 0, process.stderr
    rows = re.findall(r"^  (\d+) +[\d.]+% +[\d.]+% +([\d.]+) ± [\d.]+ +([\d.]+) ± ", process.stdout, re.MULTILINE)
    assert [size for size, *_ in rows] == ["1", "4", "16", "64"], process.stdout
    assert [float(ratio) for ratio in rows[0][1:]] == [1, 1]


def test_the_gradient_is_that_of_the_loss(shared):
    augmentation = importlib.import_module("augmentation")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 5)), rng.integers(0, 3, 20)
    network = MLPClassifier((4, 3), max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning):
        network.fit(X, y)
    before = log_loss(y, network.predict_proba(X))
    gradient = augmentation.gradient(network, X, y)
    # The last layer comes first.
    network.coefs_[-1][1, 2] += 1e-6
    assert (log_loss(y, network.predict_proba(X)) - before) / 1e-6 == pytest.approx(gradient[1 * 3 + 2], rel=1e-4)
    network.coefs_[-1][1, 2] -= 1e-6
    network.coefs_[0][4, 1] += 1e-6
    in_first_layer = 4 * 4 + 1 - (5 * 4 + 4)
    assert (log_loss(y, network.predict_proba(X)) - before) / 1e-6 == pytest.approx(gradient[in_first_layer], rel=1e-4)
