"""The loop over epochs: training, validation, callbacks, stopping."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sk_mnist.neural_network._batches import (
    MAX_PREFETCHED_BYTES,
    Block,
    DropoutMasks,
    bytes_of_a_row,
    distorting_generator,
    epoch_blocks,
    epoch_order,
    prefetched,
)
from sk_mnist.neural_network._forward import BATCH_ROWS, log_softmax, logits
from sk_mnist.neural_network._reporting import report_epoch
from sk_mnist.neural_network._schedules import learning_rates
from sk_mnist.neural_network._training import (
    MONITORS,
    Best,
    Layer,
    NetworkState,
    Progress,
    TrainingData,
    TrainingPlan,
    TrainingResult,
    arrays_of,
    layers_of,
)

if TYPE_CHECKING:
    from sk_mnist.neural_network._network import Network

Layers = list[Layer]
Logs = dict[str, float]


class Callbacks(Protocol):
    """Objects that are called during training, with Keras' names for the hooks, and that may stop it."""

    @property
    def has_batch_hooks(self) -> bool: ...

    @property
    def stops(self) -> bool: ...

    @property
    def first_epoch(self) -> int: ...

    def call(self, hook: str, *arguments: Any) -> None: ...

    def end_epoch(self, epoch: int, logs: Logs) -> Logs: ...


class NoCallbacks:
    """No callbacks."""

    has_batch_hooks = False
    stops = False
    first_epoch = 0

    def call(self, hook: str, *arguments: Any) -> None:
        """Do nothing."""

    def end_epoch(self, epoch: int, logs: Logs) -> Logs:
        """Return the logs unchanged."""
        return logs


