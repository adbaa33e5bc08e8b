"""What does a bank save that trains its prompts in one step?"""

from typing import Any

from asked import Asked
from sides import OURS, PEFT, in_turns

_SIZES, _FEW_SIZES, _BATCH, _TURNS = (1, 4, 16), (1, 4), 8, 4


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Times a step of banks of 1, 4 and 16, each prompt with 8 examples."""
    told = {"lengths": "sst2", "batch": _BATCH}
    works = [
        (OURS, asked.work(f"a bank of {size}", bank=size, **told))
        for size in (_FEW_SIZES if asked.quick else _SIZES)
    ]
    works.append((PEFT, asked.work("one prompt", **told)))
    return in_turns(works, asked.few(_TURNS), asked.folder)
