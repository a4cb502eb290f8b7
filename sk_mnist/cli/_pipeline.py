"""The Pipeline that the commands train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def make_pipeline(recipe: Literal["reference", "fast", "accurate", "wide"] = "reference", **params: Any) -> Pipeline:
    """Return the Pipeline of a recipe; fitted on pixels of 0 to 1, it also reads bytes."""
    from sk_mnist.pipeline import make_mnist_pipeline

    return make_mnist_pipeline(recipe, **params).set_params(scale__pixel_max="dtype")
