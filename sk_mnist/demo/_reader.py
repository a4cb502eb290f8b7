"""What the draw page shows of a reading, as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist._images import SIDE
from sk_mnist.reading import DigitModel, DigitReading, read_digits, shipped_model


class Reader:
    """Reads pictures for the draw page.

    Parameters
    ----------
    model : classifier, default=None
        A model for :func:`~sk_mnist.read_digits`. None means the shipped network.

    Raises
    ------
    ValueError
        If the model is not a fitted classifier of MNIST's images.
    """

    def __init__(self, model: Any = None) -> None:
        self.model = model
        self._network = shipped_model() if model is None else DigitModel(model)
        # Fail now, and not at the first picture, if the model cannot predict.
        probe = np.zeros((1, SIDE, SIDE), dtype=np.uint8)
        probe[0, SIDE // 2, SIDE // 2] = 255
        self._network.probabilities(probe)

    def read(self, picture: Any) -> dict[str, Any]:
        """Read the digits in a picture.

        Parameters
        ----------
        picture : str, path-like, bytes-like, binary file, PIL.Image.Image or array-like
            A picture in any form that read_digits accepts.

        Returns
        -------
        content : dict
            The "text", "digits", "rejected" and "reason" of the DigitReading in plain Python, ready for JSON. Digits
            also have their "line" and their "probabilities", a pair of label and probability for each class.
        """
        reading = read_digits(picture, self.model)
        return {
            "text": reading.text,
            "digits": self._digits(reading) if reading.digits else [],
            "rejected": [{"box": piece.box, "image": _listed(piece.image)} for piece in reading.rejected],
            "reason": reading.reason,
        }

    def _digits(self, reading: DigitReading) -> list[dict[str, Any]]:
        probabilities = self._network.probabilities(np.stack([digit.image for digit in reading.digits])).tolist()
        labels = self._network.classes
        return [
            {
                **digit._asdict(),
                "image": _listed(digit.image),
                "line": number,
                "probabilities": list(zip(labels, probabilities.pop(0), strict=True)),
            }
            for number, line in enumerate(reading.lines)
            for digit in line
        ]


def _listed(image: NDArray[np.uint8]) -> list[int]:
    return image.ravel().tolist()
