"""
What the network gets wrong
===========================

Look at the mistakes before you tune: some of MNIST's digits are ambiguous even to people. We train the network on the
first 20,000 training images for 10 epochs and evaluate it on the 10,000 test images.
"""

# %%

from sk_mnist import evaluate, fetch_mnist, make_mnist_pipeline

X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
pipe = make_mnist_pipeline(epochs=10, random_state=0).fit(X_train[:20_000], y_train[:20_000])
result = evaluate(pipe, X_test, y_test)

# %%
# Confused digits
# ---------------
# Without the diagonal of the confusion matrix, the correct predictions, the colours show the mistakes.

result.plot(errors_only=True)
for true, predicted, count in result.most_confused_pairs:
    print(f"{true} taken for {predicted}: {count} times")

# %%
# The most confident mistakes
# ---------------------------
# The plot shows the mistakes with the highest confidence first.

from sk_mnist.plotting import DigitsDisplay

DigitsDisplay.from_estimator(pipe, X_test, y_test, order="confidently_wrong", n_images=24, n_columns=8)

# %%
# The most confused pair
# ----------------------
# You can select rows by any condition. Here we show the pair that is confused most often.

true, predicted, _ = result.most_confused_pairs[0]
y_pred = pipe.predict(X_test)
rows = (y_test == true) & (y_pred == predicted)
DigitsDisplay.from_predictions(X_test[rows], y_test[rows], y_pred[rows], n_images=8, n_columns=8)

# %%
# Weights of the first layer
# --------------------------
# Each image shows the weights of one unit. Where pixels are nearly always black, the weights stay close to their random
# initial values. In the middle of some images, you can see strokes.

from sk_mnist.plotting import WeightsDisplay

WeightsDisplay.from_estimator(pipe, n_units=36)
