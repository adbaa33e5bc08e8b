"""Our T5 is the transformers library's T5: logits, decoding, and its saved folder."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
generation = pytest.importorskip("transformers.generation")

from spot_jax import pretrained, t5  # noqa: E402
from spot_jax.t5 import beam, decode, relpos  # noqa: E402

pytestmark = pytest.mark.parity

MAX_LENGTH = 16


@pytest.fixture(scope="module", params=["1.1 untied", "1.0 tied"])
def pair(request, make_pair):
    return make_pair(request.param)


def random_inputs(seed, rows, length):
    """Tokens [rows, length], of which all rows but the first end in padding."""
    rng = np.random.default_rng(seed)
    sizes = np.array([length, *rng.integers(3, length, rows - 1)])
    tokens = rng.integers(2, 32000, (rows, length))
    tokens[np.arange(rows), sizes - 1] = decode.EOS_ID
    return tokens * (np.arange(length) < sizes[:, None])


def as_theirs(tokens):
    ids = torch.tensor(np.asarray(tokens))
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


@functools.partial(jax.jit, static_argnums=0)
def our_logits(config, params, inputs, targets):
    return t5.T5(config).apply({"params": params}, inputs, targets)


@torch.no_grad()
def their_logits(pair, inputs, targets):
    targets = torch.tensor(np.asarray(targets))
    return pair.theirs(**as_theirs(inputs), decoder_input_ids=targets).logits.numpy()


def report(name, difference):
    """Says how close it was: `pytest -rP` shows it."""
    print(f"{name}: largest difference {difference:.1e}")
    return difference


def test_which_of_the_two_models_is_compared(pair):
    shared, logits = pair.theirs.shared.weight, pair.theirs.lm_head.weight
    if pair.config.logits_via_embedding:
        assert logits is shared
        assert "logits_dense" not in pair.params["decoder"]
    else:
        assert logits is not shared and not torch.equal(logits, shared)
        assert logits.data_ptr() != shared.data_ptr()
        assert pair.config.d_joined != pair.config.d_model
    is_scaled = getattr(pair.theirs.config, "scale_decoder_outputs", None)
    if is_scaled is None:
        is_scaled = pair.theirs.config.tie_word_embeddings
    assert is_scaled == pair.config.logits_via_embedding


def test_logits_with_padding_in_the_batch(pair):
    # Longer than the 128 from which all distances share a bucket.
    inputs = random_inputs(seed=0, rows=4, length=160)
    targets = np.random.default_rng(1).integers(2, 32000, (4, 40))
    wanted = their_logits(pair, inputs, targets)
    found = our_logits(pair.config, pair.params, inputs, targets)
    assert 0.5 < wanted.std() < 2
    assert report("logits", np.abs(found - wanted).max()) < 1e-4


def test_the_position_bias_and_padding_matter_here(pair):
    """The comparison above would notice: both move logits by far more than 1e-4."""
    inputs = random_inputs(seed=0, rows=4, length=24)
    targets = np.random.default_rng(1).integers(2, 32000, (4, 8))
    base = our_logits(pair.config, pair.params, inputs, targets)
    flat = traverse_util.flatten_dict(pair.params, sep="/")
    for stack in ("encoder", "decoder"):
        name = f"{stack}/relpos_bias/rel_embedding"
        other = traverse_util.unflatten_dict(
            flat | {name: flat[name][:, ::-1]}, sep="/"
        )
        moved = our_logits(pair.config, other, inputs, targets)
        assert jnp.abs(moved - base).max() > 0.1
    unpadded = np.where(inputs == 0, 5, inputs)
    moved = our_logits(pair.config, pair.params, unpadded, targets)
    np.testing.assert_allclose(moved[0], base[0], atol=1e-5)
    assert jnp.abs(moved[1:] - base[1:]).max() > 0.1


def test_the_saved_folder_holds_these_weights(pair, tmp_path):
    pair.theirs.save_pretrained(tmp_path)
    shapes, _ = t5.parameter_shapes(pair.config)
    loaded = traverse_util.flatten_dict(
        pretrained.load(str(tmp_path), shapes).params, sep="/"
    )
    wanted = traverse_util.flatten_dict(pair.params, sep="/")
    assert loaded.keys() == wanted.keys()
    for name, array in loaded.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


BATCHES = [random_inputs(seed, rows=4, length=24) for seed in (10, 11, 12)]


@functools.partial(jax.jit, static_argnames=("config", "search"))
def our_text(config, params, tokens, search):
    return decode.generate(config, params, tokens, max_length=MAX_LENGTH, search=search)


@torch.no_grad()
def their_text(pair, inputs, **options):
    """Returns tokens [batch, MAX_LENGTH] without the start token, and the scores."""
    written = pair.theirs.generate(
        **as_theirs(inputs),
        max_new_tokens=MAX_LENGTH,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    tokens = written.sequences.numpy()[:, 1:]
    tokens = np.pad(tokens, ((0, 0), (0, MAX_LENGTH - tokens.shape[1])))
    # Its beam search writes more EOS after the first, because its padding is 0.
    is_eos = tokens == decode.EOS_ID
    is_after_eos = np.cumsum(is_eos, axis=1) > is_eos
    tokens = np.where(is_after_eos, decode.PAD_ID, tokens)
    scores = written.get("sequences_scores")
    return tokens, None if scores is None else scores.numpy()


def some_end_and_some_do_not(texts):
    ends = (np.concatenate(texts) == decode.EOS_ID).any(axis=1)
    print(f"{ends.sum()} of {len(ends)} texts end before the last token")
    return ends.any() and not ends.all()


def test_greedy_writes_the_same_text(pair):
    texts = []
    for inputs in BATCHES:
        wanted, _ = their_text(pair, inputs, num_beams=1)
        found, _ = our_text(pair.config, pair.params, inputs, search=decode.greedy)
        np.testing.assert_array_equal(found, wanted)
        texts.append(wanted)
    assert some_end_and_some_do_not(texts)


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_beam_search_writes_the_same_text(alpha, pair):
    search = functools.partial(
        beam.beam_search, beams=4, alpha=alpha, penalty=decode.power_penalty
    )
    texts = []
    for inputs in BATCHES:
        wanted, scores = their_text(
            pair, inputs, num_beams=4, length_penalty=alpha, early_stopping="never"
        )
        found, our_scores = our_text(pair.config, pair.params, inputs, search=search)
        np.testing.assert_array_equal(found, wanted)
        assert report("scores", np.abs(our_scores - scores).max()) < 1e-4
        texts.append(wanted)
    assert some_end_and_some_do_not(texts)


LOGITS = 3 * np.random.default_rng(2).standard_normal((64, 100)).astype(np.float32)


@pytest.mark.parametrize("top_k", [1, 5, 99, 100])
def test_top_k_keeps_the_same_tokens(top_k):
    warper = generation.TopKLogitsWarper(top_k)
    wanted = warper(None, torch.tensor(LOGITS)).numpy()
    found = np.asarray(decode.keep_top_k(jnp.asarray(LOGITS), top_k))
    same_tokens(found, wanted)


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_same_tokens(top_p):
    warper = generation.TopPLogitsWarper(top_p)
    wanted = warper(None, torch.tensor(LOGITS)).numpy()
    found = np.asarray(decode.keep_top_p(jnp.asarray(LOGITS), top_p))
    same_tokens(found, wanted)


def same_tokens(found, wanted):
    is_kept = np.isfinite(wanted)
    np.testing.assert_array_equal(found > decode.IMPOSSIBLE, is_kept)
    np.testing.assert_array_equal(found[is_kept], wanted[is_kept])


@pytest.mark.parametrize("bidirectional", [True, False])
def test_distances_fall_in_the_same_buckets(bidirectional):
    attention = transformers.models.t5.modeling_t5.T5Attention
    distance = np.arange(-300, 301)
    wanted = attention._relative_position_bucket(
        torch.tensor(distance), bidirectional=bidirectional
    )
    found = relpos.relative_position_buckets(
        jnp.array([0]),
        jnp.asarray(distance),
        bidirectional=bidirectional,
        buckets=32,
        max_distance=128,
    )
    np.testing.assert_array_equal(found[0], wanted.numpy())
