"""
Distorted digits
================

:class:`~sk_mnist.RandomWarp` draws a random rotation, size, shear, shift and smooth bending for each image. The plot
shows the same seven digits distorted at three strengths. The first column of each panel shows the originals.
"""

import matplotlib.pyplot as plt
import numpy as np

from sk_mnist import KerasMLPClassifier, RandomWarp, fetch_mnist

mnist = fetch_mnist(subset="train")
digits = mnist.images[[1, 3, 5, 7, 0, 13, 15]]

STRENGTHS = {
    "affine only": RandomWarp(elastic=0),
    "elastic, the default": RandomWarp(),
    "twice the default": RandomWarp(rotation=20, scale=0.24, shear=0.24, translation=3, elastic=2),
}

figure, axes = plt.subplots(1, len(STRENGTHS), figsize=(12, 5.2), layout="constrained")
for axis, (title, warp) in zip(axes, STRENGTHS.items(), strict=True):
    columns = [digits, *(warp.transform(digits, random_state=seed) for seed in range(6))]
    axis.imshow(np.block([[column[row] for column in columns] for row in range(len(digits))]), cmap="gray_r")
    axis.axvline(27.5, color="0.5", linewidth=0.8)
    axis.set_title(title)
    axis.set_axis_off()

# %%
# A network trained on distorted images tolerates shifts. We train two networks on 10,000 images, one of them with
# distortions, and plot their accuracy on test images that are shifted by up to three pixels to the right.

X, y = mnist.data[:10_000], mnist.target[:10_000]
test = fetch_mnist(subset="test")
networks = {
    "images as they are": KerasMLPClassifier(epochs=40, batch_size=256, random_state=0),
    "distorted images": KerasMLPClassifier(epochs=40, batch_size=256, augmentation="elastic", random_state=0),
}

figure, axis = plt.subplots(layout="constrained")
for name, network in networks.items():
    network.fit(X, y)
    shifts = range(4)
    scores = [
        network.score(np.roll(test.images, shift, axis=2).reshape(len(test.data), -1), test.target) for shift in shifts
    ]
    axis.plot(shifts, scores, marker="o", label=f"trained on {name}")
axis.set_xlabel("shift in pixels")
axis.set_ylabel("accuracy on 10,000 test images")
axis.set_xticks(shifts)
axis.legend()
plt.show()
