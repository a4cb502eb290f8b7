"""
Say no to what belongs to no class
==================================

A classifier gives one of its classes to every row, and networks are often sure of rows that belong to none.
:meth:`KerasMLPClassifier.fit <sk_mnist.KerasMLPClassifier.fit>` takes such rows as ``X_outliers``, and learns to be
unsure of them. Here a network learns the even digits of scikit-learn's data set. 1, 3 and 5 are its outliers. 7 and 9
are never seen: a useful network is unsure of them as well.

The free alternative is one more class, "none". Both say no to what they have seen. Only the threshold on the confidence
also says no to most of the rest.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sk_mnist import KerasMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
is_even = y_train % 2 == 0
is_outlier = np.isin(y_train, [1, 3, 5])
X_even, y_even, X_odd = X_train[is_even], y_train[is_even], X_train[is_outlier]

# %%
# Three networks, which differ only in what they do with the odd digits:


def make_network():
    """Return an unfitted network."""
    return KerasMLPClassifier((64,), epochs=60, learning_rate=3e-3, random_state=0)


without = make_network().fit(X_even, y_even)
with_outliers = make_network().fit(X_even, y_even, X_outliers=X_odd)
NONE = -1
with_class = make_network().fit(np.vstack([X_even, X_odd]), np.append(y_even, np.full(len(X_odd), NONE)))

# %%
# The confidence is the largest probability of an even digit. It is to be high for even digits and low for all others:


def confidence_of(network, rows):
    """Return the largest probability of a class that is a digit."""
    return network.predict_proba(rows)[:, network.classes_ != NONE].max(axis=1)


networks = {"even digits alone": without, "with X_outliers": with_outliers, 'with a class "none"': with_class}
groups = {"even": [0, 2, 4, 6, 8], "1, 3, 5 (seen as outliers)": [1, 3, 5], "7, 9 (never seen)": [7, 9]}
fig, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True, layout="constrained")
for ax, (name, network) in zip(axes, networks.items(), strict=True):
    for group, digits in groups.items():
        confidence = np.sort(confidence_of(network, X_test[np.isin(y_test, digits)]))
        ax.plot(confidence, np.linspace(1, 0, len(confidence)), label=group)
    ax.set(title=name, xlabel="confidence of at least", xlim=(0, 1))
axes[0].set_ylabel("share of the test digits")
axes[0].legend(loc="lower left")
plt.show()

# %%
# The share that is taken for an even digit with a confidence of at least 0.9, and the accuracy on even digits:

even = np.isin(y_test, groups["even"])
for name, network in networks.items():
    shares = [np.mean(confidence_of(network, X_test[np.isin(y_test, digits)]) >= 0.9) for digits in groups.values()]
    print(f"{name:20}", *(f"{share:4.0%}" for share in shares), f"{network.score(X_test[even], y_test[even]):.1%}")
