"""One layer of an encoder or a decoder, with T5X's parameter names.

A layer's methods return (x, what it leaves), with what is a layer's own in front of
what all share: the shape that a scan over layers takes; see walk.py.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.t5 import fused
from spot_jax.t5 import prefix as prefixes
from spot_jax.t5.attention import Attention, KeysValues
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import MlpBlock, RMSNorm, on_mesh
from spot_jax.t5.prefix import Own, Prefix, Reading
from spot_jax.t5.relpos import RelativePositionBias


def norm_of(config: T5Config) -> RMSNorm:
    """Returns a new norm."""
    return RMSNorm(config.compute_dtype, config.norm_epsilon)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each normed before and added after."""

    config: T5Config

    def setup(self):
        config = self.config
        self.pre_attention_layer_norm = norm_of(config)
        self.attention = Attention(config)
        self.pre_mlp_layer_norm = norm_of(config)
        self.mlp = MlpBlock(config)
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))
        if config.relpos_in_every_layer:
            self.relpos_bias = RelativePositionBias(config, bidirectional=True)

    def __call__(
        self,
        x: Float[Array, "batch length d_model"],
        own: Own | None,
        reading: Reading | None,
        mask: Bool[Array, "batch 1 length length"] | None,
        bias: Float[Array, "#batch heads length length"] | None,
        deterministic: bool,
    ) -> tuple[Float[Array, "batch length d_model"], None]:
        if bias is None:
            places = jnp.arange(x.shape[1])
            bias, mask = fused.entering(
                self.relpos_bias(places, places), mask, self.config
            )
        if own is not None and own.hidden is not None:
            x = with_hidden(x, own, reading)
        h = self.pre_attention_layer_norm(x)
        h = self.attention.attend(
            h,
            self.attention.keys_values(h),
            mask=mask,
            bias=bias,
            deterministic=deterministic,
            prefix=own_prefix(self, own, reading),
        )
        x = x + self.dropout(h, deterministic=deterministic)
        h = self.mlp(self.pre_mlp_layer_norm(x), deterministic=deterministic)
        x = x + self.dropout(h, deterministic=deterministic)
        return on_mesh(x, "batch", "length", "embed"), None


class DecoderLayer(nn.Module):
    """Self-attention, attention to the encoder's output, then feed-forward."""

    config: T5Config

    def setup(self):
        config = self.config
        self.pre_self_attention_layer_norm = norm_of(config)
        self.self_attention = Attention(config)
        self.pre_cross_attention_layer_norm = norm_of(config)
        self.encoder_decoder_attention = Attention(config)
        self.pre_mlp_layer_norm = norm_of(config)
        self.mlp = MlpBlock(config)
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))
        if config.relpos_in_every_layer:
            self.relpos_bias = RelativePositionBias(config, bidirectional=False)

    def _after_self_attention(
        self,
        x: Float[Array, "batch length d_model"],
        cross: KeysValues,
        *,
        cross_mask: Bool[Array, "batch 1 #length key"],
        deterministic: bool,
        own: Own | None,
        reading: Reading | None,
    ) -> Float[Array, "batch length d_model"]:
        prefix = own and prefixes.of_layer(own.cross, own, reading, self.config)
        h = self.encoder_decoder_attention.attend(
            self.pre_cross_attention_layer_norm(x),
            cross,
            mask=cross_mask,
            bias=None,
            deterministic=deterministic,
            prefix=prefix,
        )
        x = x + self.dropout(h, deterministic=deterministic)
        h = self.mlp(self.pre_mlp_layer_norm(x), deterministic=deterministic)
        x = x + self.dropout(h, deterministic=deterministic)
        return on_mesh(x, "batch", "length", "embed")

    def cross_keys_values(
        self, _: tuple, own: None, encoded: Float[Array, "batch key d_model"]
    ) -> tuple[tuple, KeysValues]:
        """Projects the encoder's output, for any number of targets."""
        del own
        return (), self.encoder_decoder_attention.keys_values(encoded)

    def __call__(
        self,
        x: Float[Array, "batch length d_model"],
        own: tuple[KeysValues | None, Own | None],
        encoded: Float[Array, "batch key d_model"] | None,
        reading: Reading | None,
        mask: Bool[Array, "#batch 1 length length"],
        cross_mask: Bool[Array, "batch 1 #length key"],
        bias: Float[Array, "1 heads length length"] | None,
        deterministic: bool,
    ) -> tuple[Float[Array, "batch length d_model"], None]:
        """The layer for whole targets; what is its own are cross keys and a prompt's.

        Without the cross keys and values it projects `encoded` itself.
        """
        cross, own = own
        if bias is None:
            places = jnp.arange(x.shape[1])
            bias = self.relpos_bias(places, places)
        if cross is None:
            # Here, where rematerialisation forgets it: of all layers it is gigabytes.
            cross = self.encoder_decoder_attention.keys_values(encoded)
        h = self.pre_self_attention_layer_norm(x)
        h = self.self_attention.attend(
            h,
            self.self_attention.keys_values(h),
            mask=mask,
            bias=bias,
            deterministic=deterministic,
            prefix=own_prefix(self, own, reading),
        )
        x = x + self.dropout(h, deterministic=deterministic)
        x = self._after_self_attention(
            x,
            cross,
            cross_mask=cross_mask,
            deterministic=deterministic,
            own=own,
            reading=reading,
        )
        return x, None

    def decode_one(
        self,
        x: Float[Array, "batch new d_model"],
        own: tuple[KeysValues, Own | None],
        reading: Reading | None,
        cross_mask: Bool[Array, "batch 1 1 key"],
        bias: Float[Array, "1 heads 1 max_length"] | None,
        position: Int[Array, ""],
        max_length: int,
    ) -> tuple[Float[Array, "batch new d_model"], None]:
        """The layer for one new position; the cache holds the earlier ones."""
        cross, own = own
        if bias is None:
            bias = self.relpos_bias(position[None], jnp.arange(max_length))
        h = self.self_attention.attend_cached(
            self.pre_self_attention_layer_norm(x),
            position=position,
            bias=bias,
            prefix=own_prefix(self, own, reading),
        )
        x = self._after_self_attention(
            x + h,
            cross,
            cross_mask=cross_mask,
            deterministic=True,
            own=own,
            reading=reading,
        )
        return x, None


def with_hidden(
    x: Float[Array, "batch length d_model"], own: Own, reading: Reading
) -> Float[Array, "batch length d_model"]:
    """Puts a prompt's vectors into the residual stream, in their slots."""
    adds = reading.hidden_mode == "add"
    new = reading.slots.filled(x, own.hidden, adds=adds)
    return new if own.enters is None else jnp.where(own.enters, new, x)


def own_prefix(
    layer: EncoderLayer | DecoderLayer, own: Own | None, reading: Reading | None
) -> Prefix | None:
    """Returns what a prompt puts into a layer's self-attention."""
    if own is None or own.keys_values is None:
        return None
    bias = reading.bias
    if reading.positions is not None and bias is None:
        length = own.keys_values.shape[-2]
        bias = layer.relpos_bias.before(reading.positions, length)
    return prefixes.of_layer(own.keys_values, own, reading, layer.config, bias)
