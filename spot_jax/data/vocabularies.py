"""Which vocabulary token ids are of, told without TensorFlow where there is no task."""

import dataclasses
import hashlib
from typing import Any

from spot_jax.errors import InputError
from spot_jax.spot_tiny import BYTES
from spot_jax.text.lengths import FEATURES
from spot_jax.text.pieces import open_pieces

_CURE = "Give the path of the model's own: --gin.VOCABULARY=FILE."


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a vocabulary is.

    Attributes:
        path: of its file. It decides nothing: the same pieces may be in two places.
        extra_ids: sentinels that were added to the file's pieces.
        size: how many pieces there are, sentinels included.
        fingerprint: SHA-256 of the SentencePiece model, sentinels included.
    """

    path: str
    extra_ids: int
    size: int
    fingerprint: str

    def __str__(self) -> str:
        return (
            f"{self.path} ({self.size:,} pieces, EXTRA_IDS={self.extra_ids}, "
            f"fingerprint {self.fingerprint[:12]})"
        )


def open_sentencepiece(path: str, extra_ids: int = 0) -> Any:
    """Opens a vocabulary without TensorFlow; see `open_and_identify`."""
    return open_and_identify(path, extra_ids)[0]


def open_and_identify(path: str, extra_ids: int = 0) -> tuple[Any, Identity]:
    """Opens a vocabulary without TensorFlow, and says what it is.

    Args:
        path: VOCABULARY; see `pieces.open_pieces`.
        extra_ids: sentinels to add, as SeqIO adds them.

    Returns:
        SentencePiece's processor, or what does the same for bytes, and its identity.

    Raises:
        InputError: when it cannot be read or is no vocabulary.
    """
    processor, model = open_pieces(path, extra_ids, _CURE)
    size = processor.vocab_size()
    return processor, Identity(path, extra_ids, size, _fingerprint(model))


def identity_of(vocabulary: Any) -> Identity:
    """Returns what a SentencePiece vocabulary of SeqIO is; its file is read."""
    return Identity(
        vocabulary.sentencepiece_model_file,
        vocabulary.extra_ids,
        vocabulary.vocab_size,
        _fingerprint(vocabulary.sp_model),
    )


def check_task(task: Any) -> None:
    """Makes sure that a task's ids are of the vocabulary that the run reads.

    Args:
        task: SeqIO's. Its own features may be of any vocabulary.

    Raises:
        InputError: when its inputs or targets are of another one.
    """
    # TensorFlow is here since the task was registered.
    from spot_jax.text.vocabulary import VOCABULARY

    for name in FEATURES:
        feature = task.output_features.get(name)
        if feature is None or feature.vocabulary is VOCABULARY:
            continue
        theirs, cure = _of_feature(task.name, feature.vocabulary)
        ours = identity_of(VOCABULARY)
        # SeqIO's bytes are the same, but for sentinels that stand in a text.
        if theirs == "ByteVocabulary" and ours.path == BYTES:
            continue
        if not isinstance(theirs, Identity) or theirs.fingerprint != ours.fingerprint:
            raise InputError(
                f"The {name} of {task.name} are of the vocabulary {theirs}, and the "
                f"one named is {ours}: the ids mean other pieces to the model. Give "
                f"the task's features spot_jax.text.vocabulary.VOCABULARY{cure}."
            )


def _of_feature(task: str, vocabulary: Any) -> tuple[Identity | str, str]:
    """Returns what a task's own vocabulary is, and the cure that it leaves."""
    import seqio

    if not isinstance(vocabulary, seqio.SentencePieceVocabulary):
        return type(vocabulary).__name__, ""
    try:
        found = identity_of(vocabulary)
    # SeqIO reads through TensorFlow's file systems, which have errors of their own.
    except Exception as error:
        raise InputError(
            f"{task} has a vocabulary of its own, "
            f"{vocabulary.sentencepiece_model_file}, which cannot be read ({error}). "
            "Give its features spot_jax.text.vocabulary.VOCABULARY."
        ) from error
    sentinels = f"with {found.extra_ids} extra ids"
    return found, f", or name {found.path}, {sentinels}, and the model of it"


def _fingerprint(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()
