"""
Quick start
===========

Train the reference network on the 60,000 training images and evaluate it on the 10,000 test images. To keep this
example fast, we train for five epochs instead of the recipe's twenty.
"""

# %%
# The data
# --------
# ``fetch_mnist`` returns arrays, like scikit-learn's own fetchers. Pixels are float32 in [0, 1]; labels are integers.

from sk_mnist import fetch_mnist
from sk_mnist.plotting import DigitsDisplay

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
print(X_train.shape, X_train.dtype, X_test.shape)
DigitsDisplay.from_predictions(X_train, y_train, n_images=14, n_columns=7)

# %%
# The model
# ---------
# The model is a scikit-learn Pipeline. It flattens the images, scales the pixels, and classifies with a Keras network.

from sk_mnist import make_mnist_pipeline

pipe = make_mnist_pipeline(epochs=5, random_state=0)
pipe.fit(X_train, y_train)

# %%
# Evaluation
# ----------
# ``evaluate`` computes the usual metrics. Its result prints as a table.

from sk_mnist import evaluate

result = evaluate(pipe, X_test, y_test)
print(result)

# %%
# Training history
# ----------------
# The fitted classifier, the last step of the Pipeline, holds the training history.

from sk_mnist.plotting import TrainingHistoryDisplay

TrainingHistoryDisplay.from_estimator(pipe)
