"""A prompt at every door of the T5: vectors in its layers, keys and values beside."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.data import packing
from spot_jax.errors import InputError
from spot_jax.prompts import algebra
from spot_jax.prompts.base import PromptBundle, entered, sites
from spot_jax.t5 import decode, prefix, walk
from spot_jax.t5.beam import beam_search
from tests.bundles import everywhere

LENGTH = 3
KEYS = ("enc_self", "dec_self", "cross")
INPUTS = jnp.asarray([[5, 6, 7, 1], [8, 9, 1, 0], [3, 1, 0, 0]], jnp.int32)
TARGETS = jnp.asarray([[0, 4, 5], [0, 6, 1], [0, 9, 9]], jnp.int32)
BIASES = ["zero", "contiguous"]


@pytest.fixture(scope="module")
def three(config):
    """A T5 whose stacks have different numbers of layers."""
    return dataclasses.replace(config, encoder_layers=3)


@pytest.fixture(scope="module")
def weights(three):
    params = t5.initial_parameters(three, jax.random.key(1))
    # Position biases that matter; T5 begins with small ones.
    for stack in ("encoder", "decoder"):
        table = params[stack]["relpos_bias"]["rel_embedding"]
        params[stack]["relpos_bias"]["rel_embedding"] = 5 * table
    return params


def only(bundle, *names):
    """The prompt at some sites alone."""
    kept = {site: array for site, array in sites(bundle).items() if site in names}
    modes = {"hidden_mode": bundle.hidden_mode, "bias_mode": bundle.bias_mode}
    return PromptBundle(**kept, **modes)


@functools.partial(jax.jit, static_argnums=0)
def logits(config, params, inputs, targets, prompt=None, **more):
    variables = walk.variables(config, params)
    return t5.T5(config).apply(variables, inputs, targets, prompt=prompt, **more)


@pytest.fixture(scope="module")
def prompt(three):
    return everywhere(LENGTH, model=three)


@pytest.mark.parametrize("site", ["enc_input", "enc_hidden", *KEYS])
def test_every_site_is_read(site, three, weights, prompt):
    base = logits(three, weights, INPUTS, TARGETS)
    found = logits(three, weights, INPUTS, TARGETS, only(prompt, site))
    assert np.abs(found - base).max() > 1e-3


@pytest.mark.parametrize("mode", ["replace", "add"])
@pytest.mark.parametrize("bias", BIASES)
def test_scanned_and_rematerialised_layers_read_the_same(
    bias, mode, three, weights, prompt
):
    prompt = prompt.replace(bias_mode=bias, hidden_mode=mode)
    expected = logits(three, weights, INPUTS, TARGETS, prompt)
    for way in ({"scan_layers": True}, {"scan_layers": True, "remat_policy": "full"}):
        config = dataclasses.replace(three, **way)
        found = logits(config, weights, INPUTS, TARGETS, prompt)
        np.testing.assert_allclose(found, expected, atol=3e-5)


@functools.partial(jax.jit, static_argnums=0)
def gradients(config, params, prompt):
    def loss(arrays):
        said = logits(config, params, INPUTS, TARGETS, prompt.replace(**arrays))
        return jax.nn.log_softmax(said)[..., 3].sum()

    return jax.grad(loss)(sites(prompt))


def test_layers_that_are_scanned_and_computed_twice_teach_the_same(
    three, weights, prompt
):
    prompt = prompt.replace(bias_mode="contiguous", hidden_mode="add")
    expected = gradients(three, weights, prompt)
    config = dataclasses.replace(three, scan_layers=True, remat_policy="full")
    found = gradients(config, weights, prompt)
    for site, array in expected.items():
        np.testing.assert_allclose(found[site], array, atol=2e-4, err_msg=site)
        assert np.abs(array).max() > 1e-3, site


def test_what_is_compared_could_differ(three, weights, prompt):
    """A position bias that is turned round moves logits, which are far from equal."""
    prompt = only(prompt, *KEYS).replace(bias_mode="contiguous")
    expected = logits(three, weights, INPUTS, TARGETS, prompt)
    assert expected.std() > 0.1
    for stack in ("encoder", "decoder"):
        turned = dict(weights)
        table = weights[stack]["relpos_bias"]["rel_embedding"][:, ::-1]
        turned[stack] = weights[stack] | {"relpos_bias": {"rel_embedding": table}}
        found = logits(three, turned, INPUTS, TARGETS, prompt)
        assert np.abs(found - expected).max() > 0.01, stack


def test_the_modes_differ(three, weights, prompt):
    """Or the tests of each could not fail."""
    base = logits(three, weights, INPUTS, TARGETS, prompt)
    for other in ({"bias_mode": "contiguous"}, {"hidden_mode": "add"}):
        found = logits(three, weights, INPUTS, TARGETS, prompt.replace(**other))
        assert np.abs(found - base).max() > 1e-3


@pytest.mark.parametrize("bias", BIASES)
def test_keys_and_values_are_a_longer_softmax(bias):
    """By hand, for one head's worth of numbers: softmax([q Kp + bp, q K + b]) V."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((1, 2, 2, 5)).astype(np.float32) for _ in range(3))
    kp, vp = (rng.standard_normal((2, 3, 5)).astype(np.float32) for _ in range(2))
    bp = rng.standard_normal((1, 2, 2, 3)).astype(np.float32)
    b = bp if bias == "contiguous" else None
    found = prefix.Prefix(*jax.tree.map(jnp.asarray, (kp, vp, b)))
    own = np.einsum("bqhd,bkhd->bhqk", q, k)
    before = np.einsum("bqhd,hpd->bhqp", q, kp) + (0 if b is None else bp)
    np.testing.assert_allclose(found.logits(jnp.asarray(q), -1e10), before, atol=1e-5)
    weights = jax.nn.softmax(np.concatenate([before, own], -1))
    expected = np.einsum("bhqk,hkd->bqhd", weights[..., :3], vp)
    np.testing.assert_allclose(found.weighted(weights[..., :3]), expected, atol=1e-5)


