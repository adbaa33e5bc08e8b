"""Sentences whose names are to be found: CoNLL-2003.

People and places have names of the world. What is named after one of them, a club or a
cake, has its name and a word more: which of the two it is, only that word tells.
"""

import dataclasses
from collections.abc import Mapping

from spot_jax.miniature.facts import draw_fact
from spot_jax.miniature.frames import FAMILIES
from spot_jax.miniature.world import World

# What is named after somebody or some place, in words that the plain text has.
ORGANIZATIONS = ("Library", "Garage", "Kitchen", "Garden", "Hall", "Barn")
PRODUCTS = ("Soup", "Cake", "Clock", "Kite", "Story", "Puzzle")
_KINDS = {
    "person": "PER",
    "place": "LOC",
    "organization": "ORG",
    "product": "MISC",
}
_TOLD = (
    "{a} works for {organization}",
    "{organization} called {a}",
    "{a} visited {organization} in {place}",
    "{organization} is in {place}",
    "{organization} lent {product} to {a}",
    "{a} likes {product} best",
    "{a} got {product} from {b}",
    "{product} was in {place}",
    "{b} gave {product} to {a} in {place}",
)
_DETERMINERS = ("the", "a", "The", "A")
_PREPOSITIONS = ("in", "of", "to", "from", "for", "by")
_PUNCTUATION = {".": ".", ",": ",", "'s": "POS"}


@dataclasses.dataclass(frozen=True)
class _Clause:
    """A statement in which values stand in braces, and of which kind they are."""

    template: str
    kinds: Mapping[str, str]
    values: Mapping[str, str]


def _named_after(world: World, words: tuple[str, ...]) -> str:
    name = world.person() if world.chance(0.5) else world.place()
    return f"{name} {world.one(words)}"


def _of_names(world: World) -> _Clause:
    """A statement on what is named after somebody or some place."""
    a, b = world.people(2)
    values = {
        "a": a,
        "b": b,
        "place": world.place(),
        "organization": _named_after(world, ORGANIZATIONS),
        "product": _named_after(world, PRODUCTS),
    }
    kinds = {role: role for role in values} | {"a": "person", "b": "person"}
    return _Clause(world.one(_TOLD), kinds, values)


def _of_facts(world: World) -> _Clause:
    """A fact of the world, in one of its ways of being said."""
    fact = draw_fact(world, world.one(world.one(FAMILIES)))
    return _Clause(world.one(fact.frame.says), fact.frame.kinds, fact.roles)


def _tagged(clause: _Clause) -> list[tuple[str, str]]:
    """Returns the words of a clause with their tags."""
    found = []
    template = clause.template.replace("'s", " 's").replace(",", " ,")
    for word in template.split():
        role = word.removeprefix("{").removesuffix("}")
        if role == word:
            found.append((word, "O"))
            continue
        kind = _KINDS.get(clause.kinds[role])
        for number, part in enumerate(clause.values[role].split()):
            inside = "I" if number else "B"
            found.append((part, f"{inside}-{kind}" if kind else "O"))
    return found


def _part_of_speech(word: str, tag: str) -> str:
    """Returns about what a tagger would say; no task reads it."""
    if tag != "O":
        return "NNP"
    if word in _PUNCTUATION:
        return _PUNCTUATION[word]
    if word in _DETERMINERS:
        return "DT"
    return "IN" if word.lower() in _PREPOSITIONS else "NN"


def conll_row(world: World, _: int) -> dict:
    """A sentence of one or two statements, and the tag of each word."""
    clauses = [
        (_of_names if world.chance(0.6) else _of_facts)(world)
        for _ in range(world.one((1, 1, 2)))
    ]
    words: list[tuple[str, str]] = []
    for clause in clauses:
        words += [(",", "O"), ("and", "O")] if words else []
        words += _tagged(clause)
    first, tag = words[0]
    words = [(first[0].upper() + first[1:], tag), *words[1:], (".", "O")]
    return {
        "tokens": [word for word, _ in words],
        "pos": [_part_of_speech(word, tag) for word, tag in words],
        "chunks": [_chunk(tag) for _, tag in words],
        "ner": [tag for _, tag in words],
    }


def _chunk(tag: str) -> str:
    """Names are the noun phrases of which it is told; no task reads it."""
    return tag if tag == "O" else f"{tag[0]}-NP"
