"""How large is a checkpoint, and how long does a step wait for it?"""

from typing import Any

from asked import Asked
from sides import OURS, in_turns

_SIZES, _TURNS = (1, 16), 4


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Writes checkpoints of one prompt and of a bank while it steps."""
    lines = []
    for size in _SIZES[:1] if asked.quick else _SIZES:
        told = {"doing": "save", "lengths": "sst2", "batch": 4, "bank": size}
        work = asked.work(f"a bank of {size}", **told)
        lines += in_turns([(OURS, work)], asked.few(_TURNS), asked.folder)
    return lines
