"""Entities of a sentence: as tags of its words, as spans, as text and as pieces.

A span is (type, first word, last word). As text the entities stand in the order of the
sentence, each behind the word for its type: `person: Peter Blackburn, location: Leeds`,
and `none` where there is none. A number tells which of several equal places is meant,
counted behind the entity before: `location 2: Leeds` is not the next "Leeds" but the
one after it. So the spans can be read back from the text and the words. TensorFlow is
not needed here.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from spot_jax.errors import InputError

Entity = tuple[str, int, int]
# CoNLL-2003's, in the order of TFDS's classes.
TAGS = (
    *("O", "B-PER", "I-PER", "B-ORG", "I-ORG"),
    *("B-LOC", "I-LOC", "B-MISC", "I-MISC"),
)
# Words that a language model knows; other types stand for themselves.
TYPES = {
    "PER": "person",
    "ORG": "organization",
    "LOC": "location",
    "MISC": "other",
}
_OF_WORDS = {word: kind for kind, word in TYPES.items()}
NONE = "none"
OUTSIDE = "O"
_ONE = r"([A-Za-z_]+)(?: (\d+))?: (.*)"
_SEPARATOR = re.compile(r", (?=[A-Za-z_]+(?: \d+)?: )")
# What a vocabulary decodes a piece to that it does not know.
_UNKNOWN = "\u2047"


def entities_of(tags: Sequence[str]) -> list[Entity]:
    """Returns the spans of IOB tags, as conlleval and seqeval (not strict) read them.

    `["B-PER", "I-PER", "O", "I-LOC"]` -> `[("PER", 0, 1), ("LOC", 3, 3)]`: a tag of
    another type begins an entity, whether with B or with I.
    """
    found: list[Entity] = []
    for place, tag in enumerate(tags):
        inside, _, kind = tag.partition("-")
        if inside == OUTSIDE:
            continue
        follows = found and found[-1][::2] == (kind, place - 1)
        if inside == "I" and follows:
            found[-1] = (kind, found[-1][1], place)
        else:
            found.append((kind, place, place))
    return found


def tags_of(entities: Sequence[Entity], count: int) -> list[str]:
    """Returns the tags of `count` words: `[("LOC", 1, 2)]`, 3 -> O, B-LOC, I-LOC."""
    tags = [OUTSIDE] * count
    for kind, first, last in entities:
        tags[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
    return tags


def write_entities(words: Sequence[str], entities: Sequence[Entity]) -> str:
    """Returns the entities of a sentence as text; see the head of this file.

    Args:
        words: of the sentence.
        entities: its spans, none of which overlap.
    """
    parts, behind = [], 0
    for kind, first, last in sorted(entities, key=lambda entity: entity[1]):
        text = " ".join(words[first : last + 1])
        places = _places(words, text, behind)
        number = next(n for n, p in enumerate(places, 1) if p == (first, last))
        counted = f" {number}" if number > 1 else ""
        parts.append(f"{TYPES.get(kind, kind)}{counted}: {text}")
        behind = last + 1
    return ", ".join(parts) or NONE


def read_entities(text: str, words: Sequence[str]) -> list[Entity]:
    """Returns the spans of what `write_entities` wrote, or a model.

    An entity that the sentence does not have where it should be is wrong, and stays
    one: its words are -1 and a number of its own.
    """
    found: list[Entity] = []
    behind = 0
    for part in _SEPARATOR.split(text):
        told = re.fullmatch(_ONE, part, re.DOTALL)
        if not told:
            continue
        word, number, named = told.groups()
        kind = _OF_WORDS.get(word, word)
        places = [*_places(words, named, behind)]
        wanted = int((number or "1")[:9])
        if 1 <= wanted <= len(places):
            first, last = places[wanted - 1]
            found.append((kind, first, last))
            behind = last + 1
        else:
            found.append((kind, -1, len(found)))
    return found


def _places(words: Sequence[str], text: str, behind: int) -> Iterator[tuple[int, int]]:
    """Yields (first word, last word) of every place of a text, from a word on."""
    parts = [*map(_squeezed, text.split(_UNKNOWN))]
    if not any(parts):
        return
    pattern = re.compile(".+".join(map(re.escape, parts)), re.DOTALL)
    squeezed = [_squeezed(word) for word in words]
    for first in range(behind, len(words)):
        joined = ""
        for last in range(first, len(words)):
            joined += squeezed[last]
            if pattern.fullmatch(joined):
                yield first, last
            elif len(parts) == 1 and len(joined) > len(parts[0]):
                break


def _squeezed(text: str) -> str:
    """Drops what vocabularies change: spaces, and forms of the same letter."""
    return "".join(unicodedata.normalize("NFKC", text).split())


class Pieces(NamedTuple):
    """A sentence as token ids, and where its words and tags stand in them.

    Attributes:
        ids: [length] int32, EOS included.
        first: [words that fit] int32, the place of each word's first piece.
        tags: [length] int32, at the first piece of a word 1 + the number of its tag, 0
            elsewhere: what is padded with 0 is no word.
    """

    ids: np.ndarray
    first: np.ndarray
    tags: np.ndarray


def align(
    words: Sequence[str],
    tags: Sequence[str],
    vocabulary: Any,
    *,
    prefix: str = "",
    names: Sequence[str] = TAGS,
    limit: int | None = None,
) -> Pieces:
    """Encodes a sentence, and puts each word's tag at its first piece.

    The ids are those of the text `prefix word word ...`: no piece reaches over a space.

    Args:
        words: of the sentence.
        tags: of the words, some of `names`.
        vocabulary: SeqIO's or SentencePiece's.
        prefix: what stands in front of the words.
        names: of all tags, in the order of their numbers.
        limit: how many ids there may be, EOS included. Words of which not all pieces
            fit are left out.

    Raises:
        InputError: when there are not as many tags as words, or one is unknown.
    """
    if len(words) != len(tags):
        raise InputError(f"{len(words)} words have {len(tags)} tags: {words!r:.200}")
    unknown = sorted(set(tags) - set(names))
    if unknown:
        raise InputError(
            f"the tags {', '.join(unknown)} are none of {', '.join(names)}"
        )
    ids = list(vocabulary.encode(prefix))
    # Of bytes a space is one, and stands before the word.
    space = len(vocabulary.encode(" "))
    first, placed = [], []
    for number, word in enumerate(words):
        pieces = vocabulary.encode(f" {word}" if ids else word)
        if limit is not None and len(ids) + len(pieces) >= limit:
            break
        start = len(ids) + (space if ids else 0)
        # A word that the vocabulary drops has no piece of its own, and no tag.
        if start < len(ids) + len(pieces):
            placed.append((start, 1 + names.index(tags[number])))
        first.append(start)
        ids += pieces
    values = np.zeros(len(ids) + 1, np.int32)
    for start, value in placed:
        values[start] = value
    return Pieces(np.asarray([*ids, 1], np.int32), np.asarray(first, np.int32), values)


def tags_at(
    predicted: Sequence[int],
    first: Sequence[int],
    count: int,
    names: Sequence[str] = TAGS,
) -> list[str]:
    """Returns the tags of `count` words from what was predicted for each piece.

    Args:
        predicted: [length] the number of each piece's tag in `names`, counted from 0.
        first: `Pieces.first`; words behind them, which did not fit, are outside.
        count: how many words there are.
        names: of all tags.
    """
    told = [names[int(predicted[place])] for place in first]
    return told + [OUTSIDE] * (count - len(told))