def harvested(config, params, inputs, tokens):
    """What the decoder has of tokens in front: [layers, 2, tokens, joined]."""
    encoded, segments = t5.T5(config).apply(
        {"params": params}, inputs, method=t5.T5.encode
    )
    _, kept = t5.T5(config).apply(
        {"params": params},
        encoded,
        segments,
        tokens,
        capture_intermediates=lambda module, _: module.name in ("key", "value"),
        mutable=["intermediates"],
        method=t5.T5.decode,
    )
    found = []
    for number in range(config.decoder_layers):
        attention = kept["intermediates"]["decoder"][f"layers_{number}"]
        attention = attention["self_attention"]
        pair = [attention[name]["__call__"][0][0] for name in ("key", "value")]
        found.append(np.stack(pair))
    return np.stack(found)


def test_keys_of_real_tokens_are_a_longer_text_when_contiguous(three, weights):
    """What the decoder would have of three tokens more, put in as a prompt."""
    inputs, tokens = INPUTS[:1], jnp.asarray([[0, 4, 5, 7, 8, 2]], jnp.int32)
    whole = logits(three, weights, inputs, tokens)[:, 3:]
    dec_self = harvested(three, weights, inputs, tokens[:, :3])
    for bias, is_same in (("contiguous", True), ("zero", False)):
        bundle = PromptBundle(dec_self=dec_self, bias_mode=bias)
        found = logits(three, weights, inputs, tokens[:, 3:], bundle)
        assert (np.abs(found - whole).max() < 1e-4) == is_same


def test_the_head_of_an_input_may_be_its_keys_and_values_when_contiguous(
    three, weights
):
    """The first two of six tokens, as layers see them, in front of the other four."""
    inputs = jnp.asarray([[5, 6, 7, 9, 8, 1]], jnp.int32)
    whole, targets = logits(three, weights, inputs, TARGETS[:1]), TARGETS[:1]
    _, kept = jax.jit(
        functools.partial(
            t5.T5(three).apply,
            capture_intermediates=lambda module, _: module.name in ("key", "value"),
            mutable=["intermediates"],
        )
    )({"params": weights}, inputs, targets)

    def head(stack, count, attention):
        layers = [kept["intermediates"][stack][f"layers_{n}"] for n in range(count)]
        pairs = [
            [layer[attention][name]["__call__"][0][0] for name in ("key", "value")]
            for layer in layers
        ]
        return np.asarray(pairs)[:, :, :2]

    prompt = PromptBundle(
        enc_self=head("encoder", three.encoder_layers, "attention"),
        cross=head("decoder", three.decoder_layers, "encoder_decoder_attention"),
    )
    for bias, is_same in (("contiguous", True), ("zero", False)):
        bundle = prompt.replace(bias_mode=bias)
        found = logits(three, weights, inputs[:, 2:], targets, bundle)
        assert (np.abs(found - whole).max() < 1e-4) == is_same


