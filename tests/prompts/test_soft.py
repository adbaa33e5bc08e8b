"""The soft prompt owns one array and gives it as it is."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from spot_jax.prompts.soft import SoftPrompt


def test_the_prompt_is_its_parameter():
    values = jnp.arange(12.0).reshape(3, 4)
    bundle = SoftPrompt(3, 4).apply({"params": {"enc_input": values}})
    np.testing.assert_array_equal(bundle.enc_input, values)
    assert len(jax.tree.leaves(bundle)) == 1


def test_it_owns_one_replicated_float32_array():
    variables = jax.eval_shape(SoftPrompt(3, 4).init, jax.random.key(0))
    assert set(variables["params"]) == {"enc_input"}
    array = variables["params"]["enc_input"]
    assert (array.shape, array.dtype) == ((3, 4), jnp.float32)
    axes = nn.partitioning.get_axis_names(variables["params_axes"])
    assert tuple(axes["enc_input"]) == ("prompt", "prompt_embed")
