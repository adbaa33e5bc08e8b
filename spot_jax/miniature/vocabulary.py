"""The SentencePiece vocabulary of the miniature world.

Its pieces are the words of the plain text and the syllables of names and of made-up
words, so that a name or a label which the text never mentions is read in pieces that it
does mention. A trainer that is left alone makes one piece of every frequent name and
cuts the others at random.
"""

import collections
import math
import re
from collections.abc import Iterable

from sentencepiece import sentencepiece_model_pb2 as proto

from spot_jax.miniature import world
from spot_jax.miniature.lessons import MADE_UP, PAGE_WORDS, SYLLABLES

SENTINELS = 16
_CONTROL, _UNKNOWN, _USER_DEFINED = 3, 2, 4
_UNIGRAM = 1
_CHARACTERS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "0123456789_.,:;!?()[]'\"-*<>/&@#$%+="
)
# Less likely than any word: characters spell what is in no other piece.
_CHARACTER_SCORE = -20.0
_SYLLABLE_SCORE = -9.0
_DIGIT_SCORE = -10.0


def build_vocabulary(documents: Iterable[str]) -> bytes:
    """Returns a SentencePiece model; its last pieces are the sentinels of T5.

    Args:
        documents: plain text. Words made up of its syllables are no pieces.
    """
    counts = _count(documents)
    total = sum(counts.values())
    scores = {piece: math.log(n / total) for piece, n in counts.items()}
    for syllable in (*SYLLABLES, *PAGE_WORDS):
        scores |= {syllable: _SYLLABLE_SCORE, f"▁{syllable}": _SYLLABLE_SCORE}
    for character in ("▁", *_CHARACTERS):
        scores.setdefault(character, _CHARACTER_SCORE)
    for digit in "0123456789":
        scores |= {digit: _DIGIT_SCORE, f"▁{digit}": _DIGIT_SCORE}
    pieces = [("<pad>", 0.0, _CONTROL), ("</s>", 0.0, _CONTROL)]
    pieces.append(("<unk>", 0.0, _UNKNOWN))
    # The most common first, as in every T5 vocabulary.
    by_score = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    pieces += [(piece, score, 1) for piece, score in by_score]
    last_first = reversed(range(SENTINELS))
    pieces += [(f"<extra_id_{n}>", 0.0, _USER_DEFINED) for n in last_first]
    return _model(pieces)


def _count(documents: Iterable[str]) -> collections.Counter:
    """Counts pieces: "▁" begins those before which there is a space."""
    counts: collections.Counter = collections.Counter()
    cut = _syllables_of_names()
    for document in documents:
        for space, word in re.findall(r"(\s?)([A-Za-z]+|[^A-Za-z\s])", " " + document):
            if MADE_UP.fullmatch(word):
                continue
            head, *tail = cut.get(word, (word,))
            start = "▁" * bool(space)
            counts[start + head] += 1
            counts.update(tail)
            if not tail:
                # What stands at the head of a sentence may stand within one.
                counts[f"{start}{word.lower()}"] += 1
    return counts


def _syllables_of_names() -> dict[str, tuple[str, str]]:
    people = (world.HEADS, (*world.HER_TAILS, *world.HIS_TAILS))
    places = (world.PLACE_HEADS, world.PLACE_TAILS)
    return {
        head + tail: (head, tail)
        for heads, tails in (people, places)
        for head in heads
        for tail in tails
    }


def _model(pieces: list[tuple[str, float, int]]) -> bytes:
    model = proto.ModelProto()
    for piece, score, kind in pieces:
        model.pieces.add(piece=piece, score=score, type=kind)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type, trainer.vocab_size = _UNIGRAM, len(pieces)
    trainer.pad_id, trainer.eos_id, trainer.unk_id, trainer.bos_id = 0, 1, 2, -1
    trainer.pad_piece, trainer.eos_piece, trainer.unk_piece = "<pad>", "</s>", "<unk>"
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = True
    normalizer.remove_extra_whitespaces = True
    normalizer.escape_whitespaces = True
    return model.SerializeToString()
