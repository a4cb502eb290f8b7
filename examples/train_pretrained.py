"""
Train the model that load_pretrained returns
============================================

Train the teachers and then their students, each with the recipe "robust", on the 60,000 training images, on digits that
are drawn again with other strokes, and on pictures of no digit (``training_pictures.py``). The first student is scored
once on the test images, and written to the two files that come with the package: ``robust.npz``, its weights, and
``robust.json``, its card. The other students only show how much the seed matters. Each network is saved as soon as it
is trained, so an interrupted run can be resumed::

    python examples/train_pretrained.py                       # about HOURS on 2 cores
    python examples/train_pretrained.py --epochs 3 --models trial  # a trial in minutes, written to trial/robust.*

The recipe was chosen on the last 10,000 training images (``benchmarks/ablation.py``). The seeds were fixed beforehand.
"""

import argparse
import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
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
TEACHER_SEEDS = [0, 1, 2]
TEACHER_WEIGHT = 0.7
STUDENT_SEEDS = [3, 4, 5]  # not a teacher's, so that initial weights and distortions differ; the first is shipped
N_IMAGES = 60_000
N_NO_DIGITS = 20_000

PACKAGE_DATA = Path(__file__).parent.parent / "sk_mnist" / "pretrained" / "data"
LIBRARIES = ["sk-mnist", "scikit-learn", "tensorflow", "keras", "scikeras", "numpy", "scipy", "pillow", "matplotlib"]
FIGURES = ["accuracy", "accuracy_interval", "log_loss", "brier_score", "expected_calibration_error"]
DATA = {
    "name": "MNIST, by Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    "licence": "CC-BY-SA-3.0",
    "licence_url": "https://creativecommons.org/licenses/by-sa/3.0/",
}
