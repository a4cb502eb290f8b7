"""The peers, and the network 784-128-64-32-10 as their users would train it: Adam, shuffled batches, float32.

Some peers only distort images; augmentation.py compares these.
"""

import warnings
from importlib import import_module
from typing import Any, Self

import numpy as np

OURS = "sk-mnist"

# What each peer imports beyond the requirements of sk-mnist.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    OURS: (),
    "scikeras": (),
    "Keras": (),
    "scikit-learn": (),
    "skorch": ("skorch", "torch"),
    "PyTorch loop": ("torch",),
    "SciPy": (),
    "OpenCV": ("cv2",),
    "torchvision": ("torch", "torchvision"),
}

# Packages on PyPI of the peers that the extra "benchmark" does not install.
PACKAGES = {"OpenCV": "opencv-python-headless", "torchvision": "torchvision"}

HIDDEN = (128, 64, 32)
N_FEATURES = 784
N_CLASSES = 10

# Modules that a first fit would otherwise import, for all peers that train. They are imported before the clock starts.
IMPORTS = {
    OURS: ("tensorflow", "keras", "scikeras.wrappers", "sk_mnist.neural_network"),
    "scikeras": ("tensorflow", "keras", "scikeras.wrappers"),
    "Keras": ("tensorflow", "keras"),
    "scikit-learn": ("sklearn.neural_network",),
    # PyTorch imports its compiler when the first optimizer is created, which takes a second or more.
    "skorch": ("torch", "torch._dynamo", "skorch"),
    "PyTorch loop": ("torch", "torch._dynamo"),
}


def import_libraries(peer: str) -> None:
    """Import what a peer's training needs."""
    for name in IMPORTS[peer]:
        import_module(name)


def make_classifier(
    peer: str, *, epochs: int = 10, batch_size: int = 32, learning_rate: float = 1e-3, seed: int = 0
) -> Any:
    """Return an unfitted classifier with ``fit(X, y)`` and ``predict(X)``; all but two are scikit-learn estimators.

    Parameters
    ----------
    peer : str
        A key of ``IMPORTS``.
    epochs, batch_size, learning_rate : int, int, float
        Parameters of the training.
    seed : int
        Random seed, passed in the peer's own way.
    """
    training = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    return _MAKERS[peer](**training)


def _ours(epochs: int, batch_size: int, learning_rate: float, seed: int) -> Any:
    from sk_mnist import KerasMLPClassifier

    return KerasMLPClassifier(
        HIDDEN, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, random_state=seed
    )


def keras_network() -> Any:
    """Return the network of plain Keras layers, not compiled."""
    from keras import Input, Sequential, layers

    hidden = [layers.Dense(n_units, activation="relu") for n_units in HIDDEN]
    return Sequential([Input((N_FEATURES,)), layers.Flatten(), *hidden, layers.Dense(N_CLASSES, activation="softmax")])


def _scikeras(epochs: int, batch_size: int, learning_rate: float, seed: int) -> Any:
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        model=keras_network,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        optimizer__learning_rate=learning_rate,
        metrics=["accuracy"],
        epochs=epochs,
        batch_size=batch_size,
        random_state=seed,
        verbose=0,
    )


class KerasFit:
    """``Sequential.compile`` and ``fit`` with their defaults."""

    def __init__(self, epochs: int, batch_size: int, learning_rate: float, seed: int) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self.arguments = {"epochs": epochs, "batch_size": batch_size, "verbose": 0}
        self.model = keras_network()
        self.model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )

    def fit(self, X: np.ndarray, y: np.ndarray, callbacks: list | None = None) -> Self:
        """Train."""
        self.model.fit(X, y, callbacks=callbacks, **self.arguments)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probability of each class for each row."""
        return self.model.predict(X, verbose=0)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Most probable class of each row."""
        return self.predict_proba(X).argmax(axis=1)


def _scikit_learn(epochs: int, batch_size: int, learning_rate: float, seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    # It warns that it has not converged, but all peers train for the same number of epochs.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    return MLPClassifier(
        HIDDEN,
        alpha=0,
        batch_size=batch_size,
        learning_rate_init=learning_rate,
        max_iter=epochs,
        n_iter_no_change=epochs,
        tol=0,
        random_state=seed,
    )


def torch_network() -> Any:
    """Return the network as a torch.nn.Sequential that ends in logits."""
    from torch import nn

    sizes = [N_FEATURES, *HIDDEN]
    hidden = [layer for pair in zip(sizes, HIDDEN, strict=False) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(HIDDEN[-1], N_CLASSES))


def _skorch(epochs: int, batch_size: int, learning_rate: float, seed: int) -> Any:
    import torch
    from skorch import NeuralNetClassifier

    torch.manual_seed(seed)
    return NeuralNetClassifier(
        torch_network,
        # With this loss skorch applies the softmax in predict_proba.
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=learning_rate,
        max_epochs=epochs,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device="cpu",
    )


class TorchLoop:
    """A training loop in plain PyTorch: no DataLoader, and Adam's fused implementation, which is the fastest."""

    def __init__(self, epochs: int, batch_size: int, learning_rate: float, seed: int) -> None:
        import torch

        torch.manual_seed(seed)
        self.epochs = epochs
        self.batch_size = batch_size
        self.model = torch_network()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=learning_rate, fused=True)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train."""
        import torch

        images, labels = torch.from_numpy(X), torch.from_numpy(y)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(labels)).split(self.batch_size):
                self.optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(self.model(images[rows]), labels[rows])
                loss.backward()
                self.optimizer.step()
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Most probable class of each row."""
        import torch

        with torch.inference_mode():
            return self.model(torch.from_numpy(X)).argmax(dim=1).numpy()


_MAKERS = {
    OURS: _ours,
    "scikeras": _scikeras,
    "Keras": KerasFit,
    "scikit-learn": _scikit_learn,
    "skorch": _skorch,
    "PyTorch loop": TorchLoop,
}
