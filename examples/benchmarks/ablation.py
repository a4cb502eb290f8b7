"""
What makes the pretrained network robust
========================================

Train networks on the first 50,000 training images with and without what ``train_pretrained.py`` adds to warps: changes
of the strokes, pictures of no digit, and digits that are drawn again. Of two more networks, one is trained with Adam
instead of Muon, and the other has two teachers, which are trained like the shipped network. Score all on the last
10,000 training images, on changed versions of these, on digits that are drawn again from them, and on pictures of no
digit::

    python examples/benchmarks/ablation.py                     # a quarter of an hour on 2 cores
    python examples/benchmarks/ablation.py --only "as shipped" # rows whose whole name matches this regular expression

Each network is trained for 50 of the 600 epochs of the recipe, with one seed. The recipe was chosen by such figures.
The kinds of pictures of no digit are those that are trained on; ``own_digits.py`` measures other kinds.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _measure import show_progress
from _networks import N_VALIDATION
from _report import print_table
from robustness import blurred, noisy, rotated, shifted, thickened, thinned
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

sys.path.append(str(Path(__file__).parent.parent))
from train_pretrained import Data, as_rows, training_data
from training_pictures import draw_digits, draw_no_digits

from sk_mnist import KerasMLPClassifier, fetch_mnist, make_mnist_pipeline, save, start_tensorflow
from sk_mnist.pipeline import RECIPES
from sk_mnist.pretrained import SURE

EPOCHS = 50
N_ROWS = 60_000 - N_VALIDATION
N_NO_DIGITS = 2000
SEED = 2
TEACHER_SEEDS = (0, 1)
TEACHER_WEIGHT = 0.7


class Variant(NamedTuple):
    """What a network is trained with, in addition to warped images."""

    ink: bool = False
    drawn: bool = False
    no_digits: bool = False
    teachers: bool = False
    adam: bool = False


VARIANTS = {
    "warps": Variant(),
    "warps, ink": Variant(ink=True),
    "warps, ink, no digits": Variant(ink=True, no_digits=True),
    "as shipped": Variant(ink=True, drawn=True, no_digits=True),
    "as shipped, Adam": Variant(ink=True, drawn=True, no_digits=True, adam=True),
    "as shipped, two teachers": Variant(ink=True, drawn=True, no_digits=True, teachers=True),
}


def main() -> None:
    """Train, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of each network (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=N_ROWS, help="training images (default: %(default)s)")
    parser.add_argument("--only", default=".*", help="rows whose whole name matches this regular expression")
    models = Path("sk-mnist-output") / "networks"
    parser.add_argument("--models", type=Path, default=models, help="where all is saved (default: %(default)s)")
    options = parser.parse_args()
    options.models.mkdir(parents=True, exist_ok=True)
    data = training_data(options)
    scored = pictures()
    start_tensorflow()
    rows = []
    for name, variant in VARIANTS.items():
        if re.fullmatch(options.only, name):
            show_progress(f"training: {name}")
            network = trained(variant, data, options.epochs)
            rows.append([name, *figures(network, scored)])
            save(network.set_params(teacher=None), options.models / file_name(name, options.epochs))
    title = f"networks after {options.epochs} epochs, on pictures of the last {N_VALIDATION:,} training images"
    print_table(title, ["trained with", "log loss", *scored], rows)
    print(f"Of pictures of no digit: the share that is taken for a digit with at least {SURE:g}; else the accuracy.")


def file_name(name: str, epochs: int) -> str:
    """Return the name of the file of a network, such as ablation-as-shipped-100-epochs.skops."""
    return f"ablation-{name.replace(',', '').replace(' ', '-')}-{epochs}-epochs.skops"


def pictures() -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return rows to score, and their labels; those of pictures of no digit are None."""
    validation = fetch_mnist(subset="train", normalize=False)
    images, y = validation.images[-N_VALIDATION:], validation.target[-N_VALIDATION:]
    drawn, drawn_labels = draw_digits(images, y, np.random.default_rng(2))
    no_digits = draw_no_digits(images, N_NO_DIGITS, np.random.default_rng(3))
    changed = {name: (X.reshape(len(X), -1), y) for name, X in changes(images / np.float32(255))}
    return {**changed, "drawn": (as_rows(drawn), drawn_labels), "no digits": (as_rows(no_digits), None)}


def changes(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each change, and the changed images."""
    yield "clean", images
    generator = np.random.default_rng(0)
    yield "noise 0.2", noisy(images, generator, 0.2)
    yield "blur 1.5", blurred(images, generator, 1.5)
    yield "thicker", thickened(images, generator)
    yield "thinner", thinned(images, generator)
    yield "shift 2", shifted(images, generator, 2)
    yield "turn 20°", rotated(images, generator, 20)


def trained(variant: Variant, data: Data, epochs: int, seed: int = SEED) -> KerasMLPClassifier:
    """Train a network, after its teachers if it has some."""
    params: dict[str, Any] = {} if variant.ink else {"augmentation": RECIPES["robust"]["augmentation"][0]}
    if variant.adam:
        params |= {"optimizer": "adam", "learning_rate": 2e-3}
    if variant.teachers:
        teachers = [trained(variant._replace(teachers=False), data, epochs, seed) for seed in TEACHER_SEEDS]
        voters = [(f"network {i}", FrozenEstimator(teacher)) for i, teacher in enumerate(teachers)]
        # The networks are frozen, so this fit only stores the classes.
        teacher = FrozenEstimator(VotingClassifier(voters, voting="soft").fit(data.X[:1000], data.y[:1000]))
        params |= {"teacher": teacher, "teacher_weight": TEACHER_WEIGHT}
    network = make_mnist_pipeline("robust", epochs=epochs, random_state=seed, **params)["mlp"]
    n_rows = len(data.X) if variant.drawn else data.n_images
    return network.fit(data.X[:n_rows], data.y[:n_rows], X_outliers=data.outliers if variant.no_digits else None)


def figures(network: KerasMLPClassifier, scored: dict[str, tuple[np.ndarray, np.ndarray | None]]) -> list[str]:
    """Return the log loss on the images as they are, and the figure of each column."""
    X, y = scored["clean"]
    row = [f"{log_loss(y, network.predict_proba(X)):.4f}"]
    for X, y in scored.values():
        if y is None:
            row.append(f"{np.mean(network.predict_proba(X).max(axis=1) >= SURE):.1%}")
        else:
            row.append(f"{np.mean(network.predict(X) == y):.2%}")
    return row


if __name__ == "__main__":
    main()
