"""A start is asked without the frozen model, for its sites alone."""

import functools

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import init, starting
from spot_jax.prompts.base import PromptBundle, sites
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.prompts.init import Surroundings
from spot_jax.prompts.prefix_mlp import PrefixMLP
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5Config
from spot_jax.training import rehearsal

MODEL = T5Config(d_model=12, heads=3, d_mlp=8, encoder_layers=3, decoder_layers=2)
LENGTH = 4


def rehearse(start, kind) -> PromptBundle | None:
    source = kind(length=LENGTH, model=MODEL)
    around = Surroundings(
        length=LENGTH,
        model=MODEL,
        vocab_size=40,
        rng=np.random.default_rng(0),
        embed=rehearsal.nobody,
        encode=lambda text: [5, 6],
        labels=("good", "bad"),
        identity={},
        kind=starting.shape_of(source),
        activations=rehearsal.nobody,
    )
    return rehearsal.found(start, source, around)


harvested = functools.partial(init.harvested, text="a word")
STARTS = {"words": functools.partial(init.text, text="a word"), "harvested": harvested}


@pytest.mark.parametrize(
    ("start", "kind", "words"),
    [
        ("words", SoftPrompt, ""),
        ("words", DeepPrompt, ""),
        ("harvested", DeepPrompt, ""),
        ("harvested", DeepKV, ""),
        ("harvested", PrefixMLP, ""),
        (
            "words",
            DeepKV,
            "P-Tuning v2 is enc_self and dec_self, and the start has enc_",
        ),
        ("words", PrefixMLP, "Prefix-Tuning is enc_self and dec_self and cross, and"),
    ],
)
def test_what_asks_for_the_model_is_told_by_its_sites(start, kind, words):
    if not words:
        assert rehearse(STARTS[start], kind) is None
        return
    with pytest.raises(InputError, match=words):
        rehearse(STARTS[start], kind)


def test_what_needs_no_model_is_found():
    assert not sites(rehearse(init.drawn, DeepKV))
    vectors = rehearse(init.random_uniform, SoftPrompt).enc_input
    wanted = np.random.default_rng(0).uniform(-0.5, 0.5, (LENGTH, MODEL.d_model))
    np.testing.assert_allclose(vectors, wanted, atol=1e-6)


def test_nothing_that_a_network_would_have_to_meet_is_solved_for(monkeypatch):
    """The model's numbers are not known, and the network may be large."""
    monkeypatch.setattr(PrefixMLP, "parameters_of", rehearsal.nobody)
    rehearse(harvested, PrefixMLP)


def test_a_start_of_ones_own_may_divide_by_what_the_model_tells():
    def scaled(around: Surroundings) -> PromptBundle:
        rows = around.embed(range(LENGTH))
        with np.errstate(all="raise"):
            return PromptBundle(enc_input=rows / np.linalg.norm(rows, axis=1)[:, None])

    rehearse(scaled, SoftPrompt)
