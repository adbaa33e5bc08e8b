"""Which vocabulary token ids are of, told without TensorFlow where there is no task."""

import dataclasses
import hashlib
import pathlib
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from spot_jax.errors import InputError
from spot_jax.spot_tiny import vocabulary_path
from spot_jax.text.lengths import FEATURES


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


def open_sentencepiece(
    path: str, extra_ids: int = 0
) -> sentencepiece.SentencePieceProcessor:
    """Opens a vocabulary without TensorFlow; see `open_and_identify`."""
    return open_and_identify(path, extra_ids)[0]


def open_and_identify(
    path: str, extra_ids: int = 0
) -> tuple[sentencepiece.SentencePieceProcessor, Identity]:
    """Opens a vocabulary without TensorFlow, and says what it is.

    Args:
        path: VOCABULARY, a file of this machine.
        extra_ids: sentinels to add, as SeqIO adds them.

    Raises:
        InputError: when it cannot be read or is no SentencePiece model.
    """
    processor = sentencepiece.SentencePieceProcessor()
    try:
        model = pathlib.Path(vocabulary_path(path)).read_bytes()
        processor.LoadFromSerializedProto(model)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The vocabulary {path} cannot be read without TensorFlow ({error}). Copy "
            "the file here and give its path: --gin.VOCABULARY=..."
        ) from error
    model = _with_sentinels(model, extra_ids)
    processor.LoadFromSerializedProto(model)
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


def _with_sentinels(model: bytes, extra_ids: int) -> bytes:
    """Returns a SentencePiece model as SeqIO serializes it, so that both are one."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    # The first sentinel has the highest id.
    for number in reversed(range(extra_ids)):
        kind = proto.SentencePiece.USER_DEFINED
        proto.pieces.add(piece=f"▁<extra_id_{number}>", score=0.0, type=kind)
    return proto.SerializeToString()


def _fingerprint(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()
