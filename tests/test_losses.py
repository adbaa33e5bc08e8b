"""Losses equal T5X's, and a bank's losses are those of its prompts alone.

`recorded/t5x_losses.npz` holds inputs and outputs of T5X's own functions (T5X commit
cc342d4, jax 0.10.2, CPU): `losses.compute_weighted_cross_entropy` of single tokens
(`token_loss`, `token_z_loss`) and of the batch (`gradient`, in the logits);
`losses.get_loss_normalizing_factor_and_weights` followed by it with z-loss 0.02 and
label smoothing 0.1, for the factors of `UNPACKED_FACTORS` (`unpacked_*`) and, with
segment ids and positions, of `PACKED_FACTORS` (`packed_*`); and `scores`, what
`models.EncoderDecoderModel.score_batch` makes of `losses.cross_entropy_with_logits`.
"""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import losses

RECORDED = pathlib.Path(__file__).parent / "recorded" / "t5x_losses.npz"
UNPACKED_FACTORS = (
    None,
    7.5,
    "NUM_REAL_TARGET_TOKENS",
    "NUM_TOTAL_TARGET_TOKENS",
    "AVERAGE_PER_SEQUENCE",
)
PACKED_FACTORS = ("NUM_REAL_TARGET_TOKENS", "AVERAGE_PER_SEQUENCE")
LENGTH = 6


@pytest.fixture(scope="module")
def t5x():
    with np.load(RECORDED) as file:
        return dict(file)


def make_batch(targets, weights, segment_ids, prompt_ids):
    return {
        "decoder_target_tokens": np.array(targets, np.int32),
        "decoder_loss_weights": np.array(weights, np.float32),
        "decoder_segment_ids": np.array(segment_ids, np.int32),
        "decoder_prompt_ids": np.array(prompt_ids, np.int32),
    }


def unpacked_batch(t5x):
    real = t5x["weights"] > 0
    return make_batch(t5x["targets"], t5x["weights"], real, real)


@functools.partial(jax.jit, static_argnames=("factor", "prompts"))
def losses_and_gradient(logits, batch, factor, prompts=1):
    (scales,) = losses.loss_scales(
        [batch], factor, prompts=prompts, target_length=LENGTH
    )

    def loss(logits):
        by_prompt = losses.prompt_losses(
            logits, batch, scales, prompts=prompts, z_loss=0.02, label_smoothing=0.1
        )
        return by_prompt["loss"].sum(), by_prompt

    gradient, by_prompt = jax.grad(loss, has_aux=True)(logits)
    return by_prompt, gradient


@functools.partial(jax.jit, static_argnames=("z_loss", "label_smoothing"))
def token_losses(logits, targets, z_loss=0.02, label_smoothing=0.1):
    return losses.token_losses(
        logits, targets, z_loss=z_loss, label_smoothing=label_smoothing
    )


