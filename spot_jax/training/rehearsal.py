"""Whether a kind of prompt can begin at a start at all, told without the frozen model.

A start is asked with random numbers in place of the model's: what it gives has the
sites that it will have, and no more than these are looked at.
"""

import dataclasses
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from spot_jax.prompts.base import PromptBundle, PromptSource, sites
from spot_jax.prompts.init import Start, Surroundings


def nobody(ids: Sequence[int]) -> NoReturn:
    """Stands where the model would be asked, of what never asks or is rehearsed."""
    raise AssertionError(f"no model tells of {ids}")


def check(start: Start, source: PromptSource, around: Surroundings) -> None:
    """Refuses a start of another kind, before the model is loaded.

    Args:
        start: which asks for the model.
        source: the kind of prompt.
        around: of the start; what the model would tell is replaced.

    Raises:
        InputError: when it has other sites, which this kind does not take.
    """

    def embed(ids: Sequence[int]) -> np.ndarray:
        return around.rng.standard_normal((len(ids), around.model.d_model), np.float32)

    def activations(ids: Sequence[int]) -> PromptBundle:
        # Of the kind's own sites: a start takes none besides.
        return PromptBundle(
            **{
                site: np.zeros((*array.shape[:-2], len(ids), array.shape[-1]))
                for site, array in sites(around.kind).items()
            }
        )

    asked = dataclasses.replace(around, embed=embed, activations=activations)
    found = start(asked)
    # Another kind may take it all the same, as one of every layer does a soft prompt.
    if sites(found).keys() != sites(around.kind).keys():
        source.parameters_of(found, around.rng)
