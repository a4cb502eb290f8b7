"""
Comparing scalers
=================

How much does the scale of the pixels matter? ``PixelScaler`` divides by 255. scikit-learn's transformers work in the
Pipeline as well. The data is the published bytes, 0 to 255, of the first 4,000 training images, in four folds.
"""

# %%
# The step "scale" is a parameter of the Pipeline like any other, so a grid search can exchange it. Dropping it
# ("passthrough") feeds the network bytes. ``KerasMLPClassifier`` warns of them, which is what is wanted here.

import warnings

from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sk_mnist import PixelScaler, fetch_mnist, make_mnist_pipeline, start_tensorflow

start_tensorflow()
warnings.filterwarnings("ignore", message="X has whole numbers from 0 to 255")
X, y = fetch_mnist(subset="train", return_X_y=True, normalize=False)
X, y = X[:4000], y[:4000]

scalers = {
    "bytes as they are": "passthrough",
    "PixelScaler": PixelScaler(),
    "MaxAbsScaler": MaxAbsScaler(),
    "StandardScaler": StandardScaler(),
}
pipe = make_mnist_pipeline(epochs=6, random_state=0)
search = GridSearchCV(pipe, {"scale": list(scalers.values())}, cv=4, refit=False)
search.fit(X, y)

# %%
# Every scaler met the same folds and the same initial weights.

import matplotlib.pyplot as plt
import numpy as np

for name, score in zip(scalers, search.cv_results_["mean_test_score"], strict=True):
    print(f"{name:17} {score:.4f}")
mean, std = search.cv_results_["mean_test_score"], search.cv_results_["std_test_score"]
_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.errorbar(mean, np.arange(len(scalers)), xerr=std, fmt="o", color="black", capsize=4)
ax.set_yticks(range(len(scalers)), list(scalers))
ax.set(xlabel="accuracy: mean ± standard deviation of 4 folds", ylim=(len(scalers) - 0.5, -0.5))
ax.grid(alpha=0.3)

# %%
# Bytes are far from the few units that the initial weights are made for. Between the scalers the choice matters less
# than the folds do. ``MaxAbsScaler`` and ``StandardScaler`` scale each pixel by itself; ``PixelScaler`` has one scale
# for all of them, and refuses data on another one.
