"""Prompts meet the encoder's input: prepended, or in the slots of packed rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.data import packing
from spot_jax.errors import InputError
from spot_jax.prompts.base import PromptBundle, empty
from spot_jax.t5 import inputs

LENGTH, TEXT = 3, 7
SIZES = (7, 4, 5)
TOKENS = jnp.asarray(
    np.random.default_rng(3).integers(2, 30, (3, TEXT))
    * (np.arange(TEXT) < np.array(SIZES)[:, None])
)


@pytest.fixture(scope="module")
def bank(config):
    """Two prompts, as long as trained ones: several times a token's embedding."""
    shape = (2, LENGTH, config.d_model)
    return 3 * jax.random.normal(jax.random.key(5), shape)


def test_slots_of_the_docstring_take_their_prompts():
    prompts = jnp.array([[[11.0], [12.0]], [[21.0], [22.0]]])
    found, segments, _ = inputs.enter(
        jnp.array([[0.0, 0, 7, 1, 0, 0, 8, 9, 1, 0]])[..., None],
        jnp.array([[1, 1, 1, 1, 2, 2, 2, 2, 2, 0]]),
        PromptBundle(enc_input=prompts, mask=jnp.array([[0, 1], [1, 1]])),
        prompt_ids=jnp.array([[2, 2, 0, 0, 1, 1, 0, 0, 0, 0]]),
        positions=jnp.array([[0, 1, 2, 3, 0, 1, 2, 3, 4, 0]]),
    )
    np.testing.assert_array_equal(found[0, :, 0], [21, 22, 7, 1, 11, 12, 8, 9, 1, 0])
    np.testing.assert_array_equal(segments, [[1, 1, 1, 1, 0, 2, 2, 2, 2, 0]])


def test_a_prompt_is_prepended_to_every_row():
    found, segments, _ = inputs.enter(
        jnp.array([[5.0, 6], [7, 0]])[..., None],
        jnp.array([[1, 1], [1, 0]]),
        PromptBundle(enc_input=jnp.array([[11.0], [12.0]])),
        prompt_ids=None,
        positions=None,
    )
    np.testing.assert_array_equal(found[..., 0], [[11, 12, 5, 6], [11, 12, 7, 0]])
    np.testing.assert_array_equal(segments, [[1, 1, 1, 1], [1, 1, 1, 0]])


def examples(prompts):
    """The rows of TOKENS as examples of these prompts."""
    rows = [row[:size] for row, size in zip(np.asarray(TOKENS), SIZES, strict=True)]
    target = np.array([1], np.int32)
    return [packing.Example(r, target, p) for r, p in zip(rows, prompts, strict=True)]


def one_per_row(prompts):
    return packing.one_per_row(
        examples(prompts), prompt_length=LENGTH, row_length=26, target_length=3
    )


def packed(prompts):
    shape = packing.Shape(rows=3, row_length=26, target_row_length=3)
    return packing.pack(examples(prompts), prompt_length=LENGTH, shape=shape)


@pytest.fixture(scope="module")
def encode_slots(shallow, params, encode):
    """(batch of packing, bundle) -> [rows, length, d_model]."""

    def run(batch, bundle):
        encoded, _ = encode(
            shallow,
            params,
            batch["encoder_input_tokens"],
            prompt=bundle,
            segment_ids=batch["encoder_segment_ids"],
            prompt_ids=batch["encoder_prompt_ids"],
            positions=batch["encoder_positions"],
        )
        return encoded

    return run


@pytest.fixture(scope="module")
def encode_prepended(shallow, params, encode):
    """(enc_input, mask) -> the real positions of each row of TOKENS."""

    def run(enc_input, mask=None):
        bundle = PromptBundle(enc_input=enc_input, mask=mask)
        encoded, segments = encode(shallow, params, TOKENS, prompt=bundle)
        return [row[s > 0] for row, s in zip(encoded, segments, strict=True)]

    return run


