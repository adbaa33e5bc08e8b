"""Whether a kind of prompt can begin at a start, told without the frozen model.

A start that asks for the model is given random numbers in place of its: what it makes
of them has the sites that it will have, and no more than these are looked at.
"""

import dataclasses
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from spot_jax.prompts.base import PromptBundle, PromptSource, sites
from spot_jax.prompts.init import Start, Surroundings


def nobody(ids: Sequence[int]) -> NoReturn:
    """Stands where the model would be asked, of what is only rehearsed."""
    raise AssertionError(f"no model tells of {ids}")


def found(
    start: Start, source: PromptSource, around: Surroundings
) -> PromptBundle | None:
    """Returns where a prompt begins, or None where only the model can tell.

    Args:
        start: may ask for the model.
        source: the kind of prompt.
        around: of the start; what the model would tell is not asked.

    Raises:
        InputError: when the start asks for the model, and has sites that this kind does
            not begin at.
    """
    rng, asked = np.random.default_rng(0), []

    def embed(ids: Sequence[int]) -> np.ndarray:
        asked.append(ids)
        return rng.standard_normal((len(ids), around.model.d_model), np.float32)

    def activations(ids: Sequence[int]) -> PromptBundle:
        asked.append(ids)
        # Of the kind's own sites: a start takes none besides.
        return PromptBundle(
            **{
                site: np.zeros((*array.shape[:-2], len(ids), array.shape[-1]))
                for site, array in sites(around.kind).items()
            }
        )

    rehearsed = dataclasses.replace(around, embed=embed, activations=activations)
    begun = start(rehearsed)
    if not asked:
        return begun
    # Another kind may take it all the same, as one of every layer does a soft prompt.
    if sites(begun).keys() != sites(around.kind).keys():
        source.parameters_of(begun, rng)
    return None
