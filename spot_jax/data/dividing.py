"""Which examples share a row, and the shape of the rows that hold them.

First-fit decreasing, by sizes alone. Only numpy here: this runs on the host.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """The rows that a run's batches are usually packed in.

    Attributes:
        rows: how many there are.
        row_length: length of a row of the encoder, slots included.
        target_row_length: length of a row of the decoder.
    """

    rows: int
    row_length: int
    target_row_length: int


class Size(NamedTuple):
    """What an example takes up in a row.

    Attributes:
        inputs: positions of the encoder, slots included.
        targets: positions of the decoder.
        prompt: index of its prompt in the bank.
    """

    inputs: int
    targets: int
    prompt: int = 0


def divided(
    sizes: Sequence[Size],
    row_length: int,
    target_limit: int | None,
    mixes: bool = True,
) -> list[list[int]]:
    """Divides examples among rows: the longest first, each into the first with room.

    Args:
        sizes: of the examples.
        row_length: positions of a row of the encoder.
        target_limit: of a row of the decoder; None: as many as come.
        mixes: whether a row may hold examples of several prompts.

    Returns:
        Of each row, which examples are in it. One that is longer than a row has one.
    """
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i].inputs)
    if mixes:
        return _first_fit(sizes, order, row_length, target_limit)
    prompts = sorted({size.prompt for size in sizes})
    own = [[i for i in order if sizes[i].prompt == number] for number in prompts]
    return [row for o in own for row in _first_fit(sizes, o, row_length, target_limit)]


def _first_fit(
    sizes: Sequence[Size],
    order: Sequence[int],
    row_length: int,
    target_limit: int | None,
) -> list[list[int]]:
    rows: list[list[int]] = []
    # Room for inputs and for targets, of the rows that there may come to be.
    room = np.zeros((2, len(order)), np.int64)
    unbounded = np.iinfo(np.int64).max
    whole = row_length, unbounded if target_limit is None else target_limit
    for number in order:
        inputs, targets, _ = sizes[number]
        fits = (room[0, : len(rows)] >= inputs) & (room[1, : len(rows)] >= targets)
        at = int(fits.argmax()) if fits.any() else len(rows)
        if at == len(rows):
            rows.append([])
            room[:, at] = whole
        rows[at].append(number)
        room[:, at] -= (inputs, targets)
    return rows


def holding(
    batches: Sequence[Sequence[Size]],
    row_length: int,
    target_limit: int | None,
    *,
    rows_multiple: int = 1,
    mixes: bool = True,
) -> Shape:
    """Returns the shape of rows of a length that holds each of these batches.

    Args:
        batches: sizes of the examples of each.
        row_length: positions of a row of the encoder.
        target_limit: of a row of the decoder; None: as many as come.
        rows_multiple: what the number of rows is a multiple of.
        mixes: whether a row may hold examples of several prompts.
    """
    rows = targets = 1
    for sizes in batches:
        found = divided(sizes, row_length, target_limit, mixes)
        rows = max(rows, len(found))
        targets = max(
            targets, *(sum(sizes[i].targets for i in row) for row in found), 1
        )
    return Shape(-(-rows // rows_multiple) * rows_multiple, row_length, targets)
