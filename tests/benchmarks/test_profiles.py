"""The memory and the parts of a training are taken apart."""

import re

import pytest

from tests.helpers.benchmarks import needs_process_memory, run, run_with


@pytest.mark.slow
@needs_process_memory
def test_the_memory_of_each_kind_of_fit_is_followed():
    process = run("memory", "--fits", "2", "--settling", "1")
    assert process.returncode == 0, process.stderr
    assert "each of 2 fits, after 1; " in process.stdout
    kinds = [
        "sk-mnist, one architecture",
        "sk-mnist, partial_fit of 1 to 31 rows",
        "sk-mnist, another architecture each",
        "sk-mnist, another each, with a callback",
        "sk-mnist, another each, compiled by XLA",
        "Keras, another architecture each",
        "a plain tf.function, another shape each",
    ]
    assert re.findall(r"^  (\S.*\S)  +-?\d+\.\d\d$", process.stdout, re.MULTILINE) == kinds


@pytest.mark.slow
def test_the_profile_takes_a_training_apart():
    change = "training_profile.BATCH_SIZES = (128,)"
    process = run_with(change, "training_profile", "--rows", "3000", "--rounds", "1", "--epochs", "2")
    assert process.returncode == 0, process.stderr
    for way in ("Keras, its fit", "Keras, XLA, 64 steps a call", "sk-mnist, no XLA", "sk-mnist, XLA"):
        # Four figures, of which what compiling adds may be lost in the noise.
        rows = re.findall(rf"  {way} +(\d+\.\d+) +-?\d+\.\d+ +(\d+\.\d+) +(\d+\.\d+) ms", process.stdout)
        assert len(rows) == 1, process.stdout
        assert all(float(figure) > 0 for row in rows for figure in row)
    assert "in 2 threads" in process.stdout
    assert "most memory" in process.stdout
