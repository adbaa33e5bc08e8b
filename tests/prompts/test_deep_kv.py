"""P-Tuning v2: keys and values of the layers that it enters."""

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import algebra
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.t5 import T5Config
from tests.prompts.kinds import LENGTH, MODEL, another, make, refuses, rng

WIDE = T5Config(d_model=256, heads=4, d_mlp=8, encoder_layers=2, decoder_layers=2)


def test_what_is_drawn_is_as_published():
    keys = DeepKV(50, WIDE).parameters_of(PromptBundle(), rng())
    assert keys.keys() == {"enc_self", "dec_self"}
    for array in keys.values():
        assert abs(array.std() - 0.02) < 1e-3 and abs(array.mean()) < 1e-3
    mlp = DeepKV(50, WIDE, width=512).parameters_of(PromptBundle(), rng())
    assert abs(mlp["enc_self"]["mlp_1"]["kernel"].std() - 0.02) < 1e-3
    assert not mlp["enc_self"]["mlp_1"]["bias"].any()


def test_layers_that_are_not_entered_have_nothing_to_train():
    parameters, bundle = make("of some layers")
    assert parameters["enc_self"].shape == (2, 2, LENGTH, 15)
    assert parameters["dec_self"].shape == (1, 2, LENGTH, 15)
    np.testing.assert_array_equal(bundle.enc_self[1:], parameters["enc_self"])
    assert not np.any(bundle.enc_self[0]) and bundle.layers == "1:"
    # Nor is anything of them compared.
    assert len(algebra.token_matrices(bundle)) == 2 * 2 + 2 * 1
    assert not algebra.has_zeros(bundle)
    assert algebra.has_zeros(bundle.replace(layers=""))


REFUSED = {
    "a soft prompt": (
        {},
        "P-tuning",
        "P-Tuning v2 is enc_self and dec_self, and the start has enc_input",
    ),
    "three sites for two": (
        {},
        "Prefix-Tuning",
        "the start has enc_self and dec_self and cross: it is of another kind",
    ),
    "another length": (
        {"length": LENGTH + 1},
        "P-Tuning v2",
        r"\[3, 2, 5, 15\], .* has enc_self \[3, 2, 4, 15\].*PROMPT_LENGTH",
    ),
    "another position bias": (
        {"bias_mode": "contiguous"},
        "P-Tuning v2",
        "bias_mode 'zero', not 'contiguous'. To go on from it: --gin.PREFIX_BIAS=zero",
    ),
    "other layers": (
        {},
        "of some layers",
        "layers '1:', not ''. To go on from it: --gin.PROMPT_LAYERS=1:",
    ),
    "all layers": (
        {"layers": "1:"},
        "P-Tuning v2",
        "layers '', not '1:'. To go on from it: --gin.PROMPT_LAYERS=''",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_of_something_else_is_refused(case):
    options, start, words = REFUSED[case]
    source = DeepKV(**{"length": LENGTH, "model": MODEL} | options)
    refuses(source, another(start), words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(sites=["enc_input"]), r"PROMPT_SITES is \['enc_input'\]"),
        (dict(sites=[]), r"PROMPT_SITES is \[\]; name some of enc_self"),
        (dict(sites=["cross", "cross"]), "each once"),
        (dict(sites="cross"), "PROMPT_SITES is"),
        (dict(layers="16:24"), "none of the 3"),
        (dict(layers="2:"), "none of the 2"),
        (dict(layers="x"), "no range"),
        (dict(width=0), "PREFIX_WIDTH is 0"),
    ],
)
def test_an_option_that_there_is_not_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        DeepKV(LENGTH, MODEL, **options)
