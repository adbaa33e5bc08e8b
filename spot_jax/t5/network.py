"""The T5 encoder-decoder, with T5X's parameter tree and room for a prompt.

Without a prompt this is T5X's T5 (`t5x.examples.t5`), so that published checkpoints
load by name. A prompt arrives as an argument; nothing here is a prompt's parameter.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import inputs, masks
from spot_jax.t5.config import T5Config
from spot_jax.t5.layers import Embedding, on_mesh
from spot_jax.t5.prefix import positions_in, reading_of
from spot_jax.t5.stacks import CrossKeysValues, Decoder, Encoder


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
        row_prompts: Int[Array, " batch"] | None = None,
        deterministic: bool = True,
    ) -> tuple[Float[Array, "batch longer d_model"], Int[Array, "batch longer"]]:
        """Reads the input, with the prompt in front of it or in its slots.

        Args:
            tokens: [batch, length] token ids.
            prompt: what to put in; None is the frozen model alone, bit for bit.
            segment_ids: [batch, length] the example of each position, 0: padding.
                None: every token but 0 is one example.
            prompt_ids: [batch, length] rows that kept slots for the prompt (see
                `inputs.enter`). None: the prompt is prepended to every row.
            positions: [batch, length] positions in the example; goes with prompt_ids.
            row_prompts: [batch] the prompt of each row, by its number in a bank of keys
                and values, which take no slots. None: a bank has one for every row.
            deterministic: False drops out at the configuration's rate.

        Returns:
            [batch, longer, d_model] the encoder's output and [batch, longer] its
            segment ids, longer = length, plus the prompt's length if it was prepended.

        """
        if segment_ids is None:
            segment_ids = (tokens > 0).astype(jnp.int32)
        x = self.token_embedder(tokens)
        slots = None
        if prompt is not None:
            x, segment_ids, slots = inputs.enter(
                x, segment_ids, prompt, prompt_ids=prompt_ids, positions=positions
            )
        x = on_mesh(x, "batch", "length", "embed")
        reading = reading_of(
            prompt,
            len(tokens),
            row_prompts=row_prompts,
            positions=positions_in(segment_ids),
            slots=slots,
        )
        encoded = self.encoder(
            x,
            segment_ids,
            prompt=prompt,
            reading=reading,
            deterministic=deterministic,
        )
        return encoded, segment_ids

    def logits(
        self, x: Float[Array, "batch length d_model"]
    ) -> Float[Array, "batch length vocab"]:
        """Scores every token of the vocabulary, in float32."""
        if self.config.logits_via_embedding:
            logits = self.token_embedder.logits(x)
        else:
            logits = self.decoder.logits_dense(x)
        return on_mesh(logits, "batch", "length", "vocab")

    def states(
        self,
        encoded: Float[Array, "batch longer d_model"],
        encoder_segment_ids: Int[Array, "batch longer"],
        decoder_input_tokens: Int[Array, "batch target"],
        *,
        decoder_segment_ids: Int[Array, "batch target"] | None = None,
        prompt: PromptBundle | None = None,
        row_prompts: Int[Array, " batch"] | None = None,
        deterministic: bool = True,
    ) -> Float[Array, "batch target d_model"]:
        """Reads the target given its own beginning (teacher forcing).

        Args:
            encoded: [batch, longer, d_model] from `encode`.
            encoder_segment_ids: [batch, longer] from `encode`.
            decoder_input_tokens: [batch, target] the targets shifted right.
            decoder_segment_ids: [batch, target] for packed rows; None: one example a
                row.
            prompt: what enters the decoder; see `encode`, as row_prompts.
            row_prompts: see `encode`.
            deterministic: False drops out at the configuration's rate.

        Returns:
            [batch, target, d_model] the decoder's output, of which logits are made.
        """
        batch, length = decoder_input_tokens.shape
        mask = masks.causal(length)
        if decoder_segment_ids is None:
            cross_mask = masks.visible_keys(encoder_segment_ids)
            positions = jnp.arange(length)[None]
        else:
            positions = positions_in(decoder_segment_ids)
            mask = mask & masks.same_segment(decoder_segment_ids, decoder_segment_ids)
            cross_mask = masks.same_segment(decoder_segment_ids, encoder_segment_ids)
        return self.decoder(
            self.token_embedder(decoder_input_tokens),
            None,
            encoded=encoded,
            prompt=prompt,
            reading=reading_of(
                prompt, batch, row_prompts=row_prompts, positions=positions
            ),
            mask=mask,
            cross_mask=cross_mask,
            deterministic=deterministic,
        )

    def decode(
        self,
        encoded: Float[Array, "batch longer d_model"],
        encoder_segment_ids: Int[Array, "batch longer"],
        decoder_input_tokens: Int[Array, "batch target"],
        **options,
    ) -> Float[Array, "batch target vocab"]:
        """Scores the target given its own beginning (teacher forcing).

        Takes what `states` takes.

        Returns:
            [batch, target, vocab] float32 logits.
        """
        read = encoded, encoder_segment_ids, decoder_input_tokens
        return self.logits(self.states(*read, **options))

    def decode_projected(
        self,
        cross: CrossKeysValues,
        decoder_input_tokens: Int[Array, "batch target"],
        *,
        mask: Bool[Array, "#batch 1 target target"],
        cross_mask: Bool[Array, "batch 1 #target longer"],
        positions: Int[Array, "#batch target"],
        prompt: PromptBundle | None = None,
        row_prompts: Int[Array, " batch"] | None = None,
        deterministic: bool = True,
    ) -> Float[Array, "batch target vocab"]:
        """Scores the target as `decode` does, with masks of the caller's own.

        Args:
            cross: from `cross_keys_values`.
            decoder_input_tokens: [batch, target] the targets shifted right.
            mask: [#batch, 1, target, target] which targets each may attend to.
            cross_mask: [batch, 1, #target, longer] which inputs.
            positions: [#batch, target] how far each stands in its target.
            prompt: see `decode`, as row_prompts.
            row_prompts: see `decode`.
            deterministic: False drops out at the configuration's rate.

        Returns:
            [batch, target, vocab] float32 logits.
        """
        x = self.decoder(
            self.token_embedder(decoder_input_tokens),
            cross,
            prompt=prompt,
            reading=reading_of(
                prompt,
                len(decoder_input_tokens),
                row_prompts=row_prompts,
                positions=positions,
            ),
            mask=mask,
            cross_mask=cross_mask,
            deterministic=deterministic,
        )
        return self.logits(x)

    def cross_keys_values(
        self, encoded: Float[Array, "batch longer d_model"]
    ) -> CrossKeysValues:
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
        prompt: PromptBundle | None = None,
        row_prompts: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch new vocab"]:
        """Scores the token after `tokens`; the mutable collection "cache" remembers.

        Args:
            cross: from `cross_keys_values`.
            encoder_segment_ids: [batch, longer] from `encode`.
            tokens: [batch, 1] the newest token ([batch, max_length] makes the cache).
            position: how many tokens came before it.
            max_length: room in the cache, in which a prompt takes none.
            prompt: see `decode`, as row_prompts.
            row_prompts: see `decode`.

        Returns:
            [batch, 1, vocab] float32 logits.
        """
        x = self.decoder.decode_one(
            self.token_embedder(tokens),
            cross,
            prompt=prompt,
            reading=reading_of(
                prompt,
                len(tokens),
                row_prompts=row_prompts,
                positions=jnp.reshape(position, (1, 1)),
            ),
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
        row_prompts: Int[Array, " batch"] | None = None,
        deterministic: bool = True,
    ) -> Float[Array, "batch target vocab"]:
        """Encodes the input and scores the target; see `encode` and `decode`."""
        encoded, encoder_segment_ids = self.encode(
            encoder_input_tokens,
            prompt=prompt,
            segment_ids=encoder_segment_ids,
            prompt_ids=encoder_prompt_ids,
            positions=encoder_positions,
            row_prompts=row_prompts,
            deterministic=deterministic,
        )
        return self.decode(
            encoded,
            encoder_segment_ids,
            decoder_input_tokens,
            decoder_segment_ids=decoder_segment_ids,
            prompt=prompt,
            row_prompts=row_prompts,
            deterministic=deterministic,
        )
