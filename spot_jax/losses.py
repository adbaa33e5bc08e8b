"""Losses: per token, and summed for every prompt of a bank.

A batch holds the examples of several prompts, packed into rows. Each target token
belongs to one prompt (`decoder_prompt_ids`), so the losses of a bank are sums of
token losses by owner, and the gradient of their sum reaches every prompt as if it
were alone. What a token's loss is multiplied by depends on the batch, never on the
logits: `loss_scales` computes it once for a whole batch, whose rows may then be split
into microbatches.
"""

import math
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from spot_jax.errors import InputError

# The encoder's arrays, which may be in it too, are of another length.
Batch = Mapping[str, Num[Array, "rows _"]]
# Of several shapes, each with as many rows as it has.
Batches = Sequence[Mapping[str, Num[Array, "_ _"]]]

# T5X's normalizing factors that depend on the batch; see `loss_scales`.
FACTORS = ("NUM_REAL_TARGET_TOKENS", "NUM_TOTAL_TARGET_TOKENS", "AVERAGE_PER_SEQUENCE")


def check_options(
    label_smoothing: float, normalizing_factor: str | float | None
) -> None:
    """Raises InputError for options that no loss has."""
    if not 0.0 <= label_smoothing < 1.0:
        raise InputError(
            f"label_smoothing is {label_smoothing}, but it is a probability: choose it "
            "from [0, 1), 0 for none."
        )
    is_number = isinstance(normalizing_factor, int | float) and normalizing_factor > 0
    if not (normalizing_factor is None or normalizing_factor in FACTORS or is_number):
        raise InputError(
            f"The loss normalizing factor is {normalizing_factor!r}; choose "
            f"{', '.join(map(repr, FACTORS))}, a number above 0 or None (a sum over "
            "tokens)."
        )


def token_losses(
    logits: Float[Array, "rows length vocab"],
    targets: Int[Array, "rows length"],
    *,
    z_loss: float,
    label_smoothing: float,
) -> tuple[Float[Array, "rows length"], Float[Array, "rows length"]]:
    """Computes T5X's cross entropy of every target token, in float32.

    Args:
        logits: [rows, length, vocab] of any float dtype.
        targets: [rows, length] token ids.
        z_loss: coefficient of log(Z)^2, where Z is the softmax's denominator.
        label_smoothing: probability that the target shares out evenly among the other
            tokens. Their entropy is subtracted, so that a perfect answer costs 0.

    Returns:
        [rows, length] cross entropy plus z term, and [rows, length] z term alone.

    Raises:
        InputError: `label_smoothing` is outside [0, 1).
    """
    check_options(label_smoothing, None)
    logits = logits.astype(jnp.float32)
    peak = jax.lax.stop_gradient(logits.max(axis=-1, keepdims=True))
    # Shifted before anything is summed: differences of large logits stay exact.
    shifted = logits - peak
    log_sum = jnp.log(jnp.exp(shifted).sum(axis=-1))
    score = jnp.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    cross_entropy = log_sum - score
    if label_smoothing:
        others = logits.shape[-1] - 1
        mean_of_others = (shifted.sum(axis=-1) - score) / others
        cross_entropy += label_smoothing * (score - mean_of_others)
        cross_entropy -= _smoothing_entropy(label_smoothing, others)
    z_term = z_loss * jnp.square(log_sum + peak[..., 0])
    return cross_entropy + z_term, z_term


