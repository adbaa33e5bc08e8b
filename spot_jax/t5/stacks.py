"""The stacks of a T5, with T5X's parameter names."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import fused, masks, walk
from spot_jax.t5 import prefix as prefixes
from spot_jax.t5.attention import KeysValues
from spot_jax.t5.blocks import DecoderLayer, EncoderLayer, norm_of
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import Dense
from spot_jax.t5.prefix import Reading
from spot_jax.t5.relpos import RelativePositionBias

# The projected keys and values of the encoder's output, of every decoder layer: a list,
# or where layers are scanned the two arrays with the layers first.
CrossKeysValues = (
    list[KeysValues]
    | tuple[
        Float[Array, "layers batch heads key d_head"],
        Float[Array, "layers batch heads key d_head"],
    ]
)


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
        prompt: PromptBundle | None = None,
        reading: Reading | None = None,
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
        mask = masks.same_segment(segment_ids, segment_ids)
        # Row indices serve as positions also where rows are packed: the bias depends
        # on differences alone, and attention never leaves an example.
        places = jnp.arange(x.shape[1])
        bias, mask = fused.entering(
            shared_bias(self, places, places), mask, self.config
        )
        x = self.input_dropout(x, deterministic=deterministic)
        count = self.config.encoder_layers
        sites = {"hidden": "enc_hidden", "keys_values": "enc_self"}
        own = prefixes.of_layers(prompt, self.config, count, **sites)
        reading = with_bias(self, reading, prompt and prompt.enc_self)
        shared = reading, mask, bias, deterministic
        x, _ = walk.through(self.layers, "__call__", x, own, *shared)
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
        prompt: PromptBundle | None = None,
        reading: Reading | None = None,
        mask: Bool[Array, "#batch 1 length length"],
        cross_mask: Bool[Array, "batch 1 #length key"],
        deterministic: bool,
    ) -> Float[Array, "batch length d_model"]:
        """Takes whole targets through all layers, with `cross` or with `encoded`."""
        places = jnp.arange(x.shape[1])
        bias = shared_bias(self, places, places)
        x = self.dropout(x, deterministic=deterministic)
        own, reading = self._own(cross, prompt, reading)
        shared = encoded, reading, mask, cross_mask, bias, deterministic
        x, _ = walk.through(self.layers, "__call__", x, own, *shared)
        x = self.decoder_norm(x)
        return self.dropout(x, deterministic=deterministic)

    def decode_one(
        self,
        x: Float[Array, "batch new d_model"],
        cross: CrossKeysValues,
        *,
        prompt: PromptBundle | None = None,
        reading: Reading | None = None,
        cross_mask: Bool[Array, "batch 1 1 key"],
        position: Int[Array, ""],
        max_length: int,
    ) -> Float[Array, "batch new d_model"]:
        """One new position [batch, 1, d_model] through all layers."""
        place, places = jnp.reshape(position, (1,)), jnp.arange(max_length)
        bias = shared_bias(self, place, places)
        own, reading = self._own(cross, prompt, reading)
        shared = reading, cross_mask, bias, position, max_length
        x, _ = walk.through(self.layers, "decode_one", x, own, *shared)
        return self.decoder_norm(x)

    def _own(
        self,
        cross: CrossKeysValues | None,
        prompt: PromptBundle | None,
        reading: Reading | None,
    ) -> tuple[Any, Reading | None]:
        """Returns what is each layer's own, and what all know of the prompt."""
        count = self.config.decoder_layers
        sites = {"keys_values": "dec_self", "cross": "cross"}
        own = prefixes.of_layers(prompt, self.config, count, **sites)
        reading = with_bias(self, reading, prompt and prompt.dec_self)
        if self.config.scan_layers:
            return (cross, own), reading
        nothing = [None] * count
        return list(zip(cross or nothing, own or nothing, strict=True)), reading


def with_bias(
    stack: Encoder | Decoder,
    reading: Reading | None,
    keys_values: Float[Array, "layers 2 *bank prompt joined"] | None,
) -> Reading | None:
    """Adds the position bias of a prompt's keys that all layers of a stack share."""
    if keys_values is None or reading is None or reading.positions is None:
        return reading
    if stack.config.relpos_in_every_layer:
        return reading
    length = keys_values.shape[-2]
    return reading.replace(bias=stack.relpos_bias.before(reading.positions, length))


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
