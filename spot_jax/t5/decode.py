"""Writing text: greedy and sampled here, by beams in beam.py.

A search is a function `(make_scorer, *, max_length, key) -> (tokens, scores)`; options
such as `top_k` are keyword arguments that gin sets.
"""

import functools
import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import walk
from spot_jax.t5.config import T5Config
from spot_jax.t5.network import T5
from spot_jax.t5.scorer import Scorer, scorer_maker

PAD_ID, EOS_ID = 0, 1
# Scores are sums of log-probabilities; nothing real comes near.
IMPOSSIBLE = -1e9
# Colder, logits would come near to what is impossible, or overflow.
_COLDEST = 0.001

# What a search returns: tokens and their scores.
Texts = tuple[Int[Array, "batch max_length"], Float[Array, " batch"]]
# From a text's length and alpha to what its score is divided by.
Penalty = Callable[[Int[Array, ""] | int, float], Float[Array, ""]]


@runtime_checkable
class Search(Protocol):
    """What chooses the tokens."""

    def __call__(
        self,
        make_scorer: Callable[[int], Scorer],
        *,
        max_length: int,
        key: Key[Array, ""],
    ) -> Texts:
        """Returns tokens [batch, max_length] and their scores [batch]."""


def check_search(search: Search, vocab_size: int) -> None:
    """Refuses options that a search cannot have, before there is a model.

    Args:
        search: with its options bound.
        vocab_size: of the model that it will be used with.

    Raises:
        InputError: whatever the search raises.
    """

    def make_scorer(width: int) -> Scorer:
        logits = jnp.zeros((width, vocab_size))
        return Scorer(lambda last, cache, position: (logits, cache), {}, 1, width)

    # Nothing is computed: a search checks its options when it is traced.
    draw = functools.partial(search, make_scorer, max_length=1)
    jax.eval_shape(lambda key: draw(key=key), jax.random.key(0))


def generate(
    config: T5Config,
    params: dict,
    tokens: Int[Array, "batch length"],
    *,
    max_length: int,
    search: Search | None = None,
    key: Key[Array, ""] | None = None,
    prompt: PromptBundle | None = None,
    segment_ids: Int[Array, "batch length"] | None = None,
    prompt_ids: Int[Array, "batch length"] | None = None,
    positions: Int[Array, "batch length"] | None = None,
    row_prompts: Int[Array, " batch"] | None = None,
) -> Texts:
    """Writes a target for every row; rows are not packed, one example each.

    Args:
        config: the T5.
        params: its parameters.
        tokens: [batch, length] the inputs, 0 for padding.
        max_length: how many tokens to write at most, EOS included.
        search: `greedy` (None), `sample` or `beam_search`, options bound.
        key: for `sample`; the others ignore it.
        prompt: see `T5.encode`, as segment_ids, prompt_ids and positions.
        segment_ids: see `T5.encode`.
        prompt_ids: see `T5.encode`.
        positions: see `T5.encode`.
        row_prompts: see `T5.encode`.

    Returns:
        [batch, max_length] tokens, 0 after EOS, and [batch] the score the search
        ranked them by: the sum of log-probabilities, beam search's after its penalty.
    """
    encoded, segments = T5(config).apply(
        walk.variables(config, params),
        tokens,
        prompt=prompt,
        segment_ids=segment_ids,
        prompt_ids=prompt_ids,
        positions=positions,
        row_prompts=row_prompts,
        method=T5.encode,
    )
    make_scorer = scorer_maker(
        *(config, params, encoded, segments, max_length),
        prompt=prompt,
        row_prompts=row_prompts,
    )
    search = greedy if search is None else search
    key = jax.random.key(0) if key is None else key
    return search(make_scorer, max_length=max_length, key=key)


def greedy(
    make_scorer: Callable[[int], Scorer], *, max_length: int, key: Key[Array, ""]
) -> Texts:
    """Takes the likeliest token at every position."""
    del key
    return _one_token_at_a_time(
        make_scorer(1), max_length, lambda logits, position: likeliest(logits)
    )


def likeliest(logits: Float[Array, "rows vocab"]) -> Int[Array, " rows"]:
    """Returns the first of the largest logits, as argmax does.

    XLA's argmax takes twenty times as long on CPUs, more than a layer. Of NaN it is a
    token beyond the vocabulary, whose score is NaN as well.
    """
    size = logits.shape[-1]
    largest = logits >= logits.max(axis=-1, keepdims=True)
    places = jnp.where(largest, jnp.arange(size)[None], size)
    return places.min(axis=-1)


