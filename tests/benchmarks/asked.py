"""How a question is asked: of which T5, how often, where logs go."""

import dataclasses
import pathlib
from typing import Any

from work import Work


@dataclasses.dataclass(frozen=True)
class Asked:
    """How a question is asked.

    Attributes:
        folder: for logs and compiled programs.
        shape: of the T5.
        turns: that count.
        quick: whether few cases will do.
    """

    folder: pathlib.Path
    shape: str = "small"
    turns: int = 6
    quick: bool = False

    def work(self, name: str, **told: Any) -> Work:
        """Returns a work of this T5."""
        return Work(name, self.shape, **told)

    def few(self, turns: int) -> int:
        """Returns how many turns there are of what takes long."""
        return min(self.turns, turns)
