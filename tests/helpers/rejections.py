"""Fit with bad arguments, and print those that are not rejected before anything has happened.

``python -m tests.helpers.rejections DIRECTORY``, where the directory is empty.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sk_mnist import KerasMLPClassifier, RandomInk, RandomWarp
from tests.helpers.networks import FitCallback

X = np.random.default_rng(0).uniform(size=(60, 16)).astype(np.float32)
Y = np.arange(60) % 3

# Bad values of each parameter.
PARAMETERS = {
    "hidden_layer_sizes": [(0,), {3}, (4, 2**50), "5"],
    "activation": ["swish"],
    "dropout": [1.0, -0.1],
    "alpha": [-1.0],
    "optimizer": ["adamm", 3],
    "learning_rate": [0.0],
    "learning_rate_schedule": ["linear"],
    "batch_size": [0, 1.5],
    "epochs": [0],
    "label_smoothing": [1.0],
    "augmentation": [
        "rotate",
        RandomWarp(rotation=-1),
        RandomWarp(image_shape=(5, 5)),
        [],
        ["affine", 3],
        [RandomInk(blur=-1)],
    ],
    "teacher": [
        object(),
        FrozenEstimator(LogisticRegression()),
        FrozenEstimator(LogisticRegression().fit(X, Y > 0)),
        FrozenEstimator(LogisticRegression().fit(X[:, :3], Y)),
    ],
    "teacher_weight": [2.0],
    "early_stopping": ["yes"],
    "monitor": ["loss"],
    "validation_fraction": [1.0, 0.01],
    "n_iter_no_change": [0],
    "class_weight": ["even", {0: -1.0}, {0: 0.0, 1: 0.0, 2: 0.0}],
    "warm_start": ["yes"],
    "checkpoint_dir": ["", __file__, f"{__file__}/below", 3],
    "keras_callbacks": [[3]],
    "jit_compile": ["yes"],
    "dtype": ["float16"],
    "random_state": ["seed", None],
    "verbose": ["yes"],
}
DATA = {
    "X": [np.full_like(X, np.nan), X[0], X.reshape(-1, 4, 4)],
    "y": [Y[:5], np.zeros(60), np.eye(3)[Y]],
    "sample_weight": [-np.ones(60), np.zeros(60), np.ones(5)],
    "X_val": [X],
    "y_val": [Y],
    "sample_weight_val": [np.ones(60)],
    "X_outliers": [X[:, :3], X[:0], X.reshape(-1, 4, 4), np.full_like(X, np.nan)],
}


def main():
    directory = Path(sys.argv[1])
    begun = []
    callback = FitCallback()
    callback.on_fit_task_begin = lambda estimator, context: begun.append(context)
    callback.on_fit_task_end = lambda estimator, context: None
    faults = []
    for arguments, is_data in ((PARAMETERS, False), (DATA, True)):
        for name, values in arguments.items():
            for value in values:
                given = {} if is_data else {name: value}
                parameters = {"random_state": 0, "early_stopping": True, "checkpoint_dir": directory / name, **given}
                if name == "keras_callbacks":
                    del parameters["checkpoint_dir"]  # which excludes callbacks
                model = KerasMLPClassifier(**parameters).set_callbacks(callback)
                try:
                    model.fit(**{"X": X, "y": Y, **({name: value} if is_data else {})})
                    faults.append(f"{name}={value!r} is not rejected")
                except (TypeError, ValueError, NotADirectoryError) as error:
                    if "tensorflow" in sys.modules or begun or list(directory.iterdir()):
                        faults.append(f"{name}={value!r} is rejected too late: {error}")
    # Good arguments have all of these effects.
    KerasMLPClassifier(random_state=0, epochs=1, checkpoint_dir=directory / "good").set_callbacks(callback).fit(X, Y)
    if "tensorflow" not in sys.modules or not begun or not list(directory.iterdir()):
        faults.append("good arguments have no effect")
    sys.stdout.write(json.dumps(faults))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
