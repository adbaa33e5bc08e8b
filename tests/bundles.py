"""Prompts to test with."""

import types

import numpy as np

from spot_jax.prompts.base import PromptBundle, modes, sites

# A T5 whose dimensions all differ, so that none can stand for another.
MODEL = types.SimpleNamespace(d_model=4, d_joined=6, encoder_layers=3, decoder_layers=5)


def soft(vectors) -> PromptBundle:
    """Returns [prompt, d_model] vectors in front of the input as a prompt."""
    return PromptBundle(enc_input=np.asarray(vectors, np.float32))


def everywhere(length: int, seed: int = 0, model=MODEL) -> PromptBundle:
    """Returns a prompt of `length` random positions at every site of a T5."""
    rng, joined = np.random.default_rng(seed), model.d_joined

    def noise(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    return PromptBundle(
        enc_input=noise(length, model.d_model),
        enc_hidden=noise(model.encoder_layers, length, model.d_model),
        enc_self=noise(model.encoder_layers, 2, length, joined),
        dec_self=noise(model.decoder_layers, 2, length, joined),
        cross=noise(model.decoder_layers, 2, length, joined),
    )


def assert_same(found: PromptBundle, wanted: PromptBundle) -> None:
    """Asserts that two prompts are one, bit for bit, but for a mask."""
    assert modes(found) == modes(wanted)
    assert sites(found).keys() == sites(wanted).keys()
    for site, array in sites(wanted).items():
        one, other = np.asarray(sites(found)[site]), np.asarray(array)
        assert one.dtype == other.dtype, site
        np.testing.assert_array_equal(one, other, err_msg=site)
