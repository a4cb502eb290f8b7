"""
Digits in a photograph
======================

:func:`~sk_mnist.preprocessing.split_digits` finds the digits in a picture, and
:class:`~sk_mnist.DigitImageNormalizer` prepares them like MNIST's images, so that the pretrained model can read them.
Instead of a photograph, we use a simulated picture with the usual difficulties: dark ink on grey paper, light from one
side, noise, a fold, and digits of several sizes.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter, zoom
from sklearn.pipeline import make_pipeline

from sk_mnist import DigitImageNormalizer, fetch_mnist, load_pretrained
from sk_mnist.preprocessing import split_digits

generator = np.random.default_rng(0)
test = fetch_mnist(subset="test")

ink = np.zeros((460, 760))
for k, image in enumerate(test.images[10:18]):
    digit = zoom(image, generator.uniform(3.5, 6), order=1)
    top, left = 30 + 210 * (k // 4) + generator.integers(0, 30), 20 + 180 * (k % 4) + generator.integers(0, 30)
    ink[top : top + len(digit), left : left + len(digit)] = digit
paper = np.linspace(0.85, 0.6, 760) + 0.03 * gaussian_filter(generator.normal(size=ink.shape), 30) * 100
paper[228:231] -= 0.15
photograph = np.clip(paper * (1 - 0.75 * gaussian_filter(ink, 1.5)) + generator.normal(0, 0.02, ink.shape), 0, 1)

# %%
# ``split_digits`` returns each digit with its box, in pixels of the picture. The fold is not taken for a digit, because
# it is thin and touches the border.

digits = split_digits(photograph)
model = make_pipeline(DigitImageNormalizer(), load_pretrained())
crops = [digit.image for digit in digits]
labels, confidences = model.predict(crops), model.predict_proba(crops).max(axis=1)

figure, axis = plt.subplots(figsize=(9, 5.5), layout="constrained")
axis.imshow(photograph, cmap="gray", vmin=0, vmax=1)
for digit, label, confidence in zip(digits, labels, confidences, strict=True):
    left, top, right, bottom = digit.box
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="tab:blue", linewidth=2))
    axis.text(left, top - 6, f"{label}  ({confidence:.1%})", color="tab:blue", weight="bold")
axis.set_axis_off()

# %%
# The network sees these images:

figure, axes = plt.subplots(1, len(digits), figsize=(9, 1.6), layout="constrained")
for axis, image, label in zip(axes, model["digitimagenormalizer"].transform(crops), labels, strict=True):
    axis.imshow(image, cmap="gray")
    axis.set_title(label)
    axis.set_axis_off()

# %%
# Compare the predictions with the labels of the test images:

print("read:  ", *labels)
print("labels:", *test.target[10:18])
