"""Where the prompts of a bank begin, and what cannot begin there.

What needs no model is told before it is loaded.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import PyTree

from spot_jax.data import loading
from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts import heads
from spot_jax.prompts.base import PromptBundle, PromptSource
from spot_jax.prompts.heads import Headed
from spot_jax.prompts.init import Surroundings
from spot_jax.prompts.starting import shape_of
from spot_jax.t5 import T5Config
from spot_jax.training import harvest, rehearsal
from spot_jax.training.bank import Entry, Shape

logger = logging.getLogger(__name__)


def starting_values(
    bank: Sequence[Entry],
    sources: Mapping[Shape, PromptSource],
    model: LoadedModel,
    encode: Callable[[str], Sequence[int]],
    known: Sequence[PyTree | None] | None = None,
) -> list[PyTree]:
    """Computes where every prompt begins.

    Args:
        bank: the prompts.
        sources: {shape: the kind of prompt}, which makes its own parameters of a start.
        model: the frozen model, whose embedding most starting values use.
        encode: text -> ids without EOS.
        known: what `check_starts` found; None: nothing.

    Returns:
        The source's parameters of every prompt, on the host; of soft prompts
        {"enc_input": [prompt, d_model] float32}.

    Raises:
        InputError: when a starting value does not fit; see prompts/init.py.
    """
    activations = harvest.reader(model)

    def embed(ids: Sequence[int]) -> np.ndarray:
        # Weights may be held in fewer bits; what is trained is float32.
        return sharding.fetched(model.embedding(ids))

    def start(entry: Entry, parameters: PyTree | None) -> PyTree:
        source = sources[entry.shape]
        around = dataclasses.replace(
            _around(entry, source, model.config, encode),
            embed=embed,
            identity=model.story(),
            activations=activations,
        )
        # Also of what is known: whether a file's prompt is of this very model.
        bundle = entry.start(around)
        return parameters or _parameters(source, bundle, around.rng)

    return list(map(start, bank, known or [None] * len(bank)))


def check_starts(
    bank: Sequence[Entry],
    sources: Mapping[Shape, PromptSource],
    config: T5Config,
    encode: Callable[[str], Sequence[int]],
) -> list[PyTree | None]:
    """Refuses starts that fit no prompt of the bank, before the model is loaded.

    Of those that ask for the model no more than their sites is looked at.

    Args:
        bank: the prompts.
        sources: see `starting_values`.
        config: the frozen model.
        encode: text -> ids without EOS.

    Returns:
        The parameters of every prompt that needs no model to begin, as they may have
        taken a while to find; None of the others.

    Raises:
        InputError: see `starting_values`.
    """
    known: list[PyTree | None] = [None] * len(bank)
    for number, entry in enumerate(bank):
        source = sources[entry.shape]
        around = _around(entry, source, config, encode)
        start = rehearsal.found(entry.start, source, around)
        if start is not None:
            known[number] = _parameters(source, start, around.rng)
    return known


def _parameters(
    source: PromptSource, start: PromptBundle, rng: np.random.Generator
) -> PyTree:
    """Returns where a prompt begins, and says where it leaves a head behind."""
    if start.head is not None and not isinstance(source, Headed):
        logger.info(
            "The start has %s, which is left out: without HEAD the language model "
            "answers.",
            heads.told(start.head),
        )
    return source.parameters_of(start, rng)


def _around(
    entry: Entry,
    source: PromptSource,
    config: T5Config,
    encode: Callable[[str], Sequence[int]],
) -> Surroundings:
    """Returns what a starting value may draw on while there is no model."""
    return Surroundings(
        length=entry.length,
        model=config,
        vocab_size=config.vocab_size,
        # A prompt's own, so that it begins in any bank as it does alone.
        rng=np.random.default_rng(entry.seed),
        embed=rehearsal.nobody,
        encode=encode,
        labels=loading.labels_of(entry.task),
        identity={},
        kind=shape_of(source),
        activations=rehearsal.nobody,
    )
