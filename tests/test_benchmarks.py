"""Every program in examples/benchmarks runs and prints its table. The work is too little for meaningful figures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sk_mnist import KerasMLPClassifier, fetch_mnist, save

BENCHMARKS = Path(__file__).parent.parent / "examples" / "benchmarks"

ROUND = ["--rounds", "1"]
SECONDS = r"[\d.]+ m?µ?s"
# A row of ours in a table of times: median, least, most.
OURS = rf"^  sk-mnist\b.*( +{SECONDS}){{3}}"

# Name: (a change to the program that leaves out what only repeats, arguments, and what is printed).
PROGRAMS = {
    "augmentation": ("pass", [*ROUND, "--epochs", "3", "--rows", "1000", "--peers", "SciPy"], OURS),
    "augmentation_groups": (
        "augmentation.GRADIENT_EPOCHS, augmentation.N_GRADIENT_BLOCKS = 1, 3",
        ["--groups", "1", *ROUND, "--rows", "2000"],
        r"^  64 +[\d.]+% +[\d.]+ ± [\d.]+ +[\d.]+ ± ",
    ),
    "fetching": ("pass", ROUND, r"^  uint8 +sk-mnist +[\d.]+ s \(.*\) +\d+ MiB +[\d.]+, [\d.]+ +"),
    "memory": ("pass", ["--fits", "2", "--settling", "1"], r"^  sk-mnist, one architecture +-?\d+\.\d\d$"),
    "own_digits": ("own_digits.N_NO_DIGITS = 50", ["--images", "50"], r"^  scaled 4 times( +[\d.]+%)+$"),
    "prediction": (
        "pass",
        [*ROUND, "--calls", "3", "--many-rows", "100", "--many-rows-calls", "2", "--peers", "scikit-learn"],
        OURS,
    ),
    "recipes": ("pass", ["--split", "test", "--only", "Keras, 2 epochs"], r"^ *Keras, 2 epochs +[\d.]+% "),
    "robustness": ("pass", ["--images", "100"], r"^  shifted by 1 px( +[\d.]+%)+$"),
    "search": (
        "search.WAYS = {n: {way: search.WAYS[n][way] for way in ways} for n, ways in "
        "{1: ['sk-mnist', 'scikit-learn'], 2: ['sk-mnist (loky)', 'scikit-learn (threading)']}.items()}",
        [*ROUND, "--epochs", "1", "--rows", "600", "--candidates", "2", "--fits", "3", "--peers", "scikit-learn"],
        rf"^  sk-mnist \(loky\)( +{SECONDS}){{3}}",
    ),
    "startup": ("pass", [*ROUND, "--peers", "scikit-learn"], OURS),
    "training": ("pass", [*ROUND, "--epochs", "1", "--rows", "2000", "--peers", "scikit-learn"], OURS),
    "training_profile": (
        "training_profile.BATCH_SIZES, training_profile.WAYS = (128,), tuple(training_profile.COMPILES)",
        [*ROUND, "--rows", "1000", "--epochs", "2"],
        r"^  sk-mnist, XLA +[\d.]+ .* ms$",
    ),
}
KEEPS_FILES = {"augmentation", "augmentation_groups", "prediction", "robustness", "search", "startup", "training"}
READS_NETWORKS = {"own_digits", "recipes", "robustness"}


def run(change, name, *arguments):
    """Run the main function of a program after a change to its module."""
    code = f"import sys; import {name}; {change}; sys.argv[0] = '{name}.py'; sys.exit({name}.main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=BENCHMARKS, capture_output=True, text=True)


def test_every_benchmark_program_is_tested():
    assert {path.stem for path in BENCHMARKS.glob("[!_]*.py")} == PROGRAMS.keys() - {"augmentation_groups"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_its_table(name, tmp_path):
    change, arguments, row = PROGRAMS[name]
    if name in KEEPS_FILES:
        arguments = [*arguments, "--output", str(tmp_path)]
    if name in READS_NETWORKS:
        arguments = [*arguments, "--models", str(tmp_path)]
        X, y = fetch_mnist(subset="train", return_X_y=True)
        network = KerasMLPClassifier((16,), epochs=1, batch_size=128, random_state=0).fit(X[:2000], y[:2000])
        for recipe in ("reference", "fast", "accurate"):
            save(network, tmp_path / f"{recipe}-test-0.skops")
    if name == "recipes":
        arguments = [*arguments, "--results", str(tmp_path / "recipes.json")]
    process = run(change, name.removesuffix("_groups"), *arguments)
    assert process.returncode == 0, process.stderr
    assert re.search(row, process.stdout, re.MULTILINE), process.stdout


@pytest.mark.slow
def test_check_exits_with_status_1_if_a_target_is_missed(tmp_path):
    change = "startup.TARGETS = {key: 1e-3 for key in startup.TARGETS}"
    process = run(change, "startup", *ROUND, "--peers", "scikit-learn", "--check", "--output", str(tmp_path))
    assert process.returncode == 1, process.stderr
    assert re.search(r"^\d of \d targets missed: ", process.stdout, re.MULTILINE), process.stdout