@pytest.mark.parametrize("case", range(4))
def test_token_losses_and_gradients_equal_t5x(t5x, case):
    settings = float(t5x["z_loss"][case]), float(t5x["label_smoothing"][case])
    tokens, pullback = jax.vjp(
        lambda logits: token_losses(logits, t5x["targets"], *settings), t5x["logits"]
    )
    loss, z_term = tokens
    # T5X differentiates by hand, and only in the first of the two.
    (gradient,) = pullback((t5x["weights"], jnp.zeros_like(z_term)))
    np.testing.assert_allclose(loss, t5x["token_loss"][case], rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(z_term, t5x["token_z_loss"][case], rtol=1e-6)
    np.testing.assert_allclose(gradient, t5x["gradient"][case], atol=1e-6)


@pytest.mark.parametrize("case, factor", list(enumerate(UNPACKED_FACTORS)))
def test_normalizing_factors_equal_t5x_on_unpacked_rows(t5x, case, factor):
    by_prompt, gradient = losses_and_gradient(
        t5x["logits"], unpacked_batch(t5x), factor
    )
    np.testing.assert_allclose(by_prompt["loss"], t5x["unpacked_loss"][[case]], 1e-6)
    np.testing.assert_allclose(
        by_prompt["z_loss"], t5x["unpacked_z_loss"][[case]], 1e-6
    )
    np.testing.assert_allclose(gradient, t5x["unpacked_gradient"][case], atol=1e-6)


@pytest.mark.parametrize("case, factor", list(enumerate(PACKED_FACTORS)))
def test_normalizing_factors_equal_t5x_on_packed_rows(t5x, case, factor):
    segment_ids = t5x["packed_segment_ids"]
    batch = make_batch(
        t5x["packed_targets"], t5x["packed_weights"], segment_ids, segment_ids > 0
    )
    by_prompt, gradient = losses_and_gradient(t5x["logits"], batch, factor)
    np.testing.assert_allclose(by_prompt["loss"], t5x["packed_loss"][[case]], 1e-6)
    np.testing.assert_allclose(gradient, t5x["packed_gradient"][case], atol=1e-6)


def test_sequence_scores_equal_t5x(t5x):
    scores = jax.jit(losses.sequence_scores)(t5x["logits"], unpacked_batch(t5x))
    np.testing.assert_allclose(scores, t5x["scores"], rtol=1e-6)


def test_metrics_count_tokens_and_add_up(t5x):
    by_prompt, _ = losses_and_gradient(t5x["logits"], unpacked_batch(t5x), None)
    predicted = t5x["logits"].argmax(-1) == t5x["targets"]
    assert by_prompt["weight_sum"][0] == t5x["weights"].sum() == 12
    assert by_prompt["correct"][0] == (predicted * t5x["weights"]).sum()
    parts = by_prompt["cross_entropy"] + by_prompt["z_loss"]
    np.testing.assert_allclose(parts, by_prompt["loss"], rtol=1e-6)


def test_perfect_answer_costs_nothing_with_smoothing():
    smoothed = jnp.log(jnp.full((1, 1, 5), 0.1 / 4).at[0, 0, 2].set(0.9))
    loss, _ = token_losses(smoothed, jnp.full((1, 1), 2), z_loss=1.0)
    np.testing.assert_allclose(loss, 0.0, atol=1e-6)


def test_large_logits_neither_overflow_nor_round():
    logits = jnp.asarray([[[0.0, 1.0, 2.0]]])
    target = jnp.zeros((1, 1), jnp.int32)
    near, _ = token_losses(logits, target, z_loss=0.0)
    far, _ = token_losses(logits + 2.0**20, target, z_loss=0.0)
    np.testing.assert_array_equal(near, far)


def test_bfloat16_logits_are_summed_in_float32(t5x):
    rounded = t5x["logits"].astype(jnp.bfloat16)
    narrow, _ = token_losses(rounded, t5x["targets"])
    wide, _ = token_losses(rounded.astype(jnp.float32), t5x["targets"])
    assert narrow.dtype == jnp.float32
    np.testing.assert_array_equal(narrow, wide)


# Five examples by hand: (prompt id, target length).
EXAMPLES = ((1, 3), (2, 1), (1, 2), (2, 4), (1, 5))
PACKED_ROWS = ((0, 1, 2), (3,), (4,), (), ())
UNPACKED_ROWS = ((0,), (1,), (2,), (3,), (4,))
# The bank's third prompt has no example.
BANK = 3


def lay_out(rows):
    """Puts examples into rows; returns batch and logits, token for token the same."""
    random = np.random.default_rng(0)
    logits = [random.normal(size=(n, 7)).astype(np.float32) for _, n in EXAMPLES]
    targets = [random.integers(1, 7, n) for _, n in EXAMPLES]
    shape = (len(rows), LENGTH)
    batch = make_batch(*np.zeros((4, *shape)))
    laid_out = random.normal(size=(*shape, 7)).astype(np.float32)
    for row, examples in enumerate(rows):
        start = 0
        for segment, example in enumerate(examples):
            prompt, length = EXAMPLES[example]
            here = (row, slice(start, start + length))
            batch["decoder_target_tokens"][here] = targets[example]
            batch["decoder_loss_weights"][here] = 1.0
            batch["decoder_segment_ids"][here] = segment + 1
            batch["decoder_prompt_ids"][here] = prompt
            laid_out[here] = logits[example]
            start += length
    return jax.tree.map(jnp.asarray, (batch, laid_out))


@jax.jit
def one_row(row, *whole):
    return losses.prompt_losses(
        *jax.tree.map(lambda array: array[row][None], whole),
        prompts=BANK,
        z_loss=0.02,
        label_smoothing=0.1,
    )


def test_layout_by_hand_is_the_one_meant():
    batch, _ = lay_out(PACKED_ROWS)
    assert batch["decoder_segment_ids"].tolist() == [
        [1, 1, 1, 2, 3, 3],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert batch["decoder_prompt_ids"].tolist() == [
        [1, 1, 1, 2, 1, 1],
        [2, 2, 2, 2, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("factor", UNPACKED_FACTORS)
def test_packed_equals_unpacked(factor):
    batch, logits = lay_out(PACKED_ROWS)
    packed, packed_gradient = losses_and_gradient(logits, batch, factor, BANK)
    batch, logits = lay_out(UNPACKED_ROWS)
    unpacked, unpacked_gradient = losses_and_gradient(logits, batch, factor, BANK)
    for metric, values in unpacked.items():
        np.testing.assert_allclose(packed[metric], values, rtol=1e-6)
    # Example 3 is the second row of the one, the fourth of the other.
    np.testing.assert_allclose(
        packed_gradient[1, :4], unpacked_gradient[3, :4], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("factor", UNPACKED_FACTORS)
def test_bank_equals_each_prompt_alone(factor):
    batch, logits = lay_out(PACKED_ROWS)
    bank, gradient = losses_and_gradient(logits, batch, factor, BANK)
    for index in range(BANK):
        own = batch["decoder_prompt_ids"] == index + 1
        alone = {name: jnp.where(own, array, 0) for name, array in batch.items()}
        alone["decoder_prompt_ids"] = own.astype(jnp.int32)
        single, single_gradient = losses_and_gradient(logits, alone, factor)
        for metric, values in single.items():
            np.testing.assert_allclose(bank[metric][index], values[0], rtol=1e-6)
        np.testing.assert_allclose(gradient[own], single_gradient[own], rtol=1e-6)
    assert bank["loss"][-1] == bank["weight_sum"][-1] == 0


@pytest.mark.parametrize("factor", UNPACKED_FACTORS)
def test_microbatches_add_up_to_the_batch(factor):
    batch, logits = lay_out(PACKED_ROWS)
    whole, _ = losses_and_gradient(logits, batch, factor, BANK)
    (scales,) = losses.loss_scales([batch], factor, prompts=BANK, target_length=LENGTH)
    parts = [one_row(row, logits, batch, scales) for row in range(len(logits))]
    for metric, values in whole.items():
        np.testing.assert_allclose(sum(p[metric] for p in parts), values, rtol=1e-6)


@pytest.mark.parametrize("factor", [*dict.fromkeys([*UNPACKED_FACTORS, None, 7.0])])
def test_rows_of_several_shapes_are_scaled_as_one_batch(factor):
    batch = jax.tree.map(jnp.asarray, lay_out(PACKED_ROWS)[0])
    (whole,) = losses.loss_scales([batch], factor, prompts=BANK, target_length=LENGTH)
    cut = slice(None, 1), slice(1, None)
    parts = [{name: rows[at] for name, rows in batch.items()} for at in cut]
    # Of another length, which padding makes no longer.
    wider = {name: jnp.pad(rows, ((0, 0), (0, 3))) for name, rows in parts[1].items()}
    found = losses.loss_scales(
        [parts[0], wider], factor, prompts=BANK, target_length=LENGTH
    )
    np.testing.assert_allclose(found[0], whole[:1], rtol=1e-6)
    np.testing.assert_allclose(found[1][:, : whole.shape[1]], whole[1:], rtol=1e-6)


def test_one_prompt_that_is_not_finite_leaves_the_others_alone():
    batch, logits = lay_out(PACKED_ROWS)
    logits = jnp.where(batch["decoder_prompt_ids"][..., None] == 2, jnp.nan, logits)
    bank, _ = losses_and_gradient(logits, batch, "NUM_REAL_TARGET_TOKENS", BANK)
    assert np.isfinite(bank["loss"]).tolist() == [True, False, True]


@pytest.mark.parametrize("factor", ["MEAN", 0.0, -1.0])
def test_unknown_normalizing_factor_is_refused(factor):
    batch, _ = lay_out(PACKED_ROWS)
    with pytest.raises(ValueError, match=f"{factor!r}; choose 'NUM_REAL"):
        losses.loss_scales([batch], factor, prompts=2, target_length=LENGTH)


@pytest.mark.parametrize("label_smoothing", [1.0, -0.1])
def test_label_smoothing_that_is_no_probability_is_refused(label_smoothing):
    with pytest.raises(ValueError, match="choose it from"):
        losses.token_losses(
            jnp.zeros((1, 1, 3)),
            jnp.zeros((1, 1), jnp.int32),
            z_loss=0.0,
            label_smoothing=label_smoothing,
        )


span_losses = jax.jit(losses.span_losses)


def span_batch(rng, row_length=9):
    """Rows of one and two examples, one of them without an answer, and padding."""
    segments = np.array([[1] * 4 + [0] + [2] * 3 + [0], [1] * 9, [0] * 9])
    marks = np.zeros((3, row_length), np.int32)
    marks[0, [1, 3]], marks[0, 6] = (1, 2), 3
    return segments, marks, rng.normal(size=(3, row_length, 2)).astype(np.float32) * 3


def naive_span_losses(logits, marks, segments):
    """An example after the other, as torch's cross entropy has it."""
    found, hits = np.zeros(marks.shape), np.zeros(marks.shape, bool)
    for row, segment in np.argwhere(segments):
        here = np.flatnonzero(segments[row] == segments[row, segment])
        ends = [c for c in (0, 1) if marks[row, segment] >> c & 1]
        scores = [
            logits[row, segment, c] - np.log(np.exp(logits[row, here, c]).sum())
            for c in ends
        ]
        found[row, segment] = -np.mean(scores) if ends else 0
        hits[row, segment] = all(
            logits[row, segment, c] == logits[row, here, c].max() for c in ends
        )
    return found, hits


def test_span_losses_are_those_of_each_example_alone():
    segments, marks, logits = span_batch(np.random.default_rng(0))
    # One answer is found.
    logits[0, 6] = 9.0
    found, hits = span_losses(logits, marks, segments)
    wanted, right = naive_span_losses(logits.astype(np.float64), marks, segments)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    counted = marks > 0
    np.testing.assert_array_equal(np.asarray(hits)[counted], right[counted])
    assert np.asarray(hits)[0, 6] and not np.asarray(hits)[counted].all()
    scores = jax.jit(losses.span_log_probabilities)(logits, segments)
    for segment in (1, 2):
        total = np.exp(scores[0])[segments[0] == segment].sum(axis=0)
        np.testing.assert_allclose(total, 1, atol=1e-5)


def test_span_losses_of_logits_that_are_large_are_exact_and_have_gradients():
    segments, marks, logits = span_batch(np.random.default_rng(0))
    large = np.float32(1e4) + logits
    found, _ = span_losses(large, marks, segments)
    wanted, _ = naive_span_losses(large.astype(np.float64) - 1e4, marks, segments)
    np.testing.assert_allclose(found, wanted, atol=5e-3)

    def total(logits):
        return span_losses(logits, marks, segments)[0].sum()

    gradient = jax.grad(total)(logits)
    assert np.isfinite(gradient).all()
    # Of what has no answer nothing is learned.
    assert not gradient[1].any() and not gradient[2].any() and gradient[0].any()


def head_batch(targets, prompts, weights=None):
    targets = np.asarray(targets)
    weights = targets > 0 if weights is None else weights
    return make_batch(targets, weights, targets > 0, prompts)


@pytest.mark.parametrize("head", ["cls", "token"])
def test_classes_count_from_one_and_nothing_is_no_class(head):
    logits = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    batch = head_batch([[1, 4, 0], [2, 0, 0]], [[1, 1, 0], [2, 0, 0]])
    options = dict(prompts=2, z_loss=0.0, label_smoothing=0.0)
    scales = batch["decoder_loss_weights"]
    given = jax.tree.map(jnp.asarray, (logits, batch, scales))
    found = losses.prompt_losses(*given, head=head, **options)
    log_probabilities = np.asarray(jax.nn.log_softmax(logits))
    wanted = [-log_probabilities[0, [0, 1], [0, 3]].sum(), -log_probabilities[1, 0, 1]]
    np.testing.assert_allclose(found["loss"], wanted, atol=1e-5)
    best = logits.argmax(axis=-1)
    right = [(best[0, :2] == [0, 3]).sum(), int(best[1, 0] == 1)]
    np.testing.assert_array_equal(found["correct"], right)
    np.testing.assert_array_equal(found["weight_sum"], [2, 1])


def test_an_answer_counts_half_for_each_of_its_ends():
    segments, marks, logits = span_batch(np.random.default_rng(0))
    weights = ((marks & 1) + (marks >> 1)) / 2
    batch = make_batch(marks, weights, segments, (segments > 0) * [[1], [2], [1]])
    logits, batch = jax.tree.map(jnp.asarray, (logits, batch))
    (scales,) = losses.loss_scales(
        [batch], "NUM_REAL_TARGET_TOKENS", prompts=2, target_length=9
    )
    found = losses.prompt_losses(
        logits, batch, scales, prompts=2, z_loss=0.1, label_smoothing=0.1, head="span"
    )
    exact = np.asarray(logits, np.float64)
    each, _ = naive_span_losses(exact, marks, segments)
    first = (each[0, 1] + each[0, 3]) / 2
    np.testing.assert_allclose(found["loss"], [(first + each[0, 6]) / 2, 0], atol=1e-5)
    np.testing.assert_array_equal(found["weight_sum"], [2, 0])
    assert not np.asarray(found["z_loss"]).any()
