"""ByT5's vocabulary: the bytes of a text in UTF-8, and no file (Xue et al. 2022)."""

import re
from collections.abc import Iterable

# Padding, the end and the unknown piece come before the bytes; sentinels behind them,
# the first one first, as in transformers.
_FIRST, _BYTES = 3, 256
_SENTINELS = _FIRST + _BYTES
EXTRA_IDS = 125
_SENTINEL = re.compile(rb"<extra_id_(0|[1-9]\d*)>")


class BytePieces:
    """Encodes and decodes, by the names of a SentencePieceProcessor's methods."""

    def __init__(self, extra_ids: int = EXTRA_IDS):
        self._extra_ids = extra_ids

    def encode(self, text: str | bytes) -> list[int]:
        """Returns the ids of a text, without its end."""
        data = text.encode("utf-8") if isinstance(text, str) else text
        ids, done = [], 0
        for match in _SENTINEL.finditer(data):
            if int(match[1]) < self._extra_ids:
                ids += [byte + _FIRST for byte in data[done : match.start()]]
                ids.append(_SENTINELS + int(match[1]))
                done = match.end()
        return ids + [byte + _FIRST for byte in data[done:]]

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of ids, without what is no byte or bytes of no letter."""
        data = bytes(i - _FIRST for i in ids if _FIRST <= i < _SENTINELS)
        return data.decode("utf-8", errors="ignore")

    def id_to_piece(self, number: int) -> str:
        """Returns a piece as it may be shown: "a", "<0xC3>", "<extra_id_0>"."""
        if number < _FIRST:
            return ("<pad>", "</s>", "<unk>")[number]
        if number >= _SENTINELS:
            return f"<extra_id_{number - _SENTINELS}>"
        letter = chr(number - _FIRST)
        shown = letter.isascii() and letter.isprintable()
        return letter if shown else f"<0x{number - _FIRST:02X}>"

    def vocab_size(self) -> int:
        """Returns how many pieces there are, sentinels included."""
        return _SENTINELS + self._extra_ids

    def pad_id(self) -> int:
        """Returns the id of padding."""
        return 0

    def eos_id(self) -> int:
        """Returns the id of the end."""
        return 1

    def unk_id(self) -> int:
        """Returns the id of the unknown piece, which no text has."""
        return 2

    def bos_id(self) -> int:
        """Returns -1: there is no piece for a beginning."""
        return -1

    def is_control(self, number: int) -> bool:
        """Whether a piece stands for nothing in a text."""
        return number in (0, 1)

    def is_unknown(self, number: int) -> bool:
        """Whether it is the unknown piece."""
        return number == 2

    def is_unused(self, number: int) -> bool:
        """Whether a piece is never used: none is."""
        del number
        return False

    # SeqIO and older callers say so.
    EncodeAsIds = encode
    DecodeIds = decode
    IdToPiece = id_to_piece
    GetPieceSize = get_piece_size = piece_size = vocab_size

    def serialized_model_proto(self) -> bytes:
        """Returns what tells this vocabulary from others, in place of a file."""
        return f"bytes, {self._extra_ids} extra ids".encode()
