"""One prompt for several tasks, each with a head of its own (P-Tuning v2, §3.2).

The prompts of a bank that are one are copies of each other: they begin alike, and each
moves by the sum of all their gradients, so that they stay alike, bit for bit. All else
that a bank has, every task has as well: metrics, a best prompt, files.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from spot_jax.model.binding import Binding


def begin_alike(binding: Binding, starts: list[PyTree]) -> None:
    """Gives all prompts that are one the start of the first, in place.

    Args:
        binding: of the bank.
        starts: parameters of every prompt.
    """
    for first, *others in binding.ties:
        for other in others:
            starts[other] = _with_prompt(starts[other], _prompt(starts[first]))


def summed(binding: Binding, gradients: PyTree) -> PyTree:
    """Gives all prompts that are one the sum of their gradients; heads keep theirs."""
    if not binding.ties:
        return gradients
    groups = binding.split(gradients)
    place = {
        number: (group, position)
        for group, members in enumerate(binding.members())
        for position, number in enumerate(members.tolist())
    }
    for tie in binding.ties:
        groups = _tied(groups, [place[number] for number in tie])
    return binding.joined(groups)


def _tied(groups: Sequence[PyTree], places: Sequence[tuple[int, int]]) -> list[PyTree]:
    own: dict[int, list[int]] = {}
    for group, position in places:
        own.setdefault(group, []).append(position)
    parts = [_sum_of(_prompt(groups[group]), at) for group, at in own.items()]
    total = jax.tree.map(lambda *each: sum(each), *parts)
    tied = list(groups)
    for group, at in own.items():
        moved = _given(_prompt(groups[group]), at, total)
        tied[group] = _with_prompt(groups[group], moved)
    return tied


def _sum_of(tree: PyTree, at: Sequence[int]) -> PyTree:
    return jax.tree.map(lambda x: x[np.asarray(at)].sum(axis=0), tree)


def _given(tree: PyTree, at: Sequence[int], new: PyTree) -> PyTree:
    return jax.tree.map(lambda x, one: x.at[np.asarray(at)].set(one), tree, new)


def _prompt(parameters: PyTree) -> PyTree:
    """Returns the parameters of a prompt without those of its head."""
    return parameters["prompt"] if _has_head(parameters) else parameters


def _with_prompt(parameters: PyTree, prompt: PyTree) -> PyTree:
    return parameters | {"prompt": prompt} if _has_head(parameters) else prompt


def _has_head(parameters: PyTree) -> bool:
    # As `heads.Headed` calls it.
    return "head_kernel" in parameters
