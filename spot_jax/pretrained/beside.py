"""The vocabulary that lies beside the weights of a T5."""

import re
from collections.abc import Iterable
from typing import NamedTuple, TypedDict

from spot_jax.pretrained.folder import Folder
from spot_jax.reading import parse_json
from spot_jax.spot_tiny import BYTES

_FILES = ("spiece.model", "sentencepiece.model", "vocabulary.model", "tokenizer.json")
_SENTINEL = re.compile(r"<extra_id_\d+>")
_SPECIAL = {"<pad>", "</s>", "<unk>"}
_CURE = "Get the folder again."


class Beside(NamedTuple):
    """A vocabulary beside weights.

    Attributes:
        path: of its file, as VOCABULARY names it; "bytes" of a ByT5, which has none.
        extra_ids: how many sentinels are to be added to its pieces; None where nothing
            tells.
        added: tokens of the folder's own, which no vocabulary file has.
    """

    path: str
    extra_ids: int | None
    added: tuple[str, ...]


class _Token(TypedDict):
    content: str


class _Config(TypedDict, total=False):
    """What is read of config.json and tokenizer_config.json."""

    tokenizer_class: str | None
    extra_ids: int | None
    added_tokens_decoder: dict[str, _Token]


def vocabulary_beside(folder: Folder) -> Beside | None:
    """Finds the vocabulary in the folder of a checkpoint.

    Args:
        folder: A folder of this machine; in a bucket nothing is looked for.

    Returns:
        spiece.model before tokenizer.json, which transformers makes of it; None where
        there is none.

    Raises:
        InputError: if a file that tells of it is damaged.
    """
    if not folder.is_local:
        return None
    told = _Config()
    for name in ("config.json", "tokenizer_config.json"):
        told |= _read(folder, name, _Config) or {}
    names = [
        token["content"] for token in told.get("added_tokens_decoder", {}).values()
    ]
    added = _own(names) or _own(
        _read(folder, "added_tokens.json", dict[str, int]) or {}
    )
    if (told.get("tokenizer_class") or "").startswith("ByT5Tokenizer"):
        # Its extra_ids are 0 where transformers 5 wrote it, and its sentinels there.
        sentinels = sum(bool(_SENTINEL.fullmatch(name)) for name in names)
        return Beside(BYTES, sentinels or None, added)
    for name in _FILES:
        if folder.has(name):
            return Beside(f"{folder.url}/{name}", told.get("extra_ids"), added)
    return None


def _own(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(t for t in tokens if t not in _SPECIAL and not _SENTINEL.fullmatch(t))


def _read(folder: Folder, name: str, kind: type) -> dict | None:
    if not folder.has(name):
        return None
    return parse_json(bytes(folder.contents(name)), kind, f"{folder.url}/{name}", _CURE)
