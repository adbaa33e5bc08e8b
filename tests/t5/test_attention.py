"""Attention, against the same mathematics written in numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from spot_jax.t5.attention import Attention
from tests.t5.test_layers import close, draw


def attention_by_hand(kernels, x, other, mask, bias, heads):
    def split(name, y):
        return (y @ kernels[name]["kernel"]).reshape(len(y), heads, -1)

    q, k, v = split("query", x), split("key", other), split("value", other)
    weights = np.einsum("qhd,khd->hqk", q, k) + bias
    weights = np.exp(np.where(mask, weights, -np.inf))
    weights /= weights.sum(-1, keepdims=True)
    joined = np.einsum("hqk,khd->qhd", weights, v).reshape(len(x), -1)
    return joined @ kernels["out"]["kernel"]


def test_attention_is_unscaled_and_adds_the_bias(config):
    x, other = draw(1, 3, 12, seed=4), draw(1, 4, 12, seed=5)
    bias = draw(1, 2, 3, 4, seed=6)
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 1, 0]], bool)

    def attend(module, x, other):
        return module.attend(
            x,
            module.keys_values(other),
            mask=jnp.array(mask)[None, None],
            bias=bias,
            deterministic=True,
        )

    joined = {"query": (12, 10), "key": (12, 10), "value": (12, 10), "out": (10, 12)}
    kernels = {
        name: {"kernel": draw(*shape, seed=seed) / 4}
        for seed, (name, shape) in enumerate(joined.items())
    }
    attention = Attention(config)
    found = attention.apply({"params": kernels}, x, other, method=attend)
    kernels = jax.tree.map(np.asarray, kernels)
    close(found[0], attention_by_hand(kernels, x[0], other[0], mask, bias[0], 2))
