"""
A cross-validation report
=========================

This example cross-validates the network on five stratified folds of the first 10,000 training images. It shows the
scores, their uncertainty, and plots of the out-of-fold predictions.
"""

# %%

from sk_mnist import fetch_mnist, make_mnist_pipeline
from sk_mnist.model_selection import cross_validation_report

X, y = fetch_mnist(subset="train", return_X_y=True)
X, y = X[:10_000], y[:10_000]
pipe = make_mnist_pipeline(epochs=5, random_state=0)
report = cross_validation_report(pipe, X, y, cv=5)
print(report)

# %%
# Scores named ``neg_`` are losses with the sign changed, as in scikit-learn, so that higher is always better. The
# interval is wider than the spread of the folds suggests. The training sets of the folds share rows, so their scores
# vary less than those on new data would, and the correction of Nadeau and Bengio accounts for this.
#
# With pandas installed, ``to_frame`` returns a table with one row per fold:

report.to_frame().round(4)

# %%
# Each image is in exactly one test fold, so the confusion matrices of the folds add up to one of all 10,000 images.

from sklearn.metrics import ConfusionMatrixDisplay

matrix = ConfusionMatrixDisplay(report.confusion_matrix, display_labels=report.classes)
matrix.plot(cmap="Blues", colorbar=False)

# %%
# You can pass the out-of-fold probabilities to any metric or display, such as a reliability diagram of all 10,000
# images.

from sk_mnist.plotting import ReliabilityDisplay

ReliabilityDisplay.from_predictions(y, report.out_of_fold_proba)