@pytest.mark.parametrize("is_scanned", [False, True], ids=["apart", "scanned"])
@pytest.mark.parametrize("bias", BIASES)
def test_a_token_at_a_time_is_the_whole_target(
    bias, is_scanned, three, weights, prompt
):
    config = dataclasses.replace(three, scan_layers=is_scanned)
    prompt = jax.tree.map(jnp.asarray, prompt.replace(bias_mode=bias))
    model, variables = t5.T5(config), walk.variables(config, weights)
    encoded, segments = model.apply(
        variables, INPUTS, prompt=prompt, method=t5.T5.encode
    )
    maker = decode.scorer_maker(
        config, weights, encoded, segments, TARGETS.shape[1], prompt=prompt
    )
    scorer = maker(1)
    cache, found = scorer.cache, []
    for position in range(TARGETS.shape[1]):
        last = TARGETS[:, position]
        one, cache = scorer.next_logits(last, cache, jnp.int32(position))
        found.append(one)
    expected = logits(config, weights, INPUTS, TARGETS, prompt)
    np.testing.assert_allclose(np.stack(found, 1), expected, atol=3e-5)
    sizes = {leaf.shape[2 + is_scanned] for leaf in jax.tree.leaves(scorer.cache)}
    assert sizes == {TARGETS.shape[1]}, "the prompt takes no room in the cache"


def test_all_sites_get_gradients_when_hidden_vectors_are_added(three, weights, prompt):
    def total(arrays, mode):
        bundle = PromptBundle(**arrays, hidden_mode=mode)
        return logits(three, weights, INPUTS, TARGETS, bundle)[..., 3].sum()

    arrays = sites(prompt)
    for site, gradient in jax.grad(total)(arrays, "add").items():
        assert np.abs(gradient).max() > 0, site
    # What is replaced before the first layer is never read.
    assert not np.any(jax.grad(total)(arrays, "replace")["enc_input"])


@pytest.mark.parametrize("names", [["enc_input", "enc_hidden"], KEYS], ids=str)
@pytest.mark.parametrize("bias", BIASES)
def test_a_bank_gives_every_row_its_own(bias, names, three, weights):
    prompts = [only(everywhere(LENGTH, seed, three), *names) for seed in range(2)]
    prompts = [p.replace(bias_mode=bias) for p in prompts]
    bank = algebra.stack(prompts)
    order = [1, 0, 1]
    batch = packing.one_per_row(
        [
            packing.Example(row[row > 0], targets[1:], number)
            for row, targets, number in zip(INPUTS, TARGETS, order, strict=True)
        ],
        prompt_length=LENGTH if "enc_input" in names else 0,
        row_length=8,
        target_length=2,
    )
    found = logits(three, weights, *arguments(batch), bank, **more(batch))
    for row, number in enumerate(order):
        one = batch["encoder_input_tokens"][row : row + 1]
        one = one[:, LENGTH:] if "enc_input" in names else one
        expected = logits(
            three,
            weights,
            one,
            batch["decoder_input_tokens"][row : row + 1],
            prompts[number],
        )
        np.testing.assert_allclose(found[row], expected[0], atol=3e-5)


def arguments(batch):
    return batch["encoder_input_tokens"], batch["decoder_input_tokens"]


def more(batch):
    return {
        "encoder_segment_ids": batch["encoder_segment_ids"],
        "encoder_prompt_ids": batch["encoder_prompt_ids"],
        "encoder_positions": batch["encoder_positions"],
        "decoder_segment_ids": batch["decoder_segment_ids"],
        "row_prompts": batch["row_prompts"],
    }