def loss_scales(
    batch: Batches,
    normalizing_factor: str | float | None,
    *,
    prompts: int,
    target_length: int,
) -> list[Float[Array, "_ _"]]:
    """Computes what each token's loss is multiplied by, from the batch alone.

    T5X's normalizing factors, each one applied to the examples of one prompt:

    - `"NUM_REAL_TARGET_TOKENS"`: the prompt's loss is the mean over its target tokens;
    - `"AVERAGE_PER_SEQUENCE"`: the mean over its examples of their mean over tokens;
    - `"NUM_TOTAL_TARGET_TOKENS"`: the sum over its tokens, divided by its examples
      times `target_length`, whether the rows are packed or not;
    - a number: the sum over its tokens, divided by that number;
    - None, T5X's default: the sum over its tokens.

    Args:
        batch: the whole batch, rows of one shape or of several, each with
            `decoder_loss_weights`, `decoder_segment_ids` and `decoder_prompt_ids`, all
            [rows, length].
        normalizing_factor: one of the above.
        prompts: prompts in the bank.
        target_length: the task's target length, which an unpacked row is padded to.

    Returns:
        For the rows of each shape [rows, length] the loss weights over their
        normalizers; split as the rows are.

    Raises:
        InputError: `normalizing_factor` is none of the above.
    """
    check_options(0.0, normalizing_factor)
    weights = [part["decoder_loss_weights"] for part in batch]
    if normalizing_factor == "AVERAGE_PER_SEQUENCE":
        weights = [
            _quotient(own, _example_sums(own, part["decoder_segment_ids"]))
            for own, part in zip(weights, batch, strict=True)
        ]
    if normalizing_factor in FACTORS:
        totals = sum(
            _normalizers(normalizing_factor, own, part, prompts, target_length)
            for own, part in zip(weights, batch, strict=True)
        )
    else:
        totals = jnp.full(prompts, float(normalizing_factor or 1.0))
    # Padding (id 0) reads the last prompt's total, and is summed for no prompt.
    return [
        _quotient(own, totals[part["decoder_prompt_ids"] - 1])
        for own, part in zip(weights, batch, strict=True)
    ]


def prompt_losses(
    logits: Float[Array, "rows length vocab"],
    batch: Batch,
    scales: Float[Array, "rows length"],
    *,
    prompts: int,
    z_loss: float,
    label_smoothing: float,
    head: str | None = None,
) -> dict[str, Float[Array, " prompts"]]:
    """Sums the token losses by the prompt that they belong to.

    The training loss is the sum of `loss` over the prompts. All entries add up over
    microbatches.

    Args:
        logits: [rows, length, vocab] of any float dtype.
        batch: `decoder_target_tokens`, `decoder_loss_weights` and `decoder_prompt_ids`,
            each [rows, length].
        scales: [rows, length] of these rows, from what `loss_scales` returned.
        prompts: prompts in the bank.
        z_loss: as in `token_losses`; a span head has none.
        label_smoothing: as in `token_losses`; a span head has none.
        head: whose classes are scored in place of the vocabulary; targets are then as
            data/head_targets.py has them, and 0 is nothing.

    Returns:
        Arrays [prompts]: `loss` (normalized), its parts `cross_entropy` and `z_loss`,
        `weight_sum` (real target tokens) and `correct` (those that nothing is
        likelier than).
    """
    targets, weights = batch["decoder_target_tokens"], batch["decoder_loss_weights"]
    if head == "span":
        loss, hits = span_losses(logits, targets, batch["decoder_segment_ids"])
        z_term = jnp.zeros_like(loss)
    else:
        # Classes count from 1.
        targets = targets if head is None else jnp.maximum(targets - 1, 0)
        loss, z_term = token_losses(
            logits, targets, z_loss=z_loss, label_smoothing=label_smoothing
        )
        chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        # Not by XLA's argmax, which takes ten times as long on CPUs.
        hits = chosen >= logits.max(axis=-1)
    tokens = {
        "loss": scales * loss,
        "cross_entropy": scales * (loss - z_term),
        "z_loss": scales * z_term,
        "weight_sum": weights,
        "correct": jnp.where(hits, weights, 0.0),
    }
    prompt_ids = batch["decoder_prompt_ids"]
    return {
        metric: _prompt_sums(values, prompt_ids, prompts)
        for metric, values in tokens.items()
    }


def span_log_probabilities(
    logits: Float[Array, "rows length 2"], segment_ids: Int[Array, "rows length"]
) -> Float[Array, "rows length 2"]:
    """Scores every piece of an example as the first and as the last of its answer.

    Args:
        logits: [rows, length, 2].
        segment_ids: [rows, length] the example of each piece; what is in none (0) is
            no piece of any.

    Returns:
        [rows, length, 2] log-probabilities, each softmax over the example's pieces.
    """
    logits = logits.astype(jnp.float32)
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    others = jnp.where(same[..., None], logits[:, None], -jnp.inf)
    return logits - jax.nn.logsumexp(others, axis=2)


