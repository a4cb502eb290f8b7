"""
Comparing scalers
=================

How much does the scale of the pixels matter? ``PixelScaler`` divides by 255. scikit-learn's transformers work in the
Pipeline as well. We compare them in four folds of the first 4,000 training images, with bytes from 0 to 255.
"""

# %%
# The step ``scale`` is a parameter of the Pipeline, so a grid search can replace it. With ``"passthrough"``, the
# network receives bytes. ``KerasMLPClassifier`` warns about them; we ignore the warning here.

import warnings

from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sk_mnist import PixelScaler, fetch_mnist, make_mnist_pipeline

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
# All scalers are compared on the same folds and with the same initial weights.

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
# Bytes are far larger than the inputs that the initial weights are designed for. The scalers differ less from each
# other than the folds do. ``MaxAbsScaler`` and ``StandardScaler`` scale each pixel separately. ``PixelScaler`` uses one
# scale for all pixels, and rejects data on another scale.
