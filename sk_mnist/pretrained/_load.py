"""`load_pretrained`: a Pipeline from the weights and the card of a model in this package."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from sk_mnist._files import open_regular
from sk_mnist._images import SIDE
from sk_mnist.augmentation import RandomInk, RandomWarp
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.neural_network._classifier import adopt_training
from sk_mnist.neural_network._training import Layer, State
from sk_mnist.preprocessing import ImageFlattener, PixelScaler

if TYPE_CHECKING:
    from sk_mnist.pipeline import MnistPipeline

# Each model has two files: NAME.npz, its weights and the history of its training, and NAME.json, its card.
# examples/train_pretrained.py writes them.
DATA = Path(__file__).parent / "data"
NAMES = ("robust",)

# Changes of images that a card can name.
_CHANGES = {change.__name__: change for change in (RandomWarp, RandomInk)}

# Exceptions that reading a changed file, or building a Pipeline from it, can raise.
_DAMAGE = (OSError, ValueError, TypeError, LookupError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)


def load_pretrained(name: str = "robust") -> MnistPipeline:
    """Return a trained Pipeline for MNIST, which comes with this package.

    The weights are checked by their digests, and code builds the Pipeline around them, so that it works with every
    version of scikit-learn that this package supports. Nothing is downloaded, and TensorFlow is imported only if you
    train the Pipeline further. Each call returns a new Pipeline.

    Parameters
    ----------
    name : {"robust"}, default="robust"
        "robust" is the network of 784-128-64-32-10 units, trained by the recipe "robust" on the 60,000 training images,
        on digits that are drawn again with other strokes, and on pictures of no digit, of which it is unsure. Its card,
        ``pretrained/data/robust.json`` in the package, lists the command that trained it, its parameters and its
        figures on the test images.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, with the steps "flatten" (:class:`~sk_mnist.ImageFlattener`), "scale" (:class:`~sk_mnist.PixelScaler`)
        and "mlp" (:class:`~sk_mnist.KerasMLPClassifier`). It takes images of shape (n_samples, 28, 28) or
        (n_samples, 28, 28, 1), or rows of shape (n_samples, 784). Integer pixels are in [0, 255], float pixels in
        [0, 1]. Digits are white on black, as in MNIST.

    Raises
    ------
    ValueError
        If there is no such model.
    OSError
        If its files cannot be read, or have changed since the package was built.

    See Also
    --------
    make_mnist_pipeline : The same Pipeline, not fitted.

    Examples
    --------
    >>> from sk_mnist import fetch_mnist, load_pretrained
    >>> model = load_pretrained()
    >>> images = fetch_mnist(subset="test", normalize=False).images
    >>> model.predict(images[:5])
    array([7, 2, 1, 0, 4])
    >>> model.predict(images[:5] / 255)
    array([7, 2, 1, 0, 4])
    """
    if name not in NAMES:
        instead = 'It is replaced by "robust".' if name == "accurate" else f"Known: {', '.join(NAMES)}."
        raise ValueError(f"There is no pretrained model {name!r}. {instead}")
    try:
        return _pipeline(*_read(name))
    except _DAMAGE as error:
        raise OSError(
            f"The pretrained model {name!r} in {DATA} cannot be read: {error}. Install sk-mnist again."
        ) from error


def _read(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the card and the arrays of a model, and check the digests."""
    card = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    arrays = {}
    # Opened here, because np.load leaves a damaged file open.
    with open_regular(DATA / f"{name}.npz") as file, np.load(file, allow_pickle=False) as archive:
        for key, expected in card["sha256"].items():
            array = archive[key]
            if (found := hashlib.sha256(array.tobytes()).hexdigest()) != expected:
                raise ValueError(f"the sha256 of {key} is {found} instead of {expected}")
            # The file is little-endian on every machine.
            arrays[key] = array.astype(array.dtype.newbyteorder("="), copy=False)
    return card, arrays


def _pipeline(card: dict[str, Any], arrays: dict[str, np.ndarray]) -> Pipeline:
    """Return the fitted Pipeline that a card and its arrays describe."""
    params = {**card["parameters"], "hidden_layer_sizes": tuple(card["parameters"]["hidden_layer_sizes"])}
    if params["augmentation"] is not None:
        params["augmentation"] = [
            _CHANGES[change.pop("class")](**change) for change in map(dict, params["augmentation"])
        ]
    mlp = KerasMLPClassifier(**params)
    layers = [Layer(arrays[f"coef_{i}"], arrays[f"intercept_{i}"]) for i in range(len(mlp.hidden_layer_sizes) + 1)]
    history = {name: arrays[name].tolist() for name in ("loss", "accuracy", "outlier_loss")}
    # Everything that the first two steps learn from the training images.
    image = np.full((1, SIDE, SIDE), card["min_image_max"], dtype=np.float32)
    flattener = ImageFlattener().fit(image)
    scaler = PixelScaler().fit(flattener.transform(image))
    scaler.max_image_mean_ = float(card["max_image_mean"])
    adopt_training(mlp, np.arange(10), State(layers, history=history))
    return Pipeline([("flatten", flattener), ("scale", scaler), ("mlp", mlp)])
