"""The frozen T5 and its prompt as one module, which T5X calls."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from spot_jax.prompts.base import PromptSource
from spot_jax.t5 import T5, T5Config

# Where the prompt's parameters stand, beside token_embedder, encoder and decoder.
PROMPT = "prompt"


class PromptedT5(nn.Module):
    """A T5 with its prompt; T5X's EncoderDecoderModel takes it as its module.

    The parameters are the T5's own, under their own names, and those of the prompt
    under "prompt". In rows that hold one example the prompt is prepended; packed rows
    have kept slots for it (rows.py), and only of those T5X says the segments.

    Attributes:
        config: of the T5.
        source: the prompt's module; None: the T5 alone.
        slots: positions that the prompt takes up.
    """

    config: T5Config
    source: PromptSource | None
    slots: int

    def setup(self):
        self.t5 = T5(self.config)
        nn.share_scope(self, self.t5)
        if self.source is not None:
            self.prompt = self.source.clone()

    def __call__(
        self,
        encoder_input_tokens: Int[Array, "batch length"],
        decoder_input_tokens: Int[Array, "batch target"],
        decoder_target_tokens: Int[Array, "batch target"],
        encoder_segment_ids: Int[Array, "batch length"] | None = None,
        decoder_segment_ids: Int[Array, "batch target"] | None = None,
        encoder_positions: Int[Array, "batch length"] | None = None,
        decoder_positions: Int[Array, "batch target"] | None = None,
        *,
        enable_dropout: bool = True,
        decode: bool = False,
    ) -> Float[Array, "batch target vocab"]:
        """Scores the target given its own beginning; the arguments are T5X's."""
        del decoder_target_tokens, decoder_positions, decode
        slots = None
        if encoder_segment_ids is not None and self.source is not None:
            is_slot = (encoder_segment_ids > 0) & (encoder_positions < self.slots)
            slots = is_slot.astype(jnp.int32)
        return self.t5(
            # T5X's evaluation makes the parameters with tokens that are floats.
            encoder_input_tokens.astype(jnp.int32),
            decoder_input_tokens.astype(jnp.int32),
            prompt=None if self.source is None else self.prompt(),
            encoder_segment_ids=encoder_segment_ids,
            encoder_prompt_ids=slots,
            encoder_positions=encoder_positions,
            decoder_segment_ids=decoder_segment_ids,
            deterministic=not enable_dropout,
        )
