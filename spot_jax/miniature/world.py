"""The people and places of the miniature world, and the draws made from it.

A name is a pair of syllables, and which names a split may use follows from the pair:
every syllable is met in training, the validation and test names are not. Every row
of every task names somebody or some place, so no row of one split occurs in another.
"""

import dataclasses
import random
from collections.abc import Sequence
from typing import TypeVar

from spot_jax.errors import InputError

Item = TypeVar("Item")

HEADS = (
    *("Ba", "Be", "Da", "Do", "Fi", "Ga", "Ha", "Jo", "Ka", "Le", "Li", "Ma"),
    *("Mi", "Ni", "No", "Pa", "Ra", "Ri", "Sa", "So", "Ta", "Te", "Vi", "Wa"),
)
HER_TAILS = ("bel", "dra", "la", "na", "ria", "sha", "ta", "lia")
HIS_TAILS = ("dan", "ko", "lo", "mas", "ner", "rik", "tor", "vin")
PLACE_HEADS = (
    *("Ash", "Black", "Corn", "Elm", "Fox", "Green", "High", "Long"),
    *("Marsh", "Mill", "Oak", "Red", "Salt", "Stone", "White", "Wood"),
)
PLACE_TAILS = (
    *("bridge", "brook", "dale", "field", "ford"),
    *("hill", "port", "stead", "well", "wick"),
)
SPLITS = ("train", "validation", "test")


def _pairs(heads: Sequence[str], tails: Sequence[str], split: str) -> tuple[str, ...]:
    """The pairs of one split: a diagonal of the table in eight is held out, twice."""
    kept = {"validation": {0}, "test": {1}, "train": set(range(2, 8))}[split]
    return tuple(
        head + tail
        for row, head in enumerate(heads)
        for column, tail in enumerate(tails)
        if (row + column) % 8 in kept
    )


def women(split: str) -> tuple[str, ...]:
    """The names of the women whom rows of `split` may mention."""
    return _pairs(HEADS, HER_TAILS, split)


def men(split: str) -> tuple[str, ...]:
    """The names of the men whom rows of `split` may mention."""
    return _pairs(HEADS, HIS_TAILS, split)


def places(split: str) -> tuple[str, ...]:
    """The names of the places that rows of `split` may mention."""
    return _pairs(PLACE_HEADS, PLACE_TAILS, split)


def held_out() -> frozenset[str]:
    """Every name that neither a train split nor the plain text may mention."""
    return frozenset(
        name
        for split in SPLITS
        if split != "train"
        for names in (women, men, places)
        for name in names(split)
    )


@dataclasses.dataclass(frozen=True)
class World:
    """One stream of draws, with the names that one split may use.

    Attributes:
        labels: the tasks' labels, which no made-up word may be; None where no word is
            made up.
    """

    split: str
    rng: random.Random
    women: tuple[str, ...]
    men: tuple[str, ...]
    places: tuple[str, ...]
    everybody: tuple[str, ...]
    labels: frozenset[str] | None

    def one(self, items: Sequence[Item], but: Sequence[Item] = ()) -> Item:
        """Draws one of the items that are not in `but`."""
        # Of many names few are left out: drawing again is faster than a new list.
        if not but or len(items) > 100:
            while (item := self.rng.choice(items)) in but:
                pass
            return item
        return self.rng.choice([item for item in items if item not in but])

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """Draws `count` different items, in random order."""
        return self.rng.sample(items, count)

    def chance(self, probability: float) -> bool:
        """Says yes with this probability."""
        return self.rng.random() < probability

    def people(self, count: int) -> list[str]:
        """Draws `count` different people."""
        return self.some(self.everybody, count)

    def person(self, but: Sequence[str] = ()) -> str:
        """Draws one person who is not in `but`."""
        return self.one(self.everybody, but)

    def alike(self, count: int) -> list[str]:
        """Draws `count` different people who share a pronoun."""
        return self.some(self.one((self.women, self.men)), count)

    def place(self, but: Sequence[str] = ()) -> str:
        """Draws one place that is not in `but`."""
        return self.one(self.places, but)


def open_world(split: str, key: str, labels: frozenset[str] | None = None) -> World:
    """Returns the world of `split` with the stream of draws that `key` names.

    Args:
        split: whose names occur.
        key: equal keys draw the same.
        labels: of the tasks; without them to make a word up is an error.

    Raises:
        InputError: there is no such split.
    """
    if split not in SPLITS:
        raise InputError(f"the world has the splits {', '.join(SPLITS)}, not {split!r}")
    both = women(split), men(split)
    everybody = (*both[0], *both[1])
    return World(split, random.Random(key), *both, places(split), everybody, labels)


def is_woman(name: str) -> bool:
    """Says whether a person of the world is spoken of as "she"."""
    return name.endswith(HER_TAILS)


def she(name: str) -> str:
    """Returns the pronoun of a person as a subject: "she" or "he"."""
    return "she" if is_woman(name) else "he"


def her(name: str) -> str:
    """Returns the pronoun of a person as an object: "her" or "him"."""
    return "her" if is_woman(name) else "him"


def her_own(name: str) -> str:
    """Returns the possessive pronoun of a person: "her" or "his"."""
    return "her" if is_woman(name) else "his"


def sentence(text: str, end: str = ".") -> str:
    """Writes a clause as a sentence: a capital at its head, `end` at its end."""
    return text[0].upper() + text[1:] + end
