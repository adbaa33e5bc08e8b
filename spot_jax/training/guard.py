"""What keeps a prompt that diverges away from the others of its bank.

Prompts share rows, and what is no number at one place of a row is none in all of it,
for attention multiplies what it does not see by 0. So a prompt leaves the bank before
it holds such a number: it stays as it was before the step that would have led there.
"""

import functools
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from spot_jax.model.binding import Binding
from spot_jax.prompts.base import BANK_AXES, sites

# What a number of a prompt may be. None that works comes near: 262,144 steps at SPoT's
# rate of 0.3 lead to 78,643 at most, in the root mean square. And what is below keeps
# every activation finite, in bfloat16 too, for each layer begins with an RMS norm,
# whose float32 squares overflow from 1e19 on.
LARGEST = 1e8
# A step that there is not.
_NEVER = np.iinfo(np.int32).max


def make_guard(
    binding: Binding, last_steps: Sequence[int | None] | None = None
) -> Callable[..., tuple[PyTree, jax.Array]]:
    """Returns `guarded(number, diverged, is_finite, new, old) -> (kept, diverged)`.

    Args of what is returned:
        number: [] int32, of this step, from 1.
        diverged: [prompts] int32, the step at which each prompt diverged, 0: none.
        is_finite: [prompts] whether loss and gradient of this step are.
        new: trees like what is trained, with what the optimizer makes of it.
        old: the same, before the step.

    It returns the new trees, in which prompts that have diverged or are finished are
    the old ones, and the step at which each prompt has diverged. A model has nobody
    beside it that it disturbs: its trees are always new.

    Args:
        binding: what is trained.
        last_steps: [bank] the last step that moves each prompt, None: no step is; None:
            of all prompts.
    """
    ends = np.int32([end or _NEVER for end in last_steps or [None]])

    def guarded(number, diverged, is_finite, new, old):
        is_there = (diverged == 0) & (number <= ends)
        if binding.bank is None:
            return new, jnp.where(is_there & ~is_finite, number, diverged)
        trained, _ = new
        is_sound = _of_all_that_are_one(
            binding, is_finite & _are_small(binding, trained)
        )
        kept = tuple(
            _chosen(binding, is_there & is_sound, *pair)
            for pair in zip(new, old, strict=True)
        )
        return kept, jnp.where(is_there & ~is_sound, number, diverged)

    return guarded


def _are_small(binding: Binding, trained: PyTree) -> jax.Array:
    """Returns [bank] whether no number of a prompt is beyond LARGEST.

    That is of what is trained, and of the prompt that is made of it, by a network say,
    in which it may be larger.
    """
    groups = [_all_small(jax.tree.leaves(group)) for group in binding.split(trained)]
    bundle = binding.bundle(trained)
    made = [jnp.moveaxis(a, BANK_AXES[site], 0) for site, a in sites(bundle).items()]
    return jnp.concatenate(groups)[binding.places()] & _all_small(made)


def _all_small(arrays: Sequence[jax.Array]) -> jax.Array | bool:
    """Returns [bank] of arrays [bank, ...]."""
    # What is no number is not less than any, so that it is compared first.
    each = [(jnp.abs(array) <= LARGEST).reshape(len(array), -1) for array in arrays]
    return functools.reduce(operator.and_, [one.all(axis=1) for one in each], True)


def _of_all_that_are_one(binding: Binding, is_sound: jax.Array) -> jax.Array:
    """Returns [bank] whether all prompts are that are one prompt with it."""
    for tie in map(np.asarray, binding.ties):
        is_sound = is_sound.at[tie].set(is_sound[tie].all())
    return is_sound


def _chosen(binding: Binding, is_new: jax.Array, new: PyTree, old: PyTree) -> PyTree:
    """Returns the new arrays of some prompts, [bank] of `is_new`, else the old ones."""

    def choose(of_group, one, other):
        return jnp.where(of_group.reshape(-1, *[1] * (one.ndim - 1)), one, other)

    groups = zip(binding.members(), *map(binding.split, (new, old)), strict=True)
    chosen = [
        jax.tree.map(functools.partial(choose, is_new[members]), *pair)
        for members, *pair in groups
    ]
    return binding.joined(chosen)
