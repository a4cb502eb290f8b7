"""
Early stopping with a validation set of your own
================================================

A validation set must go through the same transformers as the training data. scikit-learn's Pipeline does this with
``transform_input``, and metadata routing passes the result to the network. We train on the first 6,000 training images
and validate on the last 10,000, so that the test images stay unseen.
"""

# %%
# The Pipeline transforms what ``transform_input`` names, step by step, and the network asks for it with
# ``set_fit_request``. Metadata routing has to be switched on.

import sklearn

from sk_mnist import fetch_mnist, make_mnist_pipeline, start_tensorflow

start_tensorflow()
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
# The star marks the epoch of the best validation accuracy, whose weights were kept. In the end the validation loss
# climbs while the accuracy stays: the network grows surer of its mistakes.

from sk_mnist.plotting import TrainingHistoryDisplay

TrainingHistoryDisplay.from_estimator(pipe)

# %%
# What was restored is what predicts:

print(f"accuracy now: {pipe.score(X_val, y_val):.4f}")
print(f"at epoch {mlp.best_epoch_}: {max(mlp.validation_scores_):.4f}")

# %%
# Without a set of your own, ``early_stopping=True`` alone holds out ``validation_fraction`` of the training rows,
# stratified and drawn with ``random_state``. A learning rate that falls over a fixed number of epochs, as in the
# recipe, and early stopping are two answers to the same question, which is why this example keeps the rate
# constant.

sklearn.set_config(enable_metadata_routing=False)
