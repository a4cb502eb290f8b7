"""
Comparing classifiers
=====================

Two classifiers that saw the same rows should be compared row by row: only the rows that one of them alone gets
right tell them apart. Here the Keras network meets scikit-learn's ``MLPClassifier`` with the same layers, and
the three nearest neighbours, all trained on the first 5,000 training images and asked about the 10,000 test images.
"""

# %%

from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from sk_mnist import KerasMLPClassifier, fetch_mnist

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_train, y_train = X_train[:5000], y_train[:5000]
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
classifiers = {
    "KerasMLPClassifier": KerasMLPClassifier((128, 64, 32), batch_size=100, epochs=15, random_state=0),
    "MLPClassifier": MLPClassifier((128, 64, 32), batch_size=100, max_iter=15, n_iter_no_change=15, random_state=0),
    "3 nearest neighbours": KNeighborsClassifier(3),
}

# %%
# ``MLPClassifier`` warns that 15 epochs are fewer than it would like, which is what is wanted here.

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
# ``compare_classifiers`` gives the exact McNemar test and an interval of the difference.

from sk_mnist.metrics import compare_classifiers

for rival in ["MLPClassifier", "3 nearest neighbours"]:
    print(f"a: KerasMLPClassifier, b: {rival}")
    print(compare_classifiers(y_test, predictions["KerasMLPClassifier"], predictions[rival]), end="\n\n")

# %%
# Test and interval speak of these two fits and of the luck of the test rows. Another ``random_state`` gives
# another fit, and networks of the same kind differ from seed to seed: a small p-value between two of them is no
# proof that one *kind* is better.

from sklearn.base import clone

for seed in range(5):
    other = clone(classifiers["KerasMLPClassifier"]).set_params(random_state=seed).fit(X_train, y_train)
    print(f"KerasMLPClassifier, seed {seed}: {other.score(X_test, y_test):.4f}")
