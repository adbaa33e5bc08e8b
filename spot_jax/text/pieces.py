"""The pieces of a vocabulary, read from whatever file VOCABULARY names.

TensorFlow is not needed: not for a bucket either.
"""

import threading
from typing import Any

import sentencepiece

from spot_jax import reading
from spot_jax.errors import InputError
from spot_jax.spot_tiny import BYTES, vocabulary_path
from spot_jax.text.byte_pieces import BytePieces
from spot_jax.text.tokenizer_json import as_sentencepiece, with_sentinels

# SentencePiece loads one model at a time.
_loading = threading.Lock()


def open_pieces(path: str, extra_ids: int, cure: str) -> tuple[Any, bytes]:
    """Opens a vocabulary.

    Args:
        path: VOCABULARY: a SentencePiece model or the tokenizer.json of a T5, local or
            gs://; "spot_tiny", or "bytes" of a ByT5.
        extra_ids: sentinels to add, as SeqIO adds them; of "bytes" all that it has.
        cure: what to do if it cannot be read, a sentence.

    Returns:
        SentencePiece's processor, or what does the same for bytes, and the model that
        tells this vocabulary from any other, sentinels included.

    Raises:
        InputError: when it cannot be read, is no vocabulary, or does not reserve id 0
            for padding and id 1 for the end of a sequence, as T5 does.
    """
    if path == BYTES:
        pieces = BytePieces(extra_ids)
        return pieces, pieces.serialized_model_proto()
    data = _contents(vocabulary_path(path), cure)
    if path.endswith(".json"):
        data = as_sentencepiece(data, path)
    processor = sentencepiece.SentencePieceProcessor()
    try:
        with _loading:
            processor.LoadFromSerializedProto(data)
            model = with_sentinels(data, extra_ids)
            processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise InputError(
            f"The vocabulary {path} is no SentencePiece model ({error}). {cure}"
        ) from error
    if (processor.pad_id(), processor.eos_id()) != (0, 1):
        raise InputError(
            f"The vocabulary {path} has padding id {processor.pad_id()} and end id "
            f"{processor.eos_id()}; T5 needs 0 and 1. Train it with pad_id=0, eos_id=1."
        )
    return processor, model


def _contents(path: str, cure: str) -> bytes:
    if "://" not in path:
        return reading.read_bytes(path, f"It is the vocabulary. {cure}")
    if not path.startswith("gs://"):
        raise InputError(f"The vocabulary {path} is neither a file nor gs://. {cure}")
    # Only a bucket needs what reads checkpoints, which brings JAX in.
    from spot_jax.pretrained.folder import Folder

    url, _, name = path.rpartition("/")
    if not Folder(url).has(name):
        raise InputError(f"The vocabulary {path} does not exist. {cure}")
    return bytes(Folder(url).contents(name))
