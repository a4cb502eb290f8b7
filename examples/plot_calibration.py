"""
Calibration
===========

Are predictions with a confidence of 90 % right nine times out of ten? Networks that fit their training data closely are
known to be overconfident (`Guo et al., 2017 <https://arxiv.org/abs/1706.04599>`_). We train the reference network on
the first 6,000 training images, once without and once with label smoothing, and evaluate both on the 10,000 test
images.
"""

# %%

from sk_mnist import fetch_mnist, make_mnist_pipeline

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
X_train, y_train = X_train[:6000], y_train[:6000]

models = {
    "plain": make_mnist_pipeline(random_state=0),
    "label smoothing 0.1": make_mnist_pipeline(label_smoothing=0.1, random_state=0),
}
for model in models.values():
    model.fit(X_train, y_train)

# %%
# The reliability diagrams group the test images into bins by confidence, the largest predicted probability. In a bin
# above the diagonal, predictions are right more often than their confidence states, and in a bin below it, less often.
# The bars show the share of the images in each bin. Most are in the rightmost bins; ignore bins with few images.

import matplotlib.pyplot as plt

from sk_mnist.plotting import ReliabilityDisplay

_, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
for (name, model), ax in zip(models.items(), axes, strict=True):
    ReliabilityDisplay.from_estimator(model, X_test, y_test, n_bins=8, name=name, ax=ax)

# %%
# The expected calibration error is the mean gap between confidence and accuracy, weighted by the number of images in
# each bin. Label smoothing lowers the confidence of the network, and can lower it too much. Compare all three scores:
# accuracy, log loss and calibration error can favour different models.

from sk_mnist import evaluate

for name, model in models.items():
    result = evaluate(model, X_test, y_test)
    print(f"{name}: accuracy {result.accuracy:.4f}, log loss {result.log_loss:.4f}")
    print(f"calibration error {result.expected_calibration_error:.4f}")
