"""What a model says of a batch: answers, written or ranked, and scores of targets."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from spot_jax import losses
from spot_jax.model import sharding
from spot_jax.model.binding import Binding
from spot_jax.model.objective import head_logits, of_encoder
from spot_jax.t5 import T5, T5Config, masks, walk
from spot_jax.t5.decode import Search, generate


def make_write(
    config: T5Config, binding: Binding, *, search: Search, max_length: int
) -> Callable:
    """Returns `write(trained, frozen, batch, key) -> (tokens, scores)`.

    Tokens are [rows, max_length], scores [rows]; see `t5.decode.generate`. The batch
    has one example a row, and so it has for `make_rank`.
    """

    def write(trained, frozen, batch, key):
        params, bundle = binding.bind(trained, frozen)
        texts = generate(
            config,
            params,
            batch["encoder_input_tokens"],
            max_length=max_length,
            search=search,
            key=key,
            **_of_rows(batch, bundle),
        )
        return sharding.whole(texts)

    return write


def make_rank(config: T5Config, binding: Binding) -> Callable:
    """Returns `rank(trained, frozen, batch, labels) -> scores`.

    Labels are [labels, length] token ids, EOS included, 0 for padding; scores are
    [rows, labels], the log-probability of each label as the answer to each row.
    """
    model = T5(config)

    def rank(trained, frozen, batch, labels):
        params, bundle = binding.bind(trained, frozen)
        apply = functools.partial(model.apply, walk.variables(config, params))
        encoded, segments = apply(
            batch["encoder_input_tokens"],
            **_of_rows(batch, bundle),
            method=T5.encode,
        )
        # All labels of a row stand side by side in one row of the decoder: they read
        # the same keys and values, which are neither projected nor kept once a label.
        beginnings = jnp.pad(labels[:, :-1], ((0, 0), (1, 0))).reshape(1, -1)
        logits = apply(
            apply(encoded, method=T5.cross_keys_values),
            jnp.tile(beginnings, (len(encoded), 1)),
            mask=own_beginning(*labels.shape),
            cross_mask=masks.visible_keys(segments),
            positions=jnp.tile(jnp.arange(labels.shape[1]), len(labels))[None],
            prompt=bundle,
            row_prompts=batch["row_prompts"],
            method=T5.decode_projected,
        )
        return sharding.whole(label_scores(labels, logits))

    return rank


def make_read(config: T5Config, binding: Binding) -> Callable:
    """Returns `read(trained, frozen, batch) -> log-probabilities` of heads.

    They are [rows, length, classes]; of a span head each class is a distribution over
    the pieces of the input, of others each position has one over the classes. The batch
    has one example a row, as for `make_write`.
    """
    model = T5(config)

    def read(trained, frozen, batch):
        params, bundle = binding.bind(trained, frozen)
        apply = functools.partial(
            model.apply,
            walk.variables(config, params),
            prompt=bundle,
            row_prompts=batch["row_prompts"],
        )
        logits = head_logits(apply, batch, bundle, is_packed=False)
        if bundle.head.kind == "span":
            # The slots of a prompt are no pieces.
            is_text = batch["encoder_prompt_ids"] == 0
            pieces = jnp.where(is_text, batch["encoder_segment_ids"], 0)
            scores = losses.span_log_probabilities(logits, pieces)
        else:
            scores = jax.nn.log_softmax(logits)
        return sharding.whole(scores)

    return read


def make_score(config: T5Config, binding: Binding) -> Callable:
    """Returns `score(trained, frozen, batch) -> scores`.

    Scores are [rows], the log-probability of each row's targets. The batch has one
    example a row, as for `make_write`, and its targets.
    """
    model = T5(config)

    def score(trained, frozen, batch):
        params, bundle = binding.bind(trained, frozen)
        logits = model.apply(
            walk.variables(config, params),
            batch["encoder_input_tokens"],
            batch["decoder_input_tokens"],
            prompt=bundle,
            encoder_segment_ids=batch["encoder_segment_ids"],
            encoder_prompt_ids=batch["encoder_prompt_ids"],
            encoder_positions=batch["encoder_positions"],
            decoder_segment_ids=batch["decoder_segment_ids"],
            row_prompts=batch["row_prompts"],
        )
        return sharding.whole(losses.sequence_scores(logits, batch))

    return score


def own_beginning(
    labels: int, length: int
) -> Bool[Array, "1 1 {labels}*{length} {labels}*{length}"]:
    """Lets every label that stands in a row see its own beginning and nothing else.

    T5's position bias depends on differences alone, so that each is scored as if the
    row were its own. For two labels of length 2:

        1 0 0 0
        1 1 0 0
        0 0 1 0
        0 0 1 1
    """
    owners = jnp.repeat(jnp.arange(1, labels + 1), length)[None]
    return masks.causal(labels * length) & masks.same_segment(owners, owners)


def label_scores(
    labels: Int[Array, "labels length"],
    logits: Float[Array, "rows labels*length vocab"],
) -> Float[Array, "rows labels"]:
    """Sums the log-probabilities of each label's tokens.

    Args:
        labels: [labels, length] token ids, EOS included, 0 for padding.
        logits: [rows, labels * length, vocab] of the labels side by side.

    Returns:
        [rows, labels].
    """
    rows, (count, length) = len(logits), labels.shape
    targets = jnp.tile(labels, (rows, 1))
    scores = losses.sequence_scores(
        logits.reshape(rows * count, length, -1),
        {
            "decoder_target_tokens": targets,
            "decoder_loss_weights": (targets > 0).astype(logits.dtype),
        },
    )
    return scores.reshape(rows, count)


def _of_rows(batch: dict, bundle: Any) -> dict:
    return {"prompt": bundle, "row_prompts": batch["row_prompts"], **of_encoder(batch)}
