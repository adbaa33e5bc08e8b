"""Scenes: a few facts that go together, told in a row."""

from collections.abc import Sequence

from spot_jax.miniature.facts import Fact, draw_fact, say
from spot_jax.miniature.frames import FAMILIES
from spot_jax.miniature.world import World, sentence


def draw_any(world: World) -> Fact:
    """Draws a fact of any family; each family is as frequent as the others."""
    return draw_fact(world, world.one(world.one(FAMILIES)))


def draw_scene(world: World, size: int) -> list[Fact]:
    """Draws facts of one scene.

    They come in pairs of one frame with other people and things, so that which words
    occur does not tell who did what; a few people share the parts, but nobody has
    two parts in the facts of one family.

    Returns:
        `size` facts, in random order.
    """
    families = world.some(FAMILIES, (size + 1) // 2)
    cast = world.people(4)
    facts: list[Fact] = []
    for family in families:
        frame = world.one(family)
        told = [value for fact in facts for value in fact.roles.values()]
        taken = [value for value in told if value not in cast]
        first = _cast_fact(world, draw_fact(world, frame, taken), cast)
        own = list(first.roles.values())
        second = draw_fact(world, frame, (*taken, *own))
        idle = [person for person in cast if person not in own]
        facts += [first, _cast_fact(world, second, idle)]
    if size % 2:
        facts.remove(world.one(facts[-2:]))
    return world.some(facts, size)


def _cast_fact(world: World, fact: Fact, cast: Sequence[str]) -> Fact:
    """The fact with people of the cast in its parts."""
    roles = [role for role, kind in fact.frame.kinds.items() if kind == "person"]
    return fact.change(**dict(zip(roles, world.some(cast, len(roles)), strict=True)))


def tell(world: World, facts: Sequence[Fact]) -> str:
    """Tells the facts, a sentence each."""
    return " ".join(sentence(say(world, fact)) for fact in facts)
