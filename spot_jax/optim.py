"""Optimizers that apply their own updates, and learning-rate schedules.

Built on optax. Statistics, clipping and rounding are those of T5X's optimizers, so
that a published recipe (Adafactor, learning rate 0.3) keeps its meaning. Everything
is elementwise or per parameter array: under `jax.vmap` over a bank of prompts, each
prompt is optimized as if it were alone.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from spot_jax.errors import InputError

Schedule = optax.Schedule
# Parameters, or what is like them: trees of one structure, arrays of the same shapes.
Tree = PyTree[Float[Array, "?*shape"], " Structure"]


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Turns gradients into new parameters.

    Attributes:
        transformation: the optax transformation that computes what is added.
        learning_rate: its schedule, a function of the run's own step (from 0).
        shrinkage: the part of every parameter that each step takes off.
    """

    transformation: optax.GradientTransformation
    learning_rate: Schedule
    shrinkage: float = 0.0

    def init(self, parameters: Tree) -> optax.OptState:
        """Returns the state before the first step; its statistics are float32."""
        return self.transformation.init(_float32(parameters))

    def update(
        self, gradients: Tree, state: optax.OptState, parameters: Tree
    ) -> tuple[Tree, optax.OptState]:
        """Applies one step.

        Args:
            gradients: like `parameters`, of any float dtype.
            state: from `init` or the previous step.
            parameters: arrays of any float dtype.

        Returns:
            The new parameters, in their own dtypes but computed in float32, and the
            new state.
        """
        exact = _float32(parameters)
        changes, state = self.transformation.update(_float32(gradients), state, exact)

        def apply(
            parameter: Float[Array, "*shape"],
            old: Float[Array, "*shape"],
            change: Float[Array, "*shape"],
        ) -> Float[Array, "*shape"]:
            # One expression, as in T5X: with the shrinkage folded into the change
            # (optax's add_decayed_weights) the last bit differs, and grows.
            return ((1.0 - self.shrinkage) * old + change).astype(parameter.dtype)

        return jax.tree.map(apply, parameters, exact, changes), state


def adafactor(
    learning_rate: float | Schedule,
    *,
    base_step: int,
    decay_rate: float = 0.8,
    weight_decay_rate: float = 1e-5,
    clipping_threshold: float | None = 1.0,
    multiply_by_parameter_scale: bool = False,
    factored: bool = False,
    momentum: float | None = None,
    epsilon1: float = 1e-30,
    epsilon2: float = 1e-3,
    min_dim_size_to_factor: int = 128,
) -> Optimizer:
    """Builds T5X's Adafactor; the defaults are those of prompt tuning (SPoT §2.1).

    Args:
        learning_rate: a value, or a schedule over the run's own steps.
        base_step: step of the checkpoint that the run starts from (1,100,000 for
            LM-adapted T5), which T5X goes on counting from. The second moment decays by
            1 - t^-decay_rate, t = base_step + the run's step + 1: a late clock keeps it
            small, and every update is then clipped to the size of the learning rate.
        decay_rate: the exponent above.
        weight_decay_rate: part of every parameter that each step takes off, whatever
            the learning rate.
        clipping_threshold: largest root mean square of an update before the learning
            rate; None for no clipping.
        multiply_by_parameter_scale: whether the learning rate is relative to the
            parameter's root mean square (model tuning) or absolute (prompts).
        factored: whether second moments of large matrices are kept as row and column
            means. Off for prompts, where 128 tokens or more would silently factor.
        momentum: decay of the first moment; None for no momentum.
        epsilon1: added to squared gradients.
        epsilon2: smallest parameter scale.
        min_dim_size_to_factor: size that a matrix's smaller side needs to be factored.

    Raises:
        InputError: `base_step` is negative.
    """
    if base_step < 0:
        raise InputError(
            f"base_step is {base_step}; give the step of the checkpoint that the run "
            "starts from, or 0 to start the optimizer's clock afresh."
        )
    schedule = _as_schedule(learning_rate)
    parts = [
        optax.scale_by_factored_rms(
            factored, decay_rate, -base_step, min_dim_size_to_factor, epsilon1
        )
    ]
    if clipping_threshold is not None:
        parts.append(optax.clip_by_block_rms(clipping_threshold))
    parts.append(optax.scale_by_learning_rate(schedule))
    if multiply_by_parameter_scale:
        parts.append(optax.scale_by_param_block_rms(epsilon2))
    if momentum is not None:
        parts.append(optax.ema(momentum, debias=False))
    return Optimizer(optax.chain(*parts), schedule, weight_decay_rate)


