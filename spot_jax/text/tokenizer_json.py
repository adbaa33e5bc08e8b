"""A T5's tokenizer.json as the SentencePiece model that it was made of.

transformers 5 saves no spiece.model. Its tokenizer.json has all of it that tells how a
text is cut: the pieces, their scores and the table that normalises. So the model made
here cuts every text as the spiece.model does. Whatever else a tokenizer.json can ask
for is refused.
"""

import base64
import binascii
import re
from typing import Any, NotRequired, TypedDict

from sentencepiece import sentencepiece_model_pb2

from spot_jax.errors import InputError
from spot_jax.reading import parse_json

_SPECIAL = ["<pad>", "</s>", "<unk>"]
_SENTINEL = re.compile(r"▁?<extra_id_(\d+)>")
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_METASPACE = {"type": "Metaspace", "replacement": "▁"}
# How transformers says what SentencePiece does to spaces by itself.
_SPACES = (
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
)


class _Kind(TypedDict):
    type: str


class _KindOfModel(TypedDict):
    model: _Kind


class _Unigram(TypedDict):
    vocab: list[tuple[str, float]]
    unk_id: int | None


class _Token(TypedDict):
    id: int
    content: str


class _Tokenizer(TypedDict):
    model: _Unigram
    normalizer: dict[str, Any] | None
    pre_tokenizer: dict[str, Any] | None
    added_tokens: NotRequired[list[_Token]]


def as_sentencepiece(data: bytes, path: str) -> bytes:
    """Returns a tokenizer.json as a SentencePiece model with the same sentinels.

    Args:
        data: what is in the file.
        path: the file, for the message.

    Raises:
        InputError: when it is no JSON, or not what transformers makes of the
            spiece.model of a T5.
    """
    cure = (
        "Get the spiece.model of the same model and give its path "
        "(--gin.VOCABULARY=FILE, or beside the weights): transformers 4 saves it, and "
        "it is in the model's folder on the hub."
    )
    kind = parse_json(data, _KindOfModel, path, cure)["model"]["type"]
    if kind != "Unigram":
        raise InputError(f"{path} is of a {kind} tokenizer, a T5 has Unigram. {cure}")
    tokenizer = parse_json(data, _Tokenizer, path, cure)
    pieces = [piece for piece, _ in tokenizer["model"]["vocab"]]
    count = _sentinels(pieces)
    if problem := _problem(tokenizer, pieces, count):
        raise InputError(
            f"{path} cannot be read as a SentencePiece model: {problem}. {cure}"
        )
    kept = tokenizer["model"]["vocab"][: len(pieces) - count]
    model = _model(kept, _charsmap(tokenizer["normalizer"]) or b"")
    return with_sentinels(model, count)


def with_sentinels(model: bytes, extra_ids: int) -> bytes:
    """Returns a SentencePiece model as SeqIO serializes it, so that both are one.

    Args:
        model: without sentinels, or with some.
        extra_ids: how many to add.
    """
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    # The first sentinel has the highest id.
    for number in reversed(range(extra_ids)):
        kind = proto.SentencePiece.USER_DEFINED
        proto.pieces.add(piece=f"▁<extra_id_{number}>", score=0.0, type=kind)
    return proto.SerializeToString()


def _sentinels(pieces: list[str]) -> int:
    """Returns how many sentinels stand at the end, of which the last is number 0."""
    count = 0
    while count < len(pieces):
        match = _SENTINEL.fullmatch(pieces[-1 - count])
        if not match or int(match[1]) != count:
            break
        count += 1
    return count


def _problem(tokenizer: _Tokenizer, pieces: list[str], count: int) -> str | None:
    """Says what of a tokenizer no SentencePiece model of a T5 has; None: nothing."""
    if pieces[:3] != _SPECIAL or tokenizer["model"]["unk_id"] != 2:
        return f"its first pieces are {pieces[:3]}, not {_SPECIAL}"
    kept = pieces[: len(pieces) - count]
    if repeated := len(pieces) - len(set(pieces)):
        return f"{repeated} of its pieces are there twice"
    if early := [piece for piece in kept if _SENTINEL.fullmatch(piece)]:
        return f"its sentinels are not in order, {early[0]} is not"
    is_byte = [bool(_BYTE.fullmatch(piece)) for piece in kept]
    if sum(is_byte) not in (0, 256):
        return f"{sum(is_byte)} of its pieces are bytes, not all 256 or none"
    for token in tokenizer.get("added_tokens", []):
        known = pieces[token["id"]] if 0 <= token["id"] < len(pieces) else ""
        if token["content"] not in (*_SPECIAL, known, known.removeprefix("▁")):
            return f"it has tokens of its own, as {token['content']!r}"
        if known in kept[3:]:
            return f"it looks for {token['content']!r} before anything else"
    if _charsmap(tokenizer["normalizer"]) is None:
        return f"its normalizer is {tokenizer['normalizer']}"[:200]
    if not _cuts_at_spaces(tokenizer["pre_tokenizer"]):
        return f"its pre_tokenizer is {tokenizer['pre_tokenizer']}"[:200]
    return None


def _charsmap(normalizer: dict[str, Any] | None) -> bytes | None:
    """Returns the table that normalises, b"" where there is none; None: another way."""
    parts = _parts(normalizer, "normalizers")
    if tuple(parts[-2:]) == _SPACES:
        parts = parts[:-2]
    if not parts:
        return b""
    charsmap = parts[0].get("precompiled_charsmap")
    if len(parts) > 1 or not isinstance(charsmap, str):
        return None
    try:
        return base64.b64decode(charsmap, validate=True)
    except binascii.Error:
        return None


def _cuts_at_spaces(pre_tokenizer: dict[str, Any] | None) -> bool:
    parts = _parts(pre_tokenizer, "pretokenizers")
    if parts[:1] == [{"type": "WhitespaceSplit"}]:
        parts = parts[1:]
    if len(parts) != 1 or not _METASPACE.items() <= parts[0].items():
        return False
    # Before version 0.14 of the tokenizers library the second of these was the first.
    scheme = parts[0].get("prepend_scheme", "always")
    return scheme == "always" and parts[0].get("add_prefix_space", True) is True


def _parts(step: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Returns the steps of a sequence, or the one step that it is."""
    if step is None:
        return []
    parts = step.get(name) if step.get("type") == "Sequence" else [step]
    is_list = isinstance(parts, list) and all(isinstance(part, dict) for part in parts)
    return parts if is_list else [{}]


def _model(pieces: list[tuple[str, float]], charsmap: bytes) -> bytes:
    proto = sentencepiece_model_pb2.ModelProto()
    kinds = proto.SentencePiece
    special = {"<pad>": kinds.CONTROL, "</s>": kinds.CONTROL, "<unk>": kinds.UNKNOWN}
    for piece, score in pieces:
        kind = kinds.BYTE if _BYTE.fullmatch(piece) else kinds.NORMAL
        proto.pieces.add(piece=piece, score=score, type=special.get(piece, kind))
    trainer = proto.trainer_spec
    trainer.model_type, trainer.vocab_size = trainer.UNIGRAM, len(pieces)
    trainer.pad_id, trainer.eos_id, trainer.unk_id, trainer.bos_id = 0, 1, 2, -1
    trainer.byte_fallback = any(_BYTE.fullmatch(piece) for piece, _ in pieces)
    proto.normalizer_spec.precompiled_charsmap = charsmap
    return proto.SerializeToString()
