import numpy as np
import pytest

from spot_jax.data import packing
from tests.examples import example, some_examples


def unpack(batch):
    """Reads the examples of a batch back, from its ids alone."""
    found = []
    for row in range(len(batch["encoder_segment_ids"])):
        for segment in range(1, batch["encoder_segment_ids"][row].max() + 1):
            here = batch["encoder_segment_ids"][row] == segment
            is_slot = batch["encoder_prompt_ids"][row] > 0
            there = batch["decoder_segment_ids"][row] == segment
            found.append(
                (
                    tuple(batch["encoder_input_tokens"][row][here & ~is_slot]),
                    tuple(batch["decoder_target_tokens"][row][there]),
                    int(batch["encoder_prompt_ids"][row][here][0]) - 1,
                )
            )
    return found


def test_the_batch_of_the_docstring():
    shape = packing.Shape(rows=1, row_length=10, target_row_length=4)
    # Not packed: first fit takes the longer example first.
    batch = packing.lay_out(
        [[example([7, 1], [5, 1], 0), example([8, 9, 1], [6, 1], 1)]],
        prompt_length=2,
        shape=shape,
    )
    expected = {
        "encoder_input_tokens": "0 0 7 1 0 0 8 9 1 0",
        "encoder_segment_ids": "1 1 1 1 2 2 2 2 2 0",
        "encoder_positions": "0 1 2 3 0 1 2 3 4 0",
        "encoder_prompt_ids": "1 1 0 0 2 2 0 0 0 0",
        "decoder_input_tokens": "0 5 0 6",
        "decoder_target_tokens": "5 1 6 1",
        "decoder_loss_weights": "1 1 1 1",
        "decoder_segment_ids": "1 1 2 2",
        "decoder_prompt_ids": "1 1 2 2",
    }
    assert set(batch) == {*expected, "row_prompts"}
    for name, row in expected.items():
        assert batch[name][0].tolist() == [int(n) for n in row.split()], name


def test_every_example_is_packed_exactly_once():
    examples = some_examples(40)
    shape = packing.plan([examples], prompt_length=3, row_length=20)
    packed = unpack(packing.pack(examples, prompt_length=3, shape=shape))
    expected = [(tuple(e.inputs), tuple(e.targets), e.prompt) for e in examples]
    assert sorted(packed) == sorted(expected)


def test_packing_needs_fewer_rows():
    examples = some_examples(40)
    shape = packing.plan([examples], prompt_length=3, row_length=36)
    assert shape.rows < 20


def test_one_shape_holds_all_planned_batches():
    batches = [some_examples(16, seed) for seed in range(10)]
    shape = packing.plan(batches, prompt_length=3, row_length=20, rows_multiple=4)
    assert shape.rows % 4 == 0
    for batch in batches:
        made = packing.pack(batch, prompt_length=3, shape=shape)
        assert made["encoder_input_tokens"].shape == (shape.rows, 20)
        assert made["decoder_input_tokens"].shape == (
            shape.rows,
            shape.target_row_length,
        )


def test_long_targets_do_not_pile_up_in_one_row():
    short_inputs = [example([5, 1], [6] * 7 + [1]) for _ in range(6)]
    shape = packing.plan([short_inputs], prompt_length=0, row_length=12, target_limit=8)
    assert shape == packing.Shape(rows=6, row_length=12, target_row_length=8)
    packed = packing.pack(short_inputs, prompt_length=0, shape=shape)
    assert len(unpack(packed)) == 6
    assert packed["decoder_input_tokens"].shape == (6, 8)


def test_a_batch_that_does_not_fit_the_plan_takes_a_multiple_of_it():
    shape = packing.Shape(rows=2, row_length=12, target_row_length=2)
    examples = [example([5] * 8, [6, 7, 1]) for _ in range(5)]
    made = packing.pack(examples, prompt_length=3, shape=shape)
    assert made["encoder_input_tokens"].shape == (6, 12)
    assert made["decoder_input_tokens"].shape == (6, 4)
    assert len(unpack(made)) == 5


