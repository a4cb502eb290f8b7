"""
MNIST-C: fifteen corruptions of the test images
===============================================

Score networks on MNIST-C, the benchmark of Mu and Gilmer ("MNIST-C: A Robustness Benchmark for Computer Vision", 2019,
arXiv:1906.02337): the 10,000 test images with noise, blur, other shapes, weather and drawn lines. Download
``mnist_c.zip`` from https://zenodo.org/records/3239543, and give its path::

    python examples/benchmarks/mnist_c.py mnist_c.zip
    python examples/benchmarks/mnist_c.py mnist_c.zip --networks sk-mnist-output/networks/reference-test-0.skops

The script prints the accuracy on each corruption, of the images as they are and through
:class:`~sk_mnist.DigitImageNormalizer`. The mean is that of the fifteen corruptions, each with the same weight, as in
the paper. No network of this project was chosen by this benchmark, or trained on digits with stripes, with dotted
or zigzag lines, with spatter or fog, or on their edges.
"""

import argparse
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from _measure import show_progress
from _report import print_table

import sk_mnist

CORRUPTIONS = (
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "shear",
    "scale",
    "rotate",
    "brightness",
    "translate",
    "stripe",
    "fog",
    "spatter",
    "dotted_line",
    "zigzag",
    "canny_edges",
)
UNCHANGED = "identity"
# Mean accuracy of the plain convolutional network in the paper.
PUBLISHED = 0.912


def main() -> None:
    """Read the archive, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="mnist_c.zip")
    parser.add_argument(
        "--networks", type=Path, nargs="+", default=[], help="files of fitted networks to score as well"
    )
    options = parser.parse_args()
    networks = {"pretrained": sk_mnist.load_pretrained()["mlp"]}
    networks |= {path.stem: sk_mnist.load(path) for path in options.networks}
    normalizer = sk_mnist.DigitImageNormalizer()
    accuracies = {}
    for name in (UNCHANGED, *CORRUPTIONS):
        show_progress(f"reading: {name}")
        images, labels = read(options.file, name)
        ways = [as_rows(images), as_rows(normalizer.transform(images))]
        accuracies[name] = [np.mean(network.predict(X) == labels) for network in networks.values() for X in ways]
    rows = [[name, *map("{:.2%}".format, row)] for name, row in accuracies.items()]
    means = np.mean([accuracies[name] for name in CORRUPTIONS], axis=0)
    rows.append([f"mean without {UNCHANGED}", *map("{:.2%}".format, means)])
    columns = [column for name in networks for column in (name, "normalised")]
    print_table("accuracy on MNIST-C, scored for this report only", ["", *columns], rows)
    print(f"\nA plain convolutional network in the paper has {PUBLISHED:.1%} in the mean.")


def read(path: Path, corruption: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the test images of a corruption, of shape (n_images, 28, 28), and their labels."""
    arrays = []
    with zipfile.ZipFile(path) as archive:
        names = {PurePosixPath(name).parts[-2:]: name for name in archive.namelist()}
        for of in ("images", "labels"):
            member = (corruption, f"test_{of}.npy")
            if member not in names:
                raise SystemExit(f"{path} has no {'/'.join(member)}. Give the path of mnist_c.zip, as downloaded.")
            with archive.open(names[member]) as file:
                arrays.append(np.load(file, allow_pickle=False))
    images, labels = arrays
    return images.reshape(-1, 28, 28), labels.reshape(-1)


def as_rows(images: np.ndarray) -> np.ndarray:
    """Scale and flatten images for the networks."""
    return images.reshape(len(images), -1) / np.float32(255)


if __name__ == "__main__":
    main()