@pytest.mark.parametrize("bias", BIASES)
def test_packed_rows_are_rows_of_their_own(bias, three, weights):
    prompts = [everywhere(LENGTH, seed, three) for seed in range(2)]
    bank = algebra.stack([p.replace(bias_mode=bias) for p in prompts])
    rng = np.random.default_rng(2)
    examples = [
        packing.Example(rng.integers(2, 30, n), rng.integers(2, 30, m), i % 2)
        for i, (n, m) in enumerate([(5, 2), (4, 3), (3, 1), (6, 2), (2, 2)])
    ]
    options = {"prompt_length": LENGTH, "mixes": False}
    shape = packing.plan([examples], row_length=20, **options)
    batch = packing.pack(examples, shape=shape, **options)
    assert batch["encoder_segment_ids"].max() > 1, "something is packed"
    found = logits(three, weights, *arguments(batch), bank, **more(batch))
    single = packing.one_per_row(
        examples, prompt_length=LENGTH, row_length=9, target_length=3
    )
    wanted = logits(three, weights, *arguments(single), bank, **more(single))
    by_target = {}
    for row in range(len(examples)):
        size = len(examples[row].targets)
        by_target[tuple(examples[row].targets)] = wanted[row, :size]
    seen = 0
    for row, segments in enumerate(batch["decoder_segment_ids"]):
        for segment in range(1, segments.max() + 1):
            here = segments == segment
            target = tuple(batch["decoder_target_tokens"][row, here])
            np.testing.assert_allclose(found[row, here], by_target[target], atol=3e-5)
            seen += 1
    assert seen == len(examples)


def test_rows_that_may_not_mix_hold_one_prompt():
    examples = [
        packing.Example(np.ones(2), np.ones(1), number % 3) for number in range(9)
    ]
    options = {"prompt_length": 0, "mixes": False}
    shape = packing.plan([examples], row_length=40, **options)
    assert shape.rows == 3
    batch = packing.pack(examples, shape=shape, **options)
    assert sorted(batch["row_prompts"]) == [0, 1, 2]
    for row in range(3):
        ids = batch["decoder_prompt_ids"][row]
        assert set(ids[ids > 0]) == {1 + batch["row_prompts"][row]}
    together = packing.plan([examples], row_length=40, prompt_length=0)
    assert together.rows == 1


@pytest.mark.parametrize("bias", BIASES)
def test_a_shorter_prompt_in_a_bank_is_itself(bias, three, weights):
    short, long = (everywhere(n, n, three).replace(bias_mode=bias) for n in (2, 4))
    bank = algebra.stack([short, long])
    rows = np.zeros(3, np.int32)
    keys = [only(bank, *KEYS).replace(mask=bank.mask), only(short, *KEYS)]
    found = logits(
        three,
        weights,
        INPUTS,
        TARGETS,
        jax.tree.map(jnp.asarray, keys[0]),
        row_prompts=rows,
    )
    wanted = logits(three, weights, INPUTS, TARGETS, keys[1])
    np.testing.assert_allclose(found, wanted, atol=3e-5)


def test_a_prompt_of_which_nothing_is_seen_is_the_frozen_model(three, weights, prompt):
    hidden = only(prompt, *KEYS).replace(mask=np.zeros(LENGTH, np.int32))
    base = logits(three, weights, INPUTS, TARGETS)
    found = logits(three, weights, INPUTS, TARGETS, hidden)
    np.testing.assert_allclose(found, base, atol=1e-6)
    # Zeros are not nothing: their logits take part in every softmax.
    zeros = jax.tree.map(np.zeros_like, only(prompt, *KEYS))
    assert np.abs(logits(three, weights, INPUTS, TARGETS, zeros) - base).max() > 1e-3


def test_the_order_of_keys_is_nothing_without_positions(three, weights, prompt):
    prompt = only(prompt, *KEYS)
    turned = jax.tree.map(lambda array: array[..., ::-1, :], prompt)
    found = logits(three, weights, INPUTS, TARGETS, turned)
    np.testing.assert_allclose(
        found, logits(three, weights, INPUTS, TARGETS, prompt), atol=1e-5
    )
    contiguous = turned.replace(bias_mode="contiguous")
    other = logits(three, weights, INPUTS, TARGETS, contiguous)
    assert np.abs(found - other).max() > 1e-3


