"""Every program in examples/benchmarks runs and prints its table. The work is too little for meaningful figures."""

import re
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sk_mnist import KerasMLPClassifier, fetch_mnist, save

BENCHMARKS = Path(__file__).parent.parent / "examples" / "benchmarks"

ROUND = ["--rounds", "1"]
SECONDS = r"[\d.]+ m?µ?s"
# A row of ours in a table of times: median, least, most.
OURS = rf"^  sk-mnist\b.*( +{SECONDS}){{3}}"

# Name: (a change to the program that leaves out what only repeats, arguments, and what is printed).
PROGRAMS = {
    "ablation": (
        "import training_pictures as pictures; pictures.FLAGS = pictures.BARS = pictures.CLOSED = pictures.PENS = 10; "
        "ablation.N_NO_DIGITS = 20",
        ["--epochs", "1", "--rows", "1000", "--only", "warps"],
        r"^  warps +[\d.]+( +[\d.]+%){9}$",
    ),
    "augmentation": (
        "measure_in_one_process()",
        [*ROUND, "--epochs", "3", "--rows", "1000", "--peers", "SciPy"],
        OURS,
    ),
    "augmentation_groups": (
        "augmentation.GRADIENT_EPOCHS, augmentation.N_GRADIENT_BLOCKS = 1, 3; measure_in_one_process()",
        ["--groups", "1", *ROUND, "--rows", "1000"],
        r"^  64 +[\d.]+% +[\d.]+ ± [\d.]+ +[\d.]+ ± ",
    ),
    "fetching": (
        "measure_in_one_process()",
        ROUND,
        r"^  uint8 +sk-mnist +[\d.]+ s \(.*\) +\d+ MiB +[\d.]+, [\d.]+ +",
    ),
    "memory": (
        "measure_in_one_process()",
        ["--fits", "1", "--settling", "1"],
        r"^  sk-mnist, one architecture +-?\d+\.\d\d$",
    ),
    "mnist_c": ("pass", [], r"^  glass_blur( +[\d.]+%){2}$"),
    "own_digits": ("own_digits.N_NO_DIGITS = 3", ["--images", "2"], r"^  squared paper, faint( +[\d.]+%){3,4}$"),
    "prediction": (
        "measure_in_one_process()",
        [*ROUND, "--calls", "3", "--many-rows", "100", "--many-rows-calls", "2", "--peers", "scikit-learn"],
        OURS,
    ),
    "recipes": (
        "fetch = recipes.fetch_mnist; recipes.fetch_mnist = lambda **options: [a[:1000] for a in fetch(**options)]",
        ["--split", "test", "--only", "Keras, 2 epochs"],
        r"^ *Keras, 2 epochs +[\d.]+% ",
    ),
    "robustness": ("pass", ["--images", "100"], r"^  shifted by 1 px( +[\d.]+%)+$"),
    "search": (
        "search.WAYS = {n: {way: search.WAYS[n][way] for way in ways} for n, ways in "
        "{1: ['sk-mnist', 'scikit-learn'], 2: ['sk-mnist (loky)', 'scikit-learn (threading)']}.items()}; "
        "measure_in_one_process()",
        [*ROUND, "--epochs", "1", "--rows", "600", "--candidates", "2", "--fits", "3", "--peers", "scikit-learn"],
        rf"^  sk-mnist \(loky\)( +{SECONDS}){{3}}",
    ),
    # Impossible targets, so that --check finds that they are missed.
    "startup": (
        "startup.TARGETS = {key: 1e-3 for key in startup.TARGETS}",
        [*ROUND, "--peers", "scikit-learn", "--check"],
        OURS,
    ),
    "training": (
        "measure_in_one_process()",
        [*ROUND, "--epochs", "1", "--rows", "2000", "--peers", "scikit-learn"],
        OURS,
    ),
    "training_profile": (
        "training_profile.BATCH_SIZES, training_profile.WAYS = (128,), tuple(training_profile.COMPILES); "
        "measure_in_one_process('import training_profile; training_profile.SHORT_FITS = 2', except_for=['short_fits'])",
        [*ROUND, "--rows", "1000", "--epochs", "2"],
        r"^  sk-mnist, XLA +[\d.]+ .* ms$",
    ),
}
CORRUPTIONS = [
    "identity", "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate", "brightness",
    "translate", "stripe", "fog", "spatter", "dotted_line", "zigzag", "canny_edges",
]  # fmt: skip
# The others take longer, and run each week.
QUICK = {"mnist_c", "own_digits", "robustness"}
KEEPS_FILES = {"augmentation", "augmentation_groups", "prediction", "robustness", "search", "startup", "training"}
READS_NETWORKS = {"recipes", "robustness"}


