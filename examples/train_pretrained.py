"""
Train the model that load_pretrained returns
============================================

Train three networks with the recipe "robust", on the 60,000 training images, on digits that are drawn again with other
strokes, and on pictures of no digit (``training_pictures.py``). They are scored once on the test images. The first is
written to the two files that come with the package: ``robust.npz``, its weights, and ``robust.json``, its card. The
others only show how much the seed matters. Each network is saved as soon as it is trained, so an interrupted run can be
resumed::

    python examples/train_pretrained.py                       # an hour and a half on 2 cores
    python examples/train_pretrained.py --epochs 3 --models trial  # a trial in minutes, written to trial/robust.*

The recipe was chosen on the last 10,000 training images (``benchmarks/ablation.py``); docs/accuracy.md says what part
the test images had. The seeds were fixed beforehand.
"""

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import cpu_count
from sklearn.base import BaseEstimator
from training_pictures import draw_digits, draw_no_digits

import sk_mnist
from sk_mnist import (
    KerasMLPClassifier,
    PixelScaler,
    evaluate,
    fetch_mnist,
    load,
    make_mnist_pipeline,
    save,
    start_tensorflow,
)
from sk_mnist.pipeline import RECIPES

NAME = "robust"
RECIPE = "robust"
EPOCHS = RECIPES[RECIPE]["epochs"]
SEEDS = [0, 1, 2]  # the first is shipped
N_IMAGES = 60_000
N_NO_DIGITS = 7000

PACKAGE_DATA = Path(__file__).parent.parent / "sk_mnist" / "pretrained" / "data"
LIBRARIES = ["sk-mnist", "scikit-learn", "tensorflow", "keras", "scikeras", "numpy", "scipy", "pillow", "matplotlib"]
FIGURES = ["accuracy", "accuracy_interval", "log_loss", "brier_score", "expected_calibration_error"]
DATA = {
    "name": "MNIST, by Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    "licence": "CC-BY-SA-3.0",
    "licence_url": "https://creativecommons.org/licenses/by-sa/3.0/",
}


class Data(NamedTuple):
    """Rows of pixels in [0, 1] to train on."""

    X: np.ndarray  # training images, then digits that are drawn again
    y: np.ndarray
    outliers: np.ndarray  # pictures of no digit
    n_images: int  # number of training images


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

    data = training_data(options)
    networks = [trained(seed, data, options) for seed in SEEDS]
    write(networks, data, options, options.models if options.is_trial else PACKAGE_DATA)


def training_data(options: argparse.Namespace) -> Data:
    """Load or draw the pictures that MNIST lacks, and return all that is trained on."""
    train = fetch_mnist(subset="train", normalize=False)
    images, labels = train.images[: options.rows], train.target[: options.rows]
    path = options.models / f"training-pictures-{options.rows}.npz"
    if not path.exists():
        print(f"drawing {path.name}", flush=True)
        drawn, drawn_labels = draw_digits(images, labels, np.random.default_rng(0))
        no_digits = draw_no_digits(images, N_NO_DIGITS * options.rows // N_IMAGES, np.random.default_rng(1))
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, drawn=drawn, labels=drawn_labels, no_digits=no_digits)
        partial.replace(path)
    with np.load(path) as saved:
        X, y = as_rows(np.concatenate([images, saved["drawn"]])), np.append(labels, saved["labels"])
        return Data(X, y, as_rows(saved["no_digits"]), len(images))


def as_rows(images: np.ndarray) -> np.ndarray:
    """Scale and flatten images of bytes."""
    return images.reshape(len(images), -1) / np.float32(255)


def trained(seed: int, data: Data, options: argparse.Namespace) -> KerasMLPClassifier:
    """Load a fitted network from its file, or train and save it."""
    trial = f"-{options.epochs}-epochs-{options.rows}-rows" if options.is_trial else ""
    path = options.models / f"{RECIPE}{trial}-{seed}.skops"
    network = make_mnist_pipeline(RECIPE, epochs=options.epochs, random_state=seed)["mlp"]
    if path.exists():
        saved = load(path)
        if parameters(saved) != parameters(network):
            raise SystemExit(f"{path} was trained with other parameters; move it away.")
        return saved
    print(f"training {path.name}", flush=True)
    start_tensorflow()
    network.fit(data.X, data.y, X_outliers=data.outliers)
    save(network, path)
    return network


def parameters(network: KerasMLPClassifier) -> dict[str, Any]:
    """Return the parameters of a network as JSON values."""

    def describe(estimator: BaseEstimator) -> dict[str, Any]:
        return {"class": type(estimator).__name__, **estimator.get_params()}

    return json.loads(json.dumps(network.get_params(deep=False), default=describe))


def write(networks: list[KerasMLPClassifier], data: Data, options: argparse.Namespace, directory: Path) -> None:
    """Write the weights of the first network and its card."""
    network = networks[0]
    arrays = {}
    for i, (coef, intercept) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        arrays[f"coef_{i}"], arrays[f"intercept_{i}"] = coef, intercept
    arrays |= {name: np.array(values) for name, values in network.history_.items()}
    # Little-endian and C-contiguous on every machine, so that the digests depend on the weights only.
    arrays = {name: np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")) for name, a in arrays.items()}
    test = fetch_mnist(subset="test", return_X_y=True)
    figures, *others = (evaluate(one, *test).to_dict() for one in networks)
    scaler = PixelScaler().fit(data.X[: data.n_images])
    card = {
        "name": NAME,
        "command": command(options),
        "commit": commit(),
        "seed": SEEDS[0],
        "recipe": RECIPE,
        "parameters": parameters(network),
        "training": {
            "n_images": data.n_images,
            "n_drawn_digits": len(data.X) - data.n_images,
            "n_no_digits": len(data.outliers),
        },
        "min_image_max": scaler.min_image_max_,
        "max_image_mean": scaler.max_image_mean_,
        "test": {"n_images": figures["n_samples"], **{name: figures[name] for name in FIGURES}},
        "test_accuracy_of_other_seeds": {
            str(seed): of_seed["accuracy"] for seed, of_seed in zip(SEEDS[1:], others, strict=True)
        },
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