def span_losses(
    logits: Float[Array, "rows length 2"],
    marks: Int[Array, "rows length"],
    segment_ids: Int[Array, "rows length"],
) -> tuple[Float[Array, "rows length"], Bool[Array, "rows length"]]:
    """Computes the cross entropy of where answers begin and end (Liu et al. 2022).

    Args:
        logits: [rows, length, 2].
        marks: [rows, length] 1 at an answer's first piece, 2 at its last, 3 at both.
        segment_ids: [rows, length] the example of each piece.

    Returns:
        [rows, length] at each mark its cross entropy, at both their mean; and whether
        nothing of the example is likelier there.
    """
    scores = span_log_probabilities(logits, segment_ids)
    is_there = jnp.stack([marks & 1, marks >> 1], axis=-1) > 0
    count = jnp.maximum(is_there.sum(axis=-1), 1).astype(scores.dtype)
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    best = jnp.where(same[..., None], scores[:, None], -jnp.inf).max(axis=2)
    hits = ((scores >= best) | ~is_there).all(axis=-1)
    return -jnp.where(is_there, scores, 0.0).sum(axis=-1) / count, hits


def sequence_scores(
    logits: Float[Array, "rows length vocab"], batch: Batch
) -> Float[Array, " rows"]:
    """Scores the targets of unpacked rows, as rank classification compares them.

    Args:
        logits: [rows, length, vocab] of any float dtype.
        batch: `decoder_target_tokens` and `decoder_loss_weights`, each [rows, length].

    Returns:
        [rows] the sum of the target tokens' log-probabilities; no z-loss, no smoothing.
    """
    loss, _ = token_losses(
        logits, batch["decoder_target_tokens"], z_loss=0.0, label_smoothing=0.0
    )
    return -(loss * batch["decoder_loss_weights"]).sum(axis=-1)


def _smoothing_entropy(label_smoothing: float, others: int) -> float:
    """Entropy of the smoothed target distribution over `others` + 1 tokens."""
    confidence, each = 1.0 - label_smoothing, label_smoothing / others
    return -confidence * math.log(confidence) - label_smoothing * math.log(each)


def _normalizers(
    normalizing_factor: str,
    weights: Float[Array, "rows length"],
    batch: Batch,
    prompts: int,
    target_length: int,
) -> Float[Array, " prompts"]:
    """Returns what rows add to what each prompt's loss is divided by, [prompts]."""
    prompt_ids = batch["decoder_prompt_ids"]
    if normalizing_factor == "NUM_TOTAL_TARGET_TOKENS":
        starts = jnp.diff(batch["decoder_segment_ids"], prepend=0) != 0
        starts = starts.astype(jnp.float32)
        return target_length * _prompt_sums(starts, prompt_ids, prompts)
    return _prompt_sums(weights, prompt_ids, prompts)


def _prompt_sums(
    values: Float[Array, "rows length"],
    prompt_ids: Int[Array, "rows length"],
    prompts: int,
) -> Float[Array, " prompts"]:
    """Sums token values by prompt, [prompts]; prompt id 0 is padding."""
    owned = prompt_ids[None] == jnp.arange(1, prompts + 1)[:, None, None]
    # Selected rather than multiplied by 0: one prompt's NaN stays its own. Selected
    # rather than scattered: the same bits in every run, on GPUs too.
    return jnp.where(owned, values[None], 0.0).sum(axis=(1, 2))


def _example_sums(
    weights: Float[Array, "rows length"], segment_ids: Int[Array, "rows length"]
) -> Float[Array, "rows length"]:
    """Gives every token the sum of the weights of its example, [rows, length]."""
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    return jnp.where(same, weights[:, None, :], 0.0).sum(axis=-1)


def _quotient(
    weights: Float[Array, "rows length"], totals: Float[Array, "rows length"]
) -> Float[Array, "rows length"]:
    """Divides weights by totals; where nothing is counted, the quotient is 0."""
    return jnp.where(totals > 0, weights / jnp.where(totals > 0, totals, 1.0), 0.0)
