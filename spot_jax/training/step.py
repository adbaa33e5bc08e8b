"""The training step: what is trained and what is frozen are two arguments.

`loss(trained, frozen, batch, key)` is differentiated in its first argument, so
gradients, optimizer state and checkpoints exist for what is trained and for nothing
else. Prompt tuning and model tuning are the same step with another split.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from spot_jax.model import sharding, tying
from spot_jax.model.binding import Binding
from spot_jax.model.objective import make_loss, scales_of
from spot_jax.optim import Optimizer
from spot_jax.settings import Loss
from spot_jax.t5 import T5Config
from spot_jax.training.guard import make_guard

# Folded into a step's key where there are rows of another shape besides.
_LONGER = 2**30


@flax.struct.dataclass
class TrainState:
    """What a step changes.

    Attributes:
        step: [] int32, steps done.
        trained: the trained arrays.
        optimizer: the optimizer's state for them.
        diverged: [prompts] int32, the step at which each one diverged; 0: it has not.
    """

    step: jax.Array
    trained: PyTree
    optimizer: PyTree
    diverged: jax.Array


def initial_state(
    trained: PyTree, optimizer: Optimizer, binding: Binding
) -> TrainState:
    """Returns the state before the first step."""
    # One state a prompt: statistics over a whole bank would let its prompts mix.
    init = optimizer.init if binding.bank is None else jax.vmap(optimizer.init)
    states = list(map(init, binding.split(trained)))
    diverged = jnp.zeros(binding.prompts, jnp.int32)
    return TrainState(jnp.int32(0), trained, binding.joined(states), diverged)


def diverged_in(state: TrainState) -> dict[int, int]:
    """Returns the step at which prompts have diverged, {index in the bank: step}."""
    steps = sharding.fetched(state.diverged).tolist()
    return {index: step for index, step in enumerate(steps) if step}


def make_train_step(
    config: T5Config,
    binding: Binding,
    optimizer: Optimizer,
    options: Loss,
    *,
    target_length: int,
    microbatches: int = 1,
    rates: Sequence[int] | None = None,
    last_steps: Sequence[int | None] | None = None,
    places: TrainState | None = None,
) -> Callable[[TrainState, PyTree, list, Any], tuple[TrainState, dict]]:
    """Compiles `train_step(state, frozen, batch, key) -> (state, metrics)`.

    `state` is donated, `frozen` is not touched; `batch` lists the rows, those of each
    shape together; `key` is the run's, the step folds its number in. It runs
    `sharding.on_mesh`. Arrays keep the shardings they arrive with: rows over the data
    axis, weights by their logical axes, prompts replicated.

    Args:
        config: the T5; a dropout_rate of 0 makes the step deterministic, where the
            binding has none either.
        binding: what is trained.
        optimizer: what moves it; of a bank, each prompt's update is its own.
        options: what the loss is.
        target_length: TASK_FEATURE_LENGTHS['targets'].
        microbatches: in how many parts a batch is computed, to save memory.
        rates: [bank] which of the optimizer's rates each prompt has; None: there is
            one.
        last_steps: [bank] the last step that moves each prompt, None: no step is; None:
            of all prompts.
        places: the shardings that a state arrives with and leaves with; None: the
            compiler chooses those of a tuned model, and another may follow from it.

    Returns:
        The step. Its metrics are arrays [prompts]: those of `losses.prompt_losses`,
        gradient_norm, and diverged as the state has it.
    """
    loss = make_loss(config, binding, options, target_length=target_length)
    update = _make_update(optimizer, binding, rates)
    guarded = make_guard(binding, last_steps)

    drops = config.dropout_rate or binding.dropout

    def train_step(state, frozen, batch, key):
        # By the step's number alone, so that a run that resumes drops the same.
        key = jax.random.fold_in(key, state.step) if drops else None
        gradients, metrics = _gradients(loss, state.trained, frozen, batch, key)
        gradients = tying.summed(binding, gradients)
        new = update(gradients, state.optimizer, state.trained)
        metrics["gradient_norm"] = _norms(gradients, binding)
        is_finite = jnp.isfinite(metrics["loss"] + metrics["gradient_norm"])
        number, old = state.step + 1, (state.trained, state.optimizer)
        moved, diverged = guarded(number, state.diverged, is_finite, new, old)
        metrics = sharding.whole(metrics | {"diverged": diverged})
        if not binding.tunes_model:
            moved = sharding.whole(moved)
        return TrainState(number, *moved, diverged), metrics

    def _gradients(loss, trained, frozen, batch, key):
        # Of the whole batch, whose tokens a part of it cannot count.
        scales = scales_of(batch, binding, options, target_length)
        gradient = jax.grad(loss, has_aux=True)
        found = []
        for number, (rows, of_rows) in enumerate(zip(batch, scales, strict=True)):
            # Rows of one shape draw as they do where there are no others.
            own = jax.random.fold_in(key, _LONGER) if number and drops else key
            given = trained, frozen, rows, own, of_rows
            if microbatches == 1:
                found.append(gradient(*given))
            else:
                found.append(_accumulate(gradient, *given, microbatches))
        return jax.tree.map(lambda *each: sum(each), *found)

    return jax.jit(train_step, donate_argnums=0, out_shardings=(places, None))


def _make_update(
    optimizer: Optimizer, binding: Binding, rates: Sequence[int] | None
) -> Callable[[PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]:
    """Returns `update(gradients, state, trained)`, each prompt's its own."""
    if binding.bank is None:
        return optimizer.update
    # Without several rates, the very program that there is for one.
    axes = (0, 0, 0, None if rates is None else 0)
    of_group = jax.vmap(optimizer.update, in_axes=axes)

    def update(gradients, state, trained):
        numbers = [
            None if rates is None else np.int32(rates)[members]
            for members in binding.members()
        ]
        groups = zip(*map(binding.split, (gradients, state, trained)), strict=True)
        pairs = [of_group(*g, n) for g, n in zip(groups, numbers, strict=True)]
        trained, states = zip(*pairs, strict=True)
        return binding.joined(trained), binding.joined(states)

    return update


