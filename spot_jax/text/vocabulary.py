"""The one vocabulary of all tasks, whose file is chosen when a program starts.

Tasks are registered when their module is imported, before the program has read its
configuration. They therefore share `VOCABULARY`, which opens its file at the first use;
`use_vocabulary` names another file at any time, for all tasks at once.
"""

import hashlib
import pathlib

import sentencepiece
import seqio
import tensorflow as tf

from spot_jax.errors import InputError
from spot_jax.spot_tiny import vocabulary_path

# The vocabulary of the published T5 checkpoints: 32,000 pieces and 100 sentinels.
PUBLISHED_VOCABULARY = "gs://t5-data/vocabs/cc_all.32000.100extra/sentencepiece.model"
_CURE = (
    "name a SentencePiece model: --gin.VOCABULARY=FILE of a run, --vocabulary FILE of "
    "inspect_tasks and tokenize"
)


class SharedVocabulary(seqio.SentencePieceVocabulary):
    """A SentencePiece vocabulary that can change its file; copies are the same object.

    gin copies what it is given: a copy that kept the old file would make two tasks of a
    mixture disagree, so copying returns the vocabulary itself.
    """

    def use(self, path: str, extra_ids: int) -> None:
        """Takes another file, and drops what was loaded."""
        super().__init__(path, extra_ids=extra_ids)

    def __copy__(self) -> "SharedVocabulary":
        return self

    def __deepcopy__(self, memo: dict) -> "SharedVocabulary":
        return self


VOCABULARY = SharedVocabulary(PUBLISHED_VOCABULARY)


def use_vocabulary(path: str, extra_ids: int = 0) -> None:
    """Makes all tasks read their pieces from `path`, from now on.

    Args:
        path: a SentencePiece model, local or gs://; opened at the first use.
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
        InputError: the file cannot be read, is no SentencePiece model, or does not
            reserve id 0 for padding and id 1 for the end of a sequence, as T5 does.
    """
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(_read(path))
    except RuntimeError as error:
        message = f"the vocabulary {path} is no SentencePiece model; {_CURE}"
        raise InputError(message) from error
    if (processor.pad_id(), processor.eos_id()) != (0, 1):
        raise InputError(
            f"the vocabulary {path} has padding id {processor.pad_id()} and end id "
            f"{processor.eos_id()}; T5 needs 0 and 1. Train it with pad_id=0, eos_id=1"
        )


def vocabulary_fingerprint() -> str:
    """Returns the SHA-256 of the pieces in use, sentinels included, in hexadecimal."""
    return hashlib.sha256(VOCABULARY.sp_model).hexdigest()


def _read(path: str) -> bytes:
    try:
        # Only remote files need TensorFlow's file systems, which know gs://.
        if "://" in path:
            with tf.io.gfile.GFile(path, "rb") as file:
                return file.read()
        return pathlib.Path(vocabulary_path(path)).read_bytes()
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0]
        message = f"the vocabulary {path} cannot be read ({reason}); {_CURE}"
        raise InputError(message) from error
