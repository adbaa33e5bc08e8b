"""A prompt in every layer: drawn, spread and refused."""

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.deep_prompt import DeepPrompt
from spot_jax.t5 import T5Config
from tests.bundles import soft
from tests.prompts.kinds import LENGTH, MODEL, another, refuses, rng


def test_what_is_drawn_is_as_a_soft_prompt_is_drawn():
    wide = T5Config(d_model=256, heads=4, d_mlp=8, encoder_layers=2, decoder_layers=2)
    hidden = DeepPrompt(50, wide).parameters_of(PromptBundle(), rng())["enc_hidden"]
    assert 0.49 < np.abs(hidden).max() <= 0.5 and abs(hidden.std() - 12**-0.5) < 0.01
    added = DeepPrompt(50, wide, mode="add").parameters_of(PromptBundle(), rng())
    assert added["enc_hidden"][0].any() and not added["enc_hidden"][1:].any()


def test_a_soft_prompt_is_a_start_for_every_layer():
    start = soft(rng().standard_normal((LENGTH, 12)))
    found = DeepPrompt(LENGTH, MODEL).parameters_of(start, rng())["enc_hidden"]
    np.testing.assert_array_equal(found, np.stack([start.enc_input] * 3))
    added = DeepPrompt(LENGTH, MODEL, mode="add").parameters_of(start, rng())
    np.testing.assert_array_equal(added["enc_hidden"][0], start.enc_input)
    assert not added["enc_hidden"][1:].any()


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (
            "added in every layer",
            "hidden_mode 'add', not 'replace'. .* --gin.HIDDEN_MODE=add",
        ),
        (
            "P-Tuning v2",
            "A prompt in every layer is enc_hidden, and the start has enc_self and",
        ),
    ],
)
def test_a_start_of_something_else_is_refused(start, words):
    refuses(DeepPrompt(LENGTH, MODEL), another(start), words)


def test_a_mode_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="HIDDEN_MODE is 'zero'; it is replace or add"):
        DeepPrompt(LENGTH, MODEL, mode="zero")