class Training:
    """One training run of a network: the epochs of a plan on some data."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        validation: TrainingData | None,
        plan: TrainingPlan,
        callbacks: Callbacks,
    ) -> None:
        self.network = network
        self.data = data
        self.validation = validation
        self.plan = plan
        self.callbacks = callbacks
        self.last_epoch = plan.first_epoch + plan.n_epochs
        self.n_steps = -(-len(data) // plan.batch_size)
        self.history: list[Logs] = []
        self._best = Best()
        self._has_trained = False

    def run(self, state: NetworkState) -> TrainingResult:
        """Train from a state. Ctrl-C ends the training; before the first step it raises KeyboardInterrupt."""
        self._reset(state)
        self._resume()
        logs: Logs = {}
        is_interrupted = False
        try:
            logs = self._run_epochs(self._begin())
        except KeyboardInterrupt:
            if not self._has_trained:
                raise
            is_interrupted = True
        return self._result(logs, is_interrupted=is_interrupted)

    def _reset(self, state: NetworkState) -> None:
        layers, slots = state.layers, None
        if state.optimizer is not None and state.optimizer[0] == self.network.spec.optimizer:
            slots = state.optimizer[1]
            if len(slots) == self.network.n_slots + 2 * len(layers):
                slots, layers = slots[: self.network.n_slots], layers_of(slots[self.network.n_slots :])
        self.network.set_layers(layers)
        self.network.set_optimizer(slots)
        # The network has copies now, and these arrays may be large.
        state.layers, state.optimizer = [], None
        self._rate = self._scheduled_rates(self.plan.first_epoch, 0, 1)[0]
        self.network.learning_rate = self._rate

    def _resume(self) -> None:
        """Resume from the checkpoint, if there is one."""
        checkpoint = self.plan.checkpoint
        if checkpoint is None:
            return
        progress = checkpoint.load()
        if progress is None:
            # Fails before the first epoch if the directory is not writable.
            checkpoint.save(self._progress())
            return
        self.network.set_layers(progress.layers)
        self.network.set_optimizer(progress.slots)
        self.history, self._best = progress.history, progress.best
        self._has_trained = bool(progress.history)

    def _progress(self) -> Progress:
        return Progress(self.network.get_layers(), self.network.get_optimizer(), self.history, self._best)

    def _begin(self) -> int:
        """Prepare training; return the first epoch, which is a later one if training is resumed."""
        self.callbacks.call("on_train_begin")
        first_epoch = max(self.plan.first_epoch + len(self.history), self.callbacks.first_epoch)
        if first_epoch > self.plan.first_epoch and self.plan.schedule != "constant":
            # The restored optimizer state includes the rate of the previous step.
            self.network.learning_rate = self._rate
        self._check_rate("on_train_begin")
        self.network.compile()
        self._dropout_rates = self.network.dropout_rates(self.plan.dropout)
        self._hyperparameters = self.network.hyperparameters(self.plan, self._dropout_rates)
        return first_epoch

    def _run_epochs(self, first_epoch: int) -> Logs:
        logs: Logs = {}
        plan = self.plan
        for epoch in range(first_epoch, self.last_epoch):
            if plan.patience is not None and self._best.n_worse >= plan.patience:
                break
            start = time.perf_counter()
            plan.on_epoch_begin()
            self._tell("on_epoch_begin", epoch)
            logs = self._train_epoch(epoch)
            with self._average_in_place():
                if self.validation is not None:
                    logs |= self._validate(self.validation)
                is_stopped = plan.on_epoch_end(self.network.get_layers, [*self.history, logs])
                logs = self.callbacks.end_epoch(epoch, logs)
                self._check_rate("on_epoch_end")
                if self.validation is not None:
                    self._update_best(MONITORS[plan.monitor] * logs[plan.monitor])
            self.history.append(logs)
            if plan.checkpoint is not None:
                plan.checkpoint.save(self._progress())
            report_epoch(epoch + 1, self.last_epoch, time.perf_counter() - start, logs, is_verbose=plan.is_verbose)
            # A callback stops this call of fit; one that resumes from the checkpoint trains the other epochs.
            if is_stopped or self.callbacks.stops:
                break
        return logs

    def _update_best(self, score: float) -> None:
        self._best.n_worse += 1
        if self.plan.patience is not None and score > self._best.score:
            self._best = Best(score, 0, self.network.get_layers())

    @contextmanager
    def _average_in_place(self) -> Iterator[None]:
        """Replace the weights with the optimizer's average, if it keeps one, while they are validated and kept."""
        if not self.network.has_average:
            yield
            return
        trained = self.network.get_layers()
        self.network.finish_weights()
        averaged = self.network.get_layers()
        try:
            yield
        finally:
            # Training continues from the weights before averaging, unless a callback has set others.
            if _are_equal(self.network.get_layers(), averaged):
                self.network.set_layers(trained)

    def _train_epoch(self, epoch: int) -> Logs:
        plan, network = self.plan, self.network
        order = epoch_order(plan.seed, epoch, len(self.data))
        if self.callbacks.stops:
            # If a callback stopped training before it began, one batch is trained, as in Keras.
            order = order[: plan.batch_size]
        masks = DropoutMasks(network.spec.dropout_layer_sizes, self._dropout_rates, plan.seed, epoch)
        blocks = epoch_blocks(
            self.data,
            order,
            plan.batch_size,
            plan.batches_per_block,
            masks=masks,
            fill=network.spec.xla_shape is not None,
            distort=self._distorted_in(epoch),
            make_targets=plan.make_targets,
        )

        def as_tensors(block: Block) -> tuple[int, list[Any]]:
            return block.n_steps, network.as_tensors(block)

        made: Iterator[tuple[int, list[Any]]] = map(as_tensors, blocks)
        if plan.batch_size * bytes_of_a_row(self.data, masks.n_units) < MAX_PREFETCHED_BYTES:
            # Tensors are also made in the thread that gathers the rows: copying takes a tenth as long as training.
            made = prefetched(made)
        sums, step = np.zeros(3), 0
        for n_steps, tensors in made:
            if self.callbacks.has_batch_hooks:
                self._rate = self._rates(epoch, step, n_steps)[0]
                network.learning_rate = self._rate
                self._tell("on_train_batch_begin", step)
            rates = self._rates(epoch, step, n_steps)
            sums += network.train(tensors, rates, self._hyperparameters)
            self._has_trained = True
            self._rate = rates[-1]
            step += n_steps
            if self.callbacks.has_batch_hooks:
                self._tell("on_train_batch_end", step - 1, _means(sums))
            if self.callbacks.stops:
                break
        return _means(sums)

    def _distorted_in(self, epoch: int) -> Callable[[np.ndarray, int], np.ndarray] | None:
        """Return the function that distorts rows of an epoch, given the position of the first one in its order."""
        plan, distort = self.plan, self.plan.distort
        if distort is None:
            return None
        # 0 in the first epoch, which includes the only epoch of partial_fit, and 1 in the last.
        progress = (epoch - plan.first_epoch) / max(1, plan.n_epochs - 1)
        return lambda rows, first_row: distort(rows, distorting_generator(plan.seed, epoch, first_row), progress)

    def _validate(self, validation: TrainingData) -> Logs:
        self._tell("on_test_begin")
        self._tell("on_test_batch_begin", 0)
        logs = _validation_scores(validation, self.network.get_layers(), self.network.spec.activation)
        self._tell("on_test_batch_end", 0, dict(logs))
        self._tell("on_test_end", dict(logs))
        return {f"val_{name}": value for name, value in logs.items()}

    def _result(self, logs: Logs, *, is_interrupted: bool) -> TrainingResult:
        network = self.network
        # `trained` is what training would continue from, `kept` is what the network predicts with. They differ if the
        # optimizer averages the weights.
        trained = kept = network.get_layers()
        if self._best.layers is not None:
            trained = kept = self._best.layers
            network.set_layers(kept)
            network.restart_average()
        elif network.has_average:
            network.finish_weights()
            kept = network.get_layers()
        if not isinstance(self.callbacks, NoCallbacks):
            # As in Keras, on_train_end is not called after Ctrl-C, so that BackupAndRestore keeps its backup.
            if not is_interrupted:
                is_interrupted = self._is_interrupted_at_the_end(logs)
            given = network.get_layers()
            if not _are_equal(given, kept):
                trained = kept = given
                network.restart_average()
        state = NetworkState(kept)
        if self.plan.keeps_optimizer:
            slots = network.get_optimizer() + (arrays_of(trained) if network.has_average else [])
            state.optimizer = network.spec.optimizer, slots
        return TrainingResult(state, self.history, is_interrupted)

    def _is_interrupted_at_the_end(self, logs: Logs) -> bool:
        try:
            self.callbacks.call("on_train_end", logs)
        except KeyboardInterrupt:
            return True
        return False

    def _rates(self, epoch: int, step: int, n_steps: int) -> np.ndarray:
        if self.plan.schedule == "constant":
            # Not the rate of the plan, because a callback may have changed it.
            return np.full(n_steps, self._rate, np.float32)
        return self._scheduled_rates(epoch, step, n_steps)

    def _scheduled_rates(self, epoch: int, step: int, n_steps: int) -> np.ndarray:
        first = (epoch - self.plan.first_epoch) * self.n_steps + step
        return learning_rates(
            self.plan.schedule,
            self.plan.learning_rate,
            np.arange(first, first + n_steps),
            self.plan.n_epochs * self.n_steps,
        )

    def _tell(self, hook: str, *arguments: Any) -> None:
        self.callbacks.call(hook, *arguments)
        self._check_rate(hook)

    def _check_rate(self, hook: str) -> None:
        """Adopt a learning rate that a callback has set; with a schedule, raise an error."""
        if isinstance(self.callbacks, NoCallbacks):
            return
        rate = self.network.learning_rate
        if rate == self._rate:
            return
        if self.plan.schedule != "constant":
            raise ValueError(
                f"A callback set the learning rate to {rate:g} in {hook}, but "
                f"learning_rate_schedule={self.plan.schedule!r} sets it at each step. Use only one of them: remove "
                "the callback from keras_callbacks, or set learning_rate_schedule='constant'."
            )
        self._rate = rate


def _means(sums: np.ndarray) -> Logs:
    loss, hits, weight = sums.tolist()
    return {"loss": loss / weight, "accuracy": hits / weight}


def _validation_scores(data: TrainingData, layers: Layers, activation: str) -> Logs:
    # Uses the forward pass of prediction, so the scores are those that `score` would return.
    log_proba = log_softmax(_logits(data, layers, activation))
    row_losses = -log_proba[np.arange(len(data)), data.y]
    return {
        "loss": float(np.average(row_losses, weights=data.sample_weight)),
        "accuracy": float(np.average(log_proba.argmax(axis=1) == data.y, weights=data.sample_weight)),
    }


def _logits(data: TrainingData, layers: Layers, activation: str) -> np.ndarray:
    if data.rows is None:
        return logits(data.X, layers, activation)
    starts = range(0, len(data), BATCH_ROWS)
    batches = (data.take(np.arange(start, min(start + BATCH_ROWS, len(data)))) for start in starts)
    return np.concatenate([logits(batch, layers, activation) for batch in batches])


def _are_equal(one: Layers, other: Layers) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays_of(one), arrays_of(other), strict=True))
