"""
The same Pipeline on Fashion-MNIST
==================================

Fashion-MNIST has the form of MNIST, so nothing changes but the name of the function that loads it. Its classes are
harder to tell apart: shirts, pullovers and coats look alike at 28 x 28 pixels. The first run downloads 30 MB, which the
package does not contain, so this page shows the program and what it prints without running it:

.. code-block:: text

    accuracy after 10 epochs: 88.9%
    Shirt taken for T-shirt/top: 112 of 1,000
    T-shirt/top taken for Shirt: 111 of 1,000
    Pullover taken for Coat: 101 of 1,000
    Coat taken for Pullover: 84 of 1,000
    Pullover taken for Shirt: 75 of 1,000
"""

# %%
# Load the images
# ---------------
# ``fetch_fashion_mnist`` takes the arguments of ``fetch_mnist``. Labels are the numbers 0 to 9; ``target_names`` says
# what they are.

from sk_mnist import fetch_fashion_mnist
from sk_mnist.plotting import DigitsDisplay

train = fetch_fashion_mnist(subset="train")
test = fetch_fashion_mnist(subset="test")
names = [train.target_names[label] for label in train.target]
DigitsDisplay.from_predictions(train.data, names, n_images=20)

# %%
# Train and evaluate
# ------------------

from sk_mnist import evaluate, make_mnist_pipeline, start_tensorflow

start_tensorflow()
pipe = make_mnist_pipeline(epochs=10, random_state=0).fit(train.data, train.target)
result = evaluate(pipe, test.data, test.target)
print(f"accuracy after 10 epochs: {result.accuracy:.1%}")

# %%
# What it confuses
# ----------------

for true, predicted, count in result.most_confused_pairs:
    print(f"{test.target_names[true]} taken for {test.target_names[predicted]}: {count} of 1,000")
