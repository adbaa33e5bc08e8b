"""Choosing source prompts by similarity, and combining them (SPoT §3.3).

Pure functions; `spot_jax transfer` and `spot_jax study` apply them to libraries.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spot_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Ranked:
    """One prompt's place among the prompts compared with a target.

    Attributes:
        rank: from 1, the most similar.
        name: the prompt's.
        similarity: between its task's embedding and the target's.
    """

    rank: int
    name: str
    similarity: float


def rank(
    similarities: np.ndarray | Sequence[float], names: Sequence[str]
) -> list[Ranked]:
    """Orders prompts from the most to the least similar; equal ones by name.

    Args:
        similarities: [names] between each prompt's embedding and the target's.
        names: of the prompts.

    Raises:
        InputError: when they do not belong together, a name is there twice or a
            similarity is not finite.
    """
    values = [float(value) for value in similarities]
    if len(values) != len(names) or len(set(names)) < len(names):
        raise InputError(
            f"{len(values)} similarities and {len(names)} names, {len(set(names))} of "
            "them different: give every prompt one name and one similarity."
        )
    wrong = [
        n for n, value in zip(names, values, strict=True) if not np.isfinite(value)
    ]
    if wrong:
        raise InputError(
            f"The similarity of {', '.join(wrong)} is not finite, so it has no rank. "
            "spot_jax.retrieval.similarity refuses the prompts this comes from."
        )
    ordered = sorted(
        zip(values, names, strict=True), key=lambda pair: (-pair[0], pair[1])
    )
    return [Ranked(n, name, value) for n, (value, name) in enumerate(ordered, 1)]


def weights(
    similarities: np.ndarray | Sequence[float],
) -> tuple[Float[np.ndarray, " k"], str | None]:
    """Turns the similarities of the chosen prompts into weights (SPoT §3.3).

    Where all are positive, alpha_r = sim_r / sum_l sim_l as in the paper. It does not
    say what a negative one weighs: here it counts 0, and where none is positive all
    prompts weigh the same.

    Args:
        similarities: [k] of the chosen prompts.

    Returns:
        [k] float64 weights that sum to 1; a sentence that tells of similarities that
        were not used as they are, or None.

    Raises:
        InputError: when there is none, or one is not finite.
    """
    values = np.asarray(similarities, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError(
            f"Similarities of shape {values.shape} give no weights: a list of at least "
            "one finite number does."
        )
    positive = np.maximum(values, 0.0)
    if not positive.any():
        note = (
            f"None of the {len(values)} similarities is positive (the largest is "
            f"{values.max():.4g}): they cannot weigh the prompts, which count equally."
        )
        return np.full(len(values), 1 / len(values)), note
    # Divided by the largest first, so that the sum of tiny ones keeps its digits.
    scaled = positive / positive.max()
    negative = int((values < 0).sum())
    note = (
        f"{negative} of the {len(values)} similarities are negative (the lowest is "
        f"{values.min():.4g}): their prompts have weight 0."
    )
    return scaled / scaled.sum(), note if negative else None


def multi_task_mixture(members: Sequence[str], target: str) -> list[str]:
    """Lists the data sets of a top-k multi-task mixture (SPoT §3.3).

    Several of the chosen prompts may be of one task, which is in the mixture once.

    Args:
        members: tasks of the chosen prompts, the most similar first.
        target: the target's task, which comes last.

    Returns:
        Distinct names; the mixture draws from them in proportion to their examples.

    Raises:
        InputError: when a name is empty.
    """
    if not target or not all(members):
        raise InputError(
            f"A mixture needs the name of every task; it has {list(members)} and the "
            f"target {target!r}."
        )
    return [*dict.fromkeys(name for name in members if name != target), target]
