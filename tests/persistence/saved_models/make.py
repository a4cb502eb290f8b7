"""Save the models that `test_saved_models.py` loads. Run once for a new format; files of older ones stay.

Each model has a directory with a file, a pickle, and what both must reproduce: the probabilities of some rows and, with
warm_start, the weights of the next fit.
"""

import copy
import pickle
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import sk_mnist
from sk_mnist import DigitImageNormalizer, ImageFlattener, KerasMLPClassifier, PixelScaler, RandomWarp, save

X = np.random.default_rng(0).uniform(size=(30, 6)).astype(np.float32)
y = np.where(X[:, 0] > 0.5, "high", "low")
IMAGES = (255 * X).astype(np.uint8).reshape(30, 2, 3)
STROKES = np.zeros((8, 20, 20), dtype=np.uint8)
STROKES[:4, 3:17, 9:11] = STROKES[4:, 9:11, 3:17] = 255


def warm_start():
    mlp = KerasMLPClassifier((5, 4), learning_rate=0.03, warm_start=True, random_state=0)
    model = Pipeline([("flatten", ImageFlattener()), ("scale", PixelScaler()), ("mlp", mlp)])
    return model, pd.DataFrame(X, columns=list("abcdef")), y


def averaging_optimizer():
    optimizer = keras.optimizers.Adam(0.03, use_ema=True, ema_momentum=0.8)
    return KerasMLPClassifier((5, 4), optimizer=optimizer, epochs=3, warm_start=True, random_state=0), X, y


def frozen_teacher():
    teacher = KerasMLPClassifier((3,), learning_rate=0.1, epochs=3, random_state=1).fit(X, y)
    warp = RandomWarp(rotation=10, elastic=0.2, image_shape=(2, 3))
    mlp = KerasMLPClassifier((5,), epochs=2, augmentation=warp, teacher=FrozenEstimator(teacher), warm_start=True)
    return mlp.set_params(random_state=0), X, y


def random_state():
    mlp = KerasMLPClassifier((3,), epochs=2, warm_start=True, random_state=np.random.RandomState(3))
    return mlp, X, y


def pictures():
    mlp = KerasMLPClassifier((2,), learning_rate=0.1, epochs=2, random_state=0)
    return make_pipeline(DigitImageNormalizer(), ImageFlattener(), PixelScaler(), mlp), STROKES, np.arange(8) // 4


def pixels(images, pixel_max="auto"):
    mlp = KerasMLPClassifier((3,), learning_rate=0.1, epochs=2, random_state=0)
    return make_pipeline(ImageFlattener(), PixelScaler(pixel_max=pixel_max), mlp), images, y


MODELS = {
    "warm_start": warm_start,
    "averaging_optimizer": averaging_optimizer,
    "frozen_teacher": frozen_teacher,
    "random_state": random_state,
    "pictures": pictures,
    "pixels_auto_bytes": lambda: pixels(IMAGES),
    "pixels_auto_floats_of_1": lambda: pixels(IMAGES / np.float32(255)),
    "pixels_auto_floats_of_255": lambda: pixels(IMAGES.astype(np.float32)),
}

# Only 0.1.0 can save these. Other versions read them.
if sk_mnist.__version__ == "0.1.0":
    MODELS["pixels_dtype_bytes"] = lambda: pixels(IMAGES, "dtype")
    MODELS["pixels_dtype_floats"] = lambda: pixels(IMAGES / np.float32(255), "dtype")
    # skops reads it, given the names of our types; `load` does not.
    grid = {"kerasmlpclassifier__alpha": [0, 0.1]}
    MODELS["search"] = lambda: (GridSearchCV(pixels(IMAGES)[0], grid, cv=2), IMAGES, y)


def main(directory):
    """Write a directory for each model, with model.skops, model.pickle and expected.npz."""
    for name, make in MODELS.items():
        model, rows, labels = make()
        model.fit(rows, labels)
        (directory / name).mkdir(parents=True)
        (directory / name / "model.pickle").write_bytes(pickle.dumps(model, protocol=5))
        expected = {"X": np.asarray(rows), "y": labels, "probabilities": model.predict_proba(rows)}
        if name.startswith("pixels_dtype"):
            # They take integers and floats, whichever they were fitted on.
            expected["X_bytes"], expected["X_floats"] = IMAGES, IMAGES / np.float32(255)
        mlp = model[-1] if isinstance(model, Pipeline) else model
        # A file cannot hold an optimizer, only its state.
        saved = copy.copy(model).set_params(optimizer="adam") if name == "averaging_optimizer" else model
        save(saved, directory / name / "model.skops")
        if getattr(mlp, "warm_start", False):
            model.fit(rows, labels)
            for number, coef in enumerate(mlp.coefs_):
                expected[f"coefs_of_the_next_fit_{number}"] = coef
        np.savez(directory / name / "expected.npz", **expected)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / sk_mnist.__version__))
