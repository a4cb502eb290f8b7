"""Code that the Displays share: the optional import, the axes, the palette."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from sk_mnist._optional import import_optional

# Okabe and Ito's palette, which colour-blind readers can distinguish, without its yellow, which is too pale on white.
# Line styles and markers vary as well, so that the pictures are readable in black and white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINE_STYLES = ("-", "--", "-.", ":")
# Marks the best epoch or candidate.
STAR = {"linestyle": "none", "marker": "*", "markerfacecolor": "white", "zorder": 3}


def import_pyplot(caller: str) -> Any:
    """Return `matplotlib.pyplot`, or raise an error that tells how to install it."""
    return import_optional("matplotlib.pyplot", caller)


def make_axes(ax: Any, caller: str, *, figsize: tuple[float, float] | None = None) -> Any:
    """Return `ax`, or the axes of a new figure."""
    plt = import_pyplot(caller)
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def last_step(estimator: Any) -> Any:
    """Return the final estimator of a Pipeline (of the best one of a search), or the estimator itself."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator
