"""Facts of the miniature world, and the ways of saying, denying and asking them.

The world is closed: a thing changes hands at most once, nobody gives away two things
of a kind, what one person did to another happened in one place, and everybody has one
home, one job and one favourite food.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from spot_jax.miniature import words
from spot_jax.miniature.world import World


@dataclasses.dataclass(frozen=True)
class Frame:
    """A kind of fact.

    Attributes:
        family: frames of one family speak of the same thing (selling, lending, ...).
        kinds: for each role, the kind of value that fills it.
        says: templates that state the fact; any of them means the others.
        asks: questions to answer with yes or no.
        questions: for each role, the questions whose answer is its value.
        follows: templates of what follows from the fact, and says less than it.
        exclusive: roles for which every other value makes the fact false.
        free: roles for which another value leaves the fact unknown.
    """

    family: str
    kinds: Mapping[str, str]
    says: tuple[str, ...]
    asks: tuple[str, ...]
    questions: Mapping[str, tuple[str, ...]]
    follows: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fact:
    """A frame whose roles are filled."""

    frame: Frame
    roles: Mapping[str, str]

    def fill(self, template: str) -> str:
        """Writes a template of the frame with the values of this fact."""
        return template.format(**self.roles, **_derived(self.roles))

    def change(self, **roles: str) -> "Fact":
        """Returns the fact with other values for some roles."""
        return dataclasses.replace(self, roles={**self.roles, **roles})

    def says(self) -> list[str]:
        """Returns every statement of the fact."""
        return [self.fill(template) for template in self.frame.says]


def _derived(roles: Mapping[str, str]) -> dict[str, str]:
    """The words that follow from a value: the kind of a thing, the deed of a job."""
    derived = {}
    if "object" in roles:
        derived["kind"] = words.KINDS[roles["object"]]
    if "job" in roles:
        derived["does"] = words.JOBS[roles["job"]]
    return derived


_VALUES = {
    "object": words.OBJECTS,
    "colour": words.COLOURS,
    "room": words.ROOMS,
    "food": words.FOODS,
    "job": tuple(words.JOBS),
}


def draw_value(world: World, kind: str, but: Sequence[str] = ()) -> str:
    """Draws a value of a kind that is not in `but`."""
    if kind == "person":
        return world.person(but)
    if kind == "place":
        return world.place(but)
    return world.one(_VALUES[kind], but)


def draw_fact(world: World, frame: Frame, but: Sequence[str] = ()) -> Fact:
    """Draws a fact of this frame whose values are not in `but`."""
    taken = list(but)
    roles = {}
    for role, kind in frame.kinds.items():
        roles[role] = draw_value(world, kind, taken)
        taken.append(roles[role])
    return Fact(frame, roles)


def say(world: World, fact: Fact, but: str | None = None) -> str:
    """Returns a statement of the fact, other than the statement `but`."""
    return world.one(fact.says(), () if but is None else (but,))


def ask(world: World, fact: Fact) -> str:
    """Returns a question to answer with yes or no, without its question mark."""
    return fact.fill(world.one(fact.frame.asks))


def askable(fact: Fact) -> list[str]:
    """Returns the roles that a question can ask for."""
    return list(fact.frame.questions)


def question(world: World, fact: Fact, role: str, but: str | None = None) -> str:
    """Returns a question for the value of a role, without its question mark."""
    asked = [fact.fill(template) for template in fact.frame.questions[role]]
    return world.one(asked, () if but is None else (but,))


def falsify(world: World, fact: Fact, near: Sequence[Fact] = ()) -> Fact:
    """Returns a fact of the same words that is false where `fact` holds.

    Args:
        world: the draws.
        fact: what holds.
        near: facts of the same scene, half of the time the source of a wrong value.
    """
    frame, own = fact.frame, set(fact.roles.values())
    role = world.one(frame.exclusive)
    heard = {f.roles[role] for f in near if role in f.roles} - own
    if heard and world.chance(0.5):
        return fact.change(**{role: world.one(sorted(heard))})
    return fact.change(**{role: draw_value(world, frame.kinds[role], tuple(own))})


def alter(world: World, fact: Fact, near: Sequence[Fact] = ()) -> Fact:
    """Returns a fact like this one of which `fact` and `near` say nothing."""
    role = world.one(fact.frame.free)
    told = [value for f in (fact, *near) for value in f.roles.values()]
    if role == "object":
        # Of one kind nobody gives away two things: another one would be a lie.
        kind = words.KINDS[fact.roles[role]]
        told += [thing for thing, its_kind in words.KINDS.items() if its_kind == kind]
    return fact.change(**{role: draw_value(world, fact.frame.kinds[role], told)})


# Of the hypotheses that hold, the share that says less than the fact.
_WEAKER = 0.2


def _state(
    world: World, fact: Fact, truth: Fact | None = None, but: str | None = None
) -> str:
    """A statement of the fact, or of what follows from it and not from the truth."""
    follows = [fact.fill(template) for template in fact.frame.follows]
    if truth is not None:
        follows = [
            text
            for text, template in zip(follows, fact.frame.follows, strict=True)
            if text != truth.fill(template)
        ]
    if follows and world.chance(_WEAKER):
        return world.one(follows)
    return say(world, fact, but)


def entailed(world: World, fact: Fact, but: str | None = None) -> str:
    """Returns a statement, other than `but`, that holds because the fact does."""
    return _state(world, fact, but=but)


def contradicted(world: World, fact: Fact, near: Sequence[Fact] = ()) -> str:
    """Returns a statement that does not hold because the fact does."""
    return _state(world, falsify(world, fact, near), fact)


def unknown(world: World, fact: Fact, near: Sequence[Fact] = ()) -> str:
    """Returns a statement like the fact that may hold or not."""
    return _state(world, alter(world, fact, near), fact)
