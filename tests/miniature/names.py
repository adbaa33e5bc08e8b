"""Finding the names of the world in a text."""

import re

from spot_jax.miniature import world

_TAILS = world.HER_TAILS + world.HIS_TAILS
_PEOPLE = rf"(?:{'|'.join(world.HEADS)})(?:{'|'.join(_TAILS)})"
_PLACES = rf"(?:{'|'.join(world.PLACE_HEADS)})(?:{'|'.join(world.PLACE_TAILS)})"
NAME = re.compile(rf"\b(?:{_PEOPLE}|{_PLACES})\b")


def names_of(split):
    return {*world.women(split), *world.men(split), *world.places(split)}
