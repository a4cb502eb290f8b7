"""Fitted classifiers that older versions of this package have saved."""

from __future__ import annotations

import json
from numbers import Real
from typing import Any

import numpy as np

from sk_mnist.neural_network._training import OptimizerState


def update_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that the current version would have saved.

    Version 0.1 saved attributes that are now derived from others.

    Parameters
    ----------
    attributes : dict of str to object
        Attributes of a KerasMLPClassifier of any version.

    Returns
    -------
    updated : dict of str to object

    Raises
    ------
    ValueError
        If one that is now derived differs from what it is derived from.
    """
    history, coefs = attributes.get("history_"), attributes.get("coefs_")
    if not isinstance(history, dict) or not isinstance(coefs, list):
        return attributes
    loss = history.get("loss")
    derived = {
        "loss_curve_": loss,
        "loss_": loss[-1] if isinstance(loss, list) and loss else np.nan,
        "validation_scores_": history.get("val_accuracy"),
        "out_activation_": "softmax",
        "n_layers_": len(coefs) + 1,
    }
    for name in derived.keys() & attributes.keys():
        if not _are_same(attributes[name], derived[name]):
            raise ValueError(f"{name} differs from the attribute that it is derived from: history_ or coefs_")
    updated = {name: value for name, value in attributes.items() if name not in derived}
    if "_optimizer_state" in updated:
        updated["_optimizer_state"] = _split_optimizer_state(updated["_optimizer_state"], len(coefs))
    return updated


def _are_same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_same_numbers, one, other))
    return _are_same_numbers(one, other) or (
        isinstance(other, str | None) and type(one) is type(other) and one == other
    )


def _are_same_numbers(one: Any, other: Any) -> bool:
    if isinstance(one, Real) and isinstance(other, Real):
        return bool(one == other or (one != one and other != other))  # NaN is not equal to itself
    return False


def _split_optimizer_state(state: Any, n_layers: int) -> OptimizerState | Any:
    """Version 0.1 appended the layers before averaging to the optimizer's variables."""
    if not isinstance(state, tuple) or [type(part) for part in state] != [str, list]:
        return state
    settings, arrays = state
    n_trained = 2 * n_layers if _averages(settings) else 0
    return settings, arrays[: len(arrays) - n_trained], arrays[len(arrays) - n_trained :]


def _averages(settings: str) -> bool:
    """Whether an optimizer with these settings averages the weights."""
    try:
        return bool(json.loads(settings)["config"]["use_ema"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
