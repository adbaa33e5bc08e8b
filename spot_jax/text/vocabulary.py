"""The one vocabulary of all tasks, whose file is chosen when a program starts.

Tasks are registered when their module is imported, before the program has read its
configuration. They therefore share `VOCABULARY`, which opens its file at the first use;
`use_vocabulary` names another file at any time, for all tasks at once.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import seqio
import tensorflow as tf

from spot_jax import text
from spot_jax.errors import InputError
from spot_jax.pretrained.published import PUBLISHED_VOCABULARY
from spot_jax.spot_tiny import BYTES, vocabulary_path
from spot_jax.text.pieces import open_pieces

_CURE = (
    "Name a SentencePiece model: --gin.VOCABULARY=FILE of a run, --vocabulary FILE of "
    "inspect_tasks and tokenize."
)


class _Opened(NamedTuple):
    """What SeqIO keeps of an opened vocabulary."""

    tokenizer: Any
    sp_model: bytes


class SharedVocabulary(seqio.SentencePieceVocabulary):
    """A SentencePiece vocabulary that can change its file; copies are the same object.

    It reads what SeqIO does not: tokenizer.json, and the bytes of ByT5, of no file.

    gin copies what it is given: a copy that kept the old file would make two tasks of a
    mixture disagree, so copying returns the vocabulary itself.
    """

    _tf_tokenizer = None

    def use(self, path: str, extra_ids: int) -> None:
        """Takes another file, and drops what was loaded."""
        super().__init__(path, extra_ids=extra_ids)
        self._tf_tokenizer = None

    def _model_context(self) -> _Opened:
        if not self._model:
            opened = open_pieces(self.sentencepiece_model_file, self.extra_ids, _CURE)
            self._model = _Opened(*opened)
        return self._model

    @property
    def tf_tokenizer(self) -> Any:
        """SentencePiece in TensorFlow, made once for each file."""
        if self._tf_tokenizer is None:
            # Outside of the graphs of data sets, each of which would make it anew,
            # and say so.
            with tf.init_scope(), text.without_chatter():
                self._tf_tokenizer = super().tf_tokenizer
        return self._tf_tokenizer

    def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
        if self.sentencepiece_model_file != BYTES:
            return super()._encode_tf(s)

        def encode(given: bytes | np.ndarray) -> np.ndarray:
            # Outside of a graph TensorFlow hands over an array of no dimension.
            given = given.item() if isinstance(given, np.ndarray) else given
            return np.asarray(self.tokenizer.encode(given), np.int32)

        ids = tf.numpy_function(encode, [s], tf.int32)
        return tf.ensure_shape(ids, [None])

    def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
        if self.sentencepiece_model_file != BYTES:
            return super()._decode_tf(ids)
        return seqio.ByteVocabulary().decode_tf(ids)

    def __copy__(self) -> "SharedVocabulary":
        return self

    def __deepcopy__(self, memo: dict) -> "SharedVocabulary":
        return self


VOCABULARY = SharedVocabulary(PUBLISHED_VOCABULARY)


def use_vocabulary(path: str, extra_ids: int = 0) -> None:
    """Makes all tasks read their pieces from `path`, from now on.

    Args:
        path: see `pieces.open_pieces`; opened at the first use.
        extra_ids: how many sentinels to add. The published file has its 100 sentinels;
            a plain file of 32,000 pieces needs `extra_ids=100` for span corruption.
            Without them `vocab_size` is the number of pieces, which is what decodes.
    """
    VOCABULARY.use(vocabulary_path(path), extra_ids)


def open_vocabulary(path: str, extra_ids: int = 0) -> None:
    """Makes all tasks use a vocabulary that was found to be one; see both parts.

    Raises:
        InputError: the file or the number cannot be right.
    """
    if extra_ids < 0:
        raise InputError(f"{extra_ids} sentinels cannot be added; 0 adds none")
    check_vocabulary(path)
    use_vocabulary(path, extra_ids)


def check_vocabulary(path: str) -> None:
    """Reads the file at `path` once, so that a wrong one is reported before any work.

    Raises:
        InputError: the file cannot be read, is no vocabulary, or does not reserve id 0
            for padding and id 1 for the end of a sequence, as T5 does.
    """
    open_pieces(path, 0, _CURE)


def vocabulary_fingerprint() -> str:
    """Returns the SHA-256 of the pieces in use, sentinels included, in hexadecimal."""
    return hashlib.sha256(VOCABULARY.sp_model).hexdigest()
