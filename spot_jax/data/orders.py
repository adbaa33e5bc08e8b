"""Endless orders of examples that can be resumed anywhere.

A set that fits in memory is permuted anew for every pass; a larger one is streamed in
passes, each with a seed of its own; a mixture draws from such sets at their rates. A
position is a pass and an offset in it, so that a run that was killed reads at most a
part of one pass again.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from spot_jax.data.packing import Example
from spot_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in the order of examples.

    Attributes:
        passes: how often the set was gone through.
        offset: examples taken since.
    """

    passes: int = 0
    offset: int = 0


class Examples(Protocol):
    """An endless, reproducible order of tokenized examples."""

    position: Position

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next (inputs, targets), each int32 [length]."""


# From a seed and a position.
Reader = Callable[[int, Position], Examples]


def _changed(position: Position, found: str) -> InputError:
    return InputError(
        f"The run stopped after {position.offset} examples of a pass, and {found} now: "
        "the data changed. Restore it, or begin anew in another MODEL_DIR."
    )


class MemoryExamples:
    """Examples held in memory, in a new permutation for every pass.

    Args:
        examples: the set, anything with a length and items; not empty.
        seed: decides every permutation.
        position: where to begin.

    Raises:
        InputError: when the position is beyond the end: these are other examples.
    """

    def __init__(self, examples: Sequence, seed: int, position: Position):
        if position.offset > len(examples):
            raise _changed(position, f"there are only {len(examples)}")
        self._examples, self._seed, self.position = examples, seed, position
        self._order = self._permute(position.passes)

    def _permute(self, passes: int) -> np.ndarray:
        # By seed and pass alone, so that a run can go on in the middle of any pass.
        return np.random.default_rng([self._seed, passes]).permutation(
            len(self._examples)
        )

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        taken = []
        passes, offset = self.position.passes, self.position.offset
        while len(taken) < count:
            if offset == len(self._order):
                passes, offset = passes + 1, 0
                self._order = self._permute(passes)
            until = min(len(self._order), offset + count - len(taken))
            taken += [self._examples[int(i)] for i in self._order[offset:until]]
            offset = until
        self.position = Position(passes, offset)
        return taken


class StreamedExamples:
    """Examples read as they are needed, pass after pass.

    Args:
        read_pass: seed -> one pass of (inputs, targets), always the same for a seed.
        seed: decides the seed of every pass.
        position: where to begin; the examples before it in its pass are skipped.

    Raises:
        InputError: when the position is beyond the end: these are other examples.
    """

    def __init__(
        self, read_pass: Callable[[int], Iterator], seed: int, position: Position
    ):
        self._read_pass, self._seed, self.position = read_pass, seed, position
        self._pass = self._open(position.passes)
        for count in range(position.offset):
            if next(self._pass, None) is None:
                raise _changed(position, f"there are only {count}")

    def _open(self, passes: int) -> Iterator:
        seed = np.random.SeedSequence([self._seed, passes]).generate_state(1)[0]
        # SeqIO's seeds are signed 32-bit numbers.
        return self._read_pass(int(seed) & 0x7FFFFFFF)

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        taken = []
        passes, offset = self.position.passes, self.position.offset
        while len(taken) < count:
            example = next(self._pass, None)
            if example is None:
                passes, offset = passes + 1, 0
                self._pass = self._open(passes)
                continue
            taken.append(example)
            offset += 1
        self.position = Position(passes, offset)
        return taken


class MixedExamples:
    """Examples of several sets, drawn independently at their rates.

    A pass is as long as the rates together, so that of a set whose rate is its size it
    draws about as many as there are. A set that is drawn more often than it is large
    repeats; all begin anew with every pass.

    Args:
        members: the sets.
        rates: of each, relative to the others.
        seed: decides every draw and every set's order.
        position: where to begin.
    """

    def __init__(
        self,
        members: Sequence[Reader],
        rates: Sequence[float],
        seed: int,
        position: Position,
    ):
        self._members, self._seed, self.position = members, seed, position
        self._rates = np.asarray(rates, np.float64)
        self._begin(position.passes)
        # Where each member stands is not saved: what was drawn is drawn again.
        self._draw(0, position.offset)

    def _begin(self, passes: int) -> None:
        rng = np.random.default_rng([self._seed, passes])
        size = max(1, round(self._rates.sum()))
        share = self._rates / self._rates.sum()
        # A pass can be millions long, and every prompt of a bank has its own.
        self._which = rng.choice(len(share), size, p=share).astype(np.int16)
        seeds = rng.integers(2**31, size=len(share))
        self._open = [
            functools.partial(member, int(seed), Position())
            for member, seed in zip(self._members, seeds, strict=True)
        ]
        self._opened: dict[int, Examples] = {}

    def _draw(self, start: int, stop: int) -> list[tuple[np.ndarray, np.ndarray]]:
        which = self._which[start:stop]
        drawn = {}
        for member in np.unique(which):
            if member not in self._opened:
                self._opened[member] = self._open[member]()
            count = int((which == member).sum())
            drawn[member] = iter(self._opened[member].take(count))
        return [next(drawn[member]) for member in which]

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        taken = []
        passes, offset = self.position.passes, self.position.offset
        while len(taken) < count:
            if offset == len(self._which):
                passes, offset = passes + 1, 0
                self._begin(passes)
            until = min(len(self._which), offset + count - len(taken))
            taken += self._draw(offset, until)
            offset = until
        self.position = Position(passes, offset)
        return taken


def next_examples(bank: Sequence[Examples], batch_size: int) -> list[Example]:
    """Takes `batch_size` examples for each prompt of a bank."""
    return [
        Example(inputs, targets, prompt)
        for prompt, examples in enumerate(bank)
        for inputs, targets in examples.take(batch_size)
    ]
