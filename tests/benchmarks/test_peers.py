"""Each benchmark that compares libraries runs, with all peers that are installed, and writes what it says."""

import importlib.util
import json

import pytest

from tests.helpers.benchmarks import PNG, names, needs_process_memory, run, run_with

# Too little work to say anything about speed, enough to go through every line.
SMALL = {
    "augmentation": ["--rounds", "1", "--epochs", "3", "--rows", "2000"],
    "training": ["--rounds", "2", "--epochs", "1", "--rows", "2000", "--batch-size", "128"],
    "prediction": ["--rounds", "1", "--calls", "3", "--many-rows", "100", "--many-rows-calls", "2"],
    "search": ["--rounds", "1", "--epochs", "1", "--rows", "600", "--candidates", "2", "--fits", "3"],
    "startup": ["--rounds", "1"],
}
SKORCH = {"skorch": ("skorch", "torch")}
# The peers of each benchmark, with what they need beyond the requirements of the package.
PEERS = {
    "augmentation": {"Keras": (), "SciPy": (), "OpenCV": ("cv2",), "torchvision": ("torch", "torchvision")},
    "training": {"scikeras": (), "Keras": (), "scikit-learn": (), "PyTorch loop": ("torch",), **SKORCH},
    "prediction": {"scikeras": (), "scikit-learn": (), **SKORCH},
    "search": {"scikeras": (), "scikit-learn": (), **SKORCH},
    "startup": {"scikeras": (), "Keras": (), "scikit-learn": (), **SKORCH},
}


def installed(name):
    return {peer for peer, modules in PEERS[name].items() if all(map(importlib.util.find_spec, modules))}


@pytest.fixture(scope="module", params=list(SMALL))
def small(request, tmp_path_factory):
    """A benchmark that has run: its name, its output, its JSON file, and the directory of that."""
    output = tmp_path_factory.mktemp(request.param)
    process = run(request.param, *SMALL[request.param], "--output", str(output))
    assert process.returncode == 0, process.stderr
    return request.param, process.stdout, json.loads((output / f"{request.param}.json").read_text()), output


@pytest.mark.slow
def test_every_peer_that_is_installed_takes_part(small):
    name, _, content, _ = small
    assert names(content["results"]) == {"sk-mnist", *installed(name)}


@pytest.mark.slow
def test_a_peer_that_is_not_installed_is_named_with_the_way_to_install_it(small):
    name, printed, content, _ = small
    missing = set(PEERS[name]) - installed(name)
    assert set(content["missing"]) == missing
    packages = {"OpenCV": "opencv-python-headless", "torchvision": "torchvision"}
    for peer in missing:
        package = packages.get(peer, "skorch torch")
        assert f"{peer} is not installed and left out: pip install {package}" in printed


@pytest.mark.slow
def test_there_is_a_ratio_to_every_peer(small):
    name, _, content, _ = small
    # One way of ours may be compared with another.
    assert names(content["ratios"]) - {"sk-mnist"} == installed(name)
    medians = {(row["work"], row["peer"]): row["median"] for row in content["results"]}
    for row in content["ratios"]:
        ours, theirs = medians[row["work"], row["ours"]], medians[row["work"], row["peer"]]
        assert row["ratio"] == pytest.approx(ours / theirs)


@pytest.mark.slow
def test_spread_surrounds_the_median_of_all_rounds(small):
    _, _, content, _ = small
    for row in content["results"]:
        assert len(row["seconds"]) == content["settings"]["rounds"]
        assert 0 < row["min"] <= row["median"] <= row["max"]


@pytest.mark.slow
def test_everybody_got_it_right(small):
    name, _, content, _ = small
    if name == "startup":
        digits = [detail["digit"] for row in content["results"] for detail in row["details"] if "digit" in detail]
        # The first test image.
        assert set(digits) == {7}
        return
    for row in content["results"]:
        if row["work"].startswith("distorting"):
            continue
        # Ten times in a hundred is chance; skorch's network, from PyTorch's small initial weights, learns late.
        assert row["accuracy"]
        assert min(row["accuracy"]) > 0.15, row["peer"]


@pytest.mark.slow
def test_cores_and_versions_are_recorded(small):
    _, _, content, _ = small
    assert content["environment"]["cores"] >= 1
    assert {"sk-mnist", "scikit-learn", "tensorflow", "keras", "scikeras"} <= set(content["environment"]["packages"])


@pytest.mark.slow
def test_a_picture_is_drawn(small):
    name, _, _, output = small
    pytest.importorskip("matplotlib")
    assert (output / f"{name}.png").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_peers_predict_with_the_same_weights(small):
    name, _, content, _ = small
    if name != "prediction":
        pytest.skip("only the benchmark of predictions gives all peers the same weights")
    for row in content["results"]:
        assert max(detail["largest_difference"] for detail in row["details"]) < 1e-5


@pytest.mark.slow
def test_everybody_distorts_images_and_keeps_the_ink(small):
    name, printed, content, _ = small
    if name != "augmentation":
        pytest.skip("only the benchmark of distortions distorts")
    rows = [row for row in content["results"] if row["work"].startswith("distorting")]
    for detail in (detail for row in rows for detail in row["details"]):
        assert detail["changed_images"] > 0.95
        assert detail["ink"] == pytest.approx(1, abs=0.1)
    assert set(content["images_per_second"]) == {row["peer"] for row in rows}
    assert "…" not in printed  # nothing is cut


@pytest.mark.slow
@needs_process_memory
def test_memory_is_followed_over_all_fits(small):
    name, _, content, _ = small
    if name != "search":
        pytest.skip("only the benchmark of searches follows the memory")
    assert {peer: len(figures["mebibytes"]) for peer, figures in content["memory"].items()} == {
        "sk-mnist": content["settings"]["fits"],
        "scikeras": content["settings"]["fits"],
    }


@pytest.mark.slow
def test_only_the_peers_asked_for_take_part_and_are_checked(tmp_path):
    change = "startup.TARGETS = {key: 1e-3 for key in startup.TARGETS}"
    arguments = ["--rounds", "1", "--peers", "scikeras", "--check", "--output", str(tmp_path)]
    process = run_with(change, "startup", *arguments)
    assert process.returncode == 1, process.stderr
    missed = "1 of 1 target missed: import, in a new process, time divided by that of scikeras: "
    assert missed in process.stdout, process.stdout
    assert names(json.loads((tmp_path / "startup.json").read_text())["results"]) == {"sk-mnist", "scikeras"}


@pytest.mark.slow
def test_time_to_an_accuracy_is_compared_with_the_fast_recipe(tmp_path):
    arguments = ["--until-accuracy", "0.8", "--rounds", "1", "--rows", "5000", "--output", str(tmp_path)]
    process = run("training", *arguments)
    assert process.returncode == 0, process.stderr
    content = json.loads((tmp_path / "training_until.json").read_text())
    assert len(content["ratios"]) == 1
    (theirs,) = [row for row in content["results"] if row["peer"].startswith("Keras")]
    assert min(theirs["accuracy"]) >= 0.8
