"""Optimizers that apply their own updates, and learning-rate schedules.

Built on optax. Statistics, clipping and rounding are those of T5X's optimizers, so
that a published recipe (Adafactor, learning rate 0.3) keeps its meaning. Everything
is elementwise or per parameter array: under `jax.vmap` over a bank of prompts, each
prompt is optimized as if it were alone. Where several learning rates are given, a
schedule has a value of each, and every prompt is updated by one of them.
"""

import dataclasses
import functools
import math
import numbers
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from spot_jax.errors import InputError

# From a step to the learning rate: [] or, of several, [rates].
Schedule = optax.Schedule
# LEARNING_RATE: one, or several that a bank compares.
Rate = float | Sequence[float]
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

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates that its schedule is of; () where it does not tell."""
        schedule = self.learning_rate
        if getattr(schedule, "func", None) not in _SCHEDULES:
            return ()
        return tuple(np.atleast_1d(schedule.args[0]).tolist())

    def init(self, parameters: Tree) -> optax.OptState:
        """Returns the state before the first step; its statistics are float32."""
        return self.transformation.init(_float32(parameters))

    def update(
        self,
        gradients: Tree,
        state: optax.OptState,
        parameters: Tree,
        rate: Int[Array, ""] | None = None,
    ) -> tuple[Tree, optax.OptState]:
        """Applies one step.

        Args:
            gradients: like `parameters`, of any float dtype.
            state: from `init` or the previous step.
            parameters: arrays of any float dtype.
            rate: which of several `rates`, from 0; None where there is one.

        Returns:
            The new parameters, in their own dtypes but computed in float32, and the
            new state.
        """
        exact = _float32(parameters)
        chosen = {} if rate is None else {"rate": rate}
        update, gradients = self.transformation.update, _float32(gradients)
        changes, state = update(gradients, state, exact, **chosen)

        def apply(
            parameter: Float[Array, "*shape"],
            old: Float[Array, "*shape"],
            change: Float[Array, "*shape"],
        ) -> Float[Array, "*shape"]:
            # One expression, as in T5X: with the shrinkage folded into the change
            # (optax's add_decayed_weights) the last bit differs, and grows.
            return ((1.0 - self.shrinkage) * old + change).astype(parameter.dtype)

        return jax.tree.map(apply, parameters, exact, changes), state


def scale_by_rate(schedule: Schedule) -> optax.GradientTransformationExtraArgs:
    """Returns `optax.scale_by_learning_rate` for one of several rates, by its number.

    An optimizer of your own takes it in that one's place.
    """

    def update(updates, state, params=None, *, rate=None, **_):
        its_own = schedule if rate is None else lambda step: schedule(step)[rate]
        return optax.scale_by_learning_rate(its_own).update(updates, state, params)

    init = optax.scale_by_learning_rate(schedule).init
    return optax.GradientTransformationExtraArgs(init, update)


def adafactor(
    learning_rate: Rate | Schedule,
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
        learning_rate: a value, several for a bank to compare, or a schedule over the
            run's own steps.
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
    parts.append(scale_by_rate(schedule))
    if multiply_by_parameter_scale:
        parts.append(optax.scale_by_param_block_rms(epsilon2))
    if momentum is not None:
        parts.append(optax.ema(momentum, debias=False))
    return Optimizer(optax.chain(*parts), schedule, weight_decay_rate)


def adamw(
    learning_rate: Rate | Schedule,
    *,
    base_step: int = 0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Builds AdamW; its weight decay is multiplied by the learning rate.

    Args:
        learning_rate: as `adafactor` takes it.
        base_step: taken because every optimizer is made with it; AdamW's clock, which
            corrects the bias of fresh moments, always starts with the run.
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: added to the root of the second moment.
        weight_decay: part of every parameter taken off at a learning rate of 1.
    """
    del base_step
    schedule = _as_schedule(learning_rate)
    # As optax.adamw.
    parts = (
        optax.scale_by_adam(b1, b2, eps),
        optax.add_decayed_weights(weight_decay),
        scale_by_rate(schedule),
    )
    return Optimizer(optax.chain(*parts), schedule)


# Schedules are partial functions of this module, and no closures: a run that is begun
# from Python is told from another by the names and values of what it was given. The
# rate comes first, a tuple where there are several.


def constant(value: Rate) -> Schedule:
    """Returns a schedule that is `value` at every step.

    Args:
        value: LEARNING_RATE, 0.3 where prompts are tuned; a list gives each prompt of
            a bank its own.
    """
    return functools.partial(_constant, _checked(value))


def linear_warmup(peak: Rate, warmup_steps: int) -> Schedule:
    """Returns a schedule that rises from 0 to `peak` and stays there.

    Args:
        peak: LEARNING_RATE.
        warmup_steps: WARMUP_STEPS, how long it rises; of schedules that do.
    """
    peak = _checked(peak)
    _require_warmup(warmup_steps)
    return functools.partial(_linear_warmup, peak, warmup_steps)


