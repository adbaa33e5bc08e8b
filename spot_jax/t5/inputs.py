"""Where a prompt meets the embedded tokens of the encoder."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from spot_jax.prompts.base import PromptBundle


def fill_slots(
    embedded: Float[Array, "rows length d_model"],
    segment_ids: Int[Array, "rows length"],
    bundle: PromptBundle,
    *,
    prompt_ids: Int[Array, "rows length"],
    positions: Int[Array, "rows length"],
) -> tuple[Float[Array, "rows length d_model"], Int[Array, "rows length"]]:
    """Puts each example's prompt into the positions its row kept free for it.

    A row that packs an example of prompt 2 and one of prompt 1, prompts of length 2:

        tokens       0 0 7 1 0 0 8 9 1 0
        segment_ids  1 1 1 1 2 2 2 2 2 0
        positions    0 1 2 3 0 1 2 3 4 0
        prompt_ids   2 2 0 0 1 1 0 0 0 0

    Args:
        embedded: [rows, length, d_model] the embedded tokens.
        segment_ids: [rows, length] the example each position belongs to, 0: padding.
        bundle: enc_input [bank, prompt, d_model] or [prompt, d_model], a bank of one.
        prompt_ids: [rows, length] 1 + the prompt's index in the bank at its slots, 0
            elsewhere.
        positions: [rows, length] positions within the example.

    Returns:
        embedded with the prompts in it, and segment_ids with 0 where a prompt
        position is masked.
    """
    bank, mask = _as_bank(bundle)
    is_slot = prompt_ids > 0
    # Elsewhere any valid index will do: `where` does not take it.
    prompt = jnp.maximum(prompt_ids - 1, 0)
    position = positions * is_slot.astype(positions.dtype)
    vectors = bank[prompt, position].astype(embedded.dtype)
    embedded = jnp.where(is_slot[..., None], vectors, embedded)
    if mask is not None:
        is_hidden = is_slot & (mask[prompt, position] == 0)
        segment_ids = jnp.where(is_hidden, 0, segment_ids)
    return embedded, segment_ids


def prepend(
    embedded: Float[Array, "batch length d_model"],
    segment_ids: Int[Array, "batch length"],
    bundle: PromptBundle,
) -> tuple[Float[Array, "batch longer d_model"], Int[Array, "batch longer"]]:
    """Puts the prompt in front of every row, one example a row.

    Args:
        embedded: [batch, length, d_model] the embedded tokens.
        segment_ids: [batch, length] 1 for tokens, 0 for padding.
        bundle: enc_input [prompt, d_model] for all rows, or [batch, prompt, d_model],
            each row its own.

    Returns:
        [batch, prompt + length, d_model] and [batch, prompt + length].
    """
    batch = embedded.shape[0]
    bank, mask = _as_bank(bundle)
    vectors = jnp.broadcast_to(bank, (batch, *bank.shape[1:])).astype(embedded.dtype)
    if mask is None:
        mask = jnp.ones(bank.shape[:2], segment_ids.dtype)
    visible = jnp.broadcast_to(mask, (batch, mask.shape[1])).astype(segment_ids.dtype)
    return (
        jnp.concatenate([vectors, embedded], axis=1),
        jnp.concatenate([visible, segment_ids], axis=1),
    )


def _as_bank(
    bundle: PromptBundle,
) -> tuple[Float[Array, "bank prompt d_model"], Int[Array, "bank prompt"] | None]:
    bank, mask = bundle.enc_input, bundle.mask
    if bank.ndim == 2:
        bank = bank[None]
    if mask is not None and mask.ndim == 1:
        mask = mask[None]
    return bank, mask
