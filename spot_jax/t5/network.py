"""The T5 encoder-decoder, with T5X's parameter tree and room for a prompt.

Without a prompt this is T5X's T5 (`t5x.examples.t5`), so that published checkpoints
load by name. A prompt arrives as an argument; nothing here is a prompt's parameter.
"""

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from spot_jax.prompts.base import PromptBundle, check_supported
from spot_jax.t5 import inputs, masks
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import (
    Attention,
    Dense,
    Embedding,
    MlpBlock,
    RelativePositionBias,
    RMSNorm,
    on_mesh,
)

# Per decoder layer, the projected keys and values of the encoder's output.
CrossKeysValues = list[tuple[Array, Array]]


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each normed before and added after."""

    config: T5Config

    def setup(self):
        config = self.config
        self.pre_attention_layer_norm = RMSNorm(config.compute_dtype)
        self.attention = Attention(config)
        self.pre_mlp_layer_norm = RMSNorm(config.compute_dtype)
        self.mlp = MlpBlock(config)
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))

    def __call__(self, x: Array, *, mask: Array, bias: Array, deterministic: bool):
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
        self.pre_self_attention_layer_norm = RMSNorm(config.compute_dtype)
        self.self_attention = Attention(config)
        self.pre_cross_attention_layer_norm = RMSNorm(config.compute_dtype)
        self.encoder_decoder_attention = Attention(config)
        self.pre_mlp_layer_norm = RMSNorm(config.compute_dtype)
        self.mlp = MlpBlock(config)
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))

    def _after_self_attention(
        self,
        x: Array,
        cross: tuple[Array, Array],
        *,
        cross_mask: Array,
        deterministic: bool,
    ):
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
        x: Array,
        cross: tuple[Array, Array],
        *,
        mask: Array,
        cross_mask: Array,
        bias: Array,
        deterministic: bool,
    ):
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
        x: Array,
        cross: tuple[Array, Array],
        *,
        cross_mask: Array,
        bias: Array,
        position: Array,
    ):
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
        self.relpos_bias = RelativePositionBias(config, bidirectional=True)
        self.layers = [EncoderLayer(config) for _ in range(config.encoder_layers)]
        self.encoder_norm = RMSNorm(config.compute_dtype)
        self.input_dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))
        self.output_dropout = nn.Dropout(config.dropout_rate)

    def __call__(self, x: Array, segment_ids: Array, *, deterministic: bool):
        mask = masks.same_segment(segment_ids, segment_ids)
        # Row indices serve as positions also where rows are packed: the bias depends
        # on differences alone, and attention never leaves an example.
        places = jnp.arange(x.shape[1])
        bias = self.relpos_bias(places, places)
        x = self.input_dropout(x, deterministic=deterministic)
        for layer in self.layers:
            x = layer(x, mask=mask, bias=bias, deterministic=deterministic)
        x = self.encoder_norm(x)
        return self.output_dropout(x, deterministic=deterministic)


class Decoder(nn.Module):
    """The stack that writes the target."""

    config: T5Config

    def setup(self):
        config = self.config
        self.relpos_bias = RelativePositionBias(config, bidirectional=False)
        self.layers = [DecoderLayer(config) for _ in range(config.decoder_layers)]
        self.decoder_norm = RMSNorm(config.compute_dtype)
        self.dropout = nn.Dropout(config.dropout_rate, broadcast_dims=(-2,))
        if not config.logits_via_embedding:
            self.logits_dense = Dense(
                config.vocab_size, ("embed", "vocab"), jnp.dtype(jnp.float32)
            )

    def cross_keys_values(self, encoded: Array) -> CrossKeysValues:
        """Projects the encoder's output once for every layer."""
        return [
            layer.encoder_decoder_attention.keys_values(encoded)
            for layer in self.layers
        ]

    def __call__(
        self,
        x: Array,
        cross: CrossKeysValues,
        *,
        mask: Array,
        cross_mask: Array,
        deterministic: bool,
    ):
        places = jnp.arange(x.shape[1])
        bias = self.relpos_bias(places, places)
        x = self.dropout(x, deterministic=deterministic)
        for layer, keys_values in zip(self.layers, cross, strict=True):
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
        x: Array,
        cross: CrossKeysValues,
        *,
        cross_mask: Array,
        position: Array,
        max_length: int,
    ):
        """One new position [batch, 1, d_model] through all layers."""
        bias = self.relpos_bias(jnp.reshape(position, (1,)), jnp.arange(max_length))
        for layer, keys_values in zip(self.layers, cross, strict=True):
            x = layer.decode_one(
                x, keys_values, cross_mask=cross_mask, bias=bias, position=position
            )
        return self.decoder_norm(x)


