"""From a picture to digits: find the ink, bring each digit into MNIST's form, and predict it with a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from sk_mnist._images import SIDE
from sk_mnist.preprocessing import DigitImageNormalizer, PixelScaler
from sk_mnist.preprocessing._handwriting import digits_in
from sk_mnist.pretrained import SURE


class Reader:
    """Reads pictures with a model.

    Parameters
    ----------
    model : classifier
        Fitted on MNIST's images, with ``predict_proba``. In a Pipeline, also nested or in a search, a PixelScaler sets
        the value of white; other models take pixels in [0, 1].

    Raises
    ------
    ValueError
        If the model is not such a classifier.
    """

    def __init__(self, model: Any) -> None:
        model = getattr(model, "best_estimator_", model)  # of a search
        if isinstance(model, Pipeline) and isinstance(model[0], DigitImageNormalizer):
            model = model[1:]  # pictures are normalised before they reach the model
        n_features = getattr(model, "n_features_in_", SIDE**2)
        if not (hasattr(model, "predict_proba") and hasattr(model, "classes_")) or n_features != SIDE**2:
            raise ValueError(
                f"The model is a {type(model).__name__} for {n_features} pixels; it must be a fitted "
                f"classifier with predict_proba for images of {SIDE} x {SIDE} pixels, such as sk-mnist train writes."
            )
        self.model = model
        self.classes = np.asarray(model.classes_).tolist()
        self._white = _white_of(model) or 1.0
        # Fail now, and not at the first picture, if the model cannot predict. A black image would be on any scale.
        probe = np.zeros((1, SIDE, SIDE), dtype=np.uint8)
        probe[0, SIDE // 2, SIDE // 2] = 255
        self._probabilities(probe)

    def read(self, picture: Any, name: str, *, split: bool = True) -> dict[str, Any]:
        """Read the digits in a picture.

        Parameters
        ----------
        picture : str, path-like, binary file, PIL.Image.Image or array-like
            The picture, in any form that DigitImageNormalizer accepts.
        name : str
            Name of the picture in error messages.
        split : bool, default=True
            Whether the picture may contain several digits.

        Returns
        -------
        content : dict
            "digits" is a list with a dict for each digit: "label", "confidence", "runner_up", "box", "sure",
            "probabilities" (a pair of label and probability for each class) and "image" (the 784 grey levels that the
            model sees). All values are plain Python, ready for JSON.
        """
        found = digits_in(picture, name, split=split)
        if not found:
            return {"digits": []}
        images = np.stack([digit.normalized() for digit in found])
        boxes = [digit.box for digit in found]
        probabilities = self._probabilities(images)
        return {"digits": [self._digit(*about) for about in zip(images, boxes, probabilities, strict=True)]}

    def _probabilities(self, images: NDArray[np.uint8]) -> NDArray:
        rows = images.reshape(len(images), -1).astype(np.float32) * np.float32(self._white / 255)
        return self.model.predict_proba(rows)

    def _digit(self, image: NDArray[np.uint8], box: tuple[int, int, int, int], probabilities: NDArray) -> dict:
        first, second = np.argsort(-probabilities, kind="stable")[:2]
        confidence = float(probabilities[first])
        return {
            "label": self.classes[first],
            "confidence": confidence,
            "runner_up": self.classes[second],
            "box": list(box),
            "sure": confidence >= SURE,
            "probabilities": [[label, float(p)] for label, p in zip(self.classes, probabilities, strict=True)],
            "image": image.ravel().tolist(),
        }


def _white_of(model: Any) -> float | None:
    """Return the value of a white pixel in floats that a model takes; None if no scaler sets it."""
    model = getattr(model, "best_estimator_", model)  # of a search
    if isinstance(model, PixelScaler):
        return model._white_in(np.dtype(np.float32), model.float_pixel_max_)
    whites = (_white_of(step) for _, step in getattr(model, "steps", []))
    return next((white for white in whites if white is not None), None)
