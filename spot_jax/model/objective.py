"""The loss of a batch, as a function of what is trained and what is frozen."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from spot_jax import losses
from spot_jax.model.binding import Binding
from spot_jax.prompts import heads
from spot_jax.prompts.base import BANK_AXES, PromptBundle, sites
from spot_jax.settings import Loss
from spot_jax.t5 import T5, T5Config, walk

# Folded into a step's key where the prefix drops out.
_PREFIX = 2**31 - 1


def make_loss(
    config: T5Config, binding: Binding, options: Loss, *, target_length: int
) -> Callable:
    """Returns `loss(trained, frozen, batch, key, scales=None) -> (total, metrics)`.

    The total is the sum over prompts of each one's own loss, so that its gradient in
    prompt n is the gradient of prompt n's loss alone. `metrics` are the arrays
    [prompts] of `losses.prompt_losses`. key None switches dropout off. `scales` are
    given where the batch is a part of a larger one.

    Args:
        config: the T5.
        binding: what is trained.
        options: what is minimised.
        target_length: TASK_FEATURE_LENGTHS['targets'].
    """
    if binding.tunes_model:
        # A fused attention's kernel gives no gradient of position biases.
        config = dataclasses.replace(config, attention="plain")
    model = T5(config)

    def loss(trained, frozen, batch, key, scales=None):
        if scales is None:
            (scales,) = scales_of([batch], binding, options, target_length)
        params, bundle = binding.bind(trained, frozen)
        rngs = None if key is None else {"dropout": key}
        entering, rows = bundle, batch["row_prompts"]
        if binding.dropout and key is not None:
            entering, rows = dropped(bundle, rows, binding.dropout, key)
        apply = functools.partial(
            model.apply,
            walk.variables(config, params),
            prompt=entering,
            row_prompts=rows,
            deterministic=key is None,
            rngs=rngs,
        )
        head = head_of(bundle)
        logits = (head_logits if head else _logits)(apply, batch, bundle)
        metrics = losses.prompt_losses(
            logits,
            batch,
            scales,
            prompts=binding.prompts,
            z_loss=options.z_loss,
            label_smoothing=options.label_smoothing,
            head=head,
        )
        return metrics["loss"].sum(), metrics

    return loss


def dropped(
    bank: PromptBundle, rows: jax.Array, rate: float, key: jax.Array
) -> tuple[PromptBundle, jax.Array]:
    """Drops numbers of keys and values, of every row by itself (P-Tuning v2's code).

    Args:
        bank: of keys and values alone.
        rows: [rows] the prompt of each row.
        rate: how many.
        key: of the step; that of the T5's own dropout.

    Returns:
        A bank of a prompt for each row, and [rows] which of them each row has.
    """
    own = {}
    for number, (site, array) in enumerate(sites(bank).items()):
        taken = jnp.take(array, rows, axis=BANK_AXES[site])
        # Layers fold in names and numbers of theirs; these are another key's.
        drawn = jax.random.fold_in(jax.random.fold_in(key, _PREFIX), number)
        is_kept = jax.random.bernoulli(drawn, 1 - rate, taken.shape)
        own[site] = jnp.where(is_kept, taken / (1 - rate), 0)
    mask = None if bank.mask is None else bank.mask[rows]
    return bank.replace(**own, mask=mask), jnp.arange(len(rows))


def head_of(bundle: PromptBundle | None) -> str | None:
    """Returns the kind of a bundle's head; None where the language model answers."""
    return bundle.head.kind if bundle is not None and bundle.head is not None else None


def _logits(apply: Callable, batch: dict, bundle: PromptBundle | None) -> jax.Array:
    """Scores the vocabulary at every target, [rows, target, vocab]."""
    return apply(
        batch["encoder_input_tokens"],
        batch["decoder_input_tokens"],
        encoder_segment_ids=batch["encoder_segment_ids"],
        encoder_prompt_ids=batch["encoder_prompt_ids"],
        encoder_positions=batch["encoder_positions"],
        decoder_segment_ids=batch["decoder_segment_ids"],
    )


def of_encoder(batch: dict) -> dict[str, jax.Array]:
    """Returns what `T5.encode` is told of the rows of a batch."""
    return {
        "segment_ids": batch["encoder_segment_ids"],
        "prompt_ids": batch["encoder_prompt_ids"],
        "positions": batch["encoder_positions"],
    }


def head_logits(
    apply: Callable, batch: dict, bundle: PromptBundle, *, is_packed: bool = True
) -> jax.Array:
    """Scores the classes of a bundle's head.

    Args:
        apply: the T5's, with its parameters and the prompt.
        batch: see data/packing.py.
        bundle: with a head.
        is_packed: whether rows may hold several examples, and targets.

    Returns:
        [rows, length, classes]: of the decoder's positions, or, where the head stands
        beside the input, of the encoder's.
    """
    tokens = batch["encoder_input_tokens"]
    encoded, segments = apply(tokens, **of_encoder(batch), method=T5.encode)
    if bundle.head.is_beside:
        return heads.logits(bundle.head, encoded, batch["row_prompts"])
    states = apply(
        *(encoded, segments, batch["decoder_input_tokens"]),
        decoder_segment_ids=batch["decoder_segment_ids"] if is_packed else None,
        method=T5.states,
    )
    return heads.logits(bundle.head, states, batch["row_prompts"])


def scales_of(
    batch: Sequence[dict], binding: Binding, options: Loss, target_length: int
) -> list[jax.Array]:
    """Returns what each token's loss is multiplied by; see `losses.loss_scales`."""
    return losses.loss_scales(
        batch,
        options.normalizing_factor,
        prompts=binding.prompts,
        target_length=target_length,
    )
