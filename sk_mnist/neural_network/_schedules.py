"""Learning-rate schedules by name."""

from collections.abc import Callable

import numpy as np

# Smith and Topin's "super-convergence" (arXiv:1708.07120) as implemented in PyTorch's OneCycleLR: rise from 1/25 of
# the peak over the first 30 % of the steps, then fall to 1/250,000 of it, both along a half cosine.
_WARM_UP = 0.3
_START = 1 / 25
_END = 1 / 250_000

# Takes the progress, in [0, 1); returns a factor of the peak.
Schedule = Callable[[np.ndarray], np.ndarray]


def _constant(progress: np.ndarray) -> np.ndarray:
    return np.ones_like(progress)


def _cosine(progress: np.ndarray) -> np.ndarray:
    """Fall to 0 along a half cosine (Loshchilov and Hutter, arXiv:1608.03983, one cycle)."""
    return _half_cosine(1.0, 0.0, progress)


def _one_cycle(progress: np.ndarray) -> np.ndarray:
    """Rise to the peak, then fall (Smith and Topin, arXiv:1708.07120)."""
    climbing = _half_cosine(_START, 1.0, progress / _WARM_UP)
    falling = _half_cosine(1.0, _END, (progress - _WARM_UP) / (1 - _WARM_UP))
    return np.where(progress < _WARM_UP, climbing, falling)


def _half_cosine(start: float, end: float, progress: np.ndarray) -> np.ndarray:
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * np.clip(progress, 0, 1)))


SCHEDULES: dict[str, Schedule] = {"constant": _constant, "cosine": _cosine, "one_cycle": _one_cycle}


def learning_rates(schedule: str, peak: float, steps: np.ndarray, n_steps: int) -> np.ndarray:
    """Learning rate at each of ``steps`` in a training of ``n_steps`` steps.

    Parameters
    ----------
    schedule : str
        A key of ``SCHEDULES``.
    peak : float
        The largest learning rate of the schedule.
    steps : ndarray of int
        Steps, counted from 0.
    n_steps : int
        Steps of the whole training.

    Returns
    -------
    rates : ndarray of float32, of the shape of ``steps``
    """
    return (peak * SCHEDULES[schedule](steps / max(1, n_steps))).astype(np.float32)
