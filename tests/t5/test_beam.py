"""Beam search on toy models, against enumeration and a plain-Python search."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.t5 import decode
from spot_jax.t5.beam import beam_search
from spot_jax.t5.scorer import Scorer

VOCAB = 4


def random_table(rows, length):
    """Log-probabilities [batch, first token, ..., next token] of a random model.

    The next token depends on the row and on everything written before it; the axes of
    what is not written yet are 0. EOS is likelier from row to row.
    """
    rng = np.random.default_rng(2)
    logits = 1.5 * rng.standard_normal((rows,) + (VOCAB,) * length)
    more = np.linspace(-2, 2.5, rows).reshape(rows, *[1] * (length - 1))
    logits[..., decode.EOS_ID] += more
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return logits.astype(np.float32)


def scorer_of(table):
    """A `make_scorer` whose cache is what was written, so that it must be reordered."""
    batch, length = table.shape[0], table.ndim - 1

    def next_logits(last, cache, position):
        row, past = cache["row"], cache["past"]
        past = past.at[:, position].set(last)
        # past[0] is the start token; the history is what came after it.
        history = tuple(past[:, i] for i in range(1, length))
        return table[(row, *history)], {"row": row, "past": past}

    def make_scorer(width):
        rows = jnp.repeat(jnp.arange(batch), width)
        cache = {"row": rows, "past": jnp.zeros((rows.size, length), jnp.int32)}
        return Scorer(next_logits, cache, batch, width)

    return make_scorer


def log_probability(table, row, tokens):
    """Sum over the tokens, the way the scorer above looks them up."""
    length = table.ndim - 1
    history = [0] * (length - 1)
    total = 0.0
    for position, token in enumerate(tokens):
        total += table[(row, *history, token)]
        if position < length - 1:
            history[position] = token
    return total


@functools.partial(jax.jit, static_argnames=("beams", "alpha", "penalty"))
def search(table, beams, alpha, penalty=decode.gnmt_penalty):
    return beam_search(
        scorer_of(table),
        max_length=table.ndim - 1,
        key=jax.random.key(0),
        beams=beams,
        alpha=alpha,
        penalty=penalty,
    )


def padded(tokens, length):
    return list(tokens) + [decode.PAD_ID] * (length - len(tokens))


def every_text(length):
    """All that end with EOS, or at the full length."""
    others = [t for t in range(VOCAB) if t != decode.EOS_ID]
    for n in range(length):
        for beginning in itertools.product(others, repeat=n):
            yield (*beginning, decode.EOS_ID)
    yield from itertools.product(others, repeat=length)


@pytest.mark.parametrize(
    ("penalty", "alpha"),
    [
        (decode.gnmt_penalty, 0.6),
        (decode.power_penalty, 0.0),
        (decode.power_penalty, 3.0),
    ],
)
def test_a_wide_beam_finds_the_best_of_all_texts(penalty, alpha):
    table = random_table(rows=12, length=3)
    tokens, scores = search(table, beams=27, alpha=alpha, penalty=penalty)
    for row in range(len(table)):
        best = max(
            (log_probability(table, row, text) / penalty(len(text), alpha), text)
            for text in every_text(3)
        )
        assert tokens[row].tolist() == padded(best[1], 3)
        np.testing.assert_allclose(scores[row], best[0], rtol=1e-5)


def plain_search(table, row, beams, alpha, penalty):
    """The docstring of beam_search in lists: no batch, no cache, no fixed shapes."""
    length = table.ndim - 1
    penalties = [float(penalty(n + 1, alpha)) for n in range(length)]
    growing, ended = [(0.0, ())], []
    for position in range(length):
        candidates = sorted(
            (
                (log_probability(table, row, (*text, token)), (*text, token))
                for _, text in growing
                for token in range(VOCAB)
            ),
            reverse=True,
        )
        is_last = position == length - 1
        stops = [t[-1] == decode.EOS_ID or is_last for _, t in candidates]
        ended += [
            (score / penalties[position], text)
            for (score, text), stop in list(zip(candidates, stops, strict=True))[:beams]
            if stop
        ]
        ended = sorted(ended, reverse=True)[:beams]
        goes_on = (c for c, stop in zip(candidates, stops, strict=True) if not stop)
        growing = list(itertools.islice(goes_on, beams))
        hope = growing[0][0] / penalties[-1] if growing else -np.inf
        if len(ended) == beams and hope <= ended[-1][0]:
            break
    return ended[0]


@pytest.mark.parametrize(
    ("penalty", "beams", "alpha"),
    [
        (decode.gnmt_penalty, 1, 1.0),
        (decode.gnmt_penalty, 2, 0.6),
        (decode.power_penalty, 2, 1.0),
        (decode.power_penalty, 3, 2.0),
    ],
)
def test_a_narrow_beam_is_the_plain_search(penalty, beams, alpha):
    table = random_table(rows=150, length=5)
    tokens, scores = search(table, beams=beams, alpha=alpha, penalty=penalty)
    for row in range(len(table)):
        score, text = plain_search(table, row, beams, alpha, penalty)
        assert tokens[row].tolist() == padded(text, 5)
        np.testing.assert_allclose(scores[row], score, rtol=1e-5)


def test_a_text_does_not_depend_on_the_rows_beside_it():
    """Alone, a row stops as soon as nothing can overtake what has ended."""
    table = random_table(rows=150, length=5)
    options = {"beams": 3, "alpha": 2.0, "penalty": decode.power_penalty}
    together, scores = search(table, **options)
    for row in range(len(table)):
        alone, score = search(table[row : row + 1], **options)
        assert together[row].tolist() == alone[0].tolist()
        np.testing.assert_allclose(scores[row], score[0], rtol=1e-6)


def test_a_greater_alpha_prefers_longer_texts():
    table = random_table(rows=150, length=5)

    def lengths(alpha):
        tokens, _ = search(table, beams=3, alpha=alpha, penalty=decode.power_penalty)
        is_eos = np.asarray(tokens) == decode.EOS_ID
        return np.where(is_eos.any(1), is_eos.argmax(1) + 1, 5)

    short, long = lengths(0.0), lengths(2.0)
    assert (short <= long).all() and short.sum() < long.sum()


def test_the_likeliest_text_is_found_that_greedy_misses():
    # "2 2" has 0.6 * 0.4, "3 EOS" has 0.4 * 0.9: greedy begins with 2.
    probabilities = np.full((1, VOCAB, VOCAB), 0.05)
    probabilities[:, 0] = [1e-4, 1e-4, 0.6, 0.4]
    probabilities[:, 2] = [0.3, 0.3, 0.4, 1e-4]
    probabilities[:, 3] = [0.03, 0.9, 0.03, 0.04]
    table = np.log(probabilities / probabilities.sum(-1, keepdims=True))
    table = table.astype(np.float32)
    assert search(table, beams=1, alpha=0.0)[0][0].tolist() == [2, 2]
    assert search(table, beams=2, alpha=0.0)[0][0].tolist() == [3, decode.EOS_ID]


def test_penalties():
    np.testing.assert_allclose(decode.gnmt_penalty(1, 0.6), 1.0)
    np.testing.assert_allclose(decode.gnmt_penalty(7, 0.5), 2**0.5)
    np.testing.assert_allclose(decode.power_penalty(9, 0.5), 3.0)


@pytest.mark.parametrize(
    "wrong",
    [{"beams": 0}, {"alpha": -0.5}, {"alpha": np.nan}, {"alpha": np.inf}],
    ids=str,
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="beams >= 1 and a finite alpha >= 0; got"):
        beam_search(len, max_length=3, key=jax.random.key(0), **wrong)
