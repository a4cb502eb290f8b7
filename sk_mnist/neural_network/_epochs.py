"""The loop over epochs: training, validation, callbacks, stopping."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from sk_mnist.neural_network._batches import (
    MAX_PREFETCHED_BYTES,
    Block,
    DropoutMasks,
    MakeTargets,
    count_row_bytes,
    draw_order,
    make_blocks,
    make_distorting_generator,
    prefetch,
)
from sk_mnist.neural_network._checkpoint import Checkpoint
from sk_mnist.neural_network._forward import BATCH_ROWS, log_softmax, logits
from sk_mnist.neural_network._job import Job, Settings, Specification
from sk_mnist.neural_network._reporting import EpochReporter, Task
from sk_mnist.neural_network._rows import Rows
from sk_mnist.neural_network._schedules import LearningRates
from sk_mnist.neural_network._training import MONITORS, Best, History, Layer, State, append_epoch, arrays_of

Layers = list[Layer]
Logs = dict[str, float]


class Network(Protocol):
    """A compiled network, whose weights and optimizer can be read and replaced."""

    specification: Specification
    optimizer_key: str  # the settings of its optimizer
    learning_rate: np.float32  # of the last step, or of the next one if it has been set since

    @property
    def has_average(self) -> bool:
        """Whether the optimizer averages the weights."""

    def get_layers(self) -> Layers: ...

    def set_layers(self, layers: Sequence[Layer]) -> None: ...

    def get_slots(self) -> list[np.ndarray]: ...

    def set_slots(self, slots: Sequence[np.ndarray] | None) -> None:
        """Set the optimizer's variables; None makes it a new optimizer."""

    def use_average(self) -> None:
        """Replace the weights with their average, if there is one."""

    def restart_average(self) -> None:
        """Restart the average, if there is one, from the current weights."""

    def compile(self) -> None: ...

    def find_dropout(self, dropout: float) -> list[float]:
        """Return the dropout of each hidden layer that has any: ``dropout``, unless a callback has changed it."""

    def make_hyperparameters(self, settings: Settings, dropout: Sequence[float]) -> Any: ...

    def as_tensors(self, block: Block) -> list[Any]: ...

    def train_block(self, tensors: Sequence[Any], rates: np.ndarray, hyperparameters: Any) -> list[float]:
        """Train on a block; return the sums of loss, hits and weights over its rows.

        If there are outliers, these are followed by the sums of loss and weights over the outliers. If there is a
        penalty, the last value is its part of the first one.
        """


class Callbacks(Protocol):
    """Objects that are called during training, with Keras' names for the hooks, and that may stop it."""

    has_batch_hooks: bool
    may_change_network: bool  # its weights and its learning rate

    @property
    def stops(self) -> bool: ...

    @property
    def first_epoch(self) -> int: ...

    def call(self, hook: str, *arguments: Any) -> None: ...

    def end_epoch(self, epoch: int, logs: Logs) -> Logs:
        """Return the logs with the values that the callbacks added."""


class NoCallbacks:
    """No callbacks."""

    has_batch_hooks = False
    may_change_network = False
    stops = False
    first_epoch = 0

    def call(self, hook: str, *arguments: Any) -> None:
        """Do nothing."""

    def end_epoch(self, epoch: int, logs: Logs) -> Logs:
        """Return the logs unchanged."""
        return logs


class Hooks(NamedTuple):
    """What is called in the course of a training."""

    task: Task
    callbacks: Callbacks
    checkpoint: Checkpoint | None


class Result(NamedTuple):
    """Result of a training."""

    state: State
    is_interrupted: bool


def run(job: Job, state: State, network: Network, make_targets: MakeTargets | None, hooks: Hooks) -> Result:
    """Train a network as a job describes.

    Parameters
    ----------
    job : Job
        The fit.
    state : State
        Where it begins, unless it resumes from a checkpoint.
    network : Network
        A compiled network of the job's specification; all of its state is replaced.
    make_targets : callable or None
        Takes rows and encoded labels; returns the probabilities to learn. None: the labels are the targets.
    hooks : Hooks
        What is called.

    Returns
    -------
    result : Result
        The state of the training, and whether Ctrl-C ended it.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C ended it before the first step.
    """
    epochs = _Epochs(job, network, make_targets, hooks)
    epochs.begin_from(state)
    # The network has copies now, and these arrays may be large.
    del state
    return epochs.run()