def same_rows(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def real(encoded, batch):
    """The positions of every example, by its segment, longest example first."""
    segments = batch["encoder_segment_ids"]
    return [
        encoded[row][segments[row] == s]
        for row in range(len(segments))
        for s in range(1, segments[row].max() + 1)
    ]


def test_slots_and_prepending_are_the_same(bank, encode_slots, encode_prepended):
    batch = one_per_row([0, 0, 0])
    bundle = PromptBundle(enc_input=bank)
    same_rows(real(encode_slots(batch, bundle), batch), encode_prepended(bank[0]))


def test_a_bank_equals_its_prompts_one_by_one(bank, encode_slots, encode_prepended):
    batch = one_per_row([1, 0, 1])
    in_slots = real(encode_slots(batch, PromptBundle(enc_input=bank)), batch)
    by_row = encode_prepended(bank[jnp.array([1, 0, 1])])
    alone = [encode_prepended(prompt) for prompt in bank]
    wanted = [alone[1][0], alone[0][1], alone[1][2]]
    same_rows(in_slots, wanted)
    same_rows(by_row, wanted)
    assert jnp.abs(alone[0][0] - alone[1][0]).max() > 0.1


def test_a_packed_row_equals_rows_of_their_own(bank, encode_slots):
    prompts = PromptBundle(enc_input=bank)
    batch, single = packed([1, 0, 1]), one_per_row([1, 0, 1])
    assert batch["encoder_segment_ids"].max() == 3, "all in one row"
    found = real(encode_slots(batch, prompts), batch)
    wanted = real(encode_slots(single, prompts), single)
    same_rows(found, [wanted[0], wanted[2], wanted[1]])


def test_masked_positions_in_front_equal_a_shorter_prompt(
    bank, encode_slots, encode_prepended
):
    mask = jnp.array([0, 1, 1])
    wanted = encode_prepended(bank[0, 1:])
    same_rows(encode_prepended(bank[0], mask), wanted)
    batch = one_per_row([0, 0, 0])
    bundle = PromptBundle(enc_input=bank, mask=jnp.array([[0, 1, 1], [1, 1, 1]]))
    found = real(encode_slots(batch, bundle), batch)
    same_rows([row[1:] for row in found], wanted)


def test_a_masked_prompt_is_the_frozen_model(
    shallow, params, bank, encode, encode_prepended
):
    encoded, segments = encode(shallow, params, TOKENS)
    wanted = [row[s > 0] for row, s in zip(encoded, segments, strict=True)]
    same_rows(encode_prepended(bank[0], jnp.zeros(LENGTH, jnp.int32)), wanted)


def test_no_prompt_is_the_program_of_the_frozen_model(config, params):
    def program(**prompt):
        model = t5.T5(config)
        run = jax.jit(lambda p, x, y: model.apply({"params": p}, x, y, **prompt))
        return run.lower(params, TOKENS, TOKENS).as_text()

    base = program()
    assert program(prompt=None) == base
    assert program(prompt=empty()) == base
    assert program(prompt=PromptBundle(enc_input=jnp.ones((1, 12)))) != base


def test_every_prompt_vector_reaches_its_own_examples_alone(shallow, params, bank):
    """d encoder output[position] / d bank, for a row that packs three examples."""
    batch = packed([1, 0, 1])
    row = {name: jnp.asarray(array[:1]) for name, array in batch.items()}

    def one_number_per_position(bank):
        encoded, _ = t5.T5(shallow).apply(
            {"params": params},
            row["encoder_input_tokens"],
            prompt=PromptBundle(enc_input=bank),
            segment_ids=row["encoder_segment_ids"],
            prompt_ids=row["encoder_prompt_ids"],
            positions=row["encoder_positions"],
            method=t5.T5.encode,
        )
        return encoded[0] @ jnp.arange(1.0, shallow.d_model + 1)

    gradient = jax.jit(jax.jacrev(one_number_per_position))(bank)
    influence = jnp.abs(gradient).sum(-1)
    assert influence.shape == (26, 2, LENGTH)
    # The longest example comes first: prompt 1's, then its other one, then prompt 0's.
    own = np.repeat([1, 1, 0], [LENGTH + 7, LENGTH + 5, LENGTH + 4])
    expected = np.zeros((25, 2, LENGTH), bool)
    expected[np.arange(25), own] = True
    # Position 25 is padding, which nobody reads.
    np.testing.assert_array_equal(influence[:25] > 0, expected)


def test_a_prompt_is_more_rows_of_the_vocabulary(
    shallow, params, bank, encode, encode_prepended
):
    vocab_size = shallow.vocab_size
    larger = dataclasses.replace(shallow, vocab_size=vocab_size + LENGTH)
    embedding = params["token_embedder"]["embedding"]
    with_prompt = {"embedding": jnp.concatenate([embedding, bank[0]])}
    new_ids = np.broadcast_to(vocab_size + np.arange(LENGTH), (3, LENGTH))
    encoded, segments = encode(
        larger,
        {**params, "token_embedder": with_prompt},
        np.concatenate([new_ids, TOKENS], axis=1),
    )
    wanted = [row[s > 0] for row, s in zip(encoded, segments, strict=True)]
    same_rows(encode_prepended(bank[0]), wanted)


def test_a_prompt_stays_float32_where_the_model_is_bfloat16(shallow, params, bank):
    def gradient(dtype, weights):
        model = t5.T5(dataclasses.replace(shallow, dtype=dtype))
        held = jax.tree.map(lambda leaf: leaf.astype(weights), params)

        def loss(prompt):
            bundle = PromptBundle(enc_input=prompt)
            variables = {"params": held}
            encoded, _ = model.apply(variables, TOKENS, prompt=bundle, method="encode")
            return (encoded.astype(jnp.float32) @ jnp.arange(12.0)).mean()

        return jax.jit(jax.grad(loss))(bank[0])

    found, wanted = gradient("bfloat16", jnp.bfloat16), gradient("float32", jnp.float32)
    assert found.dtype == jnp.float32
    cosine = (found * wanted).sum() / jnp.linalg.norm(found) / jnp.linalg.norm(wanted)
    assert cosine > 0.995


def test_a_soft_prompt_that_is_added_before_the_first_layer_is_that_prompt(
    shallow, params, bank, encode_slots
):
    """In slots as in front: nothing stands there before, not the vector of padding."""
    batch = one_per_row([1, 0, 1])
    soft = encode_slots(batch, PromptBundle(enc_input=bank))
    hidden = jnp.stack([bank] + [jnp.zeros_like(bank)] * (shallow.encoder_layers - 1))
    added = encode_slots(batch, PromptBundle(enc_hidden=hidden, hidden_mode="add"))
    same_rows(real(added, batch), real(soft, batch))


def test_rows_that_a_bank_has_no_prompt_for_are_refused(shallow, params, bank, encode):
    for prompt in (
        PromptBundle(enc_hidden=bank[None], hidden_mode="add"),
        PromptBundle(enc_self=jnp.ones((1, 2, 2, LENGTH, shallow.d_joined))),
    ):
        with pytest.raises(InputError, match="2 prompts in the bank and 3 rows"):
            encode(shallow, params, TOKENS, prompt=prompt)
