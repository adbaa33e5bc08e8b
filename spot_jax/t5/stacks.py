"""The layers and stacks of a T5, with T5X's parameter names.

A layer's methods return (x, what it leaves), with what is a layer's own in front of
what all share: the shape that a scan over layers takes; see walk.py.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.t5 import masks, walk
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import Attention, Dense, KeysValues, MlpBlock, RMSNorm, on_mesh
from spot_jax.t5.relpos import RelativePositionBias

# The projected keys and values of the encoder's output, of every decoder layer: a list,
# or where layers are scanned the two arrays with the layers first.
CrossKeysValues = (
    list[KeysValues]
    | tuple[
        Float[Array, "layers batch key heads d_head"],
        Float[Array, "layers batch key heads d_head"],
    ]
)


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
        own: None,
        mask: Bool[Array, "batch 1 length length"],
        bias: Float[Array, "1 heads length length"] | None,
        deterministic: bool,
    ) -> tuple[Float[Array, "batch length d_model"], None]:
        del own
        if bias is None:
            places = jnp.arange(x.shape[1])
            bias = self.relpos_bias(places, places)
        h = self.pre_attention_layer_norm(x)
        h = self.attention.attend(
            h,
            self.attention.keys_values(h),
            mask=mask,
            bias=bias,
            deterministic=deterministic,
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
    ) -> Float[Array, "batch length d_model"]:
        h = self.encoder_decoder_attention.attend(
            self.pre_cross_attention_layer_norm(x),
            cross,
            mask=cross_mask,
            bias=None,
            deterministic=deterministic,
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
        cross: KeysValues | None,
        encoded: Float[Array, "batch key d_model"] | None,
        mask: Bool[Array, "#batch 1 length length"],
        cross_mask: Bool[Array, "batch 1 #length key"],
        bias: Float[Array, "1 heads length length"] | None,
        deterministic: bool,
    ) -> tuple[Float[Array, "batch length d_model"], None]:
        """The layer for whole targets; without `cross` it projects `encoded` itself."""
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
        )
        x = x + self.dropout(h, deterministic=deterministic)
        x = self._after_self_attention(
            x, cross, cross_mask=cross_mask, deterministic=deterministic
        )
        return x, None

    def decode_one(
        self,
        x: Float[Array, "batch new d_model"],
        cross: KeysValues,
        cross_mask: Bool[Array, "batch 1 1 key"],
        bias: Float[Array, "1 heads 1 max_length"] | None,
        position: Int[Array, ""],
        max_length: int,
    ) -> tuple[Float[Array, "batch new d_model"], None]:
        """The layer for one new position; the cache holds the earlier ones."""
        if bias is None:
            bias = self.relpos_bias(position[None], jnp.arange(max_length))
        h = self.self_attention.attend_cached(
            self.pre_self_attention_layer_norm(x), position=position, bias=bias
        )
        x = self._after_self_attention(
            x + h, cross, cross_mask=cross_mask, deterministic=True
        )
        return x, None


class Encoder(nn.Module):
    """The stack that reads the prompt and the input."""

    config: T5Config

    def setup(self):
        config = self.config
        if not config.relpos_in_every_layer:
            self.relpos_bias = RelativePositionBias(config, bidirectional=True)
        self.layers = walk.layers_of(
            EncoderLayer, config, config.encoder_layers, ["__call__"]
        )
        self.encoder_norm = norm_of(config)
        self.input_dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))
        self.output_dropout = nn.Dropout(config.dropout_rate)

    def __call__(
        self,
        x: Float[Array, "batch length d_model"],
        segment_ids: Int[Array, "batch length"],
        *,
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
        mask = masks.same_segment(segment_ids, segment_ids)
        # Row indices serve as positions also where rows are packed: the bias depends
        # on differences alone, and attention never leaves an example.
        places = jnp.arange(x.shape[1])
        bias = shared_bias(self, places, places)
        x = self.input_dropout(x, deterministic=deterministic)
        x, _ = walk.through(self.layers, "__call__", x, None, mask, bias, deterministic)
        x = self.encoder_norm(x)
        return self.output_dropout(x, deterministic=deterministic)


class Decoder(nn.Module):
    """The stack that writes the target."""

    config: T5Config

    def setup(self):
        config = self.config
        if not config.relpos_in_every_layer:
            self.relpos_bias = RelativePositionBias(config, bidirectional=False)
        self.layers = walk.layers_of(
            DecoderLayer,
            config,
            config.decoder_layers,
            ["__call__", "cross_keys_values", "decode_one"],
        )
        self.decoder_norm = norm_of(config)
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))
        if not config.logits_via_embedding:
            self.logits_dense = Dense(
                config.vocab_size, ("embed", "vocab"), jnp.dtype(jnp.float32)
            )

    def cross_keys_values(
        self, encoded: Float[Array, "batch key d_model"]
    ) -> CrossKeysValues:
        """Projects the encoder's output once for every layer."""
        _, cross = walk.through(self.layers, "cross_keys_values", (), None, encoded)
        return cross

    def __call__(
        self,
        x: Float[Array, "batch length d_model"],
        cross: CrossKeysValues | None,
        *,
        encoded: Float[Array, "batch key d_model"] | None = None,
        mask: Bool[Array, "#batch 1 length length"],
        cross_mask: Bool[Array, "batch 1 #length key"],
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
        """Takes whole targets through all layers, with `cross` or with `encoded`."""
        places = jnp.arange(x.shape[1])
        bias = shared_bias(self, places, places)
        x = self.dropout(x, deterministic=deterministic)
        shared = encoded, mask, cross_mask, bias, deterministic
        x, _ = walk.through(self.layers, "__call__", x, cross, *shared)
        x = self.decoder_norm(x)
        return self.dropout(x, deterministic=deterministic)

    def decode_one(
        self,
        x: Float[Array, "batch new d_model"],
        cross: CrossKeysValues,
        *,
        cross_mask: Bool[Array, "batch 1 1 key"],
        position: Int[Array, ""],
        max_length: int,
    ) -> Float[Array, "batch new d_model"]:
        """One new position [batch, 1, d_model] through all layers."""
        place, places = jnp.reshape(position, (1,)), jnp.arange(max_length)
        bias = shared_bias(self, place, places)
        shared = cross_mask, bias, position, max_length
        x, _ = walk.through(self.layers, "decode_one", x, cross, *shared)
        return self.decoder_norm(x)


def shared_bias(
    stack: Encoder | Decoder, query: Int[Array, " query"], key: Int[Array, " key"]
) -> Float[Array, "1 heads query key"] | None:
    """Returns the bias that a stack's layers share; None where each has its own.

    Args:
        stack: the layers.
        query: [query] positions of the queries.
        key: [key] positions of the keys.
    """
    if stack.config.relpos_in_every_layer:
        return None
    return stack.relpos_bias(query, key)