class _Epochs:
    """The epochs of a job."""

    def __init__(self, job: Job, network: Network, make_targets: MakeTargets | None, hooks: Hooks) -> None:
        self.job = job
        self.settings = job.settings
        self.network = network
        self.make_targets = make_targets
        self.task, self.callbacks, self.checkpoint = hooks
        self.reporter = EpochReporter(job.verbose)
        self.last_epoch = job.settings.first_epoch + job.settings.n_epochs
        n_steps = job.settings.n_epochs * job.steps_per_epoch
        assert job.settings.learning_rate is not None
        self.rates = LearningRates(job.settings.schedule, job.settings.learning_rate, n_steps)
        self._has_trained = False

    def begin_from(self, state: State) -> None:
        """Set all state of the network: to this one or, if there is a later one, to that of the checkpoint."""
        self._adopt(state)
        self.network.learning_rate = self.rates.current
        if self.checkpoint is None:
            return
        first = self._state()
        saved = self.checkpoint.load(first)
        if saved is None:
            # Fails before the first epoch if the directory is not writable.
            self.checkpoint.save(first)
            return
        self._adopt(saved)
        self._has_trained = saved.n_epochs > self.settings.first_epoch

    def _adopt(self, state: State) -> None:
        if state.slots is not None and state.optimizer == self.network.optimizer_key:
            self.network.set_layers(state.layers)
            self.network.set_slots(state.slots)
        else:
            self.network.set_layers(state.fitted_layers)
            self.network.set_slots(None)
        self.history = {name: [*values] for name, values in state.history.items()}
        self._best = replace(state.best)

    def _state(self) -> State:
        network = self.network
        return State(
            network.get_layers(),
            slots=network.get_slots(),
            optimizer=network.optimizer_key,
            history=self.history,
            best=self._best,
        )

    def run(self) -> Result:
        """Train. Ctrl-C ends the training; before the first step it raises KeyboardInterrupt."""
        logs: Logs = {}
        is_interrupted = False
        try:
            logs = self._run_epochs(self._begin())
        except KeyboardInterrupt:
            if not self._has_trained:
                raise
            is_interrupted = True
        return self._result(logs, is_interrupted=is_interrupted)

    def _begin(self) -> int:
        """Prepare training; return the first epoch, which is a later one if training is resumed."""
        self.callbacks.call("on_train_begin")
        first_epoch = max(len(self.history["loss"]), self.callbacks.first_epoch)
        if first_epoch > self.settings.first_epoch and not self.rates.is_constant:
            # The restored variables of the optimizer include the rate of the previous step.
            self.network.learning_rate = self.rates.current
        self._adopt_rate("on_train_begin")
        self.network.compile()
        self._dropout = self.network.find_dropout(self.settings.dropout)
        self._hyperparameters = self.network.make_hyperparameters(self.settings, self._dropout)
        return first_epoch

    def _run_epochs(self, first_epoch: int) -> Logs:
        logs: Logs = {}
        patience = self.settings.patience
        for epoch in range(first_epoch, self.last_epoch):
            if patience is not None and self._best.n_worse >= patience:
                break
            start = time.perf_counter()
            self.task.begin_epoch()
            self._tell("on_epoch_begin", epoch)
            logs = self._train_epoch(epoch)
            with self._average_in_place():
                if self.job.validation is not None:
                    logs |= self._validate(self.job.validation)
                is_stopped = self._end_epoch_of_task(logs)
                logs = self.callbacks.end_epoch(epoch, logs)
                self._adopt_rate("on_epoch_end")
                if self.job.validation is not None:
                    self._update_best(MONITORS[self.settings.monitor] * logs[self.settings.monitor])
            append_epoch(self.history, logs)
            if self.checkpoint is not None:
                self.checkpoint.save(self._state())
            seconds = time.perf_counter() - start
            self.reporter.report(epoch + 1, self.last_epoch, seconds, logs)
            # A callback stops this call of fit; one that resumes from the checkpoint trains the other epochs.
            if is_stopped or self.callbacks.stops:
                break
        return logs

    def _end_epoch_of_task(self, logs: Logs) -> bool:
        def describe() -> tuple[Layers, History]:
            history = {name: [*values] for name, values in self.history.items()}
            append_epoch(history, logs)
            return self.network.get_layers(), history

        return self.task.end_epoch(describe)

    def _update_best(self, score: float) -> None:
        self._best.n_worse += 1
        if self.settings.patience is not None and score > self._best.score:
            self._best = Best(score, 0, self.network.get_layers())

    @contextmanager
    def _average_in_place(self) -> Iterator[None]:
        """Replace the weights with the optimizer's average, if it keeps one, while they are validated and kept."""
        if not self.network.has_average:
            yield
            return
        trained = self.network.get_layers()
        self.network.use_average()
        averaged = self.network.get_layers()
        try:
            yield
        finally:
            # Training continues from the weights before averaging, unless a callback has set others.
            if _are_equal(self.network.get_layers(), averaged):
                self.network.set_layers(trained)

    def _train_epoch(self, epoch: int) -> Logs:
        network, rows, block = self.network, self.job.training, self.settings.block
        masks = DropoutMasks(network.specification.dropout_layer_sizes, self._dropout, self.settings.seed, epoch)
        made: Iterator[tuple[int, list[Any]]] = map(self._as_tensors, self._blocks_of(epoch, masks))
        if block.batch_size * count_row_bytes(rows, masks.n_units) < MAX_PREFETCHED_BYTES:
            # Tensors are also made in the thread that gathers the rows: copying takes a tenth as long as training.
            made = prefetch(made)
        first_step = (epoch - self.settings.first_epoch) * self.job.steps_per_epoch
        sums = np.zeros(network.specification.n_sums)
        step = 0
        for n_steps, tensors in made:
            if self.callbacks.has_batch_hooks:
                # Callbacks see the rate of the batch that begins, and may set another.
                network.learning_rate = self.rates.advance(first_step + step, n_steps)[0]
                self._tell("on_train_batch_begin", step)
            rates = self.rates.advance(first_step + step, n_steps)
            sums = sums + np.array(network.train_block(tensors, rates, self._hyperparameters))
            self._has_trained = True
            step += n_steps
            if self.callbacks.has_batch_hooks:
                self._tell("on_train_batch_end", step - 1, _means(sums))
            if self.callbacks.stops:
                break
        if epoch == 0 and network.specification.has_penalty and sums[-1] > sums[0] / 2:
            self._warn_of_penalty(sums[-1] / sums[0])
        return {"loss": np.nan, "accuracy": np.nan} | _means(sums)

    def _warn_of_penalty(self, share: float) -> None:
        weights = self.job.rows.weight
        warnings.warn(
            f"The penalty is {share:.0%} of the loss of the first epoch, so the network learns little but small "
            f"weights. alpha={self.settings.alpha:g} is divided by the sum of sample_weight in each batch, and all "
            f"{len(weights):,} weights sum to {weights.sum():.4g}. Lower alpha, or scale sample_weight to a mean of 1."
        )

    def _blocks_of(self, epoch: int, masks: DropoutMasks) -> Iterator[Block]:
        rows, block = self.job.training, self.settings.block
        order = draw_order(self.settings.seed, epoch, len(rows))
        if self.callbacks.stops:
            # If a callback stopped training before it began, one batch is trained, as in Keras.
            order = order[: block.batch_size]
        return make_blocks(
            rows,
            order,
            block,
            masks=masks,
            fill=self.network.specification.xla_shape is not None,
            distort=self._distortion_in(epoch),
            make_targets=self.make_targets,
        )

    def _as_tensors(self, block: Block) -> tuple[int, list[Any]]:
        return block.n_steps, self.network.as_tensors(block)

    def _distortion_in(self, epoch: int) -> Callable[[np.ndarray, int], np.ndarray] | None:
        """Return the function that distorts rows of an epoch, given the position of the first one in its order."""
        settings, distortion = self.settings, self.job.distortion
        if distortion is None:
            return None
        # 0 in the first epoch, which includes the only epoch of partial_fit, and 1 in the last.
        done = (epoch - settings.first_epoch) / max(1, settings.n_epochs - 1)

        def distort(rows: np.ndarray, first: int) -> np.ndarray:
            return distortion.distort(rows, make_distorting_generator(settings.seed, epoch, first), done)

        return distort

    def _validate(self, validation: Rows) -> Logs:
        self._tell("on_test_begin")
        self._tell("on_test_batch_begin", 0)
        logs = _validation_scores(validation, self.network.get_layers(), self.network.specification.activation)
        self._tell("on_test_batch_end", 0, dict(logs))
        self._tell("on_test_end", dict(logs))
        return {f"val_{name}": value for name, value in logs.items()}

    def _result(self, logs: Logs, *, is_interrupted: bool) -> Result:
        network = self.network
        # `trained` is what training would continue from, `kept` is what the network predicts with. They differ if the
        # optimizer averages the weights.
        trained = kept = network.get_layers()
        if self._best.layers is not None:
            trained = kept = self._best.layers
            network.set_layers(kept)
            network.restart_average()
        elif network.has_average:
            network.use_average()
            kept = network.get_layers()
        # As in Keras, on_train_end is not called after Ctrl-C, so that BackupAndRestore keeps its backup.
        if not is_interrupted:
            is_interrupted = self._is_interrupted_at_the_end(logs)
        if self.callbacks.may_change_network and not _are_equal(given := network.get_layers(), kept):
            trained = kept = given
            network.restart_average()
        if not self.job.keeps_optimizer:
            return Result(State(kept, history=self.history), is_interrupted)
        average = kept if network.has_average else None
        state = State(trained, average, network.get_slots(), network.optimizer_key, self.history)
        return Result(state, is_interrupted)

    def _is_interrupted_at_the_end(self, logs: Logs) -> bool:
        try:
            self.callbacks.call("on_train_end", logs)
        except KeyboardInterrupt:
            return True
        return False

    def _tell(self, hook: str, *arguments: Any) -> None:
        self.callbacks.call(hook, *arguments)
        self._adopt_rate(hook)

    def _adopt_rate(self, hook: str) -> None:
        if self.callbacks.may_change_network:
            self.rates.adopt(self.network.learning_rate, hook)


