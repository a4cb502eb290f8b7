"""
What the network gets wrong
===========================

Look at the mistakes before you tune: some of MNIST's digits are ambiguous even to people. We train the network on the
first 20,000 training images for 10 epochs and evaluate it on the 10,000 test images.
"""

# %%

from sk_mnist import evaluate, fetch_mnist, make_mnist_pipeline, start_tensorflow

start_tensorflow()
X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
pipe = make_mnist_pipeline(epochs=10, random_state=0).fit(X_train[:20_000], y_train[:20_000])
result = evaluate(pipe, X_test, y_test)

# %%
# Which digits it takes for which
# -------------------------------
# The diagonal is what is right, and it would outshine everything else; without it the colours belong to the
# mistakes.

from sklearn.metrics import ConfusionMatrixDisplay

mistakes = result.confusion_matrix.copy()
mistakes[range(10), range(10)] = 0
matrix = ConfusionMatrixDisplay(mistakes, display_labels=result.classes)
matrix.plot(cmap="Blues", colorbar=False)
for true, predicted, count in result.most_confused_pairs:
    print(f"{true} taken for {predicted}: {count} times")

# %%
# Wrong, and sure of it
# ---------------------
# The mistakes with the highest confidence first.

from sk_mnist.plotting import DigitsDisplay

DigitsDisplay.from_estimator(pipe, X_test, y_test, order="confidently_wrong", n_images=24, n_columns=8)

# %%
# One pair in particular
# ----------------------
# Rows can be chosen by any condition; this is the most confused pair.

true, predicted, _ = result.most_confused_pairs[0]
y_pred = pipe.predict(X_test)
rows = (y_test == true) & (y_pred == predicted)
DigitsDisplay.from_predictions(X_test[rows], y_test[rows], y_pred[rows], n_images=8, n_columns=8)

# %%
# What the first layer looks at
# -----------------------------
# The weights of each unit as an image. Where pixels are nearly always black, weights hardly move from the noise they
# were drawn as; strokes stand out in the middle of some.

from sk_mnist.plotting import WeightsDisplay

WeightsDisplay.from_estimator(pipe, n_units=36)
