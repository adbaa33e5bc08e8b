"""What does a step of each kind of prompt cost, and of the model itself?"""

from typing import Any

from asked import Asked
from sides import OURS, PEFT, in_turns

# In two groups, for each of them is a process; soft prompts are in both.
_GROUPS = (("kv", "decoder kv", "deep prompt"), ("prefix mlp", "p-tuning", "model"))
_TURNS = 4


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Times a step of 8 examples as long as SST-2's, of every kind."""
    told = {"lengths": "sst2", "batch": 8}
    lines = []
    for number, kinds in enumerate(_GROUPS):
        works = [
            (OURS, asked.work(kind, kind=kind, **told)) for kind in ("soft", *kinds)
        ]
        if not number:
            theirs = ("soft", "decoder kv")
            works += [(PEFT, asked.work(kind, kind=kind, **told)) for kind in theirs]
        lines += in_turns(works, asked.few(_TURNS), asked.folder)
        if asked.quick:
            break
    return lines
