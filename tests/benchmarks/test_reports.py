"""The benchmarks measure and report with shared modules, and check their targets."""

import re
import subprocess
import sys
from argparse import Namespace

import pytest

from tests.helpers.benchmarks import BENCHMARKS, needs_process_memory, run, run_with

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
    assert shared.report.exit_status(outcomes[:1], checked) == 0
    assert "1 target checked, none missed" in capsys.readouterr().out


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
    process = run(name, *arguments, "--check")
    assert process.returncode == 2
    assert needed in process.stderr


@pytest.mark.parametrize("name", ["memory", "robustness", "training_profile"])
def test_scripts_without_targets_have_no_check(name):
    process = run(name, "--check")
    assert process.returncode == 2
    assert "unrecognized arguments: --check" in process.stderr


@pytest.mark.slow
@needs_process_memory
def test_the_benchmark_of_fetching_checks_its_targets():
    change = "fetching.TARGETS = {'uint8': (1e3, 1e6), 'float32': (1e-3, 1e6)}"
    process = run_with(change, "fetching", "--rounds", "1", "--check")
    assert process.returncode == 1, process.stderr
    for kind, verdict in (("uint8", "held"), ("float32", "missed")):
        ours = rf"  {kind} +sk-mnist +[\d.]+ s \([\d.]+-[\d.]+\) +\d+ MiB +[\d.]+, [\d.]+ +.* s, .* MiB +{verdict}\n"
        assert re.search(ours, process.stdout), process.stdout
        assert re.search(rf"  {kind} +Keras +[\d.]+ s \([\d.]+-[\d.]+\) +\d+ MiB\n", process.stdout), process.stdout
    assert "1 of 4 targets missed: float32, time: " in process.stdout, process.stdout
