"""Keys and values that a prompt puts beside those of a row, in any attention of a T5.

P-Tuning v2 (Liu et al. 2022) and Prefix-Tuning (Li and Liang 2021) on T5X's T5: they
are as wide as all heads together, never d_model; they take no place in the row, and
none in the cache of the decoder, whose causal mask does not reach them.
"""

from collections.abc import Sequence

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax.prompts.base import KEYS_VALUES, PromptBundle, entered
from spot_jax.t5.config import T5Config
from spot_jax.t5.inputs import Slots, own_prompts


@flax.struct.dataclass
class Own:
    """What a prompt gives to one layer; to all of them with a leading axis.

    Attributes:
        hidden: [*bank, prompt, d_model] vectors of the residual stream.
        keys_values: [2, *bank, prompt, joined] for self-attention.
        cross: [2, *bank, prompt, joined] for attention to the encoder.
        enters: [] whether the prompt enters here at all; None: it does.
    """

    hidden: Float[Array, "... prompt d_model"] | None = None
    keys_values: Float[Array, "... prompt joined"] | None = None
    cross: Float[Array, "... prompt joined"] | None = None
    enters: Bool[Array, "..."] | None = None


@flax.struct.dataclass
class Reading:
    """How the rows of a batch read their prompts, in every layer alike.

    Attributes:
        rows: [batch] the prompt of each row, by its number in the bank; None: all rows
            have the same one.
        mask: [*bank, prompt] 1 where a position is visible; None: all are.
        positions: [#batch, query] how far each query stands in its example; None: keys
            have no position bias (bias_mode "zero").
        bias: [#batch, heads, query, prompt] that of all layers; None: each layer has
            its own, or there is none.
        slots: where vectors stand in the rows.
        hidden_mode: see PromptBundle.
    """

    rows: Int[Array, " batch"] | None = None
    mask: Int[Array, "... prompt"] | None = None
    positions: Int[Array, "#batch query"] | None = None
    bias: Float[Array, "#batch heads query prompt"] | None = None
    slots: Slots | None = None
    hidden_mode: str = flax.struct.field(pytree_node=False, default="replace")


@flax.struct.dataclass
class Prefix:
    """The keys and values of one attention, as its heads take them.

    Attributes:
        keys: [heads, prompt, d_head], or [batch, heads, prompt, d_head].
        values: likewise.
        bias: [#batch, heads, #query, prompt] added to their logits; None: nothing.
        mask: [#batch, 1, 1, prompt] which are visible; None: all.
    """

    keys: Float[Array, "*batch heads prompt d_head"]
    values: Float[Array, "*batch heads prompt d_head"]
    bias: Float[Array, "#batch heads query prompt"] | None = None
    mask: Bool[Array, "#batch 1 1 prompt"] | None = None

    def logits(
        self, queries: Float[Array, "batch query heads d_head"], masked: float
    ) -> Float[Array, "batch heads query prompt"]:
        """Returns the float32 logits of the prompt's keys."""
        # What all rows share is not copied for each of them (methods of Li and Liang
        # do): at T5 1.1 XXL that would be a gigabyte a site.
        form = "bqhd,hpd->bhqp" if self.keys.ndim == 3 else "bqhd,bhpd->bhqp"
        logits = jnp.einsum(form, queries, self.keys).astype(jnp.float32)
        if self.bias is not None:
            logits = logits + self.bias
        return logits if self.mask is None else jnp.where(self.mask, logits, masked)

    def weighted(
        self, weights: Float[Array, "batch heads query prompt"]
    ) -> Float[Array, "batch query heads d_head"]:
        """Returns the sum of the prompt's values by their weights."""
        form = "bhqp,hpd->bqhd" if self.values.ndim == 3 else "bhqp,bhpd->bqhd"
        return jnp.einsum(form, weights, self.values)

    def before(
        self,
        keys: Float[Array, "batch heads key d_head"],
        values: Float[Array, "batch heads key d_head"],
        bias: Float[Array, "#batch heads query key"],
        masked: float,
    ) -> tuple[
        Float[Array, "batch heads longer d_head"],
        Float[Array, "batch heads longer d_head"],
        Float[Array, "#batch heads query longer"],
    ]:
        """Returns a row's keys, values and masking bias with the prompt's in front."""
        own = jnp.zeros((), bias.dtype) if self.bias is None else self.bias
        if self.mask is not None:
            own = jnp.where(self.mask, own, masked)
        shape = (*bias.shape[1:3], self.keys.shape[-2])
        batch = max(len(bias), len(own) if own.ndim == 4 else 1)
        own = jnp.broadcast_to(own, (batch, *shape)).astype(bias.dtype)
        bias = jnp.broadcast_to(bias, (batch, *bias.shape[1:]))

        rows = (len(keys), *self.keys.shape[-3:])
        before = [jnp.broadcast_to(own, rows) for own in (self.keys, self.values)]
        return (
            jnp.concatenate([before[0], keys], axis=2),
            jnp.concatenate([before[1], values], axis=2),
            jnp.concatenate([own, bias], axis=-1),
        )