def sample(
    make_scorer: Callable[[int], Scorer],
    *,
    max_length: int,
    key: Key[Array, ""],
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Texts:
    """Draws every token from the model's distribution, sharpened and cut.

    Args:
        make_scorer: see `Search`.
        max_length: how many tokens to write at most.
        key: the randomness; the same key writes the same text.
        temperature: below 1 sharpens; at least 0.001 (0 would be `greedy`).
        top_k: draw among the k likeliest tokens only, 0: among all; at most as many as
            the vocabulary has.
        top_p: draw among the fewest tokens that hold this probability, 1: all.

    Returns:
        Tokens [batch, max_length] and the sum of their log-probabilities [batch],
        under the model itself, not the sharpened distribution.

    Raises:
        InputError: when an option is out of its range.
    """
    is_warm = _COLDEST <= temperature < math.inf
    if not is_warm or top_k < 0 or not 0 < top_p <= 1:
        raise InputError(
            f"sample needs temperature >= {_COLDEST}, top_k >= 0 and 0 < top_p <= 1; "
            f"got {temperature}, {top_k} and {top_p}. Use greedy for temperature 0."
        )

    def choose(logits, position):
        logits = keep_top_p(keep_top_k(logits / temperature, top_k), top_p)
        return jax.random.categorical(jax.random.fold_in(key, position), logits)

    return _one_token_at_a_time(make_scorer(1), max_length, choose)


def keep_top_k(
    logits: Float[Array, "rows vocab"], top_k: int
) -> Float[Array, "rows vocab"]:
    """Makes all but the k largest logits impossible; 0 keeps all.

    Raises:
        InputError: when there are not so many.
    """
    if top_k == 0:
        return logits
    if top_k > logits.shape[-1]:
        raise InputError(
            f"top_k of sample is {top_k}, and the model's vocabulary has "
            f"{logits.shape[-1]} tokens. Give no more (--gin.TOP_K), or 0 for all."
        )
    threshold = jax.lax.top_k(logits, top_k)[0][:, -1:]
    return jnp.where(logits < threshold, IMPOSSIBLE, logits)


def keep_top_p(
    logits: Float[Array, "rows vocab"], top_p: float
) -> Float[Array, "rows vocab"]:
    """Makes all but the likeliest tokens that hold top_p impossible (Holtzman 2020)."""
    if top_p == 1.0:
        return logits
    ordered = jnp.sort(logits, axis=-1, descending=True)
    before = jnp.cumsum(jax.nn.softmax(ordered), axis=-1) - jax.nn.softmax(ordered)
    # A token stays if those before it hold less than top_p: the likeliest always does.
    threshold = jnp.min(
        jnp.where(before < top_p, ordered, jnp.inf), axis=-1, keepdims=True
    )
    return jnp.where(logits < threshold, IMPOSSIBLE, logits)


def _one_token_at_a_time(
    scorer: Scorer,
    max_length: int,
    choose: Callable[
        [Float[Array, "batch vocab"], Int[Array, ""]], Int[Array, " batch"]
    ],
) -> Texts:
    rows = scorer.batch

    def unfinished(state):
        position, _, _, is_done, _, _ = state
        return (position < max_length) & ~jnp.all(is_done)

    def step(state):
        position, last, tokens, is_done, scores, cache = state
        logits, cache = scorer.next_logits(last, cache, position)
        chosen = choose(logits, position).astype(jnp.int32)
        chosen = jnp.where(is_done, PAD_ID, chosen)
        log_probability = jnp.take_along_axis(
            jax.nn.log_softmax(logits), chosen[:, None], axis=1
        )[:, 0]
        scores = scores + jnp.where(is_done, 0.0, log_probability)
        tokens = tokens.at[:, position].set(chosen)
        return position + 1, chosen, tokens, is_done | (chosen == EOS_ID), scores, cache

    start = (
        jnp.int32(0),
        jnp.full((rows,), PAD_ID, jnp.int32),
        jnp.full((rows, max_length), PAD_ID, jnp.int32),
        jnp.zeros((rows,), bool),
        jnp.zeros((rows,)),
        scorer.cache,
    )
    _, _, tokens, _, scores, _ = jax.lax.while_loop(unfinished, step, start)
    return tokens, scores


def gnmt_penalty(length: Int[Array, ""] | int, alpha: float) -> Float[Array, ""]:
    """Returns ((5 + length) / 6) ** alpha, T5X's (Wu et al. 2016)."""
    return ((5.0 + jnp.asarray(length, jnp.float32)) / 6.0) ** alpha


def power_penalty(length: Int[Array, ""] | int, alpha: float) -> Float[Array, ""]:
    """Returns length ** alpha, the transformers library's."""
    return jnp.asarray(length, jnp.float32) ** alpha