def dropout_key(seeds: int | Sequence[int]) -> jax.Array:
    """Returns the key of dropout, which no two lists of seeds share."""
    first, *others = [seeds] if isinstance(seeds, int) else seeds
    # The default generator doubles the time that small steps take on a CPU.
    key = jax.random.key(first, impl="rbg")
    for other in others:
        key = jax.random.fold_in(key, other)
    return key


def _accumulate(gradient, trained, frozen, batch, key, scales, parts: int):
    """Sums gradients and metrics over parts of the batch, one after the other."""

    # Part i takes rows i, i + parts, ...: each device keeps rows it already holds.
    def split_rows(x):
        return jnp.moveaxis(x.reshape(-1, parts, *x.shape[1:]), 1, 0)

    def add_part(total, part):
        index, rows, scales = part
        # With one key all parts would drop the same places.
        part_key = None if key is None else jax.random.fold_in(key, index)
        new = gradient(trained, frozen, rows, part_key, scales)
        return jax.tree.map(jnp.add, total, new), None

    parts_of = jax.tree.map(split_rows, (batch, scales))
    first = jax.tree.map(lambda x: x[0], parts_of)
    shapes = jax.eval_shape(gradient, trained, frozen, first[0], key, first[1])
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    total, _ = jax.lax.scan(add_part, zeros, (jnp.arange(parts), *parts_of))
    return total


def _norms(gradients: PyTree, binding: Binding) -> jax.Array:
    """Returns [prompts] the norm of each prompt's gradient, or [1] the model's."""
    if binding.bank is None:
        return _norm(gradients)[None]
    norms = [jax.vmap(_norm)(group) for group in binding.split(gradients)]
    return jnp.concatenate(norms)[binding.places()]


def _norm(tree: PyTree) -> jax.Array:
    squares = [
        jnp.sum(jnp.square(x.astype(jnp.float32))) for x in jax.tree.leaves(tree)
    ]
    return jnp.sqrt(sum(squares))
