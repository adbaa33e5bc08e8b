"""The layers and stacks of a T5, with T5X's parameter names."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.t5 import masks
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import Attention, Dense, KeysValues, MlpBlock, RMSNorm, on_mesh
from spot_jax.t5.relpos import RelativePositionBias

# Per decoder layer, the projected keys and values of the encoder's output.
CrossKeysValues = list[KeysValues]


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
        *,
        mask: Bool[Array, "batch 1 length length"],
        bias: Float[Array, "1 heads length length"],
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
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
        return on_mesh(x, "batch", "length", "embed")


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

    def __call__(
        self,
        x: Float[Array, "batch length d_model"],
        cross: KeysValues,
        *,
        mask: Bool[Array, "#batch 1 length length"],
        cross_mask: Bool[Array, "batch 1 #length key"],
        bias: Float[Array, "1 heads length length"],
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
        h = self.pre_self_attention_layer_norm(x)
        h = self.self_attention.attend(
            h,
            self.self_attention.keys_values(h),
            mask=mask,
            bias=bias,
            deterministic=deterministic,
        )
        x = x + self.dropout(h, deterministic=deterministic)
        return self._after_self_attention(
            x, cross, cross_mask=cross_mask, deterministic=deterministic
        )

    def decode_one(
        self,
        x: Float[Array, "batch new d_model"],
        cross: KeysValues,
        *,
        cross_mask: Bool[Array, "batch 1 1 key"],
        bias: Float[Array, "1 heads 1 max_length"],
        position: Int[Array, ""],
    ) -> Float[Array, "batch new d_model"]:
        """The layer for one new position; the cache holds the earlier ones."""
        h = self.self_attention.attend_cached(
            self.pre_self_attention_layer_norm(x), position=position, bias=bias
        )
        return self._after_self_attention(
            x + h, cross, cross_mask=cross_mask, deterministic=True
        )


class Encoder(nn.Module):
    """The stack that reads the prompt and the input."""

    config: T5Config

    def setup(self):
        config = self.config
        if not config.relpos_in_every_layer:
            self.relpos_bias = RelativePositionBias(config, bidirectional=True)
        self.layers = [EncoderLayer(config) for _ in range(config.encoder_layers)]
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
        biases = position_biases(self, places, places)
        x = self.input_dropout(x, deterministic=deterministic)
        for layer, bias in zip(self.layers, biases, strict=True):
            x = layer(x, mask=mask, bias=bias, deterministic=deterministic)
        x = self.encoder_norm(x)
        return self.output_dropout(x, deterministic=deterministic)


class Decoder(nn.Module):
    """The stack that writes the target."""

    config: T5Config

    def setup(self):
        config = self.config
        if not config.relpos_in_every_layer:
            self.relpos_bias = RelativePositionBias(config, bidirectional=False)
        self.layers = [DecoderLayer(config) for _ in range(config.decoder_layers)]
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
        return [
            layer.encoder_decoder_attention.keys_values(encoded)
            for layer in self.layers
        ]

    def __call__(
        self,
        x: Float[Array, "batch length d_model"],
        cross: CrossKeysValues,
        *,
        mask: Bool[Array, "#batch 1 length length"],
        cross_mask: Bool[Array, "batch 1 #length key"],
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
        places = jnp.arange(x.shape[1])
        biases = position_biases(self, places, places)
        x = self.dropout(x, deterministic=deterministic)
        for layer, keys_values, bias in zip(self.layers, cross, biases, strict=True):
            x = layer(
                x,
                keys_values,
                mask=mask,
                cross_mask=cross_mask,
                bias=bias,
                deterministic=deterministic,
            )
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
        biases = position_biases(self, place, places)
        for layer, keys_values, bias in zip(self.layers, cross, biases, strict=True):
            x = layer.decode_one(
                x, keys_values, cross_mask=cross_mask, bias=bias, position=position
            )
        return self.decoder_norm(x)


def position_biases(
    stack: Encoder | Decoder, query: Int[Array, " query"], key: Int[Array, " key"]
) -> list[Float[Array, "1 heads query key"]]:
    """Returns the bias of every layer's self-attention, one array where they share it.

    Args:
        stack: the layers.
        query: [query] positions of the queries.
        key: [key] positions of the keys.
    """
    if stack.config.relpos_in_every_layer:
        return [layer.relpos_bias(query, key) for layer in stack.layers]
    return [stack.relpos_bias(query, key)] * len(stack.layers)
