"""
Tuned and cross-validated in under 15 lines
===========================================

These 14 lines run a grid search, cross-validate the best candidate, evaluate it on the test images, and draw four
plots. To keep the example fast, the search and the cross-validation use the first 6,000 training images and five
epochs. Remove ``[:6000]`` and ``epochs=5`` to train fully.
"""

# %%

from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV

from sk_mnist import evaluate, fetch_mnist, make_mnist_pipeline, model_selection, plotting

X, y = (array[:6000] for array in fetch_mnist(subset="train", return_X_y=True))
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
pipe = make_mnist_pipeline(epochs=5, jit_compile=True, random_state=0)
search = GridSearchCV(pipe, model_selection.mnist_param_grid("small"), cv=3).fit(X, y)
print(search.best_params_, model_selection.cross_validation_report(search.best_estimator_, X, y, cv=4), sep="\n")

# %%
# The search chose the best candidate on the same rows, so the report is slightly optimistic. The test images were not
# used for the choice:

print(evaluate(search, X_test, y_test))

# %%
# The plots show the search, the training of the best candidate, its most confident mistakes, and the confusion matrix:

plotting.SearchResultsDisplay.from_estimator(search)

# %%

plotting.TrainingHistoryDisplay.from_estimator(search)

# %%

plotting.DigitsDisplay.from_estimator(search, X_test, y_test, order="confidently_wrong")

# %%

ConfusionMatrixDisplay.from_estimator(search, X_test, y_test, cmap="Blues")

# %%
# Next:
#
# * :ref:`sphx_glr_auto_examples_plot_tuning.py`: progress bars while a search runs
# * :ref:`sphx_glr_auto_examples_plot_cross_validation.py`: what the report's interval means
# * :ref:`sphx_glr_auto_examples_plot_errors.py`: more about the mistakes