def test_one_per_row_keeps_the_order_and_pads_with_empty_rows():
    examples = some_examples(5)
    batch = packing.one_per_row(
        examples, prompt_length=2, row_length=10, target_length=4, rows_multiple=4
    )
    assert batch["encoder_input_tokens"].shape == (8, 10)
    assert [prompt for _, _, prompt in unpack(batch)] == [0, 1, 0, 1, 0]
    assert not any(array[5:].any() for array in batch.values())


@pytest.mark.parametrize("too_long", [example([2] * 9, [1]), example([1], [2] * 5)])
def test_an_example_longer_than_a_row_is_refused_with_the_cure(too_long):
    with pytest.raises(ValueError, match="does not fit.*TASK_FEATURE_LENGTHS"):
        packing.one_per_row([too_long], prompt_length=2, row_length=10, target_length=4)


def marked(inputs, marks, prompt=0):
    return example(inputs, marks, prompt)


def test_marks_stand_beside_their_pieces():
    """In place of the decoder's arrays, and never at slots."""
    batch = packing.lay_out(
        [[marked([7, 1], [4, 0], 1), marked([8, 9, 1], [3, 2, 0], 1)]],
        prompt_length=2,
        shape=packing.Shape(rows=1, row_length=10, target_row_length=10),
        head="token",
    )
    expected = {
        "encoder_input_tokens": "0 0 7 1 0 0 8 9 1 0",
        "encoder_prompt_ids": "2 2 0 0 2 2 0 0 0 0",
        "decoder_input_tokens": "0 0 0 0 0 0 0 0 0 0",
        "decoder_target_tokens": "0 0 4 0 0 0 3 2 0 0",
        "decoder_loss_weights": "0 0 1 0 0 0 1 1 0 0",
        "decoder_segment_ids": "0 0 1 1 0 0 2 2 2 0",
        "decoder_prompt_ids": "0 0 2 2 0 0 2 2 2 0",
    }
    for name, row in expected.items():
        assert batch[name][0].tolist() == [int(n) for n in row.split()], name
    assert batch["row_prompts"].tolist() == [1]


def test_an_answer_counts_as_one_wherever_it_ends():
    marks = [[1, 0, 2, 0], [0, 3, 0, 0], [0, 0, 0, 0]]
    batch = packing.one_per_row(
        [marked([5, 6, 7, 1], one) for one in marks],
        prompt_length=0,
        row_length=4,
        target_length=2,
        head="span",
    )
    weights = [[0.5, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert batch["decoder_loss_weights"].tolist() == weights
    assert batch["decoder_target_tokens"].tolist() == marks


@pytest.mark.parametrize("slots", [0, 3])
@pytest.mark.parametrize("head", ["token", "span"])
def test_marks_are_packed_with_their_examples(slots, head):
    rng = np.random.default_rng(0)
    examples = [
        marked(rng.integers(2, 100, n), rng.integers(0, 4, n), number % 2)
        for number, n in enumerate(rng.integers(1, 9, 40))
    ]
    planned = dict(prompt_length=slots, head=head, mixes=False)
    shape = packing.plan([examples], row_length=20, target_limit=8, **planned)
    assert shape.target_row_length == shape.row_length == 20
    batch = packing.pack(examples, shape=shape, **planned)
    assert batch["decoder_target_tokens"].shape == (shape.rows, 20)
    found = []
    for row in range(shape.rows):
        owners = set(batch["decoder_prompt_ids"][row]) - {0}
        assert owners == {1 + batch["row_prompts"][row]}
        for segment in range(1, batch["encoder_segment_ids"][row].max() + 1):
            here = batch["decoder_segment_ids"][row] == segment
            inputs, marks = (
                batch[name][row][here]
                for name in ("encoder_input_tokens", "decoder_target_tokens")
            )
            found.append((tuple(inputs), tuple(marks), batch["row_prompts"][row]))
    wanted = [(tuple(e.inputs), tuple(e.targets), e.prompt) for e in examples]
    assert sorted(found) == sorted(wanted)