def test_a_range_of_layers_is_entered_alone(three, weights, prompt):
    inside = prompt.replace(layers="1:", enc_input=None, hidden_mode="add")
    found = logits(three, weights, INPUTS, TARGETS, inside)
    scanned = dataclasses.replace(three, scan_layers=True)
    np.testing.assert_allclose(
        logits(scanned, weights, INPUTS, TARGETS, inside), found, atol=3e-5
    )
    # What the others hold is not read.
    noise = inside.replace(
        **{
            site: np.concatenate([array[:1] + 7, array[1:]])
            for site, array in sites(inside).items()
        }
    )
    np.testing.assert_array_equal(logits(three, weights, INPUTS, TARGETS, noise), found)
    everywhere_ = inside.replace(layers="")
    other = logits(three, weights, INPUTS, TARGETS, everywhere_)
    assert np.abs(other - found).max() > 1e-3


@pytest.mark.parametrize(
    ("layers", "numbers"),
    [("", [0, 1, 2, 3]), ("1:3", [1, 2]), ("2:", [2, 3]), (":1", [0]), ("-1:", [3])],
)
def test_a_range_is_read_as_python_does(layers, numbers):
    assert entered(PromptBundle(layers=layers), 4) == numbers


@pytest.mark.parametrize("layers", ["4:", "3", "a:b", "2:1", "--1:", "-:"])
def test_a_range_that_is_none_is_refused(layers):
    with pytest.raises(InputError, match="layers"):
        entered(PromptBundle(layers=layers), 4)


def test_every_layers_own_position_bias_reaches_its_keys(three, prompt):
    config = dataclasses.replace(three, relpos_in_every_layer=True)
    params = t5.initial_parameters(config, jax.random.key(0))
    prompt = only(prompt, *KEYS).replace(bias_mode="contiguous")
    found = logits(config, params, INPUTS, TARGETS, prompt)
    scanned = dataclasses.replace(config, scan_layers=True)
    np.testing.assert_allclose(
        logits(scanned, params, INPUTS, TARGETS, prompt), found, atol=3e-5
    )
    zero = logits(config, params, INPUTS, TARGETS, prompt.replace(bias_mode="zero"))
    assert np.abs(zero - found).max() > 1e-4


@pytest.mark.parametrize("search", ["greedy", "beams", "sampled"])
def test_texts_of_a_bank_are_those_of_its_prompts(search, three, weights):
    prompts = [everywhere(LENGTH, seed, three) for seed in range(2)]
    bank = algebra.stack(prompts)
    how = {
        "greedy": decode.greedy,
        "beams": functools.partial(beam_search, beams=3),
        "sampled": functools.partial(decode.sample, top_k=1),
    }[search]
    write = jax.jit(
        decode.generate, static_argnums=0, static_argnames=["max_length", "search"]
    )
    options = {"max_length": 4, "search": how}
    inputs = np.concatenate([np.zeros((3, LENGTH), np.int32), INPUTS], axis=1)
    is_slot = np.arange(inputs.shape[1])[None] < LENGTH
    order = np.int32([1, 0, 1])
    found, scores = write(
        three,
        weights,
        inputs,
        prompt=bank,
        segment_ids=np.int32(is_slot | (inputs > 0)),
        prompt_ids=np.int32(is_slot * (1 + order)[:, None]),
        positions=np.broadcast_to(np.int32(np.arange(inputs.shape[1])), inputs.shape),
        row_prompts=order,
        **options,
    )
    for row, number in enumerate(order):
        text, score = write(
            three, weights, INPUTS[row : row + 1], prompt=prompts[number], **options
        )
        np.testing.assert_array_equal(found[row], text[0])
        np.testing.assert_allclose(scores[row], score[0], atol=1e-4)


def test_bfloat16_stays_near_and_trained_numbers_stay_float32(three, weights, prompt):
    coarse = dataclasses.replace(three, dtype="bfloat16")
    expected = logits(three, weights, INPUTS, TARGETS, prompt)
    found = logits(coarse, weights, INPUTS, TARGETS, prompt)
    assert found.dtype == jnp.float32
    assert np.abs(found - expected).max() < 0.2
    gradient = jax.grad(lambda p: logits(coarse, weights, INPUTS, TARGETS, p).sum())(
        prompt
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}


def test_positions_count_anew_in_every_example():
    segments = np.int32([[1, 1, 1, 2, 2, 0, 0], [1, 2, 3, 3, 0, 0, 0]])
    found = prefix.positions_in(jnp.asarray(segments))
    np.testing.assert_array_equal(found[:, :5], [[0, 1, 2, 0, 1], [0, 0, 0, 1, 0]])
