"""Where a prompt's vectors meet the encoder: embedded, and before any of its layers."""

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle, slots_of


@flax.struct.dataclass
class Slots:
    """The positions of rows that a prompt's vectors fill.

    A row that packs an example of prompt 2 and one of prompt 1, prompts of length 2:

        tokens       0 0 7 1 0 0 8 9 1 0
        segment_ids  1 1 1 1 2 2 2 2 2 0
        is_slot      1 1 0 0 1 1 0 0 0 0
        prompt       1 1 - - 0 0 - - - -
        position     0 1 - - 0 1 - - - -

    Attributes:
        is_slot: [rows, length] whether it is one.
        prompt: [rows, length] whose, by its number in the bank.
        position: [rows, length] which vector of it.
    """

    is_slot: Bool[Array, "rows length"]
    prompt: Int[Array, "rows length"]
    position: Int[Array, "rows length"]

    def filled(
        self,
        x: Float[Array, "rows length d_model"],
        vectors: Float[Array, "*bank prompt d_model"],
        *,
        adds: bool = False,
    ) -> Float[Array, "rows length d_model"]:
        """Returns x with vectors in the slots, or added to what is there."""
        new = _banked(vectors, 3)[self.prompt, self.position].astype(x.dtype)
        return jnp.where(self.is_slot[..., None], x + new if adds else new, x)


def enter(
    embedded: Float[Array, "rows length d_model"],
    segment_ids: Int[Array, "rows length"],
    bundle: PromptBundle,
    *,
    prompt_ids: Int[Array, "rows length"] | None,
    positions: Int[Array, "rows length"] | None,
) -> tuple[
    Float[Array, "rows longer d_model"], Int[Array, "rows longer"], Slots | None
]:
    """Puts a prompt's vectors into the slots of its rows, or in front of them.

    Args:
        embedded: [rows, length, d_model] the embedded tokens.
        segment_ids: [rows, length] the example each position belongs to, 0: padding.
        bundle: a prompt or a bank; where it has enc_hidden alone, zeros are put in.
        prompt_ids: [rows, length] of rows that kept slots: 1 + the prompt's number in
            the bank there, 0 elsewhere. None: it is put in front of every row, which
            are one example each; of a bank each row takes its own.
        positions: [rows, length] positions within the example; go with prompt_ids.

    Returns:
        What the encoder reads, the segment ids of it, 0 where a position of a prompt is
        masked, and where the slots are (None: there are none).
    """
    if not slots_of(bundle):
        return embedded, segment_ids, None
    if prompt_ids is None:
        embedded, segment_ids, slots = _in_front(embedded, segment_ids, bundle)
    else:
        is_slot = prompt_ids > 0
        # Elsewhere any valid index will do: it is not taken.
        prompt = jnp.maximum(prompt_ids - 1, 0)
        slots = Slots(is_slot, prompt, positions * is_slot.astype(positions.dtype))
        if bundle.enc_input is None:
            # Padding has an embedding too, to which vectors would be added.
            embedded = jnp.where(slots.is_slot[..., None], 0, embedded)
        else:
            embedded = slots.filled(embedded, bundle.enc_input)
    if bundle.mask is not None:
        visible = _banked(bundle.mask, 2)[slots.prompt, slots.position]
        segment_ids = jnp.where(slots.is_slot & (visible == 0), 0, segment_ids)
    return embedded, segment_ids, slots


def own_prompts(bank: int, rows: int) -> Int[Array, " {rows}"]:
    """Returns the prompt of every row where each has its own, by its number.

    Raises:
        InputError: when there are not as many as rows.
    """
    if bank != rows:
        raise InputError(
            f"There are {bank} prompts in the bank and {rows} rows: nothing says whose "
            "each row is. Give row_prompts, or a bank with a prompt for every row."
        )
    return jnp.arange(rows)


def _in_front(
    embedded: Float[Array, "rows length d_model"],
    segment_ids: Int[Array, "rows length"],
    bundle: PromptBundle,
) -> tuple[Float[Array, "rows longer d_model"], Int[Array, "rows longer"], Slots]:
    rows, length = len(embedded), slots_of(bundle)
    if bundle.enc_input is None:
        vectors = jnp.zeros((1, length, embedded.shape[2]), embedded.dtype)
        bank = bundle.enc_hidden.shape[1] if bundle.enc_hidden.ndim == 4 else 1
    else:
        vectors = _banked(bundle.enc_input, 3).astype(embedded.dtype)
        bank = len(vectors)
    vectors = jnp.broadcast_to(vectors, (rows, *vectors.shape[1:]))
    ones = jnp.ones((rows, length), segment_ids.dtype)
    segment_ids = jnp.concatenate([ones, segment_ids], axis=1)
    places = jnp.broadcast_to(jnp.arange(segment_ids.shape[1]), segment_ids.shape)
    own = own_prompts(bank, rows)[:, None] if bank > 1 else jnp.zeros((1, 1), jnp.int32)
    slots = Slots(
        is_slot=places < length,
        prompt=jnp.broadcast_to(own, segment_ids.shape),
        position=jnp.where(places < length, places, 0),
    )
    return jnp.concatenate([vectors, embedded], axis=1), segment_ids, slots


def _banked(array: Shaped[Array, "..."], axes: int) -> Shaped[Array, "..."]:
    return array[None] if array.ndim < axes else array
