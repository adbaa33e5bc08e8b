"""What do rows cost that are as long as real ones are?

PEFT pads a batch to its longest example; T5X's recipe pads every row to 512.
"""

from typing import Any

from asked import Asked
from sides import OURS, PEFT, in_turns

# Examples in a step.
_BATCH = {"sst2": 32, "mnli": 32, "rte": 16, "boolq": 16}
_PADDED = 512


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Times a step on lengths of several tasks."""
    lines = []
    for name, batch in _BATCH.items():
        told = {"lengths": name, "batch": min(batch, 8) if asked.quick else batch}
        packed = asked.work(name, **told)
        works = [(OURS, packed), (PEFT, packed)]
        if name in ("sst2", "mnli"):
            padded = {"pack": False, "row": _PADDED}
            works.append((OURS, asked.work(f"{name} in rows of 512", **told, **padded)))
        if name == "sst2" and not asked.quick:
            works += [
                (OURS, asked.work(f"{name}, K/V", **told, kind="kv")),
                (OURS, asked.work(f"{name}, decoder's K/V", **told, kind="decoder kv")),
                (PEFT, asked.work(f"{name}, decoder's K/V", **told, kind="decoder kv")),
            ]
        lines += in_turns(works, asked.turns, asked.folder)
        if asked.quick:
            break
    return lines
