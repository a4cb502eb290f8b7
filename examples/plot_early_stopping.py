"""
Early stopping with a validation set of your own
================================================

A validation set must go through the same transformers as the training data. scikit-learn's Pipeline does this with
``transform_input``, and metadata routing passes the result to the network. We train on the first 6,000 training images
and validate on the last 10,000, so that the test images stay unseen.
"""

# %%
# Enable metadata routing, name the inputs to transform in ``transform_input``, and request ``X_val`` and ``y_val`` for
# the network with ``set_fit_request``.

import sklearn

from sk_mnist import fetch_mnist, make_mnist_pipeline

sklearn.set_config(enable_metadata_routing=True)
X, y = fetch_mnist(subset="train", return_X_y=True)
X_train, y_train, X_val, y_val = X[:6000], y[:6000], X[-10_000:], y[-10_000:]

pipe = make_mnist_pipeline(
    learning_rate_schedule="constant",
    epochs=50,
    early_stopping=True,
    n_iter_no_change=8,
    random_state=0,
).set_params(transform_input=["X_val"])
pipe["mlp"].set_fit_request(X_val=True, y_val=True)
pipe.fit(X_train, y_train, X_val=X_val, y_val=y_val)

mlp = pipe["mlp"]
print(f"stopped after {mlp.n_iter_} epochs of at most 50; weights are those of epoch {mlp.best_epoch_}")

# %%
# The star marks the epoch with the best validation accuracy, whose weights were kept. Towards the end, the validation
# loss rises while the accuracy stays the same: the network becomes more confident in its mistakes.

from sk_mnist.plotting import TrainingHistoryDisplay

TrainingHistoryDisplay.from_estimator(pipe)

# %%
# The fitted network predicts with the restored weights, so these two accuracies are equal:

print(f"accuracy now: {pipe.score(X_val, y_val):.4f}")
print(f"at epoch {mlp.best_epoch_}: {max(mlp.validation_scores_):.4f}")

# %%
# Without a validation set of your own, ``early_stopping=True`` holds out ``validation_fraction`` of the training rows,
# stratified and drawn with ``random_state``. This example keeps the learning rate constant, because early stopping is
# an alternative to a rate that falls over a fixed number of epochs, as in the recipe.

sklearn.set_config(enable_metadata_routing=False)
