"""A riddle: a text, and what one may think of it."""

from collections.abc import Sequence
from typing import NamedTuple

from spot_jax.miniature.world import World

NO, YES, PERHAPS = "no", "yes", "perhaps"


class Riddle(NamedTuple):
    """A text, the opinions one may have of it, and the number of the right one."""

    text: str
    opinions: Sequence[str]
    right: int


def either_way(world: World, one: str, other: str) -> str:
    """Puts two texts in either order."""
    return " ".join(world.some([one, other], 2))
