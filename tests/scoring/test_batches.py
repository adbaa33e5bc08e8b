"""The batches of an evaluation: every example once, in few shapes."""

import numpy as np
import pytest

from spot_jax.data.packing import Example
from spot_jax.scoring import batches

LAYOUT = {"prompt_length": 4, "input_limit": 64, "rows": 8}


def examples_of(lengths, targets=3):
    """Examples that can be told apart: number n consists of the token n + 1."""
    return [
        Example(
            np.full(length, number + 1, np.int32),
            np.full(targets, number + 1, np.int32),
        )
        for number, length in enumerate(lengths)
    ]


def tokens_of(found, name):
    """How often each example's token stands in these batches."""
    tokens = np.concatenate([batch[name].ravel() for batch in found])
    return np.bincount(tokens)[1:].tolist()


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(3, 33, size=101).tolist()


def test_one_per_row_lays_out_every_example_once_in_few_shapes(lengths):
    found = list(batches.one_per_row(examples_of(lengths), **LAYOUT))
    members = [member for members, _ in found for member in members]
    assert sorted(members) == list(range(101))
    assert [lengths[m] for m in members] == sorted(lengths, reverse=True)
    assert tokens_of([batch for _, batch in found], "encoder_input_tokens") == lengths
    shapes = [batch["encoder_input_tokens"].shape for _, batch in found]
    # No input has more than 32 tokens: nothing is computed at the limit of 64.
    assert set(shapes) <= {(8, 4 + length) for length in (4, 8, 16, 32)}


def test_one_per_row_says_which_example_a_row_holds(lengths):
    for members, batch in batches.one_per_row(examples_of(lengths), **LAYOUT):
        rows = batch["encoder_input_tokens"].max(axis=1)
        assert rows[: len(members)].tolist() == [member + 1 for member in members]
        assert not rows[len(members) :].any()


@pytest.mark.parametrize("rows_multiple", [1, 3])
@pytest.mark.parametrize("targets", [1, 4])
def test_packed_batches_have_one_shape_and_hold_every_example_once(
    lengths, targets, rows_multiple
):
    lengths = [length // 2 + 3 for length in lengths]
    layout = LAYOUT | {"rows": 20, "rows_multiple": rows_multiple}
    found = list(batches.packed(examples_of(lengths, targets), **layout))
    assert tokens_of(found, "encoder_input_tokens") == lengths
    assert tokens_of(found, "decoder_target_tokens") == [targets] * 101
    assert max(batch["encoder_segment_ids"].max() for batch in found) > 1
    assert len({batch["encoder_input_tokens"].shape for batch in found}) == 1
    assert len({batch["decoder_input_tokens"].shape for batch in found}) == 1
    rows, row_length = found[0]["encoder_input_tokens"].shape
    assert rows % rows_multiple == 0
    assert row_length == 2 * (4 + max(lengths))
    # 101 is a prime: the last batch holds fewer examples than the others.
    filled = [batch["decoder_loss_weights"].sum() for batch in found]
    assert filled[-1] < filled[0]


@pytest.mark.parametrize("targets", [1, 3, 30])
def test_a_batch_has_no_more_positions_than_rows_of_one_example(lengths, targets):
    longest = 4 + max(lengths) + targets
    for batch in batches.packed(examples_of(lengths, targets), **LAYOUT):
        positions = batch["encoder_positions"].size + batch["decoder_segment_ids"].size
        assert positions <= 8 * longest


def test_a_small_split_is_one_small_batch():
    (batch,) = batches.packed(examples_of([9, 2, 1]), **LAYOUT)
    assert batch["encoder_input_tokens"].shape == (1, 26)


@pytest.mark.parametrize("lengths", [[64, 62, 60, 58] * 3, [33] * 20])
def test_examples_of_which_no_two_share_a_row_are_sorted(lengths):
    examples = examples_of(lengths)
    found = list(batches.packed(examples, **LAYOUT))
    assert all(batch["encoder_segment_ids"].max() == 1 for batch in found)
    assert tokens_of(found, "encoder_input_tokens") == lengths
    sizes = [(batch["encoder_segment_ids"] > 0).sum(1).max() for batch in found]
    assert sizes == sorted(sizes, reverse=True)
