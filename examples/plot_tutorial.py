"""
Ten-minute tutorial
===================

This tutorial goes from the data to a tuned, cross-validated and saved model. To keep each step to a few seconds, we
train on a few thousand images for a few epochs. Remove the slices and ``epochs=`` to train fully.
"""

# %%
# 1. Load the data
# ----------------
# Each row is an image of 28 by 28 pixels, with values in [0, 1]. The split into training and test images is the
# official one. Without internet access, the bundled copy is used; see :doc:`the data </data>`.

from sk_mnist import fetch_mnist
from sk_mnist.plotting import DigitsDisplay

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
print(X_train.shape, X_train.dtype, X_test.shape)
DigitsDisplay.from_predictions(X_train, y_train, n_images=12, n_columns=6)

# %%
# 2. Train a model
# ----------------
# ``make_mnist_pipeline`` makes a scikit-learn Pipeline with the steps ``flatten``, ``scale`` and ``mlp``. The last step
# is a :doc:`KerasMLPClassifier </classifier>`: it trains with Keras and predicts with NumPy.

from sk_mnist import make_mnist_pipeline

pipe = make_mnist_pipeline(epochs=3, random_state=0)
pipe.fit(X_train[:6000], y_train[:6000])
print(f"test accuracy {pipe.score(X_test, y_test):.2%}")

# %%
# 3. Evaluate it
# --------------
# ``evaluate`` returns the accuracy with its confidence interval, log loss, Brier score, calibration error, figures for
# each class, the confusion matrix and the most confused pairs. :doc:`Evaluation </evaluation>` explains them.

from sk_mnist import evaluate

result = evaluate(pipe, X_test, y_test)
print(result)

# %%
# 4. Cross-validate
# -----------------
# One fit gives one score. Cross-validation estimates the score to expect and how much it varies.

from sk_mnist.model_selection import cross_validation_report

print(cross_validation_report(pipe, X_train[:3000], y_train[:3000], cv=3))

# %%
# 5. Tune
# -------
# The parameters of the network have the prefix ``mlp__``: the name of the step and two underscores, as always in
# scikit-learn. For a progress bar, use scikit-learn's own: ``search.set_callbacks(ProgressBar())``. :doc:`Tuning
# </tuning>` covers ready-made grids, random search, successive halving and Optuna.

from sklearn.model_selection import GridSearchCV

from sk_mnist.plotting import SearchResultsDisplay

search = GridSearchCV(pipe, {"mlp__learning_rate": [3e-4, 1e-3, 3e-3, 1e-2]}, cv=2)
search.fit(X_train[:3000], y_train[:3000])
print(search.best_params_)
SearchResultsDisplay.from_estimator(search)

# %%
# 6. Look at the best model
# -------------------------
# Loss and accuracy of each epoch:

from sk_mnist.plotting import TrainingHistoryDisplay

TrainingHistoryDisplay.from_estimator(search)

# %%
# These are the test images that the model gets wrong with the highest confidence. A notebook shows such plots by
# itself. In a script, save one with ``wrong.figure_.savefig("wrong.png")``.

wrong = DigitsDisplay.from_estimator(search, X_test, y_test, order="confidently_wrong", n_images=12, n_columns=6)

# %%
# 7. Save and load
# ----------------
# Unlike ``pickle``, loading runs no code from the file; see :doc:`saving and loading </persistence>`.

from tempfile import TemporaryDirectory

from sk_mnist import load, save

with TemporaryDirectory() as directory:
    path = save(search.best_estimator_, f"{directory}/digits.skops")
    loaded = load(path)
print((loaded.predict(X_test) == search.predict(X_test)).all())

# %%
# The :doc:`example in under 15 lines </auto_examples/plot_tuned_in_15_lines>` puts a search, a cross-validation and
# four plots into one script.