def adamw(
    learning_rate: float | Schedule,
    *,
    base_step: int = 0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Builds AdamW; its weight decay is multiplied by the learning rate.

    Args:
        learning_rate: a value, or a schedule over the run's own steps.
        base_step: taken because every optimizer is made with it; AdamW's clock, which
            corrects the bias of fresh moments, always starts with the run.
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: added to the root of the second moment.
        weight_decay: part of every parameter taken off at a learning rate of 1.

    Returns:
        The optimizer.
    """
    del base_step
    schedule = _as_schedule(learning_rate)
    return Optimizer(
        optax.adamw(schedule, b1, b2, eps, weight_decay=weight_decay), schedule
    )


# Schedules are partial functions of this module, and no closures: a run that is begun
# from Python is told from another by the names and values of what it was given.


def constant(value: float) -> Schedule:
    """Returns a schedule that is `value` at every step."""
    _require_rate(value)
    return functools.partial(_constant, value)


def linear_warmup(peak: float, warmup_steps: int) -> Schedule:
    """Returns a schedule that rises from 0 to `peak` and stays there."""
    _require_rate(peak)
    _require_warmup(warmup_steps)
    return functools.partial(_linear_warmup, peak, warmup_steps)


def linear_warmup_decay(peak: float, warmup_steps: int, total_steps: int) -> Schedule:
    """Returns a schedule that rises from 0 to `peak`, and falls to 0 at `total_steps`.

    Raises:
        InputError: when the run would be over before the warm-up is.
    """
    _require_rate(peak)
    _require_warmup(warmup_steps)
    if total_steps <= warmup_steps:
        raise InputError(
            f"The schedule ends at step {total_steps}, its warm-up at {warmup_steps}. "
            "Raise --gin.TRAIN_STEPS or lower --gin.WARMUP_STEPS."
        )
    return functools.partial(_linear_warmup_decay, peak, warmup_steps, total_steps)


def reciprocal_square_root(base: float, warmup_steps: int) -> Schedule:
    """Returns T5X's `constant * rsqrt_decay`: base / sqrt(max(step, warmup_steps))."""
    _require_rate(base)
    _require_warmup(warmup_steps)
    return functools.partial(_reciprocal_square_root, base, warmup_steps)


def linear_warmup_rsqrt(base: float, warmup_steps: int) -> Schedule:
    """Returns T5X's default, `constant * linear_warmup * rsqrt_decay`."""
    _require_rate(base)
    _require_warmup(warmup_steps)
    return functools.partial(_linear_warmup_rsqrt, base, warmup_steps)


def _constant(value, step):
    del step
    return value


def _linear_warmup(peak, warmup_steps, step):
    return peak * jnp.minimum(1.0, step / warmup_steps)


def _linear_warmup_decay(peak, warmup_steps, total_steps, step):
    fall = (total_steps - step) / (total_steps - warmup_steps)
    return peak * jnp.clip(jnp.minimum(step / warmup_steps, fall), 0.0, 1.0)


def _reciprocal_square_root(base, warmup_steps, step):
    return base / jnp.sqrt(jnp.maximum(step, warmup_steps))


def _linear_warmup_rsqrt(base, warmup_steps, step):
    rise = _linear_warmup(1.0, warmup_steps, step)
    return rise * _reciprocal_square_root(base, warmup_steps, step)


def _as_schedule(learning_rate: float | Schedule) -> Schedule:
    return learning_rate if callable(learning_rate) else constant(learning_rate)


def _require_rate(rate: float) -> None:
    if not rate >= 0:
        raise InputError(
            f"The learning rate is {rate}, which leads away from what is to be "
            "learned. Give one above 0: --gin.LEARNING_RATE=0.3."
        )


def _require_warmup(warmup_steps: int) -> None:
    if warmup_steps < 1:
        raise InputError(
            f"warmup_steps is {warmup_steps}; it must be at least 1 (for a learning "
            "rate without warm-up use constant)."
        )


def _float32(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)
