"""The vocabulary of a run is its model's: the one beside its weights."""

import dataclasses
import logging
import os
import re

from sentencepiece import sentencepiece_model_pb2

from spot_jax.data.vocabularies import Identity, open_and_identify
from spot_jax.errors import InputError
from spot_jax.pretrained import Beside, Description
from spot_jax.pretrained.published import PUBLISHED_VOCABULARY
from spot_jax.settings import Data
from spot_jax.spot_tiny import BYTES, vocabulary_path
from spot_jax.text import byte_pieces

logger = logging.getLogger(__name__)

_SENTINEL = re.compile(r"▁?<extra_id_(\d+)>")
# Rows of the embedding that the published vocabulary was trained with, and what
# transformers adds to a spiece.model of which nothing else is known.
_PUBLISHED_ROWS, _EXTRA_IDS = 32128, 100
_SHOWN = 5


def with_vocabulary(data: Data, description: Description | None) -> Data:
    """Returns the data of a run with the vocabulary and sentinels of its model.

    Args:
        data: of which VOCABULARY may be None; what is named has to be the model's.
        description: what the checkpoint says of itself; None: there is none.

    Raises:
        InputError: see `chosen`.
    """
    path, extra_ids = chosen(data.vocabulary, data.extra_ids, description)
    return dataclasses.replace(data, vocabulary=path, extra_ids=extra_ids)


def chosen(
    named: str | None, extra_ids: int | None, description: Description | None
) -> tuple[str, int]:
    """Returns the VOCABULARY and the EXTRA_IDS of a run.

    Args:
        named: VOCABULARY, None for the model's own.
        extra_ids: EXTRA_IDS, None for as many as the model's vocabulary has.
        description: what the checkpoint says of itself; None: there is none.

    Raises:
        InputError: when nothing says which vocabulary the model has, the one beside its
            weights cannot be read, or the one named is another.
    """
    own = _own(description)
    if named is None:
        if own is None:
            raise InputError(_unknown(description.source))
        _tell_assumed(description)
        if extra_ids is None:
            extra_ids = _extra_ids(own, description)
        return own.path, extra_ids
    is_own = own is not None and _is_same_file(named, own.path)
    if description and description.vocabulary and not is_own:
        is_own = _check_same(named, own)
    if extra_ids is None:
        named_own = Beside(named, own.extra_ids, ()) if is_own else None
        of_others = byte_pieces.EXTRA_IDS if named == BYTES else 0
        extra_ids = _extra_ids(named_own, description) if named_own else of_others
    return named, extra_ids


def _own(description: Description | None) -> Beside | None:
    """Returns the vocabulary of a checkpoint; None where nothing tells it."""
    published = Beside(PUBLISHED_VOCABULARY, 0, ())
    if description is None:
        return published
    if beside := description.vocabulary:
        if beside.added:
            logger.warning(
                "The tokenizer in %s has %d tokens of its own (%s), which its "
                "vocabulary has not: texts with them are cut otherwise here.",
                *(description.source, len(beside.added)),
                ", ".join(map(repr, beside.added[:_SHOWN])),
            )
        return beside
    rows = description.settings["vocab_size"]
    if rows != _PUBLISHED_ROWS or description.is_of_transformers:
        return None
    return published


def _tell_assumed(description: Description | None) -> None:
    """Says where nothing but the rows of the embedding speaks for the vocabulary."""
    # Of a published name, whose vocabulary is known, nothing was opened.
    if description and description.checkpoint and not description.vocabulary:
        logger.info(
            "Nothing beside the weights in %s says which vocabulary they were trained "
            "with. By the size of the embedding it is taken to be the published T5's, "
            "%s; another one is named with --gin.VOCABULARY=FILE.",
            *(description.source, PUBLISHED_VOCABULARY),
        )


def _unknown(source: str) -> str:
    return (
        f"Nothing says which vocabulary the model in {source} was trained with: beside "
        "its weights there is no spiece.model and no tokenizer.json. Put the model's "
        f"own there, or name it: --gin.VOCABULARY=FILE ({PUBLISHED_VOCABULARY} of the "
        f"published English T5, '{BYTES}' of ByT5)."
    )


def _is_same_file(one: str, other: str) -> bool:
    one, other = vocabulary_path(one), vocabulary_path(other)
    both = os.path.exists(one) and os.path.exists(other)
    return one == other or (both and os.path.samefile(one, other))


def _extra_ids(own: Beside, description: Description | None) -> int:
    """Returns how many sentinels a model's vocabulary has beyond its file's pieces."""
    if own.path == BYTES:
        return byte_pieces.EXTRA_IDS if own.extra_ids is None else own.extra_ids
    if own.extra_ids == 0 or own.path == PUBLISHED_VOCABULARY:
        return 0
    processor, identity = open_and_identify(own.path)
    if _SENTINEL.fullmatch(processor.id_to_piece(identity.size - 1)):
        return 0
    wanted = _EXTRA_IDS if own.extra_ids is None else own.extra_ids
    # Without rows of the embedding they are of no use.
    rows = description.settings["vocab_size"] if description else identity.size
    return wanted if identity.size + wanted <= rows else 0


def _check_same(named: str, own: Beside) -> bool:
    """Compares the vocabulary named with the model's; False where that is unreadable.

    Raises:
        InputError: when they differ.
    """
    _, ours = open_and_identify(named)
    try:
        _, theirs = open_and_identify(own.path)
    except InputError as error:
        logger.warning("VOCABULARY cannot be compared with the model's own: %s", error)
        return False
    if difference := _difference(ours, theirs):
        raise InputError(
            f"VOCABULARY is {ours}, which is not the model's: beside its weights lies "
            f"{theirs}, and {difference}. Leave VOCABULARY out, or give the checkpoint "
            "that it belongs to."
        )
    return True


def _difference(one: Identity, other: Identity) -> str | None:
    """Says in what two vocabularies differ, sentinels aside; None where in nothing."""
    if BYTES in (one.path, other.path):
        return None if one.path == other.path else "only one of them is of bytes"
    pieces, others = _pieces(one.path), _pieces(other.path)
    for number, (piece, theirs) in enumerate(zip(pieces, others, strict=False)):
        if piece[0] != theirs[0]:
            return f"id {number} is {piece[0]!r} in one and {theirs[0]!r} in the other"
        if piece[1] != theirs[1]:
            return f"the scores of {piece[0]!r} are {piece[1]:.6g} and {theirs[1]:.6g}"
    if len(pieces) != len(others):
        return f"one has {len(pieces):,} pieces and the other {len(others):,}"
    return None


def _pieces(path: str) -> list[tuple[str, float]]:
    """Returns the pieces of a vocabulary and their scores, without sentinels."""
    model = open_and_identify(path)[0].serialized_model_proto()
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    found = [(piece.piece, piece.score) for piece in proto.pieces]
    while found and _SENTINEL.fullmatch(found[-1][0]):
        found.pop()
    return found
