"""The kinds of prompts as tests of them share them, and a T5 to make them for."""

import functools
import math

import jax
import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import algebra, starting
from spot_jax.prompts.base import PromptBundle, modes, sites
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.p_tuning import PTuning
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.t5 import T5Config
from tests.bundles import everywhere

# Every dimension differs, so that none can stand for another.
MODEL = T5Config(
    d_model=12,
    heads=3,
    d_head=5,
    d_mlp=8,
    encoder_layers=3,
    decoder_layers=2,
    vocab_size=16,
)
LENGTH = 4
KINDS = {
    "P-Tuning v2": DeepKV,
    "of some layers": functools.partial(DeepKV, layers="1:"),
    "with an MLP": functools.partial(DeepKV, width=16),
    "an MLP of some layers": functools.partial(DeepKV, width=16, layers="1:"),
    "Prefix-Tuning": functools.partial(PrefixMLP, width=16),
    "P-tuning": PTuning,
    "P-tuning without LSTM": functools.partial(PTuning, encoder="mlp"),
    "in every layer": DeepPrompt,
    "added in every layer": functools.partial(DeepPrompt, mode="add"),
}


@functools.cache
def source_of(kind):
    """One for each kind: what draws its parameters is compiled once."""
    return KINDS[kind](length=LENGTH, model=MODEL)


@functools.cache
def compiled(source):
    return jax.jit(lambda parameters: source.apply({"params": parameters}))


def rng(seed=0):
    return np.random.default_rng(seed)


def make(kind, start=None, seed=0):
    """Returns the parameters of a kind at a start, and their bundle."""
    source = source_of(kind) if isinstance(kind, str) else kind
    parameters = source.parameters_of(start or PromptBundle(), rng(seed))
    return parameters, compiled(source)(parameters)


def another(kind, seed=5):
    """A prompt that somebody else made, at the sites of a kind."""
    wanted = starting.shape_of(source_of(kind))
    noise = sites(everywhere(LENGTH, seed, MODEL))
    arrays = {site: 3 * noise[site] for site in sites(wanted)}
    return PromptBundle(**arrays, **modes(wanted))


def entered_of(found, wanted):
    assert modes(found) == modes(wanted) and sites(found).keys() == sites(wanted).keys()
    pairs = map(algebra.token_matrices, (found, wanted))
    return list(zip(*pairs, strict=True))


def total(tree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def refuses(source, start: PromptBundle, words: str) -> None:
    """Asserts that a kind does not begin at a start, and that a message says why."""
    with pytest.raises(InputError, match=words):
        source.parameters_of(start, rng())
