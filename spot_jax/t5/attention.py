"""Attention of a T5, with T5X's parameter names: plain products, or one kernel."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.t5 import fused
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import Dense, on_mesh
from spot_jax.t5.masks import MASKED
from spot_jax.t5.prefix import Prefix

_attention_init = nn.initializers.variance_scaling(1.0, "fan_in", "normal")

# What is attended to, projected: its keys and its values. Heads come before positions:
# decoding reads them at every token, and a product over the last two axes takes a
# thirtieth of the time on CPUs that it takes where heads stand between them.
KeysValues = tuple[
    Float[Array, "batch heads key d_head"], Float[Array, "batch heads key d_head"]
]


@jax.custom_vjp
def _add_bias(
    logits: Float[Array, "batch heads query key"],
    bias: Float[Array, "1 heads #query key"],
) -> Float[Array, "batch heads query key"]:
    """Adds the position bias to every row; its gradient sums rows by a product.

    XLA's sum over a leading axis takes 70 times as long on CPUs, in every layer of a
    model that is trained.
    """
    return logits + bias


def _add_bias_backward(
    _: None, gradient: Float[Array, "batch heads query key"]
) -> tuple[Float[Array, "batch heads query key"], Float[Array, "1 heads query key"]]:
    rows = jnp.ones(gradient.shape[0], gradient.dtype)
    return gradient, jnp.einsum("b,bhqk->hqk", rows, gradient)[None]


_add_bias.defvjp(lambda logits, bias: (logits + bias, None), _add_bias_backward)


class Attention(nn.Module):
    """Multi-head attention without T5's missing 1/sqrt(d_head): it is in the weights.

    Keys and values are projected apart from the queries, so that decoding projects
    the encoder's output once and not at every token.
    """

    config: T5Config

    def setup(self):
        config = self.config
        joined = functools.partial(
            Dense,
            config.d_joined,
            ("embed", "joined_kv"),
            config.compute_dtype,
        )

        def query_init(*args):
            return _attention_init(*args) / math.sqrt(config.d_head)

        self.query = joined(kernel_init=query_init)
        self.key = joined(kernel_init=_attention_init)
        self.value = joined(kernel_init=_attention_init)
        self.out = Dense(
            config.d_model,
            ("joined_kv", "embed"),
            config.compute_dtype,
            kernel_init=_attention_init,
        )
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))

    def _heads(
        self, x: Float[Array, "batch length joined"]
    ) -> Float[Array, "batch length heads d_head"]:
        # Pinned while the heads are joined: T5 1.1 small's 6 heads divide few meshes,
        # its 384 columns divide most.
        x = on_mesh(x, "batch", "length", "joined_kv")
        return x.reshape(*x.shape[:2], self.config.heads, self.config.d_head)

    def keys_values(self, x: Float[Array, "batch key d_model"]) -> KeysValues:
        """Projects what is attended to."""
        projected = self._heads(self.key(x)), self._heads(self.value(x))
        return tuple(each.transpose(0, 2, 1, 3) for each in projected)

    def attend(
        self,
        x: Float[Array, "batch query d_model"],
        keys_values: KeysValues,
        *,
        mask: Bool[Array, "#batch 1 #query key"] | None,
        bias: Float[Array, "#batch heads #query key"] | None,
        deterministic: bool,
        prefix: Prefix | None = None,
    ) -> Float[Array, "batch query d_model"]:
        """Attends from x to projected keys and values, and to a prompt's own.

        Without a mask the bias masks too, and one kernel does it all (fused.py).
        """
        queries = self._heads(self.query(x))
        if mask is None:
            more = {"deterministic": deterministic, "prefix": prefix}
            return self._out(self._attend_fused(queries, keys_values, bias, **more))
        keys, values = keys_values
        logits = jnp.einsum("bqhd,bhkd->bhqk", queries, keys).astype(jnp.float32)
        if bias is not None:
            logits = _add_bias(logits, bias)
        logits = jnp.where(mask, logits, MASKED)
        if prefix is not None:
            before = prefix.logits(queries, MASKED)
            logits = jnp.concatenate([before, logits], axis=-1)
        weights = jax.nn.softmax(logits, axis=-1)
        weights = self.dropout(
            weights.astype(self.config.compute_dtype), deterministic=deterministic
        )
        own = weights if prefix is None else weights[..., before.shape[-1] :]
        joined = jnp.einsum("bhqk,bhkd->bqhd", own, values)
        if prefix is not None:
            joined = joined + prefix.weighted(weights[..., : before.shape[-1]])
        return self._out(joined)

    def _attend_fused(
        self,
        queries: Float[Array, "batch query heads d_head"],
        keys_values: KeysValues,
        bias: Float[Array, "#batch heads query key"],
        *,
        deterministic: bool,
        prefix: Prefix | None,
    ) -> Float[Array, "batch query heads d_head"]:
        keys, values = keys_values
        if prefix is not None:
            keys, values, bias = prefix.before(keys, values, bias, MASKED)
        # A key that is dropped is dropped for every query: its value may be dropped in
        # place of its weights, by the same numbers.
        values = jnp.swapaxes(values, 2, 3)
        values = jnp.swapaxes(self.dropout(values, deterministic=deterministic), 2, 3)
        return fused.attention(queries, keys, values, bias)

    def _out(
        self, attended: Float[Array, "batch query heads d_head"]
    ) -> Float[Array, "batch query d_model"]:
        return self.out(attended.reshape(*attended.shape[:2], self.config.d_joined))

    @nn.compact
    def attend_cached(
        self,
        x: Float[Array, "batch new d_model"],
        *,
        position: Int[Array, ""],
        bias: Float[Array, "1 heads 1 key"],
        prefix: Prefix | None = None,
    ) -> Float[Array, "batch new d_model"]:
        """Attends from one new position to all before it, which the cache remembers.

        The first call, with x [batch, length, d_model], only makes an empty cache of
        that length; every later call has x [batch, 1, d_model].
        """
        keys, values = self.keys_values(x)
        is_new = not self.has_variable("cache", "cached_key")
        cached_keys = self.variable("cache", "cached_key", jnp.zeros_like, keys)
        cached_values = self.variable("cache", "cached_value", jnp.zeros_like, values)
        if not is_new:
            at = (0, 0, position, 0)
            cached_keys.value = jax.lax.dynamic_update_slice(
                cached_keys.value, keys, at
            )
            cached_values.value = jax.lax.dynamic_update_slice(
                cached_values.value, values, at
            )
        so_far = jnp.arange(cached_keys.value.shape[2]) <= position
        return self.attend(
            x,
            (cached_keys.value, cached_values.value),
            mask=so_far[None, None, None, :],
            bias=bias,
            deterministic=True,
            prefix=prefix,
        )
