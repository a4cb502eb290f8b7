"""
Train the model that load_pretrained returns
============================================

Train the teachers and then their student, each with the recipe "accurate" on the 60,000 training images. The student is
scored once on the test images, and written to the two files that come with the package: ``accurate.npz``, its weights,
and ``accurate.json``, its card. Each network is saved as soon as it is trained, so an interrupted run can be resumed::

    python examples/train_pretrained.py                       # about 35 minutes on 2 cores
    python examples/train_pretrained.py --epochs 3 --models trial  # a trial in minutes, written to trial/accurate.*

The recipe was compared with others on the last 10,000 training images (``examples/benchmarks/recipes.py``). The seeds
were fixed beforehand.
"""

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

import sk_mnist
from sk_mnist import (
    KerasMLPClassifier,
    PixelScaler,
    RandomWarp,
    evaluate,
    fetch_mnist,
    load,
    make_mnist_pipeline,
    save,
    start_tensorflow,
)
from sk_mnist.pipeline import RECIPES

NAME = "accurate"
RECIPE = "accurate"
EPOCHS = RECIPES[RECIPE]["epochs"]
TEACHER_SEEDS = [0, 1, 2]
TEACHER_WEIGHT = 0.7
STUDENT_SEED = 3  # not a teacher's, so that initial weights and distortions differ
N_IMAGES = 60_000

PACKAGE_DATA = Path(__file__).parent.parent / "sk_mnist" / "pretrained" / "data"
LIBRARIES = ["sk-mnist", "scikit-learn", "tensorflow", "keras", "scikeras", "numpy", "scipy"]
FIGURES = ["accuracy", "accuracy_interval", "log_loss", "brier_score", "expected_calibration_error"]
DATA = {
    "name": "MNIST, by Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    "licence": "CC-BY-SA-3.0",
    "licence_url": "https://creativecommons.org/licenses/by-sa/3.0/",
}


def main() -> None:
    """Train the networks that have no file yet, and write the package data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = Path("sk-mnist-output") / "networks"
    parser.add_argument("--models", type=Path, default=models, help="where networks are saved (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"epochs of each network (default: {EPOCHS})")
    parser.add_argument("--rows", type=int, default=N_IMAGES, help="training images (default: all 60,000)")
    options = parser.parse_args()
    options.is_trial = (options.epochs, options.rows) != (EPOCHS, N_IMAGES)
    options.models.mkdir(parents=True, exist_ok=True)

    X, y = fetch_mnist(subset="train", return_X_y=True)
    X, y = X[: options.rows], y[: options.rows]
    teachers = [trained("accurate", seed, X, y, options) for seed in TEACHER_SEEDS]
    student = trained("distilled-900-epochs-as-accurate", STUDENT_SEED, X, y, options, teacher=combined(teachers, X, y))
    write(student, PixelScaler().fit(X), options, options.models if options.is_trial else PACKAGE_DATA)


def trained(
    name: str, seed: int, X: np.ndarray, y: np.ndarray, options: argparse.Namespace, **params: Any
) -> KerasMLPClassifier:
    """Load a fitted network from its file, or train and save it."""
    # benchmarks/recipes.py uses the same names, so each script reuses the networks of the other.
    trial = f"-{options.epochs}-epochs-{options.rows}-rows" if options.is_trial else ""
    path = options.models / f"{name}{trial}-test-{seed}.skops"
    pipeline = make_mnist_pipeline(
        RECIPE, epochs=options.epochs, random_state=seed, teacher_weight=TEACHER_WEIGHT, **params
    )
    network = pipeline["mlp"]
    if path.exists():
        saved = load(path)
        if parameters(saved) != parameters(network):
            raise SystemExit(f"{path} was trained with other parameters; move it away.")
        return saved
    print(f"training {path.name}", flush=True)
    start_tensorflow()
    save(network.fit(X, y).set_params(teacher=None), path)
    return network


def combined(networks: list[KerasMLPClassifier], X: np.ndarray, y: np.ndarray) -> FrozenEstimator:
    """Return one classifier with the mean probabilities of fitted networks."""
    frozen = [(f"network {i}", FrozenEstimator(network)) for i, network in enumerate(networks)]
    # The networks are frozen, so this fit only stores the classes.
    return FrozenEstimator(VotingClassifier(frozen, voting="soft").fit(X[:1000], y[:1000]))


def parameters(network: KerasMLPClassifier) -> dict[str, Any]:
    """Return the parameters of a network as JSON values, without its teacher."""
    params = network.get_params(deep=False)
    del params["teacher"]
    return json.loads(json.dumps(params, default=RandomWarp.get_params))


def write(network: KerasMLPClassifier, scaler: PixelScaler, options: argparse.Namespace, directory: Path) -> None:
    """Write the weights and the card."""
    arrays = {}
    for i, (coef, intercept) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        arrays[f"coef_{i}"], arrays[f"intercept_{i}"] = coef, intercept
    arrays |= {name: np.array(values) for name, values in network.history_.items()}
    # Little-endian and C-contiguous on every machine, so that the digests depend on the weights only.
    arrays = {name: np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")) for name, a in arrays.items()}
    figures = evaluate(network, *fetch_mnist(subset="test", return_X_y=True)).to_dict()
    card = {
        "name": NAME,
        "command": command(options),
        "commit": commit(),
        "seed": STUDENT_SEED,
        "recipe": RECIPE,
        "parameters": parameters(network),
        "teachers": {"recipe": RECIPE, "epochs": options.epochs, "seeds": TEACHER_SEEDS, "weight": TEACHER_WEIGHT},
        "n_training_images": options.rows,
        "min_image_max": scaler.min_image_max_,
        "max_image_mean": scaler.max_image_mean_,
        "test": {"n_images": figures["n_samples"], **{name: figures[name] for name in FIGURES}},
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in LIBRARIES}},
        "machine": {"system": platform.system(), "processor": processor(), "cores": cpu_count()},
        "data": DATA,
        "sha256": {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()},
    }
    np.savez(directory / f"{NAME}.npz", **arrays)
    (directory / f"{NAME}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(f"{directory / NAME}.npz and .json: accuracy {figures['accuracy']:.2%}")


def command(options: argparse.Namespace) -> str:
    """Return the command that repeats this training."""
    words = ["python examples/train_pretrained.py"]
    words += [f"--epochs {options.epochs}"] if options.epochs != EPOCHS else []
    words += [f"--rows {options.rows}"] if options.rows != N_IMAGES else []
    return " ".join(words)


def commit() -> str | None:
    """Return the commit of the running code; None outside of a clone, or without git."""
    if shutil.which("git") is None:
        return None
    process = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return process.stdout.strip() or None


def version_of(library: str) -> str:
    """Return the version of a library; for sk-mnist, that of the running code."""
    return sk_mnist.__version__ if library == "sk-mnist" else version(library)


def processor() -> str:
    """Return the name of the processor on Linux, or its architecture on other systems."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