def reading_of(
    prompt: PromptBundle | None,
    batch: int,
    *,
    row_prompts: Int[Array, " batch"] | None = None,
    positions: Int[Array, "#batch query"] | None = None,
    slots: Slots | None = None,
) -> Reading | None:
    """Returns how rows read a prompt; None where there is none.

    Args:
        prompt: the prompt, or a bank.
        batch: how many rows there are.
        row_prompts: see `Reading`; None with a bank: each row has its own.
        positions: of the queries, in their examples.
        slots: see `Reading`.

    Raises:
        InputError: when a bank has neither a prompt for each row nor row_prompts.
    """
    if prompt is None:
        return None
    if row_prompts is None and bank_of(prompt) > 1:
        row_prompts = own_prompts(bank_of(prompt), batch)
    return Reading(
        rows=None if bank_of(prompt) == 1 else row_prompts,
        mask=prompt.mask,
        positions=positions if prompt.bias_mode == "contiguous" else None,
        slots=slots,
        hidden_mode=prompt.hidden_mode,
    )


def bank_of(prompt: PromptBundle) -> int:
    """Returns how many prompts the sites of keys and values are of; 1: one for all."""
    arrays = [getattr(prompt, site) for site in KEYS_VALUES]
    sizes = [a.shape[2] if a.ndim == 5 else 1 for a in arrays if a is not None]
    return max(sizes, default=1)


def of_layers(
    prompt: PromptBundle | None,
    config: T5Config,
    count: int,
    *,
    hidden: str | None = None,
    keys_values: str,
    cross: str | None = None,
) -> Sequence[Own | None] | Own | None:
    """Returns what a prompt gives to every layer of a stack.

    Args:
        prompt: the prompt, or a bank; None: nothing.
        config: the T5; where its layers are scanned, arrays keep their leading axis.
        count: how many layers the stack has.
        hidden: the site of the residual stream.
        keys_values: the site of self-attention.
        cross: the site of attention to the encoder.
    """
    if prompt is None:
        return None
    sites = {"hidden": hidden, "keys_values": keys_values, "cross": cross}
    arrays = {name: site and getattr(prompt, site) for name, site in sites.items()}
    if all(array is None for array in arrays.values()):
        return None
    inside = entered(prompt, count)
    if config.scan_layers:
        enters = (
            None
            if len(inside) == count
            else jnp.asarray([number in inside for number in range(count)])
        )
        return Own(**arrays, enters=enters)
    return [
        Own(**jax.tree.map(lambda array, i=i: array[i], arrays))
        if i in inside
        else None
        for i in range(count)
    ]


def of_layer(
    keys_values: Float[Array, "2 *bank prompt joined"] | None,
    own: Own,
    reading: Reading,
    config: T5Config,
    bias: Float[Array, "#batch heads query prompt"] | None = None,
) -> Prefix | None:
    """Returns the prefix of one attention; None where the prompt does not enter it.

    Args:
        keys_values: of the prompt or of the bank.
        own: of the layer.
        reading: of the rows.
        config: the T5.
        bias: of these keys.
    """
    if keys_values is None:
        return None
    # A prompt is float32; it is read in what the model computes in.
    array = keys_values.astype(config.compute_dtype)
    if array.ndim == 4:
        array = array[:, 0] if reading.rows is None else array[:, reading.rows]
    batch = (None,) * (array.ndim - 3) and ("batch",)
    array = nn.with_logical_constraint(array, (None, *batch, None, "joined_kv"))
    heads = array.reshape(*array.shape[:-1], config.heads, config.d_head)
    heads = jnp.moveaxis(heads, -2, -3)
    mask = reading.mask
    if mask is not None:
        if mask.ndim == 2:
            mask = mask[:1] if reading.rows is None else mask[reading.rows]
        mask = jnp.atleast_2d(mask)[:, None, None, :] > 0
    if own.enters is not None:
        here = own.enters[None, None, None, None]
        mask = (
            jnp.broadcast_to(here, (1, 1, 1, array.shape[-2]))
            if mask is None
            else (mask & here)
        )
    return Prefix(heads[0], heads[1], bias, mask)


def positions_in(
    segment_ids: Int[Array, "batch length"],
) -> Int[Array, "batch length"]:
    """Returns how far each position stands in its example.

    For segments [1, 1, 1, 2, 2, 0]: [0, 1, 2, 0, 1, 0].
    """
    places = jnp.arange(segment_ids.shape[1])[None]
    before = jnp.pad(segment_ids[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    begins = jnp.where(segment_ids != before, places, 0)
    return places - jax.lax.cummax(begins, axis=1)
