"""How long does it take to answer a split, ranking two labels or writing 8 tokens?"""

from typing import Any

from asked import Asked
from sides import OURS, PEFT, in_turns

_TURNS = 4


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Times 256 answers to inputs as long as SST-2's, 32 at a time."""
    batch = 8 if asked.quick else 32
    lines = []
    for doing in ("rank", "decode"):
        work = asked.work(doing, doing=doing, lengths="sst2", batch=batch)
        asked_of = [(OURS, work), (PEFT, work)]
        lines += in_turns(asked_of, asked.few(_TURNS), asked.folder)
    return lines
