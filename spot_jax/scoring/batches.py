"""The batches of an evaluation: a split's examples in rows of few shapes.

A program is compiled for every shape it meets, which takes a large T5 longer than many
batches do. What is computed does not depend on the shapes: padding is masked.
"""

from collections.abc import Iterator, Sequence

from spot_jax.data import packing
from spot_jax.data.dividing import Shape
from spot_jax.data.packing import Batch, Example

# Which examples make each batch, and its shape.
Plan = list[tuple[list[int], Shape]]

# Rows are as long as the longest input may be, or half, a quarter, an eighth or a
# sixteenth of that. Of SST-2 (872 inputs of 32 tokens, at most 79, behind prompts of
# 100; 4 prompts, 32 rows, limit 512) padding is then 10% of all positions, in three
# programs. One length would make it 79%, two 63%, three 42%, four 20%; a sixth gives 9%
# for a fourth program. Fractions of a split's own longest input do no better (9% with
# three), and those of the limit are shared: another task compiles nothing new.
_ROW_LENGTHS = 5

# A row of the decoder may hold this many times what a row of the encoder brings along,
# on average. With less room rows of the encoder stay half empty, with more those of the
# decoder: of the miniature's C4 (4 prompts of 32, 128 rows) 1.0 pads 40% of the
# encoder's positions and 40% of the decoder's, 1.25 9% and 26%, 1.5 7% and 38%.
_TARGET_ROOM = 1.25


def one_per_row(
    examples: Sequence[Example],
    *,
    prompt_length: int,
    input_limit: int,
    rows: int,
    rows_multiple: int = 1,
) -> Iterator[tuple[list[int], Batch]]:
    """Yields all examples, one a row, the longest first.

    Args:
        examples: in any order; none has more inputs than `input_limit`.
        prompt_length: slots in front of every example, 0 for none.
        input_limit: TASK_FEATURE_LENGTHS['inputs'].
        rows: rows of a batch; the last batch ends in padding.
        rows_multiple: the number of rows is rounded up to a multiple of this.

    Yields:
        Which example each row holds, and the batch; rows beyond those are padding.
    """
    rows = _round_up(rows, rows_multiple)
    for members, shape in _plan_alone(examples, prompt_length, input_limit, rows):
        batch = packing.one_per_row(
            [examples[index] for index in members],
            prompt_length=prompt_length,
            row_length=shape.row_length,
            target_length=shape.target_row_length,
            rows=shape.rows,
        )
        yield members, batch


def packed(
    examples: Sequence[Example],
    *,
    prompt_length: int,
    input_limit: int,
    rows: int,
    rows_multiple: int = 1,
    mixes: bool = True,
) -> Iterator[Batch]:
    """Yields all examples, several a row, or one where that makes less to compute.

    Args:
        examples: what the batches hold, every one of them exactly once; best in an
            order that mixes long ones with short ones.
        prompt_length: slots in front of every example, 0 for none.
        input_limit: TASK_FEATURE_LENGTHS['inputs'].
        rows: rows of a batch if no two examples shared one; packed rows, which are
            longer, are fewer.
        rows_multiple: their number is a multiple of this, `rows` being rounded up.
        mixes: whether a row may hold examples of several prompts.
    """
    rows = _round_up(rows, rows_multiple)
    of_rows = rows, rows_multiple, mixes
    plans = (
        _plan_packed(examples, prompt_length, input_limit, *of_rows),
        # Where a row is too short for many examples, as behind long prompts, sorting
        # leaves less padding than packing: 10% of SST-2 as above, and not 27%.
        _plan_alone(examples, prompt_length, input_limit, rows),
    )
    for members, shape in min(plans, key=_positions):
        batch = [examples[index] for index in members]
        options = {"prompt_length": prompt_length, "mixes": mixes}
        yield packing.pack(batch, shape=shape, **options)


def _plan_alone(
    examples: Sequence[Example], prompt_length: int, input_limit: int, rows: int
) -> Plan:
    # Neighbours are then of about one length, and a batch has little to pad.
    order = sorted(range(len(examples)), key=lambda i: -len(examples[i].inputs))
    lengths = [-(-input_limit // 2**halvings) for halvings in range(_ROW_LENGTHS)]
    # Without targets (they are to be predicted) nobody looks at the decoder's rows.
    targets = max(1, max((len(example.targets) for example in examples), default=0))
    plan = []
    for start in range(0, len(order), rows):
        members = order[start : start + rows]
        longest = len(examples[members[0]].inputs)
        row_length = prompt_length + min(n for n in lengths if n >= longest)
        plan.append((members, Shape(rows, row_length, targets)))
    return plan


def _plan_packed(
    examples: Sequence[Example],
    prompt_length: int,
    input_limit: int,
    rows: int,
    rows_multiple: int,
    mixes: bool,
) -> Plan:
    row_length, target_limit = _room(examples, prompt_length, input_limit)
    sizes = [prompt_length + len(example.inputs) for example in examples]
    # As many positions as examples alone would have in `rows` rows: as much memory.
    longest = max(sizes) + max(len(example.targets) for example in examples)
    fraction = longest / (row_length + target_limit)
    most = max(rows_multiple, int(rows * fraction) // rows_multiple * rows_multiple)
    # At first as few batches as there would be without a gap in any row. All have as
    # many examples, so that the last one is not mostly padding.
    batches = -(-sum(sizes) // (row_length * most))
    while True:
        at_once = -(-len(examples) // batches)
        starts = range(0, len(examples), at_once)
        shape = packing.plan(
            [examples[start : start + at_once] for start in starts],
            prompt_length=prompt_length,
            row_length=row_length,
            target_limit=target_limit,
            mixes=mixes,
        )
        # This ends: of `most` examples every one may have a row.
        if shape.rows <= most:
            break
        more = max(batches + 1, batches * shape.rows // most)
        batches = min(more, -(-len(examples) // most))
    shape = shape._replace(rows=_round_up(shape.rows, rows_multiple))
    members = list(range(len(examples)))
    return [(members[start : start + at_once], shape) for start in starts]


def _room(
    examples: Sequence[Example], prompt_length: int, input_limit: int
) -> tuple[int, int]:
    """Returns how much a packed row may hold, in the encoder and in the decoder."""
    sizes = [prompt_length + len(example.inputs) for example in examples]
    targets = [len(example.targets) for example in examples]
    # Twice the longest leaves few gaps; more would leave few less, and the cost of
    # attention grows with the square. Rows are never longer than those of training.
    row_length = min(2 * max(sizes), prompt_length + input_limit)
    # Two average examples may share a row even where the average row has less of them.
    in_row = max(2.0, _TARGET_ROOM * row_length * len(sizes) / sum(sizes))
    return row_length, max(*targets, round(in_row * sum(targets) / len(targets)))


def _positions(plan: Plan) -> int:
    """Returns how many positions are computed, of encoder and decoder."""
    return sum(shape.rows * sum(shape[1:]) for _, shape in plan)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
