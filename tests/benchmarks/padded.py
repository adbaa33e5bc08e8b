"""Is a padded step as fast as PEFT's? All examples are as long as their rows."""

from typing import Any

from asked import Asked
from sides import OURS, PEFT, in_turns


def ask(asked: Asked) -> list[dict[str, Any]]:
    """Times a step of 8 x (128 + 100)."""
    work = asked.work("8 x 128", lengths="128x8", pack=False)
    return in_turns([(OURS, work), (PEFT, work)], asked.turns, asked.folder)
