"""The sentinel setting: <extra_id_0> before every target (Lester et al. 2021, §3.2).

A T5 that was pre-trained on span corruption alone has only ever written texts that
begin with a sentinel. With SENTINEL it goes on so: what is learned and what is ranked
begins with one, and one that an answer begins with is taken away before it is scored.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spot_jax.errors import InputError
from spot_jax.settings import Data

_FIRST = re.compile("▁?<extra_id_0>")


class Begun:
    """A vocabulary of texts that begin with the sentinel.

    What is decoded may lack it: then it is the text as it stands.

    Args:
        vocabulary: SeqIO's or SentencePiece's, whose other methods stay.

    Attributes:
        plain: the vocabulary itself.
        sentinel: its id of <extra_id_0>.
    """

    def __init__(self, vocabulary: Any):
        self.plain, self.sentinel = vocabulary, sentinel_of(vocabulary)

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, the sentinel first."""
        return [self.sentinel, *self.plain.encode(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids, without the sentinel that they begin with."""
        ids = [int(token) for token in ids]
        return self.plain.decode(ids[ids[:1] == [self.sentinel] :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


def sentinel_of(vocabulary: Any) -> int:
    """Returns the id of <extra_id_0>.

    Args:
        vocabulary: SeqIO's or SentencePiece's.

    Raises:
        InputError: when it has none.
    """
    pieces = getattr(vocabulary, "tokenizer", vocabulary)
    size = vocabulary.vocab_size
    size = size() if callable(size) else size
    # Sentinels are the last pieces; in which order, vocabularies differ.
    for token in range(size - 1, 2, -1):
        piece = pieces.id_to_piece(token)
        if "extra_id_" not in piece:
            break
        if _FIRST.fullmatch(piece):
            return token
    raise InputError(
        "SENTINEL puts <extra_id_0> before every target, and the vocabulary has no "
        "sentinels. Leave SENTINEL out, or add them with --gin.EXTRA_IDS=100 where the "
        "model was pre-trained with them."
    )


def answers_of(vocabulary: Any, data: Data) -> Any:
    """Returns the vocabulary of a run's answers: with SENTINEL they begin with it."""
    return Begun(vocabulary) if data.sentinel else vocabulary


def begin(targets: np.ndarray, vocabulary: Any, data: Data) -> np.ndarray:
    """Returns targets, [length] int32, with the sentinel in front if the run has it.

    What is empty stays so: there is no target.
    """
    if not data.sentinel or not len(targets):
        return targets
    return np.insert(targets, 0, sentinel_of(vocabulary))


def begin_each(dataset: Any, vocabulary: Any, data: Data) -> Any:
    """Does so with each example of a tf.data set."""
    if not data.sentinel:
        return dataset
    # TensorFlow comes in with the set.
    import tensorflow as tf

    sentinel = sentinel_of(vocabulary)

    def begun(example: Mapping[str, Any]) -> dict[str, Any]:
        targets = example["targets"]
        first = tf.fill([tf.minimum(tf.size(targets), 1)], sentinel)
        return {
            **example,
            "targets": tf.concat([tf.cast(first, targets.dtype), targets], 0),
        }

    return dataset.map(begun)


def lengths_before(lengths: Mapping[str, int], data: Data) -> dict[str, int]:
    """Returns lengths that leave room in the targets for the sentinel."""
    return {**lengths, "targets": lengths["targets"] - bool(data.sentinel)}
