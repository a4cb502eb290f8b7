"""The study of the recipes."""

import json
import re
import subprocess
import sys

import pytest

from tests.helpers.benchmarks import BENCHMARKS


def run_recipes(directory, only="fast"):
    arguments = ["--results", directory / "results.json", "--models", directory, "--split", "test", "--only", only]
    command = [sys.executable, BENCHMARKS / "recipes.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_a_study_of_the_recipes_goes_on_where_it_was_interrupted(tmp_path):
    whole = run_recipes(tmp_path)
    assert whole.returncode == 0, whole.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(result["training"], result["split"], result["seed"]) for result in results] == [
        ("fast", "test", seed) for seed in (0, 1, 2)
    ]
    mean = sum(result["accuracy"] for result in results) / 3
    assert re.search(rf"^ *fast +{mean:.2%} ", whole.stdout, re.MULTILINE)
    assert "which were scored 3 times" in whole.stdout
    # As if it had been interrupted before the last one.
    (tmp_path / "results.json").write_text(json.dumps(results[:2]))
    (tmp_path / "fast-test-2.skops").unlink()
    again = run_recipes(tmp_path)
    assert [line for line in again.stdout.splitlines() if line.startswith("{")] != []
    anew = json.loads((tmp_path / "results.json").read_text())
    assert anew[:2] == results[:2]
    assert anew[2]["accuracy"] == results[2]["accuracy"]
    # With all results there, nothing is trained.
    assert not any(line.startswith("{") for line in run_recipes(tmp_path).stdout.splitlines())


@pytest.mark.slow
def test_a_study_of_the_recipes_scores_peers_too(tmp_path):
    process = run_recipes(tmp_path, only="(Keras|scikit-learn), 2 epochs")
    assert process.returncode == 0, process.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [result["training"] for result in results] == ["Keras, 2 epochs", "scikit-learn, 2 epochs"]
    for result in results:
        assert result["accuracy"] > 0.94
        assert 0 < result["log_loss"] < 0.3
