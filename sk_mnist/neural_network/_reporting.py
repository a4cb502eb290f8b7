"""The line that is printed or logged for each epoch."""

import logging
import sys
from collections.abc import Iterator

logger = logging.getLogger("sk_mnist.neural_network")


def report_epoch(number: int, last: int, seconds: float, logs: dict[str, float], *, is_verbose: bool) -> None:
    """Log the values of an epoch at INFO and, if the training is verbose, print them.

    Parameters
    ----------
    number, last : int
        Number of the epoch and of the last planned epoch, counted from 1.
    seconds : float
        Duration of the epoch.
    logs : dict of str to float
        Its values: "loss", "accuracy", "val_loss", ...
    is_verbose : bool
        Whether to print. A line that logging already shows on the terminal is not printed again.
    """
    is_logged = logger.isEnabledFor(logging.INFO)
    if not is_logged and not is_verbose:
        return
    scores = " - ".join(f"{name}: {value:{'.1e' if 0 < value < 1e-3 else '.4f'}}" for name, value in logs.items())
    line = f"Epoch {number}/{last} - {seconds:.1f}s - {scores}"
    if is_logged:
        logger.info("%s", line)
    if is_verbose and not (is_logged and any(map(_shows_information, _handlers(logger)))):
        print(line, flush=True)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Handlers that a record of a logger reaches."""
    place: logging.Logger | None = logger
    while place is not None:
        yield from place.handlers
        place = place.parent if place.propagate else None


def _shows_information(handler: logging.Handler) -> bool:
    return handler.level <= logging.INFO and getattr(handler, "stream", None) in (sys.stdout, sys.stderr)
