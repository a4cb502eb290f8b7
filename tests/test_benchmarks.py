"""Each benchmark runs, with all peers that are installed, and writes what it says."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "examples" / "benchmarks"
PNG = b"\x89PNG\r\n\x1a\n"

# Too little work to say anything about speed, enough to go through every line.
SMALL = {
    "training": ["--rounds", "2", "--epochs", "1", "--rows", "2000", "--batch-size", "128"],
    "prediction": ["--rounds", "1", "--calls", "3", "--many-rows", "100", "--many-rows-calls", "2"],
    "search": ["--rounds", "1", "--epochs", "1", "--rows", "600", "--candidates", "2", "--fits", "3"],
    "startup": ["--rounds", "1"],
}
SKORCH = {"skorch": ("skorch", "torch")}
# The peers of each benchmark, with what they need beyond the requirements of the package.
PEERS = {
    "training": {"scikeras": (), "Keras": (), "scikit-learn": (), "PyTorch loop": ("torch",), **SKORCH},
    "prediction": {"scikeras": (), "scikit-learn": (), **SKORCH},
    "search": {"scikeras": (), "scikit-learn": (), **SKORCH},
    "startup": {"scikeras": (), "Keras": (), "scikit-learn": (), **SKORCH},
}

pytestmark = pytest.mark.slow


def run(name, *arguments, timeout=900):
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def installed(name):
    return {peer for peer, modules in PEERS[name].items() if all(map(importlib.util.find_spec, modules))}


def names(rows):
    """Peers of rows in the JSON file, without the ways they ran in."""
    return {row["peer"].partition(" (")[0] for row in rows} - {"NumPy, the arithmetic alone"}


@pytest.fixture(scope="module", params=list(SMALL))
def small(request, tmp_path_factory):
    """A benchmark that has run: its name, its output, its JSON file, and the directory of that."""
    if request.param == "startup":
        pytest.importorskip("skops")
    output = tmp_path_factory.mktemp(request.param)
    process = run(request.param, *SMALL[request.param], "--output", str(output))
    assert process.returncode == 0, process.stderr
    return request.param, process.stdout, json.loads((output / f"{request.param}.json").read_text()), output


def test_every_peer_that_is_installed_takes_part(small):
    name, _, content, _ = small
    assert names(content["results"]) == {"sk-mnist", *installed(name)}


def test_a_peer_that_is_not_installed_is_named_with_the_way_to_install_it(small):
    name, printed, content, _ = small
    missing = set(PEERS[name]) - installed(name)
    assert set(content["missing"]) == missing
    for peer in missing:
        assert f"{peer} is not installed and left out: pip install 'sk-mnist[benchmark]'" in printed


def test_there_is_a_ratio_to_every_peer(small):
    name, _, content, _ = small
    assert names(content["ratios"]) == installed(name)
    medians = {(row["work"], row["peer"]): row["median"] for row in content["results"]}
    for row in content["ratios"]:
        ours, theirs = medians[row["work"], row["ours"]], medians[row["work"], row["peer"]]
        assert row["ratio"] == pytest.approx(ours / theirs)


def test_spread_surrounds_the_median_of_all_rounds(small):
    _, _, content, _ = small
    for row in content["results"]:
        assert len(row["seconds"]) == content["settings"]["rounds"]
        assert 0 < row["min"] <= row["median"] <= row["max"]


def test_everybody_got_it_right(small):
    name, _, content, _ = small
    if name == "startup":
        digits = [detail["digit"] for row in content["results"] for detail in row["details"] if "digit" in detail]
        # The first test image.
        assert set(digits) == {7}
        return
    for row in content["results"]:
        # Ten times in a hundred is chance; skorch's network, from PyTorch's small initial weights, learns late.
        assert row["accuracy"]
        assert min(row["accuracy"]) > 0.15, row["peer"]


def test_cores_and_versions_are_recorded(small):
    _, _, content, _ = small
    assert content["environment"]["cores"] >= 1
    assert {"sk-mnist", "scikit-learn", "tensorflow", "keras", "scikeras"} <= set(content["environment"]["packages"])


def test_a_picture_is_drawn(small):
    name, _, _, output = small
    pytest.importorskip("matplotlib")
    assert (output / f"{name}.png").read_bytes().startswith(PNG)


def test_peers_predict_with_the_same_weights(small):
    name, _, content, _ = small
    if name != "prediction":
        pytest.skip("only the benchmark of predictions gives all peers the same weights")
    for row in content["results"]:
        assert max(detail["largest_difference"] for detail in row["details"]) < 1e-5


def test_memory_is_followed_over_all_fits(small):
    name, _, content, _ = small
    if name != "search":
        pytest.skip("only the benchmark of searches follows the memory")
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory of a process is read from /proc")
    assert {peer: len(figures["mebibytes"]) for peer, figures in content["memory"].items()} == {
        "sk-mnist": content["settings"]["fits"],
        "scikeras": content["settings"]["fits"],
    }


def test_only_the_peers_asked_for_take_part(tmp_path):
    process = run("training", *SMALL["training"], "--peers", "scikit-learn", "--output", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert names(json.loads((tmp_path / "training.json").read_text())["results"]) == {"sk-mnist", "scikit-learn"}


def test_time_to_an_accuracy_is_compared_with_the_fast_recipe(tmp_path):
    from sk_mnist.pipeline import RECIPES

    arguments = ["--until-accuracy", "0.8", "--rounds", "1", "--rows", "5000", "--output", str(tmp_path)]
    process = run("training", *arguments)
    assert process.returncode == 0, process.stderr
    if "fast" not in RECIPES:
        assert 'no recipe "fast"' in process.stdout
        return
    content = json.loads((tmp_path / "training_until.json").read_text())
    assert len(content["ratios"]) == 1
    (theirs,) = [row for row in content["results"] if row["peer"].startswith("Keras")]
    assert min(theirs["accuracy"]) >= 0.8


def test_the_profile_takes_a_training_apart():
    process = run("training_profile", "--rows", "3000", "--rounds", "1", "--epochs", "2")
    assert process.returncode == 0, process.stderr
    for way in ("Keras, its fit", "Keras, XLA, 64 steps a call", "sk-mnist, no XLA", "sk-mnist, XLA"):
        # Once for each batch size, with four figures, of which what compiling adds may be lost in the noise.
        rows = re.findall(rf"  {way} +(\d+\.\d+) +-?\d+\.\d+ +(\d+\.\d+) +(\d+\.\d+) ms", process.stdout)
        assert len(rows) == 2, process.stdout
        assert all(float(figure) > 0 for row in rows for figure in row)
    assert "in 2 threads" in process.stdout
    assert "most memory" in process.stdout
