"""Updates of the weights by one operation of TensorFlow for each variable, where it computes what Keras computes.

Without XLA, most of a step is the launching of small operations. Keras' Adam launches about 15 for each variable.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

# Settings that the operations below do not cover, and the values that switch them off.
_NOT_COVERED = {
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "weight_decay": None,
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "amsgrad": False,
}

# Methods that an instance may have in place of those of its class.
_METHODS = {"apply", "apply_gradients", "update_step"}

Pairs = Sequence[tuple[tf.Tensor, keras.Variable]]


def apply_gradients(optimizer: keras.optimizers.Optimizer, pairs: Pairs) -> None:
    """Update variables, like the optimizer's method of this name.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Its settings count as they are when this is traced.
    pairs : sequence of (gradient, variable)
        The trainable variables with their gradients.
    """
    update = _find_update(optimizer)
    if update is None:
        optimizer.apply_gradients(pairs)
        return
    # Keras applies constraints after its own update.
    constrained = [pair for pair in pairs if pair[1].constraint is not None]
    unconstrained = [pair for pair in pairs if pair[1].constraint is None]
    if unconstrained:
        update(optimizer, unconstrained)
    if constrained or not pairs:
        # Counts the step, and rejects a network of which nothing is trained.
        optimizer.apply_gradients(constrained)
    else:
        optimizer.iterations.assign_add(1)


def _find_update(optimizer: keras.optimizers.Optimizer) -> Callable[[Any, Pairs], None] | None:
    if (
        any(getattr(optimizer, name, off) != off for name, off in _NOT_COVERED.items())
        or _METHODS & vars(optimizer).keys()
    ):
        return None
    return _UPDATES.get(type(optimizer))


def _update_by_adam(optimizer: Any, pairs: Pairs) -> None:
    dtype = pairs[0][1].dtype
    step = tf.cast(optimizer.iterations.value + 1, dtype)
    rate = tf.cast(optimizer.learning_rate, dtype)
    beta_1, beta_2 = optimizer.beta_1, optimizer.beta_2
    beta_1_power, beta_2_power = (tf.pow(_round_like_keras(beta, dtype), step) for beta in (beta_1, beta_2))
    for gradient, variable in pairs:
        index = optimizer._get_variable_index(variable.value)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=optimizer._momentums[index].value.handle,
            v=optimizer._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=rate,
            beta1=tf.constant(beta_1, dtype),
            beta2=tf.constant(beta_2, dtype),
            epsilon=tf.constant(optimizer.epsilon, dtype),
            grad=gradient,
        )


def _update_by_sgd(optimizer: Any, pairs: Pairs) -> None:
    dtype = pairs[0][1].dtype
    rate = tf.cast(optimizer.learning_rate, dtype)
    for gradient, variable in pairs:
        if optimizer.momentum == 0:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.value.handle, alpha=rate, delta=gradient)
            continue
        # Keras' momentum includes the learning rate of each step, as that of this operation does.
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.value.handle,
            accum=optimizer.momentums[optimizer._get_variable_index(variable.value)].value.handle,
            lr=rate,
            grad=gradient,
            momentum=_round_like_keras(optimizer.momentum, dtype),
            use_nesterov=optimizer.nesterov,
        )


def _round_like_keras(value: float, dtype: str) -> tf.Tensor:
    """Return a number in a dtype after rounding it to float32, as ``keras.ops.cast`` does."""
    return tf.cast(tf.constant(value, tf.float32), dtype)


_UPDATES: dict[type, Callable[[Any, Pairs], None]] = {
    keras.optimizers.Adam: _update_by_adam,
    keras.optimizers.SGD: _update_by_sgd,
}
