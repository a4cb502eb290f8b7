"""
A cross-validation report
=========================

This example cross-validates the network on five stratified folds of the first 10,000 training images. It shows the
scores, their uncertainty, and plots of the out-of-fold predictions.
"""

# %%

from sk_mnist import fetch_mnist, make_mnist_pipeline, start_tensorflow
from sk_mnist.model_selection import cross_validation_report

start_tensorflow()
X, y = fetch_mnist(subset="train", return_X_y=True)
X, y = X[:10_000], y[:10_000]
pipe = make_mnist_pipeline(epochs=5, random_state=0)
report = cross_validation_report(pipe, X, y, cv=5)
print(report)

# %%
# Scores with ``neg_`` are losses with the sign turned, as scikit-learn has it, so that higher is better
# everywhere. The interval is wider than the folds' spread suggests: their training sets share rows, which makes
# the folds look more alike than new data would, and Nadeau's and Bengio's correction makes up for it.
#
# With pandas installed, the same as a table with one row for each fold:

report.to_frame().round(4)

# %%
# Each image was in a test fold once. The confusion matrices of the folds add up to one of all 10,000 images.

from sklearn.metrics import ConfusionMatrixDisplay

matrix = ConfusionMatrixDisplay(report.confusion_matrix, display_labels=report.classes)
matrix.plot(cmap="Blues", colorbar=False)

# %%
# The out-of-fold probabilities serve any metric or display. The left end of the axis is where the curves
# differ, hence the logarithmic scale.

from sk_mnist.plotting import MulticlassRocDisplay

MulticlassRocDisplay.from_predictions(y, report.out_of_fold_proba, xscale="log")