def _means(sums: np.ndarray) -> Logs:
    """Means over the rows so far; without those of a kind of which there was none."""
    loss, hits, weight, *others = map(float, sums)
    means = {"loss": loss / weight, "accuracy": hits / weight} if weight else {}
    if len(others) >= 2 and others[1]:
        means["outlier_loss"] = others[0] / others[1]
    return means


def _validation_scores(rows: Rows, layers: Layers, activation: str) -> Logs:
    # Uses the forward pass of prediction, so the scores are those that `score` would return.
    log_proba = log_softmax(_logits(rows, layers, activation))
    row_losses = -log_proba[np.arange(len(rows)), rows.y]
    return {
        "loss": float(np.average(row_losses, weights=rows.weight)),
        "accuracy": float(np.average(log_proba.argmax(axis=1) == rows.y, weights=rows.weight)),
    }


def _logits(rows: Rows, layers: Layers, activation: str) -> np.ndarray:
    if rows.positions is None:
        return logits(rows.X, layers, activation)
    starts = range(0, len(rows), BATCH_ROWS)
    batches = (rows.gather(np.arange(start, min(start + BATCH_ROWS, len(rows)))) for start in starts)
    return np.concatenate([logits(batch, layers, activation) for batch in batches])


def _are_equal(one: Layers, other: Layers) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays_of(one), arrays_of(other), strict=True))
