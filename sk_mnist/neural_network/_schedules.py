"""The learning rate of each step: from a schedule, or set by a callback."""

from collections.abc import Callable

import numpy as np

# Smith and Topin's "super-convergence" (arXiv:1708.07120) as implemented in PyTorch's OneCycleLR: rise from 1/25 of
# the peak over the first 30 % of the steps, then fall to 1/250,000 of it, both along a half cosine.
_WARM_UP = 0.3
_START = 1 / 25
_END = 1 / 250_000

# Takes the share of the steps that are done, in [0, 1); returns a factor of the peak.
Schedule = Callable[[np.ndarray], np.ndarray]


def _constant(done: np.ndarray) -> np.ndarray:
    return np.ones_like(done)


def _cosine(done: np.ndarray) -> np.ndarray:
    """Fall to 0 along a half cosine (Loshchilov and Hutter, arXiv:1608.03983, one cycle)."""
    return _half_cosine(1.0, 0.0, done)


def _one_cycle(done: np.ndarray) -> np.ndarray:
    """Rise to the peak, then fall (Smith and Topin, arXiv:1708.07120)."""
    climbing = _half_cosine(_START, 1.0, done / _WARM_UP)
    falling = _half_cosine(1.0, _END, (done - _WARM_UP) / (1 - _WARM_UP))
    return np.where(done < _WARM_UP, climbing, falling)


def _half_cosine(start: float, end: float, done: np.ndarray) -> np.ndarray:
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * np.clip(done, 0, 1)))


SCHEDULES: dict[str, Schedule] = {"constant": _constant, "cosine": _cosine, "one_cycle": _one_cycle}


class LearningRates:
    """The learning rates of one training.

    Parameters
    ----------
    schedule : str
        A key of ``SCHEDULES``.
    peak : float
        The largest learning rate of the schedule.
    n_steps : int
        Steps of the whole training.

    Attributes
    ----------
    current : float32
        Rate of the last step; before the first one, and after a callback has set it, of the next step.
    """

    def __init__(self, schedule: str, peak: float, n_steps: int) -> None:
        self._schedule = schedule
        self._peak = peak
        self._n_steps = n_steps
        self.current: np.float32 = self._scheduled(0, 1)[0]

    @property
    def is_constant(self) -> bool:
        """Whether the rate is the same in all steps, unless a callback sets it."""
        return self._schedule == "constant"

    def advance(self, first: int, n_steps: int) -> np.ndarray:
        """Return the rates of a number of steps from ``first`` on, counted from 0, in float32."""
        rates = np.full(n_steps, self.current) if self.is_constant else self._scheduled(first, n_steps)
        self.current = rates[-1]
        return rates

    def adopt(self, rate: np.float32, hook: str) -> None:
        """Continue at a rate that a callback has set in a hook; with a schedule, raise an error."""
        if rate == self.current:
            return
        if not self.is_constant:
            raise ValueError(
                f"A callback set the learning rate to {rate:g} in {hook}, but "
                f"learning_rate_schedule={self._schedule!r} sets it at each step. Use only one of them: remove "
                "the callback from keras_callbacks, or set learning_rate_schedule='constant'."
            )
        self.current = rate

    def _scheduled(self, first: int, n_steps: int) -> np.ndarray:
        done = np.arange(first, first + n_steps) / max(1, self._n_steps)
        return (self._peak * SCHEDULES[self._schedule](done)).astype(np.float32)
