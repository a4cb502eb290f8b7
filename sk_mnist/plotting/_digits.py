"""A grid of digits with their true and predicted labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from sk_mnist._images import as_images
from sk_mnist._labels import check_label_set, check_labels_1d, check_same_kind, encode_labels
from sk_mnist._sklearn import Interval, StrOptions, validate_params
from sk_mnist.plotting._base import import_pyplot, make_axes

_AT_LEAST_1 = Interval(Integral, 1, None, closed="left")
_N_COLUMNS = {"n_columns": [_AT_LEAST_1, None]}
_CONSTRAINTS = {"order": [StrOptions({"given", "confidently_wrong"})], "n_images": [_AT_LEAST_1], **_N_COLUMNS}


@dataclass(eq=False, repr=False)
class DigitsDisplay:
    """Grid of images with true label, predicted label and confidence.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`. Wrong predictions have a bold caption and a
    heavy frame.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
        Grey images; high values are drawn dark, as ink.
    y_true : ndarray of shape (n_images,), default=None
        True labels. None draws only the predictions.
    y_pred : ndarray of shape (n_images,), default=None
        Predicted labels. None draws only the true labels.
    confidence : ndarray of shape (n_images,), default=None
        Probability of the predicted label, in [0, 1].

    Attributes
    ----------
    images_ : list of matplotlib AxesImage
        One for each image.
    text_ : list of matplotlib Text
        The caption of each image.
    ax_ : matplotlib Axes
        The axes with all images.
    figure_ : matplotlib Figure
        The figure of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_mnist.plotting import DigitsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = LogisticRegression(max_iter=500).fit(X[:900] / 16, y[:900])
    >>> display = DigitsDisplay.from_estimator(
    ...     clf, X[900:] / 16, y[900:], order="confidently_wrong", n_images=8
    ... )
    >>> len(display.text_)
    8
    """

    __module__ = "sk_mnist.plotting"  # stored in pickles

    images: NDArray
    y_true: NDArray | None = field(default=None, kw_only=True)
    y_pred: NDArray | None = field(default=None, kw_only=True)
    confidence: NDArray | None = field(default=None, kw_only=True)

    @classmethod
    @validate_params(_CONSTRAINTS)
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        order: str = "given",
        n_images: int = 25,
        image_shape: tuple[int, int] | None = None,
        ax: Any = None,
        n_columns: int | None = None,
    ) -> DigitsDisplay:
        """Predict images with a fitted classifier and draw them.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier, or Pipeline that ends in one. Confidence is shown if it has `predict_proba`.
        X : array-like of shape (n_samples, n_pixels) or (n_samples, height, width)
            Images, in the form that `estimator` accepts.
        y : array-like of shape (n_samples,), default=None
            True labels. None draws only the predictions.
        order : {"given", "confidently_wrong"}, default="given"
            "given" draws the first images; "confidently_wrong" draws only wrong predictions, most confident
            first.
        n_images : int, default=25
            Maximum number of images.
        image_shape : tuple of (int, int), default=None
            Height and width of images in flat rows. None assumes square images.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.
        n_columns : int, default=None
            Images per row of the grid. None makes the grid about square.

        Returns
        -------
        display : DigitsDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `order` is unknown, shapes disagree, the rows are not images, or a number is less than 1.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        confidence = None
        y_pred = estimator.predict(X)
        if hasattr(estimator, "predict_proba"):
            y_proba = estimator.predict_proba(X)
            columns = encode_labels(y_pred, check_label_set(estimator.classes_), "the result of predict")
            confidence = y_proba[np.arange(len(y_proba)), columns]
        return cls.from_predictions(
            X,
            y,
            y_pred,
            confidence=confidence,
            order=order,
            n_images=n_images,
            image_shape=image_shape,
            ax=ax,
            n_columns=n_columns,
        )

    @classmethod
    @validate_params(_CONSTRAINTS)
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike | None = None,
        y_pred: ArrayLike | None = None,
        *,
        confidence: ArrayLike | None = None,
        order: str = "given",
        n_images: int = 25,
        image_shape: tuple[int, int] | None = None,
        ax: Any = None,
        n_columns: int | None = None,
    ) -> DigitsDisplay:
        """Draw images with true labels, predictions or both.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels) or (n_samples, height, width)
            Images.
        y_true : array-like of shape (n_samples,), default=None
            True labels.
        y_pred : array-like of shape (n_samples,), default=None
            Predicted labels.
        confidence : array-like of shape (n_samples,), default=None
            Probability of the predicted label, in [0, 1].
        order : {"given", "confidently_wrong"}, default="given"
            "given" draws the first images; "confidently_wrong" draws only wrong predictions, most confident
            first (in the given order if there is no `confidence`).
        n_images : int, default=25
            Maximum number of images.
        image_shape : tuple of (int, int), default=None
            Height and width of images in flat rows. None assumes square images.
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure.
        n_columns : int, default=None
            Images per row of the grid. None makes the grid about square.

        Returns
        -------
        display : DigitsDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If `order` is unknown or needs labels that are missing, shapes disagree, the rows are not images, or a
            number is less than 1.
        ImportError
            If matplotlib is missing.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        if order == "confidently_wrong" and (y_true is None or y_pred is None):
            missing = "true labels" if y_true is None else "y_pred"
            raise ValueError(f"order='confidently_wrong' needs {missing}.")
        images = as_images(X, image_shape)
        y_true = None if y_true is None else check_labels_1d(y_true, "y_true")
        y_pred = None if y_pred is None else check_labels_1d(y_pred, "y_pred")
        if y_true is not None and y_pred is not None:
            check_same_kind(y_true, y_pred, "y_true", "y_pred")
        confidence = None if confidence is None else column_or_1d(confidence)
        check_consistent_length(images, y_true, y_pred, confidence)
        rows = np.arange(len(images))
        if order == "confidently_wrong":
            rows = np.flatnonzero(y_true != y_pred)
            if confidence is not None:
                rows = rows[np.argsort(-confidence[rows], kind="stable")]
        rows = rows[:n_images]
        return cls(
            images[rows],
            y_true=None if y_true is None else y_true[rows],
            y_pred=None if y_pred is None else y_pred[rows],
            confidence=None if confidence is None else confidence[rows],
        ).plot(ax=ax, n_columns=n_columns)

    @validate_params(_N_COLUMNS)
    def plot(self, *, ax: Any = None, n_columns: int | None = None) -> DigitsDisplay:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into. None makes a new figure that fits the grid.
        n_columns : int, default=None
            Images per row of the grid. None makes the grid about square.

        Returns
        -------
        display : DigitsDisplay
            This display, with `ax_`, `figure_`, `images_` and `text_`.
        """
        n_images = len(self.images)
        n_columns = n_columns or max(1, int(np.ceil(n_images**0.5)))
        n_rows = max(1, -(-n_images // n_columns))
        caption_lines = 1 if self.y_true is None or self.y_pred is None else 2
        cell_width, cell_height = 1.2, 1.1 + 0.2 * caption_lines
        ax = make_axes(
            ax,
            f"{type(self).__name__}.plot",
            # The title needs a minimum width, even with few images.
            figsize=(max(1.15 * n_columns * cell_width, 3.2), 1.15 * n_rows * cell_height + 0.4),
        )
        self.images_: list[Any] = []
        self.text_: list[Any] = []
        for i, image in enumerate(self.images):
            left, top = (i % n_columns) * cell_width, (i // n_columns) * cell_height
            bottom = top + cell_height - 0.05
            self._draw_image(ax, image, (left, left + 1, bottom, bottom - 1), wrong=self._is_wrong(i))
            self.text_.append(
                ax.text(
                    left + 0.5,
                    bottom - 1.05,
                    self._caption(i),
                    ha="center",
                    va="bottom",
                    fontsize="small",
                    fontweight="bold" if self._is_wrong(i) else "normal",
                )
            )
        if n_images == 0:
            ax.text(0.5, 0.5, "no image to show", ha="center", va="center", transform=ax.transAxes)
        ax.set(
            xlim=(-0.1, n_columns * cell_width - 0.1),
            ylim=(n_rows * cell_height, 0),
            aspect="equal",
            title=self._title(),
        )
        ax.set_axis_off()
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_image(self, ax: Any, image: NDArray, extent: tuple[float, float, float, float], *, wrong: bool) -> None:
        from matplotlib.patches import Rectangle

        self.images_.append(ax.imshow(image, cmap="gray_r", extent=extent, interpolation="nearest"))
        left, right, bottom, top = extent
        color, width = ("black", 2.5) if wrong else ("0.7", 0.8)
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=color, linewidth=width)
        ax.add_patch(frame)

    def _is_wrong(self, i: int) -> bool:
        return self.y_true is not None and self.y_pred is not None and bool(self.y_pred[i] != self.y_true[i])

    def _caption(self, i: int) -> str:
        true = "" if self.y_true is None else str(self.y_true[i])
        if self.y_pred is None:
            return true
        confidence = "" if self.confidence is None else f" ({self.confidence[i]:.1%})"
        predicted = f"{self.y_pred[i]}{confidence}"
        return f"true {true}\nas {predicted}" if true else predicted

    def _title(self) -> str:
        confidence = "" if self.confidence is None else " (confidence)"
        if self.y_true is None:
            return "" if self.y_pred is None else f"predicted label{confidence}"
        return "true label" if self.y_pred is None else f"true label, predicted as{confidence}"