def run(change, name, *arguments):
    """Run the main function of a program after a change to its module."""
    code = f"""
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import {name}

def new_process(change):
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=exec, initargs=[change])

def measure_in_one_process(change="pass", except_for=()):
    # Importing TensorFlow in a new process takes longer than most measurements here.
    shared = new_process(change)

    def measure(function, *args, **kwargs):
        process = new_process(change) if function.__name__ in except_for else shared
        return process.submit(function, *args, **kwargs).result()

    {name}.in_new_process = measure

{change}
sys.argv[0] = "{name}.py"
sys.exit({name}.main())
"""
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=BENCHMARKS, capture_output=True, text=True)


@pytest.mark.slow
def test_each_program_describes_itself():
    code = """
import importlib, sys
names = sys.argv[1:]
for name in names:
    sys.argv = [f"{name}.py", "--help"]
    try:
        importlib.import_module(name).main()
    except SystemExit as end:
        assert end.code == 0, name
"""
    names = sorted({name.removesuffix("_groups") for name in PROGRAMS})
    command = [sys.executable, "-c", code, *names]
    process = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert re.findall(r"^usage: (\w+)\.py", process.stdout, re.MULTILINE) == names


def test_every_benchmark_program_is_tested():
    assert {path.stem for path in BENCHMARKS.glob("[!_]*.py")} == PROGRAMS.keys() - {"augmentation_groups"}


def write_mnist_c(path, corruptions=CORRUPTIONS):
    """Write an archive like MNIST-C, with 20 images of each kind."""
    images, labels = fetch_mnist(subset="test", normalize=False, return_X_y=True)
    with zipfile.ZipFile(path, "w") as archive:
        for corruption in corruptions:
            for name, array in (("images", images[:20].reshape(-1, 28, 28, 1)), ("labels", labels[:20])):
                with archive.open(f"mnist_c/{corruption}/test_{name}.npy", "w") as file:
                    np.save(file, array)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a function that gives the process of a program, which runs once."""

    @cache
    def finished(name):
        change, arguments, _ = PROGRAMS[name]
        directory = tmp_path_factory.mktemp(name)
        if name in KEEPS_FILES:
            arguments = [*arguments, "--output", str(directory)]
        if name in READS_NETWORKS:
            arguments = [*arguments, "--models", str(directory)]
            X, y = fetch_mnist(subset="train", return_X_y=True)
            network = KerasMLPClassifier((16,), epochs=1, batch_size=128, random_state=0).fit(X[:2000], y[:2000])
            for recipe in ("reference", "fast", "robust"):
                save(network, directory / f"{recipe}-test-0.skops")
        if name == "ablation":
            arguments = [*arguments, "--models", str(directory)]
        if name == "mnist_c":
            arguments = [str(write_mnist_c(directory / "mnist_c.zip")), *arguments]
        if name == "recipes":
            arguments = [*arguments, "--results", str(directory / "recipes.json")]
        return run(change, name.removesuffix("_groups"), *arguments)

    return finished


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in QUICK else pytest.mark.weekly) for name in PROGRAMS]
)
def test_a_program_prints_its_table(name, finished):
    process = finished(name)
    assert process.returncode == (1 if name == "startup" else 0), process.stderr
    assert re.search(PROGRAMS[name][2], process.stdout, re.MULTILINE), process.stdout


@pytest.mark.slow
def test_an_archive_without_a_corruption_is_rejected(tmp_path):
    path = write_mnist_c(tmp_path / "mnist_c.zip", CORRUPTIONS[:3])
    process = run("pass", "mnist_c", str(path))
    assert process.returncode == 1
    assert process.stderr.endswith(
        f"{path} has no glass_blur/test_images.npy. Give the path of mnist_c.zip, as downloaded.\n"
    )


@pytest.mark.weekly
def test_check_exits_with_status_1_if_a_target_is_missed(finished):
    process = finished("startup")
    assert process.returncode == 1, process.stderr
    assert re.search(r"^\d of \d targets missed: ", process.stdout, re.MULTILINE), process.stdout
