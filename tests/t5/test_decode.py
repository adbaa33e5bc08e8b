"""Writing token by token: the cache changes nothing, and searches keep their word."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import decode
from spot_jax.t5.beam import beam_search

ROWS, MAX_LENGTH = 6, 7
INPUTS = jnp.asarray(
    np.random.default_rng(6).integers(2, 30, (ROWS, 5))
    * (np.arange(5) < np.array([5, 3, 4, 5, 2, 5])[:, None])
)


@pytest.fixture(scope="module")
def ending(params):
    """Parameters that score EOS high at times, so that targets end early."""
    kernel = params["decoder"]["logits_dense"]["kernel"]
    louder = {"kernel": kernel.at[:, decode.EOS_ID].multiply(2.5)}
    return {**params, "decoder": {**params["decoder"], "logits_dense": louder}}


@pytest.fixture(scope="module")
def prompt(config):
    return PromptBundle(enc_input=jax.random.normal(jax.random.key(8), (2, 12)))


@functools.partial(jax.jit, static_argnames=("config", "search"))
def write(config, params, prompt, tokens=INPUTS, **options):
    return decode.generate(
        config, params, tokens, max_length=MAX_LENGTH, prompt=prompt, **options
    )


@pytest.fixture(scope="module")
def greedy(shallow, ending, prompt):
    return write(shallow, ending, prompt)


@pytest.fixture(scope="module")
def taught(shallow, ending, prompt, logits, greedy):
    """The logits of the greedy text by teacher forcing, without a cache."""
    shifted = jnp.pad(greedy[0], ((0, 0), (1, 0)))[:, :-1]
    return logits(shallow, ending, INPUTS, shifted, prompt=prompt)


def is_written(tokens):
    """Which positions of tokens [rows, length] come before the padding after EOS."""
    ends = np.cumsum(tokens == decode.EOS_ID, axis=1)
    return np.pad(ends, ((0, 0), (1, 0)))[:, :-1] == 0


def test_the_cache_gives_the_logits_of_teacher_forcing(
    shallow, ending, prompt, greedy, taught
):
    def forced(make_scorer, *, max_length, key):
        """Writes the greedy text again; its scores are how far its logits are off."""
        scorer = make_scorer(1)
        shifted = jnp.pad(greedy[0], ((0, 0), (1, 0)))[:, :-1]

        def step(cache, now):
            position, tokens = now
            logits, cache = scorer.next_logits(tokens, cache, position)
            return cache, logits

        times = (jnp.arange(max_length), shifted.T)
        _, seen = jax.lax.scan(step, scorer.cache, times)
        return greedy[0], jnp.abs(seen.swapaxes(0, 1) - taught).max((1, 2))

    _, difference = write(shallow, ending, prompt, search=forced)
    assert (difference < 1e-5).all()


def test_greedy_takes_the_likeliest_token_and_stops_at_eos(greedy, taught):
    tokens, scores = np.asarray(greedy[0]), greedy[1]
    written = is_written(tokens)
    lengths = written.sum(axis=1)
    assert len(set(lengths.tolist())) > 2 and lengths.max() == MAX_LENGTH, lengths
    np.testing.assert_array_equal(tokens[written], taught.argmax(-1)[written])
    assert (tokens[~written] == decode.PAD_ID).all()
    likeliest = jax.nn.log_softmax(taught).max(-1)
    wanted = jnp.where(written, likeliest, 0.0).sum(-1)
    np.testing.assert_allclose(scores, wanted, atol=1e-5)


def test_a_prompt_in_slots_writes_as_one_prepended(shallow, ending, prompt, greedy):
    slots = ((0, 0), (2, 0))
    positions = jnp.broadcast_to(jnp.arange(7), (ROWS, 7))
    tokens, scores = write(
        shallow,
        ending,
        prompt,
        jnp.pad(INPUTS, slots),
        segment_ids=jnp.pad((INPUTS > 0).astype(int), slots, constant_values=1),
        prompt_ids=(positions < 2).astype(int),
        positions=positions,
    )
    np.testing.assert_array_equal(tokens, greedy[0])
    np.testing.assert_allclose(scores, greedy[1], atol=1e-5)


@pytest.mark.parametrize(
    "search",
    [
        functools.partial(decode.sample, top_k=1),
        functools.partial(beam_search, beams=1, alpha=0.0),
    ],
    ids=["top_k=1", "one beam"],
)
def test_searches_that_are_greedy(search, shallow, ending, prompt, greedy):
    tokens, scores = write(
        shallow, ending, prompt, search=search, key=jax.random.key(4)
    )
    np.testing.assert_array_equal(tokens, greedy[0])
    np.testing.assert_allclose(scores, greedy[1], atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"temperature": t} for t in (0.0, -1.0, 1e-30, np.nan, np.inf)),
        {"top_k": -1},
        *({"top_p": p} for p in (0.0, 1.5, np.nan)),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="temperature >= 0.001.*got.*Use greedy"):
        decode.sample(len, max_length=3, key=jax.random.key(0), **wrong)


def test_a_search_is_checked_before_there_is_a_model():
    for search in (
        decode.greedy,
        functools.partial(decode.sample, top_k=384),
        functools.partial(beam_search, beams=4),
    ):
        decode.check_search(search, 384)
    most = functools.partial(decode.sample, top_k=385)
    with pytest.raises(ValueError, match="top_k of sample is 385.* has 384 tokens"):
        decode.check_search(most, 384)
    with pytest.raises(ValueError, match="beams >= 1"):
        decode.check_search(functools.partial(beam_search, beams=0), 384)
    # Each has a cache of its own, and each input has all of them at once.
    decode.check_search(functools.partial(beam_search, beams=256), 384)
    with pytest.raises(
        InputError, match="BEAMS is 5000.*EVAL_BATCH_SIZE x BEAMS.*most 256"
    ):
        decode.check_search(functools.partial(beam_search, beams=5000), 384)


DRAWS = 40_000
LOGITS = jnp.array([0.5, -1.0, 2.0, 1.5, 0.0, -3.0])


def drawn(max_length, seed=9, **options):
    """DRAWS texts of `sample` when the model always says LOGITS."""

    def make_scorer(width):
        assert width == 1
        says = jnp.broadcast_to(LOGITS, (DRAWS, 6))
        return decode.Scorer(lambda last, cache, at: (says, cache), None, DRAWS, 1)

    key = jax.random.key(seed)
    return decode.sample(make_scorer, max_length=max_length, key=key, **options)


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (0, 1.0, [0, 1, 2, 3, 4, 5]),
        (1, 1.0, [2]),
        (3, 1.0, [0, 2, 3]),
        # The likeliest holds 0.479, the first two 0.770, the first three 0.877.
        (0, 1e-6, [2]),
        (0, 0.47, [2]),
        (0, 0.75, [2, 3]),
        (0, 0.8, [0, 2, 3]),
        # Of the three kept by top_k the first two hold 0.878, which is enough.
        (3, 0.85, [2, 3]),
    ],
)
def test_filters_keep_the_likeliest(top_k, top_p, kept):
    filtered = decode.keep_top_p(decode.keep_top_k(LOGITS[None], top_k), top_p)[0]
    is_kept = np.isin(np.arange(6), kept)
    np.testing.assert_array_equal(filtered[is_kept], LOGITS[is_kept])
    assert (filtered[~is_kept] == decode.IMPOSSIBLE).all()


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"top_k": 3, "top_p": 0.85}, [2, 3]),
        # Cold, the first two hold 0.920; as they are, they would need a third.
        ({"temperature": 0.5, "top_p": 0.9}, [2, 3]),
    ],
    ids=str,
)
def test_draws_follow_the_filtered_softmax(options, kept):
    weights = np.exp(np.asarray(LOGITS, np.float64) / options.get("temperature", 1))
    is_kept = np.isin(np.arange(6), kept)
    wanted = weights * is_kept / (weights * is_kept).sum()
    tokens, scores = drawn(1, **options)
    found = np.bincount(tokens[:, 0], minlength=6) / DRAWS
    assert (found[~is_kept] == 0).all()
    deviation = np.sqrt(wanted * (1 - wanted) / DRAWS)
    assert (np.abs(found - wanted) <= 4.5 * deviation).all()
    # Scores are the model's own, whatever the draw was sharpened and cut to.
    own = jax.nn.log_softmax(LOGITS)[tokens[:, 0]]
    np.testing.assert_allclose(scores, own, atol=1e-5)


def test_every_position_draws_anew():
    tokens, _ = drawn(2)
    goes_on = np.asarray(tokens)[tokens[:, 0] != decode.EOS_ID]
    likeliest = 0.479
    for first in (0, 2, 3):
        after = goes_on[goes_on[:, 0] == first, 1]
        assert abs((after == 2).mean() - likeliest) < 0.03


def test_the_same_key_writes_the_same_text():
    one, again, other = (np.asarray(drawn(3, seed)[0]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    written = is_written(one)
    assert not written.all()
    assert (one[~written] == decode.PAD_ID).all()
