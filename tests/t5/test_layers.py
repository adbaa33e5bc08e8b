"""The parts of a layer, against the same mathematics written in numpy."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.t5 import layers


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def close(found, wanted, tolerance=1e-5):
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def test_the_norm_divides_by_the_root_of_the_mean_square():
    x, scale = 3 * draw(2, 3, 5) + 1, draw(5, seed=1)
    found = layers.RMSNorm(jnp.dtype("float32")).apply({"params": {"scale": scale}}, x)
    close(found, x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale[None, None])


def test_the_statistics_of_the_norm_are_float32():
    # 30 Ones beside a 64: a bfloat16 sum of squares would round them all away.
    x = jnp.array([[[64.0] + [1.0] * 30]], jnp.bfloat16)
    norm = layers.RMSNorm(jnp.dtype("bfloat16"))
    found = norm.apply({"params": {"scale": jnp.ones(31)}}, x)
    assert found.dtype == jnp.bfloat16
    close(found[0, 0, 0].astype("f4"), 64 / math.sqrt((4096 + 30) / 31), 2**-8)


def test_embedding_looks_up_and_scores_scaled_by_the_width(config):
    embedding = layers.Embedding(config)
    table = draw(config.vocab_size, config.d_model)
    variables = {"params": {"embedding": table}}
    tokens = jnp.array([[3, 0, 7]])
    np.testing.assert_array_equal(embedding.apply(variables, tokens), table[tokens])
    x = draw(1, 2, config.d_model, seed=1)
    found = embedding.apply(variables, x, method=layers.Embedding.logits)
    close(found, x @ table.T / math.sqrt(config.d_model))


@pytest.mark.parametrize("activations", [("gelu", "linear"), ("relu",)])
def test_feed_forward_is_gated_gelu_or_relu(config, activations):
    mlp = layers.MlpBlock(dataclasses.replace(config, mlp_activations=activations))
    x = draw(2, 3, 12)
    wis = ["wi"] if activations == ("relu",) else ["wi_0", "wi_1"]
    kernels = {name: draw(12, 16, seed=seed) for seed, name in enumerate(wis)}
    kernels["wo"] = draw(16, 12, seed=2)
    params = {name: {"kernel": kernel} for name, kernel in kernels.items()}
    found = mlp.apply({"params": params}, x, deterministic=True)
    kernels = jax.tree.map(np.asarray, kernels)
    if activations == ("relu",):
        hidden = np.maximum(x @ kernels["wi"], 0)
    else:
        h = x @ kernels["wi_0"]
        # The tanh approximation (Hendrycks and Gimpel 2016), T5X's gelu.
        gelu = 0.5 * h * (1 + np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        hidden = gelu * (x @ kernels["wi_1"])
    close(found, hidden @ kernels["wo"])


def test_dropout_drops_a_feature_at_every_position_of_an_example(config):
    relu = dataclasses.replace(
        config, mlp_activations=("relu",), dropout_rate=0.5, d_mlp=config.d_model
    )
    ones = {"kernel": jnp.eye(config.d_model)}
    found = layers.MlpBlock(relu).apply(
        {"params": {"wi": ones, "wo": ones}},
        jnp.ones((3, 4, config.d_model)),
        deterministic=False,
        rngs={"dropout": jax.random.key(0)},
    )
    np.testing.assert_array_equal(found, jnp.broadcast_to(found[:, :1], found.shape))
    np.testing.assert_array_equal(np.unique(found), [0.0, 2.0])
    assert not (found[0] == found[1]).all()
