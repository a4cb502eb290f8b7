"""The weights of the first layer as images."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_mnist._images import as_images
from sk_mnist._sklearn import Interval, validate_params
from sk_mnist.plotting._base import import_pyplot, last_step, make_axes


@dataclass(eq=False, repr=False)
class WeightsDisplay:
    """First-layer weights of a network as images, one for each unit.

    Create it with :meth:`from_estimator`. Mid-grey is zero, white is positive and black is negative.

    Parameters
    ----------
    weights : ndarray of shape (n_units, height, width)
        Weights from the pixels to each unit.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The mosaic.
    colorbar_ : matplotlib Colorbar
        The scale of the weights.
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sk_mnist.plotting import WeightsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = MLPClassifier((16,), solver="lbfgs", max_iter=1000, random_state=0).fit(X / 16, y)
    >>> WeightsDisplay.from_estimator(clf).weights.shape
    (16, 8, 8)
    """

    __module__ = "sk_mnist.plotting"  # stored in pickles

    weights: NDArray

    @classmethod
    @validate_params({"n_units": [Interval(Integral, 1, None, closed="left")]})
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_units: int = 64,
        image_shape: tuple[int, int] | None = None,
        ax: Any = None,
    ) -> WeightsDisplay:
        """Draw the first-layer weights of a fitted network.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `coefs_`, such as `KerasMLPClassifier` or scikit-learn's `MLPClassifier`,
            or a Pipeline or search that ends in one.
        n_units : int, default=64
            Maximum number of units. Units with the largest weights (in Euclidean norm) come first.
        image_shape : tuple of (int, int), default=None
            Height and width of the images. None assumes square images.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : WeightsDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If the estimator has no `coefs_`, its inputs are not images, or `n_units` is less than 1.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        model = last_step(estimator)
        if not hasattr(model, "coefs_"):
            raise ValueError(f"{type(model).__name__} has no coefs_; fit a KerasMLPClassifier first.")
        units = np.asarray(model.coefs_[0]).T
        strongest = np.argsort(-np.linalg.norm(units, axis=1), kind="stable")[:n_units]
        return cls(as_images(units[strongest], image_shape, "coefs_[0].T")).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> WeightsDisplay:
        """Draw the mosaic.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        display : WeightsDisplay
            This display, with `ax_`, `figure_`, `image_` and `colorbar_`.
        """
        ax = make_axes(ax, f"{type(self).__name__}.plot", figsize=(7, 6))
        n_units, height, width = self.weights.shape
        n_columns = int(np.ceil(n_units**0.5))
        n_rows = -(-n_units // n_columns)
        gap = max(1, width // 10)
        # NaN is not drawn, which leaves gaps between the images.
        mosaic = np.full((n_rows * (height + gap) - gap, n_columns * (width + gap) - gap), np.nan)
        for i, unit in enumerate(self.weights):
            top, left = (i // n_columns) * (height + gap), (i % n_columns) * (width + gap)
            mosaic[top : top + height, left : left + width] = unit
        limit = float(np.abs(self.weights).max())
        self.image_ = ax.imshow(mosaic, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
        self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax, label="weight", shrink=0.8)
        ax.set_title("First-layer weights")
        ax.set_axis_off()
        self.ax_, self.figure_ = ax, ax.figure
        return self
