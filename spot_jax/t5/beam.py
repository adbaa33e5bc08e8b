"""Beam search with a length penalty."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from spot_jax.errors import InputError
from spot_jax.t5.decode import (
    EOS_ID,
    IMPOSSIBLE,
    PAD_ID,
    Penalty,
    Texts,
    gnmt_penalty,
)
from spot_jax.t5.scorer import Cache, Scorer

# Each is a row of the batch: a number that fills any memory is a mistake, and is told
# before the model is loaded. How many fit besides depends on the rows of a batch.
_MOST_BEAMS = 256


class _Beams(NamedTuple):
    """Hypotheses: those still growing and the best that ended."""

    position: Int[Array, ""]
    growing: Int[Array, "batch beams length"]
    growing_scores: Float[Array, "batch beams"]
    ended: Int[Array, "batch beams length"]
    ended_scores: Float[Array, "batch beams"]
    cache: Cache


def beam_search(
    make_scorer: Callable[[int], Scorer],
    *,
    max_length: int,
    key: Key[Array, ""],
    beams: int = 4,
    alpha: float = 0.6,
    penalty: Penalty = gnmt_penalty,
) -> Texts:
    """Keeps the `beams` likeliest beginnings and returns the best that ended.

    A hypothesis ends with EOS, or at max_length; it is ranked by the sum of its
    log-probabilities over penalty(length, alpha), length counting its EOS. The search
    stops when no growing hypothesis can overtake the worst that ended. With
    penalty=power_penalty it is the transformers library's (early_stopping="never").

    Args:
        make_scorer: see `decode.Search`.
        max_length: how many tokens to write at most.
        key: not used; every search has one.
        beams: how many hypotheses to keep, at most 256: each takes a row of memory.
        alpha: 0 ranks by probability alone, more prefers longer targets.
        penalty: `gnmt_penalty` as in T5X or `power_penalty` as in transformers.

    Returns:
        Tokens [batch, max_length] of the best and its score [batch].

    Raises:
        InputError: when beams or alpha is out of range.
    """
    del key
    _check(beams, alpha)
    scorer = make_scorer(beams)

    def can_improve(state: _Beams) -> Bool[Array, ""]:
        # Scores are negative and the penalty grows: the longest length flatters most.
        hope = state.growing_scores[:, 0] / penalty(max_length, alpha)
        worst = jnp.min(state.ended_scores, axis=1)
        return (state.position < max_length) & jnp.any(hope > worst)

    def step(state: _Beams) -> _Beams:
        return _grow(state, scorer, beams, max_length, lambda n: penalty(n, alpha))

    state = jax.lax.while_loop(can_improve, step, _start(scorer, beams, max_length))
    return state.ended[:, 0], state.ended_scores[:, 0]


def _check(beams: int, alpha: float) -> None:
    # NaN is not below 0 either.
    if not beams >= 1 or not 0 <= alpha < math.inf:
        raise InputError(
            f"beam_search needs beams >= 1 and a finite alpha >= 0; got {beams} and "
            f"{alpha}."
        )
    if beams > _MOST_BEAMS:
        raise InputError(
            f"BEAMS is {beams}: each is computed and remembered for every input of a "
            "batch, EVAL_BATCH_SIZE x BEAMS rows in memory at once. Give at most "
            f"{_MOST_BEAMS}; 4 is usual."
        )


def _start(scorer: Scorer, beams: int, max_length: int) -> _Beams:
    shape = (scorer.batch, beams, max_length)
    # Only one beam starts, or all would hold the same hypothesis.
    scores = jnp.full(shape[:2], IMPOSSIBLE).at[:, 0].set(0.0)
    return _Beams(
        position=jnp.int32(0),
        growing=jnp.full(shape, PAD_ID, jnp.int32),
        growing_scores=scores,
        ended=jnp.full(shape, PAD_ID, jnp.int32),
        ended_scores=jnp.full(shape[:2], IMPOSSIBLE),
        cache=scorer.cache,
    )


def _grow(
    state: _Beams,
    scorer: Scorer,
    beams: int,
    max_length: int,
    penalty: Callable[[Int[Array, ""]], Float[Array, ""]],
) -> _Beams:
    batch, position = scorer.batch, state.position
    last = jnp.where(
        position == 0, PAD_ID, state.growing[:, :, jnp.maximum(position - 1, 0)]
    )
    logits, cache = scorer.next_logits(last.reshape(-1), state.cache, position)
    vocab = logits.shape[-1]
    log_probabilities = jax.nn.log_softmax(logits).reshape(batch, beams, vocab)
    scores = state.growing_scores[:, :, None] + log_probabilities

    # Twice as many candidates as beams: if all beams end, as many others go on.
    best, index = jax.lax.top_k(scores.reshape(batch, -1), 2 * beams)
    parent, token = index // vocab, (index % vocab).astype(jnp.int32)
    candidates = _take(state.growing, parent).at[:, :, position].set(token)
    has_ended = (token == EOS_ID) | (position == max_length - 1)

    # A candidate beyond the beam may not end: it would not have been kept either.
    is_in_beam = jnp.arange(2 * beams) < beams
    ending = jnp.where(
        has_ended & is_in_beam[None], best / penalty(position + 1), IMPOSSIBLE
    )
    ended_scores, ended = _best(
        jnp.concatenate([state.ended_scores, ending], axis=1),
        jnp.concatenate([state.ended, candidates], axis=1),
        beams,
    )
    growing_scores, kept = jax.lax.top_k(jnp.where(has_ended, IMPOSSIBLE, best), beams)
    return _Beams(
        position=position + 1,
        growing=_take(candidates, kept),
        growing_scores=growing_scores,
        ended=ended,
        ended_scores=ended_scores,
        cache=_reorder(cache, jnp.take_along_axis(parent, kept, axis=1), scorer),
    )


def _take(
    hypotheses: Int[Array, "batch candidates length"], index: Int[Array, "batch kept"]
) -> Int[Array, "batch kept length"]:
    """Picks some hypotheses of every row."""
    return jnp.take_along_axis(hypotheses, index[..., None], axis=1)


def _best(
    scores: Float[Array, "batch candidates"],
    hypotheses: Int[Array, "batch candidates length"],
    count: int,
) -> tuple[Float[Array, "batch {count}"], Int[Array, "batch {count} length"]]:
    scores, index = jax.lax.top_k(scores, count)
    return scores, _take(hypotheses, index)


def _reorder(cache: Cache, parent: Int[Array, "batch beams"], scorer: Scorer) -> Cache:
    """Gives every growing hypothesis the cache of the one it grew from."""
    first = jnp.arange(parent.shape[0])[:, None] * scorer.width
    rows = (first + parent).reshape(-1)
    return jax.tree.map(lambda x: jnp.take(x, rows, axis=scorer.rows_axis), cache)
