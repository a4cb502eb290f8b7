"""The Pipeline for MNIST, the training recipes of its classifier, and published results to compare with."""

import copy
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from sk_mnist._arguments import suggest
from sk_mnist.augmentation import RandomInk, RandomWarp
from sk_mnist.neural_network import KerasMLPClassifier
from sk_mnist.neural_network._classifier import MLPParameters
from sk_mnist.preprocessing import ImageFlattener, PixelScaler

__all__ = ["RECIPES", "make_mnist_pipeline"]

if TYPE_CHECKING:

    class MnistPipeline(Pipeline):
        """scikit-learn's Pipeline, whose methods have no types."""

        def fit(self, X: Any, y: Any = None, **params: Any) -> Self: ...
        def predict(self, X: Any, **params: Any) -> NDArray[Any]: ...
        def predict_proba(self, X: Any, **params: Any) -> NDArray[Any]: ...
        def score(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> float: ...

else:
    MnistPipeline = Pipeline

# Parameters of KerasMLPClassifier that make up each recipe; those not named keep their defaults.
RECIPES: dict[str, dict[str, Any]] = {
    # As published, except for the schedule: at a constant rate, accuracy varies by 0.3 points from epoch to epoch.
    "reference": {
        "hidden_layer_sizes": (128, 64, 32),
        "activation": "relu",
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "learning_rate_schedule": "cosine",
        "batch_size": 32,
        "epochs": 20,
    },
    # The fastest training that reaches the published accuracy: few, large steps at a high rate, too few to compile.
    "fast": {
        "hidden_layer_sizes": (128, 64, 32),
        "activation": "relu",
        "optimizer": "adam",
        "learning_rate": 1e-2,
        "learning_rate_schedule": "one_cycle",
        "batch_size": 256,
        "epochs": 3,
    },
    # Changed images hardly ever repeat, so the network keeps improving for hundreds of epochs.
    "robust": {
        "hidden_layer_sizes": (128, 64, 32),
        "activation": "relu",
        "optimizer": "muon",
        "learning_rate": 4e-3,
        "learning_rate_schedule": "cosine",
        "batch_size": 256,
        "epochs": 600,
        "augmentation": [RandomWarp(rotation=14.0), RandomInk(share=0.15)],
    },
    # A network of 1,462,538 parameters, which benefits from stronger distortions.
    "wide": {
        "hidden_layer_sizes": (1024, 512, 256),
        "activation": "relu",
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "learning_rate_schedule": "cosine",
        "batch_size": 256,
        "epochs": 160,
        "augmentation": RandomWarp(rotation=12.0, translation=2.0, elastic=1.3),
    },
}

# Published test scores of the reference network. examples/reproduce_reference.py trains it.
PUBLISHED = {"log_loss": 0.1513, "label_broadcast_mse": 27.3391, "accuracy": 0.9733}


def make_mnist_pipeline(
    recipe: Literal["reference", "fast", "robust", "wide"] = "reference", **mlp_params: Unpack[MLPParameters]
) -> MnistPipeline:
    """Pipeline from images to digits: flatten, scale, classify.

    Parameters
    ----------
    recipe : {"reference", "fast", "robust", "wide"}, default="reference"
        How the network is trained. "reference" trains the published network, 784-128-64-32-10, with Adam and batches of
        32 for 20 epochs, while the learning rate falls from 1e-3 to 0 along a cosine. "fast" reaches the published
        accuracy with the same network in the least time: 3 epochs of one cycle up to 1e-2, batches of 256. "robust"
        trains the same network for 600 epochs with Muon, in batches of 256 and with a rate that falls from 4e-3 to 0,
        on images with random changes of their shape (:class:`~sk_mnist.RandomWarp`) and of their strokes
        (:class:`~sk_mnist.RandomInk`). "wide" trains 784-1024-512-256-10 units for 160 epochs on warped images.
    **mlp_params : dict
        Parameters of :class:`~sk_mnist.KerasMLPClassifier`, which override or extend those of the recipe.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        With the steps "flatten" (:class:`~sk_mnist.ImageFlattener`), "scale" (:class:`~sk_mnist.PixelScaler`) and
        "mlp" (:class:`~sk_mnist.KerasMLPClassifier`). Takes arrays of shape (n_samples, 28, 28) or (n_samples, 784),
        as integers in [0, 255] or floats in [0, 1], whichever it was fitted on.

    Raises
    ------
    ValueError
        If there is no such recipe.
    TypeError
        If KerasMLPClassifier has no such parameter.

    Examples
    --------
    >>> from sk_mnist import make_mnist_pipeline
    >>> pipe = make_mnist_pipeline(epochs=5, random_state=0)
    >>> list(pipe.named_steps)
    ['flatten', 'scale', 'mlp']
    >>> pipe.set_params(mlp__learning_rate=3e-3)["mlp"].learning_rate
    0.003
    """
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise ValueError(f"recipe must be one of {sorted(RECIPES)}; got {recipe!r}.{suggest(recipe, RECIPES)}")
    return Pipeline(
        [
            ("flatten", ImageFlattener()),
            ("scale", PixelScaler()),
            ("mlp", KerasMLPClassifier(**{**copy.deepcopy(RECIPES[recipe]), **mlp_params})),
        ]
    )


def __dir__() -> list[str]:
    return __all__
