"""Endless orders of examples that can be resumed anywhere.

A set that fits in memory is permuted anew for every pass; a larger one is streamed in
passes, each with a seed of its own; a mixture draws from such sets at their rates. A
position is a pass and an offset in it, which is enough to go on; where its reader tells
a mark besides, only what is behind the mark is read again, and not all of the pass.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Annotated, NotRequired, Protocol, TypedDict

import msgspec
import numpy as np

from spot_jax.data.packing import Example
from spot_jax.errors import InputError

logger = logging.getLogger(__name__)


class Mark(TypedDict, total=False):
    """What spares a reader to read a pass again; JSON, and never needed.

    A stream's has the place of an example and the state in which TensorFlow read on
    from there; that of a mixture has where each of its members stands, by its number,
    how many were drawn of each in this pass, and their names.
    """

    offset: int
    state: str
    begins: str
    made_of: str
    members: dict[str, "Place"]
    drawn: list[int]
    names: list[str]


class Place(TypedDict):
    """A `Position` as a checkpoint has it."""

    passes: Annotated[int, msgspec.Meta(ge=0)]
    offset: Annotated[int, msgspec.Meta(ge=0)]
    reader: NotRequired[Mark | None]


@dataclasses.dataclass(frozen=True)
class Position:
    """A place in the order of examples.

    Attributes:
        passes: how often the set was gone through.
        offset: examples taken since.
        reader: a mark at or before this place, where there is one.
    """

    passes: int = 0
    offset: int = 0
    reader: Mark | None = dataclasses.field(default=None, compare=False)


class Examples(Protocol):
    """An endless, reproducible order of tokenized examples."""

    position: Position

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next (inputs, targets), each int32 [length]."""


class Pass(Protocol):
    """One pass over a set; its examples come from `next`.

    Attributes:
        offset: examples given, or passed over, so far.
        mark: at this place or before it, if there is one.
    """

    offset: int
    mark: Mark | None

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
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
        read_pass: from a seed and a position to a pass, always the same for a seed,
            that stands at the position or before it.
        seed: decides the seed of every pass.
        position: where to begin; what the pass still gives before it is skipped.

    Raises:
        InputError: when the position is beyond the end: these are other examples.
    """

    def __init__(
        self,
        read_pass: Callable[[int, Position], Pass],
        seed: int,
        position: Position,
    ):
        self._read_pass, self._seed, self.position = read_pass, seed, position
        self._pass = self._open(position)
        for count in range(self._pass.offset, position.offset):
            if next(self._pass, None) is None:
                raise _changed(position, f"there are only {count}")

    def _open(self, position: Position) -> Pass:
        words = [self._seed, position.passes]
        seed = np.random.SeedSequence(words).generate_state(1)[0]
        # SeqIO's seeds are signed 32-bit numbers.
        return self._read_pass(int(seed) & 0x7FFFFFFF, position)

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        taken = []
        passes, offset = self.position.passes, self.position.offset
        while len(taken) < count:
            example = next(self._pass, None)
            if example is None:
                passes, offset = passes + 1, 0
                self._pass = self._open(Position(passes))
                continue
            taken.append(example)
            offset += 1
        self.position = Position(passes, offset, self._pass.mark)
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
        names: of the sets, by which a mark is told from one of others.
    """

    def __init__(
        self,
        members: Sequence[Reader],
        rates: Sequence[float],
        seed: int,
        position: Position,
        names: Sequence[str] = (),
    ):
        self._members, self._seed, self.position = members, seed, position
        self._names = list(names)
        self._rates = np.asarray(rates, np.float64)
        self._begin(position.passes)
        self._go_on(position)

    def _begin(self, passes: int) -> None:
        rng = np.random.default_rng([self._seed, passes])
        size = max(1, round(self._rates.sum()))
        share = self._rates / self._rates.sum()
        # A pass can be millions long, and every prompt of a bank has its own.
        self._which = rng.choice(len(share), size, p=share).astype(np.int16)
        seeds = rng.integers(2**31, size=len(share))
        self._open = [
            functools.partial(member, int(seed))
            for member, seed in zip(self._members, seeds, strict=True)
        ]
        self._opened: dict[int, Examples] = {}
        self._drawn = np.zeros(len(share), np.int64)

    def _go_on(self, position: Position) -> None:
        """Has every member stand where it stood when so many examples were drawn."""
        before = self._which[: position.offset]
        self._drawn = np.bincount(before, minlength=len(self._open))
        known = self._known(position)
        for member, count in enumerate(self._drawn):
            if place := count and known.get(str(member)):
                self._opened[member] = self._open[member](Position(**place))
            elif count:
                self._opened[member] = self._open[member](Position())
                _skip(self._opened[member], count)

    def _known(self, position: Position) -> dict[str, Place]:
        """Returns where members stand, if that is of the draw which is made now."""
        mark = position.reader or {}
        if not {"members", "drawn", "names"} <= mark.keys():
            why = "the checkpoint does not say where its tasks stood"
        elif (mark["drawn"], mark["names"]) != (self._drawn.tolist(), self._names):
            why = "it is drawn from other tasks or at other rates now"
        else:
            return mark["members"]
        if position.offset:
            about = "A mixture of %d: %s examples are read again before the run goes on"
            told = len(self._open), f"{position.offset:,}", why
            logger.info(f"{about}: %s.", *told)
        return {}

    def _place(self, passes: int, offset: int) -> Position:
        members = {
            str(member): dataclasses.asdict(examples.position)
            for member, examples in self._opened.items()
        }
        drawn = self._drawn.tolist()
        mark = Mark(members=members, drawn=drawn, names=self._names)
        return Position(passes, offset, mark)

    def _draw(self, start: int, stop: int) -> list[tuple[np.ndarray, np.ndarray]]:
        which = self._which[start:stop]
        drawn = {}
        for member in np.unique(which):
            if member not in self._opened:
                self._opened[member] = self._open[member](Position())
            count = int((which == member).sum())
            drawn[member] = iter(self._opened[member].take(count))
            self._drawn[member] += count
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
        self.position = self._place(passes, offset)
        return taken


def _skip(examples: Examples, count: int) -> None:
    # What is skipped can be more than fits in memory.
    while count:
        count -= len(examples.take(min(count, 1024)))


def next_examples(bank: Sequence[Examples], batch_size: int) -> list[Example]:
    """Takes `batch_size` examples for each prompt of a bank."""
    return [
        Example(inputs, targets, prompt)
        for prompt, examples in enumerate(bank)
        for inputs, targets in examples.take(batch_size)
    ]
