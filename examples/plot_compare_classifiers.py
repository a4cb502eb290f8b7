"""
Comparing classifiers
=====================

Compare two classifiers row by row if they predict the same rows: they differ only on the rows that exactly one of them
gets right. This example compares the Keras network with scikit-learn's ``MLPClassifier`` with the same layers, and with
three nearest neighbours. All are trained on the first 5,000 training images and evaluated on the 10,000 test images.
"""

# %%

from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from sk_mnist import KerasMLPClassifier, fetch_mnist, start_tensorflow

start_tensorflow()
X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_train, y_train = X_train[:5000], y_train[:5000]
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
classifiers = {
    "KerasMLPClassifier": KerasMLPClassifier((128, 64, 32), batch_size=100, epochs=15, random_state=0),
    "MLPClassifier": MLPClassifier((128, 64, 32), batch_size=100, max_iter=15, random_state=0),
    "3 nearest neighbours": KNeighborsClassifier(3),
}

# %%
# Fit each classifier and print its accuracy. We ignore the warning of ``MLPClassifier`` that it has not converged in 15
# epochs.

import warnings

from sklearn.exceptions import ConvergenceWarning

predictions = {}
for name, classifier in classifiers.items():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(X_train, y_train)
    predictions[name] = classifier.predict(X_test)
    print(f"{name:20} {(predictions[name] == y_test).mean():.4f}")

# %%
# ``compare_classifiers`` returns the exact McNemar test and a confidence interval of the difference in accuracy.

from sk_mnist.metrics import compare_classifiers

y_pred = predictions.pop("KerasMLPClassifier")
comparisons = {name: compare_classifiers(y_test, y_pred, rival) for name, rival in predictions.items()}
for name, comparison in comparisons.items():
    print(f"a: KerasMLPClassifier, b: {name}\n{comparison}\n")

# %%
# Plot the intervals. An interval that excludes 0 corresponds to a small p-value.

import matplotlib.pyplot as plt

_, ax = plt.subplots(figsize=(7, 2), layout="constrained")
for name, comparison in comparisons.items():
    ax.plot(comparison.difference_interval, [name, name], color="black")
    ax.plot(comparison.difference, name, "o", color="black")
ax.axvline(0, color="black", linestyle=":")
ax.set(xlabel="accuracy of KerasMLPClassifier - accuracy of the rival", ylim=(-0.5, 1.5))

# %%
# The test and the interval cover the choice of test images, but compare only these fitted models. Below, the same
# network scores differently with each ``random_state``, so a small p-value does not prove that one *kind* of network is
# better.

from sklearn.base import clone

for seed in range(5):
    other = clone(classifiers["KerasMLPClassifier"]).set_params(random_state=seed)
    other.fit(X_train, y_train)
    print(f"KerasMLPClassifier, seed {seed}: {other.score(X_test, y_test):.4f}")