def linear_warmup_decay(peak: Rate, warmup_steps: int, total_steps: int) -> Schedule:
    """Returns a schedule that rises from 0 to `peak`, and falls to 0 at `total_steps`.

    Raises:
        InputError: when the run would be over before the warm-up is.
    """
    peak = _checked(peak)
    _require_warmup(warmup_steps)
    if total_steps <= warmup_steps:
        raise InputError(
            f"The schedule ends at step {total_steps}, its warm-up at {warmup_steps}. "
            "Raise --gin.TRAIN_STEPS or lower --gin.WARMUP_STEPS."
        )
    return functools.partial(_linear_warmup_decay, peak, warmup_steps, total_steps)


def linear_decay(peak: Rate, total_steps: int) -> Schedule:
    """Returns a schedule that begins at `peak` and falls to 0 at `total_steps`.

    Raises:
        InputError: when the run has no steps.
    """
    peak = _checked(peak)
    if total_steps < 1:
        raise InputError(
            f"The schedule ends at step {total_steps}. Raise --gin.TRAIN_STEPS."
        )
    return functools.partial(_linear_decay, peak, total_steps)


def exponential_decay(base: Rate, decay: float = 0.95, every: int = 1000) -> Schedule:
    """Returns a schedule that is multiplied by `decay` after every epoch.

    Args:
        base: LEARNING_RATE.
        decay: DECAY_RATE, of what is left of the learning rate; 0.95 in P-Tuning v2 for
            tagging and questions.
        every: DECAY_EVERY, steps from one fall to the next: those of an epoch.

    Raises:
        InputError: when it would grow, or never fall.
    """
    base = _checked(base)
    if not 0 < decay <= 1 or every < 1:
        raise InputError(
            f"DECAY_RATE is {decay} and DECAY_EVERY {every}; the rate is multiplied by "
            "a number above 0 and up to 1, after 1 step or more."
        )
    return functools.partial(_exponential_decay, base, decay, every)


def reciprocal_square_root(base: Rate, warmup_steps: int) -> Schedule:
    """Returns T5X's `constant * rsqrt_decay`: base / sqrt(max(step, warmup_steps))."""
    base = _checked(base)
    _require_warmup(warmup_steps)
    return functools.partial(_reciprocal_square_root, base, warmup_steps)


def linear_warmup_rsqrt(base: Rate, warmup_steps: int) -> Schedule:
    """Returns T5X's default, `constant * linear_warmup * rsqrt_decay`."""
    base = _checked(base)
    _require_warmup(warmup_steps)
    return functools.partial(_linear_warmup_rsqrt, base, warmup_steps)


def _constant(value, step):
    del step
    return _array(value)


def _linear_warmup(peak, warmup_steps, step):
    return _array(peak) * jnp.minimum(1.0, step / warmup_steps)


def _linear_warmup_decay(peak, warmup_steps, total_steps, step):
    fall = (total_steps - step) / (total_steps - warmup_steps)
    return _array(peak) * jnp.clip(jnp.minimum(step / warmup_steps, fall), 0.0, 1.0)


def _linear_decay(peak, total_steps, step):
    return _array(peak) * jnp.clip(1.0 - step / total_steps, 0.0, 1.0)


def _exponential_decay(base, decay, every, step):
    falls = jnp.asarray(step // every, jnp.float32)
    return _array(base) * jnp.power(jnp.float32(decay), falls)


def _reciprocal_square_root(base, warmup_steps, step):
    return _array(base) / jnp.sqrt(jnp.maximum(step, warmup_steps))


def _linear_warmup_rsqrt(base, warmup_steps, step):
    rise = _linear_warmup(1.0, warmup_steps, step)
    return rise * _reciprocal_square_root(base, warmup_steps, step)


_SCHEDULES = (
    *(_constant, _linear_warmup, _linear_warmup_decay, _reciprocal_square_root),
    *(_linear_warmup_rsqrt, _linear_decay, _exponential_decay),
)


def _array(rate: float | tuple[float, ...]) -> float | Float[Array, " rates"]:
    return jnp.asarray(rate, jnp.float32) if isinstance(rate, tuple) else rate


def _as_schedule(learning_rate: Rate | Schedule) -> Schedule:
    return learning_rate if callable(learning_rate) else constant(learning_rate)


def _checked(rate: Rate) -> float | tuple[float, ...]:
    """Returns a learning rate, or a tuple of several."""
    rates = [rate] if np.ndim(rate) == 0 else list(rate)
    for each in rates:
        is_number = isinstance(each, numbers.Real) and not isinstance(each, bool)
        if not is_number or not 0 <= each < math.inf:
            raise InputError(
                f"The learning rate is {each!r}. Give a number above 0, such as "
                "--gin.LEARNING_RATE=0.3; others lead away from what is to be learned."
            )
    if not rates or len(set(rates)) < len(rates):
        raise InputError(
            f"LEARNING_RATE is {rates}. Give one rate, or a list that names each once: "
            '--gin.LEARNING_RATE="[0.1, 0.3]".'
        )
    return rates[0] if len(rates) == 1 else tuple(map(float, rates))


def _require_warmup(warmup_steps: int) -> None:
    if warmup_steps < 1:
        raise InputError(
            f"warmup_steps is {warmup_steps}; it must be at least 1 (for a learning "
            "rate without warm-up use constant)."
        )


def _float32(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)
