"""A part of a text as pieces: which are the first and the last; no TensorFlow."""

import dataclasses
import enum
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from spot_jax.text.byte_pieces import BytePieces

_EOS_ID = 1
# How SentencePiece writes a space.
_SPACE = "\u2581"


class Found(enum.Enum):
    """What became of an answer."""

    INSIDE = "in the window"
    CUT = "cut off"
    NONE = "no answer"


@dataclasses.dataclass(frozen=True)
class Span:
    """A text as token ids, and an answer in it.

    Attributes:
        ids: [length] int32, EOS included, cut to fit.
        places: of each piece but EOS, letters of the text before and behind it.
        start: place of the answer's first piece; -1 where it is not in the window.
        end: place of its last piece, start <= end; -1 likewise.
        found: which of the two it is.
    """

    ids: np.ndarray
    places: list[tuple[int, int]]
    start: int
    end: int
    found: Found


def span_of(
    text: str, start: int, end: int, vocabulary: Any, limit: int | None = None
) -> Span:
    """Encodes a text, and finds the fewest pieces that have all of an answer.

    Args:
        text: the input of a question; no piece reaches over a space.
        start: letters before the answer, negative where there is none; squad_span has
            both as `answer_start` and `answer_end`.
        end: letters before what follows the answer.
        vocabulary: SeqIO's or SentencePiece's.
        limit: how many ids there may be, EOS included; what is longer loses its end.
    """
    ids, places = _encoded(text, vocabulary)
    kept = len(ids) if limit is None else min(len(ids), limit - 1)
    cut = np.asarray([*ids[:kept], _EOS_ID], np.int32)
    if start < 0:
        return Span(cut, places[:kept], -1, -1, Found.NONE)
    inside = [n for n, (a, b) in enumerate(places) if a < end and start < b]
    if not inside or inside[-1] >= kept:
        return Span(cut, places[:kept], -1, -1, Found.CUT)
    return Span(cut, places[:kept], inside[0], inside[-1], Found.INSIDE)


def text_at(text: str, places: Sequence[tuple[int, int]], start: int, end: int) -> str:
    """Returns what stands in a text from one piece to another, as it stands there.

    Decoded pieces may be another text: of letters that the vocabulary has not.

    Args:
        text: that was encoded.
        places: of its pieces; see `Span`.
        start: the first piece.
        end: the last piece; what lies outside of the text, such as EOS, has no text.
    """
    covered = places[start : end + 1] if 0 <= start <= end else []
    return text[covered[0][0] : covered[-1][1]].strip() if covered else ""


def _encoded(text: str, vocabulary: Any) -> tuple[list[int], list[tuple[int, int]]]:
    """Returns the ids of a text, and from which to which letter each piece reaches."""
    pieces = getattr(vocabulary, "tokenizer", vocabulary)
    ids: list[int] = []
    places: list[tuple[int, int]] = []
    for found in re.finditer(r"\S+", text):
        word = f" {found[0]}" if ids else found[0]
        new = [int(token) for token in pieces.encode(word)]
        lengths = _lengths(pieces, found[0], len(new))
        # What is before the word and no letter of it: a space, where that is a piece.
        reached = [found.start() + sum(lengths[:n]) for n in range(len(new) + 1)]
        if reached[-1] != found.end():
            # The vocabulary spells it otherwise: all pieces stand for all of the word.
            places += [found.span()] * len(new)
        else:
            places += itertools.pairwise(reached)
        ids += new
    return ids, places


def _lengths(pieces: Any, word: str, count: int) -> list[int]:
    """Returns how many letters of a word each of its pieces has."""
    if isinstance(pieces, BytePieces):
        # A letter belongs to its first byte.
        lengths = [len(b) and 1 for letter in word for b in _bytes_of(letter)]
        return [0] * (count - len(lengths)) + lengths
    spelled = pieces.encode(word, out_type=str)
    # A piece that the vocabulary has not is spelled as it stands.
    return [len(piece.replace(_SPACE, "")) for piece in spelled]


def _bytes_of(letter: str) -> list[str]:
    return [letter, *[""] * (len(letter.encode("utf-8")) - 1)]


def counted(spans: Iterable[Span]) -> dict[Found, int]:
    """Returns how many answers are in the window, cut off, or none."""
    counts = dict.fromkeys(Found, 0)
    for span in spans:
        counts[span.found] += 1
    return counts
