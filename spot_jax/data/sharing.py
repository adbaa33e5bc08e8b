"""Prompts of one seed read one order of examples, once."""

import weakref

import numpy as np

from spot_jax.data.orders import Examples, Position, Reader


class _Group:
    """One order of examples, and what not all who share it have taken yet."""

    def __init__(self, examples: Examples):
        self.examples, self.made = examples, 0
        self.takes: dict[int, tuple[list, Position]] = {}
        # Who reads no more holds nothing back.
        self.members: weakref.WeakSet[_Member] = weakref.WeakSet()

    def take(self, number: int, count: int) -> tuple[list, Position]:
        if number == self.made:
            taken = self.examples.take(count)
            self.takes[number] = taken, self.examples.position
            self.made += 1
        return self.takes[number]

    def forget(self) -> None:
        oldest = min(member.number for member in self.members)
        for number in [n for n in self.takes if n < oldest]:
            del self.takes[number]


class _Member:
    """`Examples` of one prompt; in a group all take as many at a time."""

    def __init__(self, group: _Group, reader: Reader, seed: int):
        self._group, self._reader, self._seed = group, reader, seed
        self._alone: Examples | None = None
        self.position, self.number = group.examples.position, 0
        group.members.add(self)

    def take(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the next examples; see `Examples`."""
        if self._alone is None:
            taken, position = self._group.take(self.number, count)
            if len(taken) == count:
                self.number, self.position = self.number + 1, position
                self._group.forget()
                return taken
            self._group.members.discard(self)
            self._alone = self._reader(self._seed, self.position)
        taken = self._alone.take(count)
        self.position = self._alone.position
        return taken


def shared(reader: Reader) -> Reader:
    """Returns a reader whose orders of one seed and position are read once.

    That is, where they were all opened before anything was taken from one of them.
    """
    groups: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    def opened(seed: int, position: Position) -> Examples:
        group = groups.get((seed, position))
        if group is None or group.made:
            group = groups[seed, position] = _Group(reader(seed, position))
        return _Member(group, reader, seed)

    return opened