class T5(nn.Module):
    """A T5 that takes a prompt as an argument.

    Parameters are T5X's: token_embedder, encoder, decoder (reference: t5x.examples.t5).
    """

    config: T5Config

    def setup(self):
        self.token_embedder = Embedding(self.config)
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)

    def encode(
        self,
        tokens: Int[Array, "batch length"],
        *,
        prompt: PromptBundle | None = None,
        segment_ids: Int[Array, "batch length"] | None = None,
        prompt_ids: Int[Array, "batch length"] | None = None,
        positions: Int[Array, "batch length"] | None = None,
        deterministic: bool = True,
    ) -> tuple[Float[Array, "batch longer d_model"], Int[Array, "batch longer"]]:
        """Reads the input, with the prompt in front of it or in its slots.

        Args:
            tokens: [batch, length] token ids.
            prompt: what to put in; None is the frozen model alone, bit for bit.
            segment_ids: [batch, length] the example of each position, 0: padding.
                None: every token but 0 is one example.
            prompt_ids: [batch, length] rows that kept slots for the prompt (see
                `inputs.fill_slots`). None: the prompt is prepended to every row.
            positions: [batch, length] positions in the example; goes with prompt_ids.
            deterministic: False drops out at the configuration's rate.

        Returns:
            [batch, longer, d_model] the encoder's output and [batch, longer] its
            segment ids, longer = length, plus the prompt's length if it was prepended.

        Raises:
            ValueError: when the prompt enters where nothing is built yet.
        """
        if segment_ids is None:
            segment_ids = (tokens > 0).astype(jnp.int32)
        x = self.token_embedder(tokens)
        if prompt is not None:
            check_supported(prompt)
        if prompt is not None and prompt.enc_input is not None:
            if prompt_ids is None:
                x, segment_ids = inputs.prepend(x, segment_ids, prompt)
            else:
                x, segment_ids = inputs.fill_slots(
                    x, segment_ids, prompt, prompt_ids=prompt_ids, positions=positions
                )
        x = on_mesh(x, "batch", "length", "embed")
        return self.encoder(x, segment_ids, deterministic=deterministic), segment_ids

    def logits(
        self, x: Float[Array, "batch length d_model"]
    ) -> Float[Array, "batch length vocab"]:
        """Scores every token of the vocabulary, in float32."""
        if self.config.logits_via_embedding:
            logits = self.token_embedder.logits(x)
        else:
            logits = self.decoder.logits_dense(x)
        return on_mesh(logits, "batch", "length", "vocab")

    def decode(
        self,
        encoded: Float[Array, "batch longer d_model"],
        encoder_segment_ids: Int[Array, "batch longer"],
        decoder_input_tokens: Int[Array, "batch target"],
        *,
        decoder_segment_ids: Int[Array, "batch target"] | None = None,
        deterministic: bool = True,
    ) -> Float[Array, "batch target vocab"]:
        """Scores the target given its own beginning (teacher forcing).

        Args:
            encoded: [batch, longer, d_model] from `encode`.
            encoder_segment_ids: [batch, longer] from `encode`.
            decoder_input_tokens: [batch, target] the targets shifted right.
            decoder_segment_ids: [batch, target] for packed rows; None: one example a
                row.
            deterministic: False drops out at the configuration's rate.

        Returns:
            [batch, target, vocab] float32 logits.
        """
        mask = masks.causal(decoder_input_tokens.shape[1])
        if decoder_segment_ids is None:
            cross_mask = masks.visible_keys(encoder_segment_ids)
        else:
            mask = mask & masks.same_segment(decoder_segment_ids, decoder_segment_ids)
            cross_mask = masks.same_segment(decoder_segment_ids, encoder_segment_ids)
        x = self.decoder(
            self.token_embedder(decoder_input_tokens),
            self.decoder.cross_keys_values(encoded),
            mask=mask,
            cross_mask=cross_mask,
            deterministic=deterministic,
        )
        return self.logits(x)

    def cross_keys_values(self, encoded: Array) -> CrossKeysValues:
        """Projects the encoder's output for all decoding steps at once."""
        return self.decoder.cross_keys_values(encoded)

    def decode_one(
        self,
        cross: CrossKeysValues,
        encoder_segment_ids: Int[Array, "batch longer"],
        tokens: Int[Array, "batch new"],
        *,
        position: Int[Array, ""],
        max_length: int,
    ) -> Float[Array, "batch new vocab"]:
        """Scores the token after `tokens`; the mutable collection "cache" remembers.

        Args:
            cross: from `cross_keys_values`.
            encoder_segment_ids: [batch, longer] from `encode`.
            tokens: [batch, 1] the newest token ([batch, max_length] makes the cache).
            position: how many tokens came before it.
            max_length: room in the cache.

        Returns:
            [batch, 1, vocab] float32 logits.
        """
        x = self.decoder.decode_one(
            self.token_embedder(tokens),
            cross,
            cross_mask=masks.visible_keys(encoder_segment_ids),
            position=position,
            max_length=max_length,
        )
        return self.logits(x)

    def __call__(
        self,
        encoder_input_tokens: Int[Array, "batch length"],
        decoder_input_tokens: Int[Array, "batch target"],
        *,
        prompt: PromptBundle | None = None,
        encoder_segment_ids: Int[Array, "batch length"] | None = None,
        encoder_prompt_ids: Int[Array, "batch length"] | None = None,
        encoder_positions: Int[Array, "batch length"] | None = None,
        decoder_segment_ids: Int[Array, "batch target"] | None = None,
        deterministic: bool = True,
    ) -> Float[Array, "batch target vocab"]:
        """Encodes the input and scores the target; see `encode` and `decode`."""
        encoded, encoder_segment_ids = self.encode(
            encoder_input_tokens,
            prompt=prompt,
            segment_ids=encoder_segment_ids,
            prompt_ids=encoder_prompt_ids,
            positions=encoder_positions,
            deterministic=deterministic,
        )
        return self.decode(
            encoded,
            encoder_segment_ids,
            decoder_input_tokens,
            decoder_segment_ids=decoder_segment_ids,
            deterministic=deterministic,
        )


def parameter_shapes(config: T5Config) -> tuple[dict, dict]:
    """Returns the parameter tree and its logical axes, without computing anything.

    Args:
        config: the T5.

    Returns:
        A tree of jax.ShapeDtypeStruct (float32) and, with the same nested keys, a
        tree of tuples of logical axis names, e.g. ("embed", "joined_kv").
    """
    tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    variables = jax.eval_shape(T5(config).init, jax.random.key(0), tokens, tokens)
    axes = nn.partitioning.get_axis_names(variables["params_axes"])
    return variables["params"], jax.tree.map(tuple, flax.core.unfreeze(axes))


def initial_parameters(config: T5Config, key: jax.Array) -> dict:
    """Returns random float32 parameters, T5's own starting values."""
    tokens = jnp.zeros((1, 1), jnp.int32)
    return T5(config).init(key, tokens, tokens)["params"]
