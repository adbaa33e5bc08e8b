"""The batch: examples of one or several prompts, laid out in rows.

A row holds one or more examples (segments). Every segment begins with the slots that
its own prompt fills inside the model. For prompts of length 2, an example of prompt 0
with inputs [7, 1] and targets [5, 1], and one of prompt 1 with inputs [8, 9, 1] and
targets [6, 1] share this row:

    encoder_input_tokens   0 0 7 1 0 0 8 9 1 0      decoder_input_tokens   0 5 0 6
    encoder_segment_ids    1 1 1 1 2 2 2 2 2 0      decoder_target_tokens  5 1 6 1
    encoder_positions      0 1 2 3 0 1 2 3 4 0      decoder_loss_weights   1 1 1 1
    encoder_prompt_ids     1 1 0 0 2 2 0 0 0 0      decoder_segment_ids    1 1 2 2
                                                    decoder_prompt_ids     1 1 2 2

The segment ids are the only mask, and T5's position bias depends on differences alone,
so a packed row gives the losses and gradients of the same examples in rows of their
own. Keys and values take no slots: they are those of a row, `row_prompts`, whose
examples are of one prompt then. What a head learns beside the input (prompts/heads.py)
takes the place of the decoder's arrays, each mark at the place of its piece. Only numpy
here: this runs on the host.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spot_jax.data import dividing
from spot_jax.data.dividing import Shape, Size
from spot_jax.errors import InputError
from spot_jax.prompts import heads

Batch = dict[str, np.ndarray]


class Example(NamedTuple):
    """One example of one prompt, tokenized.

    Attributes:
        inputs: [length] int32, EOS included.
        targets: [length] int32, EOS included; or what a head learns, see
            data/head_targets.py.
        prompt: index of its prompt in the bank.
    """

    inputs: np.ndarray
    targets: np.ndarray
    prompt: int = 0


def plan(
    batches: Sequence[Sequence[Example]],
    *,
    prompt_length: int,
    row_length: int,
    target_limit: int | None = None,
    rows_multiple: int = 1,
    mixes: bool = True,
    head: str | None = None,
) -> Shape:
    """Finds a shape that holds each of these batches.

    A step is compiled for every shape it meets, so a run decides on one before it
    starts, from batches that it will see. It is a function of the data alone: a run
    that resumes plans the same.

    Args:
        batches: a few batches of the run.
        prompt_length: slots in front of every example, 0 for none.
        row_length: length of a row of the encoder, slots included.
        target_limit: how long a row of the decoder may get. Without a limit, short
            inputs with long targets pile up in one row, and all the others are padded
            to its length.
        rows_multiple: the number of rows is a multiple of this (the mesh's data axis
            times the microbatches).
        mixes: whether a row may hold examples of several prompts.
        head: what answers; beside the input targets are as long as rows.
    """
    is_beside = head in heads.BESIDE
    shape = dividing.holding(
        [sizes_of(batch, prompt_length) for batch in batches],
        row_length,
        None if is_beside else target_limit,
        rows_multiple=rows_multiple,
        mixes=mixes,
    )
    return shape._replace(target_row_length=row_length) if is_beside else shape


def pack(
    examples: Sequence[Example],
    *,
    prompt_length: int,
    shape: Shape,
    mixes: bool = True,
    head: str | None = None,
) -> Batch:
    """Lays examples out in as few rows as first-fit decreasing finds.

    Args:
        examples: what the rows hold; every one of them, exactly once.
        prompt_length: slots in front of every example, 0 for none.
        shape: see `plan`. A batch that does not fit takes a multiple of its rows, or
            of its target length.
        mixes: whether a row may hold examples of several prompts.
        head: what answers.

    Raises:
        InputError: when an example is longer than a row.
    """
    bins = _bins(examples, prompt_length, *shape[1:], mixes)
    targets = _longest_targets(bins)
    return lay_out(
        bins,
        prompt_length=prompt_length,
        shape=Shape(
            # Multiples, so that what does not fit brings few programs of its own.
            shape.rows * max(1, -(-len(bins) // shape.rows)),
            shape.row_length,
            shape.target_row_length * max(1, -(-targets // shape.target_row_length)),
        ),
        head=head,
    )


def sizes_of(examples: Sequence[Example], prompt_length: int) -> list[Size]:
    """Returns the sizes of examples behind so many slots each."""
    return [
        Size(prompt_length + len(e.inputs), len(e.targets), e.prompt) for e in examples
    ]


def _bins(
    examples: Sequence[Example],
    prompt_length: int,
    row_length: int,
    target_limit: int | None,
    mixes: bool,
) -> list[list[Example]]:
    sizes = sizes_of(examples, prompt_length)
    rows = dividing.divided(sizes, row_length, target_limit, mixes)
    return [[examples[i] for i in row] for row in rows]


def _longest_targets(bins: Sequence[Sequence[Example]]) -> int:
    sums = (sum(len(example.targets) for example in row) for row in bins)
    return max(sums, default=0)


def one_per_row(
    examples: Sequence[Example],
    *,
    prompt_length: int,
    row_length: int,
    target_length: int,
    rows: int | None = None,
    rows_multiple: int = 1,
    head: str | None = None,
) -> Batch:
    """Lays examples out one a row, in their order; the last rows may be padding.

    Args:
        examples: what the rows hold.
        prompt_length: slots in front of every example, 0 for none.
        row_length: length of a row of the encoder, slots included.
        target_length: length of a row of the decoder.
        rows: how many rows there are; None: as many as examples.
        rows_multiple: the number of rows is rounded up to a multiple of this.
        head: what answers; beside the input `target_length` is the row's.

    Raises:
        InputError: when an example does not fit in a row.
    """
    if head in heads.BESIDE:
        target_length = row_length
    rows = len(examples) if rows is None else rows
    rows = -(-rows // rows_multiple) * rows_multiple
    return lay_out(
        [[example] for example in examples],
        prompt_length=prompt_length,
        shape=Shape(rows, row_length, target_length),
        head=head,
    )


def lay_out(
    bins: Sequence[Sequence[Example]],
    *,
    prompt_length: int,
    shape: Shape,
    head: str | None = None,
) -> Batch:
    """Writes examples into rows that are decided on, as the top of this file shows.

    Args:
        bins: the examples of each row, in their order; further rows are padding.
        prompt_length: slots in front of every example, 0 for none.
        shape: of the batch.
        head: what answers.

    Raises:
        InputError: when the examples of a row do not fit in it.
    """

    def empty(length: int, dtype=np.int32) -> np.ndarray:
        return np.zeros((shape.rows, length), dtype)

    batch = {
        "encoder_input_tokens": empty(shape.row_length),
        "encoder_segment_ids": empty(shape.row_length),
        "encoder_positions": empty(shape.row_length),
        "encoder_prompt_ids": empty(shape.row_length),
        "decoder_input_tokens": empty(shape.target_row_length),
        "decoder_target_tokens": empty(shape.target_row_length),
        "decoder_loss_weights": empty(shape.target_row_length, np.float32),
        "decoder_segment_ids": empty(shape.target_row_length),
        "decoder_prompt_ids": empty(shape.target_row_length),
        "row_prompts": np.zeros(shape.rows, np.int32),
    }
    for row, members in enumerate(bins):
        start = target_start = 0
        for segment, example in enumerate(members, start=1):
            end = start + prompt_length + len(example.inputs)
            target_end = target_start + len(example.targets)
            if end > shape.row_length or target_end > shape.target_row_length:
                raise InputError(
                    f"An example of {len(example.inputs)} input and "
                    f"{len(example.targets)} target tokens, with a prompt of "
                    f"{prompt_length}, does not fit in a row of {shape.row_length} and "
                    f"{shape.target_row_length}. Raise TASK_FEATURE_LENGTHS."
                )
            _write(batch, row, (start, end), prompt_length, segment, example)
            if head in heads.BESIDE:
                beside = start + prompt_length, end
                _write_marks(batch, row, beside, segment, example, head)
            else:
                target = target_start, target_end
                _write_target(batch, row, target, segment, example)
            start, target_start = end, target_end
            batch["row_prompts"][row] = example.prompt
    return batch


def _write(
    batch: Batch,
    row: int,
    span: tuple[int, int],
    prompt_length: int,
    segment: int,
    example: Example,
) -> None:
    start, end = span
    text = slice(start + prompt_length, end)
    batch["encoder_input_tokens"][row, text] = example.inputs
    batch["encoder_segment_ids"][row, start:end] = segment
    # Each example counts from 0, as it would in a row of its own.
    batch["encoder_positions"][row, start:end] = np.arange(end - start)
    # From 1, for 0 says that a position is no slot.
    batch["encoder_prompt_ids"][row, start : text.start] = 1 + example.prompt


def _write_target(
    batch: Batch, row: int, span: tuple[int, int], segment: int, example: Example
) -> None:
    here = slice(*span)
    batch["decoder_target_tokens"][row, here] = example.targets
    # Shifted right within the example: the first token is read after a 0.
    batch["decoder_input_tokens"][row, here] = [0, *example.targets[:-1]]
    batch["decoder_loss_weights"][row, here] = 1.0
    batch["decoder_segment_ids"][row, here] = segment
    batch["decoder_prompt_ids"][row, here] = 1 + example.prompt


def _write_marks(
    batch: Batch,
    row: int,
    span: tuple[int, int],
    segment: int,
    example: Example,
    head: str,
) -> None:
    here, marks = slice(*span), example.targets
    batch["decoder_target_tokens"][row, here] = marks
    # An answer counts as one, whether its first piece is its last or not.
    weights = (marks > 0) if head == "token" else ((marks & 1) + (marks >> 1)) / 2
    batch["decoder_loss_weights"][row, here] = weights
    batch["decoder_segment_ids"][row, here] = segment
    batch["decoder_prompt_ids"][row, here] = 1 + example.prompt
