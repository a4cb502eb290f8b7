"""Each benchmark runs, with all peers that are installed, and writes what it says."""

import importlib.util
import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

import sk_mnist

BENCHMARKS = Path(__file__).parent.parent / "examples" / "benchmarks"
SCRIPTS = (
    "augmentation",
    "fetching",
    "memory",
    "own_digits",
    "prediction",
    "robustness",
    "search",
    "startup",
    "training",
    "training_profile",
)
PNG = b"\x89PNG\r\n\x1a\n"

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

needs_process_memory = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc"
)


def run(name, *arguments, timeout=900):
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def run_with(change, name, *arguments, timeout=900):
    """Run the main function of a benchmark after a change to its module, as to its targets."""
    code = f"import sys; import {name}; {change}; sys.argv[0] = '{name}.py'; sys.exit({name}.main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=BENCHMARKS, capture_output=True, text=True, timeout=timeout
    )


def installed(name):
    return {peer for peer, modules in PEERS[name].items() if all(map(importlib.util.find_spec, modules))}


def names(rows):
    """Peers of rows in the JSON file, without the ways they ran in."""
    return {re.split(r",| \(", row["peer"])[0] for row in rows} - {"NumPy"}


@pytest.fixture
def shared(monkeypatch):
    """The modules that the benchmarks share, imported: a namespace with ``measure`` and ``report``."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return Namespace(measure=importlib.import_module("_measure"), report=importlib.import_module("_report"))


@pytest.fixture
def results(shared):
    """Ours takes half the time of one peer, and twice that of the other."""
    seconds = {"sk-mnist": [1.0, 1.0, 2.0], "slow": [2.0, 2.0, 3.0], "quick": [0.5, 0.5, 0.5]}
    return [shared.measure.Result("a work", peer, values) for peer, values in seconds.items()]


def options(tmp_path, **changed):
    """What the command line would give to a report."""
    return Namespace(
        **{"check": False, "is_reduced": False, "missing": [], "settings": {}, "output": tmp_path, **changed}
    )


def test_no_script_but_the_shared_one_reads_the_memory_of_a_process():
    found = {path.name for path in BENCHMARKS.glob("*.py") if "/proc" in path.read_text()}
    assert found == {"_measure.py"}


def test_every_script_measures_and_reports_with_the_shared_modules():
    # recipes.py is left out, because it compares accuracies and times nothing side by side.
    assert {path.stem for path in BENCHMARKS.glob("[!_]*.py")} == {*SCRIPTS, "recipes"}
    for name in SCRIPTS:
        imported = set(re.findall(r"^from (_\w+) import", (BENCHMARKS / f"{name}.py").read_text(), re.MULTILINE))
        assert imported >= {"_measure", "_options", "_report"}, name


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_measured_process_is_not_charged_for_what_the_scripts_import(name):
    costly = ("joblib", "keras", "matplotlib", "rich", "sklearn", "tensorflow", "torch")
    code = f"import sys; import {name}; print([name for name in {costly} if name in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True)
    assert process.stdout.strip() == "[]", process.stderr


def test_a_table_in_a_file_is_not_cut_and_has_no_colours(shared, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    cell = "words [in brackets] that are longer than the terminal is wide, :smile:"
    shared.report.print_table("a title", ["name", "figure"], [[cell, "1.0"], ["short"]])
    assert capsys.readouterr().out.splitlines() == [
        "",
        "a title",
        f"  {'name':{len(cell)}}  figure",
        f"  {cell}     1.0",
        "  short",
    ]


def test_a_missed_target_is_named_and_gives_exit_status_1(shared, results, tmp_path, capsys):
    checked = options(tmp_path, check=True)
    outcomes = shared.report.report("made_up", results, {("a work", "slow"): 0.6, ("a work", "quick"): 1.5}, checked)
    printed = capsys.readouterr().out
    assert re.search(r"slow .* 0\.5 \(0\.5-0\.667\) +0\.6 +held", printed)
    assert re.search(r"quick .* 2 \(2-4\) +1\.5 +missed", printed)
    assert shared.report.exit_status(outcomes, checked) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "1 of 2 targets missed: a work, time divided by that of quick: 2, target 1.5"
    ]


def test_targets_that_are_held_give_exit_status_0(shared, results, tmp_path, capsys):
    checked = options(tmp_path, check=True)
    # A ratio that is equal to its target holds it.
    outcomes = shared.report.report("made_up", results, {("a work", "slow"): 0.5, ("a work", "quick"): 2.5}, checked)
    capsys.readouterr()
    assert shared.report.exit_status(outcomes, checked) == 0
    assert "2 targets checked, none missed" in capsys.readouterr().out


def test_a_missed_target_does_not_matter_without_the_option(shared, results, tmp_path):
    unchecked = options(tmp_path)
    outcomes = shared.report.report("made_up", results, {("a work", "quick"): 1.5}, unchecked)
    assert [outcome.is_held for outcome in outcomes] == [False]
    assert shared.report.exit_status(outcomes, unchecked) == 0


def test_a_check_of_nothing_says_so(shared, tmp_path, capsys):
    assert shared.report.exit_status([], options(tmp_path, check=True)) == 0
    assert "no target applies" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "arguments", "needed"),
    [
        ("training", ["--quick"], "--epochs 10 --rows 60000"),
        ("training", ["--rows", "2000"], "--epochs 10 --rows 60000"),
        ("training", ["--until-accuracy", "0.8"], "--until-accuracy 0.9733"),
        ("prediction", ["--many-rows", "100"], "--many-rows 10000"),
        ("augmentation", ["--rows", "2000"], "--epochs 10 --rows 60000"),
        ("search", ["--fits", "3"], "--candidates 12 --rows 6000 --epochs 2 --fits 200"),
    ],
)
def test_targets_are_not_checked_with_other_work_than_they_are_set_for(name, arguments, needed):
    process = run(name, *arguments, "--check", timeout=60)
    assert process.returncode == 2
    assert needed in process.stderr


@pytest.mark.parametrize("name", ["memory", "robustness", "training_profile"])
def test_scripts_without_targets_have_no_check(name):
    process = run(name, "--check", timeout=60)
    assert process.returncode == 2
    assert "unrecognized arguments: --check" in process.stderr


@pytest.mark.slow
@needs_process_memory
@pytest.mark.parametrize(("factor", "status", "verdict"), [(1e3, 0, "held"), (1e-3, 1, "missed")])
def test_the_benchmark_of_fetching_checks_its_targets(factor, status, verdict):
    change = f"fetching.TARGETS = {{kind: ({factor}, {1e3 * factor}) for kind in fetching.TARGETS}}"
    process = run_with(change, "fetching", "--rounds", "1", "--check")
    assert process.returncode == status, process.stderr
    for kind in ("uint8", "float32"):
        ours = rf"  {kind} +sk-mnist +[\d.]+ s \([\d.]+-[\d.]+\) +\d+ MiB +[\d.]+, [\d.]+ +.* s, .* MiB +{verdict}\n"
        assert re.search(ours, process.stdout), process.stdout
        assert re.search(rf"  {kind} +Keras +[\d.]+ s \([\d.]+-[\d.]+\) +\d+ MiB\n", process.stdout), process.stdout
        assert (f"{kind}, time: " in process.stdout) == (f"{kind}, memory: " in process.stdout) == (status == 1)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "status"), [(1e3, 0), (1e-3, 1)])
def test_the_benchmark_of_starts_checks_its_targets(target, status, tmp_path):
    change = f"startup.TARGETS = {{key: {target} for key in startup.TARGETS}}"
    arguments = ["--rounds", "1", "--peers", "scikeras", "--check", "--output", str(tmp_path)]
    process = run_with(change, "startup", *arguments)
    assert process.returncode == status, process.stderr
    missed = "1 of 1 target missed: import, in a new process, time divided by that of scikeras: "
    assert (missed in process.stdout) == (status == 1), process.stdout
    assert ("1 target checked, none missed" in process.stdout) == (status == 0), process.stdout


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
def test_only_the_peers_asked_for_take_part(tmp_path):
    process = run("training", *SMALL["training"], "--peers", "scikit-learn", "--output", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert names(json.loads((tmp_path / "training.json").read_text())["results"]) == {"sk-mnist", "scikit-learn"}


@pytest.mark.slow
def test_time_to_an_accuracy_is_compared_with_the_fast_recipe(tmp_path):
    arguments = ["--until-accuracy", "0.8", "--rounds", "1", "--rows", "5000", "--output", str(tmp_path)]
    process = run("training", *arguments)
    assert process.returncode == 0, process.stderr
    content = json.loads((tmp_path / "training_until.json").read_text())
    assert len(content["ratios"]) == 1
    (theirs,) = [row for row in content["results"] if row["peer"].startswith("Keras")]
    assert min(theirs["accuracy"]) >= 0.8


@pytest.mark.slow
def test_sizes_of_groups_are_compared(tmp_path):
    change = "augmentation.N_GRADIENT_BLOCKS = 3"
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


@pytest.fixture
def distorted(shared):
    """Versions of two images with one white square of 2 x 2 pixels, by name."""
    images = np.zeros((2, 28, 28), dtype=np.float32)
    images[:, 13:15, 13:15] = 1
    return dict(importlib.import_module("robustness").distorted_versions(images))


def test_all_versions_are_images_and_each_differs(distorted):
    first, *others = distorted.values()
    for version in others:
        assert version.shape == first.shape
        assert version.dtype == np.float32
        assert version.min() >= 0
        assert version.max() <= 1
        assert not np.array_equal(version, first)


@pytest.mark.parametrize("pixels", [1, 2, 3, 4])
def test_a_shift_is_by_so_many_pixels_in_one_of_8_directions(distorted, pixels):
    for image in distorted[f"shifted by {pixels} px"]:
        rows, columns = np.nonzero(image)
        down, right = rows.min() - 13, columns.min() - 13
        assert (down, right) != (0, 0)
        assert {abs(down), abs(right)} <= {0, pixels}
        assert image.sum() == 4


def test_strokes_are_thickened_and_thinned_by_a_pixel_on_each_side(distorted):
    assert distorted["strokes thickened"][0].sum() == 16
    assert distorted["strokes thinned"].sum() == 0


@pytest.mark.slow
def test_kept_networks_are_scored_on_distorted_images(tmp_path):
    X, y = sk_mnist.fetch_mnist(subset="train", return_X_y=True)
    network = sk_mnist.KerasMLPClassifier((16,), epochs=1, batch_size=128, random_state=0).fit(X[:5000], y[:5000])
    for name in ("reference", "fast", "accurate"):
        sk_mnist.save(network, tmp_path / f"{name}-test-0.skops")
    process = run("robustness", "--images", "500", "--models", str(tmp_path), "--output", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "wide is left out" in process.stdout
    assert "training" not in process.stderr
    X_test, y_test = sk_mnist.fetch_mnist(subset="test", return_X_y=True)
    content = json.loads((tmp_path / "robustness.json").read_text())
    accuracy = content["accuracy"]["accurate"]
    assert content["accuracy"]["reference"] == accuracy
    assert 0.5 < accuracy["as they are"] == network.score(X_test[:500], y_test[:500])
    assert accuracy["shifted by 4 px"] < accuracy["shifted by 1 px"]
    for name, value in accuracy.items():
        assert re.search(rf"^  {re.escape(name)} +{100 * value:.2f}% ", process.stdout, re.MULTILINE), process.stdout
    if importlib.util.find_spec("matplotlib"):
        assert (tmp_path / "robustness.png").read_bytes().startswith(PNG)


@pytest.mark.slow
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


@pytest.mark.slow
def test_pictures_of_own_digits_are_read_with_and_without_the_normaliser(tmp_path):
    process = run_with("own_digits.N_NO_DIGITS = 50", "own_digits", "--images", "100", "--models", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "accurate is left out" in process.stdout
    rows = dict(re.findall(r"^  (\w[^%]*?) {2,}(.*%)$", process.stdout, re.MULTILINE))
    for name in ("scaled 4 times", "inverted", "on paper", "JPEG"):
        reference, normalized, _, pretrained = (float(share.rstrip("%")) for share in rows[name].split())
        assert reference < 40
        assert min(normalized, pretrained) >= 95
