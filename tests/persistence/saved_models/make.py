"""Save the models that `test_saved_models.py` loads. Run once for a new format; files of older ones stay."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

import sk_mnist
from sk_mnist import ImageFlattener, KerasMLPClassifier, PixelScaler, save


def main(directory):
    """Write model.skops, model.pickle, and the rows and probabilities that both must reproduce."""
    X = np.random.default_rng(0).uniform(size=(30, 6)).astype(np.float32)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    mlp = KerasMLPClassifier((5, 4), learning_rate=0.03, warm_start=True, random_state=0)
    model = Pipeline([("flatten", ImageFlattener()), ("scale", PixelScaler()), ("mlp", mlp)])
    y = np.where(X[:, 0] > 0.5, "high", "low")
    model.fit(frame, y)
    directory.mkdir()
    save(model, directory / "model.skops")
    (directory / "model.pickle").write_bytes(pickle.dumps(model, protocol=5))
    np.savez(directory / "expected.npz", X=X, y=y, probabilities=model.predict_proba(frame))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / sk_mnist.__version__))
