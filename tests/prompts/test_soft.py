"""The soft prompt owns one array and gives it as it is."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.t5 import T5Config
from tests.bundles import assert_same, everywhere, soft

MODEL = T5Config(d_model=4, heads=2, d_mlp=8, encoder_layers=1, decoder_layers=1)


def test_the_prompt_is_its_parameter():
    values = jnp.arange(12.0).reshape(3, 4)
    bundle = SoftPrompt(3, MODEL).apply({"params": {"enc_input": values}})
    np.testing.assert_array_equal(bundle.enc_input, values)
    assert len(jax.tree.leaves(bundle)) == 1


def test_it_owns_one_replicated_float32_array():
    variables = jax.eval_shape(SoftPrompt(3, MODEL).init, jax.random.key(0))
    assert set(variables["params"]) == {"enc_input"}
    array = variables["params"]["enc_input"]
    assert (array.shape, array.dtype) == ((3, 4), jnp.float32)
    axes = nn.partitioning.get_axis_names(variables["params_axes"])
    assert tuple(axes["enc_input"]) == ("prompt", "prompt_embed")


def test_its_parameters_are_the_start_and_give_it_back():
    start = soft(np.arange(12).reshape(3, 4))
    source, rng = SoftPrompt(3, MODEL), np.random.default_rng(0)
    parameters = source.parameters_of(start, rng)
    wanted = jax.eval_shape(source.init, jax.random.key(0))["params"]
    assert jax.tree.structure(parameters) == jax.tree.structure(wanted)
    assert_same(source.apply({"params": parameters}), start)
    # Nothing is drawn: what a start leaves open is the start's alone.
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    "start",
    [
        PromptBundle(),
        PromptBundle(cross=everywhere(3).cross),
        everywhere(3).replace(enc_input=None, enc_hidden=None),
    ],
)
def test_a_start_without_vectors_at_the_input_is_refused(start):
    with pytest.raises(
        ValueError, match="starts from vectors at enc_input alone.*PROMPT"
    ):
        SoftPrompt(3, MODEL).parameters_of(start, np.random.default_rng(0))


def test_a_start_at_other_sites_as_well_is_refused():
    with pytest.raises(
        ValueError, match="starts from vectors at enc_input alone.*cross"
    ):
        SoftPrompt(3, MODEL).parameters_of(everywhere(3), np.random.default_rng(0))
