"""Prompt design: solved examples in front of what a frozen model is asked.

The baseline of Lester et al. (2021, §3.3) has no prompt to learn. Demonstrations are
drawn by a seed from the training rows, the same for all inputs, as many of each label
as of the others. An input becomes

    INPUT answer: TARGET INPUT answer: TARGET ... INPUT answer:

with as many of them, whole, as its length allows.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from spot_jax.errors import InputError
from spot_jax.text.postprocessors import HIDDEN

logger = logging.getLogger(__name__)

# Training rows, in the order of the seed, that are drawn from.
POOL = 2000
_MARK = "answer:"


class Demonstration(NamedTuple):
    """A training row as text."""

    input: str
    target: str

    def __str__(self) -> str:
        return f"{self.input} {_MARK} {self.target}"


def draw(
    rows: Iterable[Demonstration], labels: Sequence[str], count: int, seed: int
) -> list[Demonstration]:
    """Draws different rows, as many of each label as of the others.

    Args:
        rows: of training, in an order that is always the same.
        labels: the class labels; () where answers are free.
        count: how many, if there are as many.
        seed: the same rows and seed give the same draw, and more begin with fewer.

    Returns:
        Rows in turns: of every label one, then of every label another.
    """
    rng = np.random.default_rng(seed)
    known = [row for row in dict.fromkeys(rows) if row.target not in (HIDDEN, "")]
    known = [known[place] for place in rng.permutation(len(known))]
    piles: dict[str, list[Demonstration]] = {}
    for row in known:
        if not labels or row.target in labels:
            piles.setdefault(row.target if labels else "", []).append(row)
    drawn: list[Demonstration] = []
    while piles and len(drawn) < count:
        # In another order each time: which label comes last would tell of the next.
        names = sorted(piles)
        for place in rng.permutation(len(names)):
            drawn.append(piles[names[place]].pop())
        piles = {name: pile for name, pile in piles.items() if pile}
    return drawn[:count]


def costs_of(drawn: Sequence[Demonstration], vocabulary: Any) -> list[int]:
    """Returns how many ids each demonstration takes up behind another one."""
    # Of bytes, the space between two is one.
    return [len(vocabulary.encode(f" {one}")) for one in drawn]


def in_front(
    drawn: Sequence[Demonstration],
    costs: Sequence[int],
    query: str,
    vocabulary: Any,
    limit: int,
) -> tuple[str, int]:
    """Puts demonstrations in front of an input, as many as there is room for.

    One that does not fit is left out whole; the input itself always stays. What is
    asked itself is no demonstration.

    Args:
        drawn: in the order in which they are to stand.
        costs: of each, see `costs_of`.
        query: the input.
        vocabulary: SeqIO's or SentencePiece's.
        limit: how many ids the text may have, EOS included.

    Returns:
        The text, and how many there are in it.
    """
    asked = f"{query} {_MARK}"
    room = limit - 1 - len(vocabulary.encode(asked))
    shown: list[str] = []
    for one, cost in zip(drawn, costs, strict=True):
        if cost <= room and one.input != query:
            shown.append(str(one))
            room -= cost
    return " ".join([*shown, asked]), len(shown)


def shown(
    name: str,
    examples: Sequence[Mapping[str, Any]],
    inputs: Sequence[str],
    drawn: Sequence[Demonstration],
    vocabulary: Any,
    limit: int,
) -> list[dict[str, Any]]:
    """Puts demonstrations in front of the inputs of examples.

    Args:
        name: of the task, for messages.
        examples: as a task gives them.
        inputs: of each its input as text.
        drawn: the demonstrations.
        vocabulary: of the inputs.
        limit: the longest input, EOS included.

    Returns:
        The examples with other `inputs`, int32 [length], and `inputs_pretokenized`.

    Raises:
        InputError: when there is no row to be drawn, or none fits before any input.
    """
    if not drawn:
        raise InputError(
            f"{name}: no training row can be shown as a demonstration. Leave "
            "DEMONSTRATIONS out, or give training rows that have answers."
        )
    costs = costs_of(drawn, vocabulary)
    told, counts = [], []
    for example, text in zip(examples, inputs, strict=True):
        text, count = in_front(drawn, costs, text, vocabulary, limit)
        ids = np.asarray([*vocabulary.encode(text), 1], np.int32)
        if not count:
            # As it is: what was too long was cut, or refused, before.
            ids, text = example["inputs"], vocabulary.decode(list(example["inputs"]))
        counts.append(count)
        told.append(
            {**example, "inputs": ids, "inputs_pretokenized": text.encode("utf-8")}
        )
    if not any(counts):
        raise InputError(
            f"{name}: no demonstration has room before any input: inputs have {limit} "
            "tokens. Raise inputs in TASK_FEATURE_LENGTHS, or leave DEMONSTRATIONS out."
        )
    logger.info(
        "%s: %s demonstrations before an input.",
        *(name, _range(min(counts), max(counts))),
    )
    short = sum(count < len(drawn) for count in counts)
    if short:
        logger.warning(
            "%s: %d of %d inputs have no room in %d tokens for all %d demonstrations.",
            *(name, short, len(counts), limit, len(drawn)),
        )
    return told


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"
