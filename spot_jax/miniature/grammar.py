"""Acceptability: CoLA. Good and bad sentences are made of the same words."""

from spot_jax.miniature import words
from spot_jax.miniature.facts import say
from spot_jax.miniature.scenes import draw_any
from spot_jax.miniature.world import World, sentence

# The singular and the plural of what can be said of a subject.
_PREDICATES = (
    ("is in {place}", "are in {place}"),
    ("was in {place}", "were in {place}"),
    ("lives in {place}", "live in {place}"),
    ("has a {colour} {object}", "have a {colour} {object}"),
    ("likes {food}", "like {food}"),
    ("does not like {food}", "do not like {food}"),
    ("comes from {place}", "come from {place}"),
)
# Subjects, and whether they are plural.
_SUBJECTS = (
    ("{a}", False),
    ("{a} and {b}", True),
    ("the friends of {a}", True),
    ("the friend of {a}", False),
    ("the parents of {a}", True),
    ("the dog that follows {a} and {b}", False),
    ("the dogs that follow {a}", True),
)


def _values(world: World) -> dict[str, str]:
    a, b = world.people(2)
    return {
        **{"a": a, "b": b, "place": world.place(), "food": world.one(words.FOODS)},
        **{"colour": world.one(words.COLOURS), "object": world.one(words.OBJECTS)},
    }


def _agreement(world: World) -> tuple[str, str]:
    """The verb agrees with its subject, however far away, or does not."""
    subject, plural = world.one(_SUBJECTS)
    predicate = world.one(_PREDICATES)
    values = _values(world)
    texts = [f"{subject} {predicate[number]}".format(**values) for number in (0, 1)]
    return texts[plural], texts[not plural]


def _order(world: World) -> tuple[str, str]:
    """The words of a statement in their order, or with two neighbours exchanged."""
    tokens = say(world, draw_any(world)).split()
    fixed = ("the", "a", "to", "of", "in", "than", "from", "by", "is")
    spots = [
        at for at in range(1, len(tokens) - 1) if {*fixed} & {*tokens[at : at + 2]}
    ]
    if not spots:
        return _order(world)
    at = world.one(spots)
    moved = [*tokens[:at], tokens[at + 1], tokens[at], *tokens[at + 2 :]]
    return " ".join(tokens), " ".join(moved)


def _verb_form(world: World) -> tuple[str, str]:
    """The form of the verb that its helper asks for, or another form."""
    verb = world.one(words.DEEDS)
    a, b = world.people(2)
    forms = {"did": verb.base, "did not": verb.base, "": verb.past}
    helper = world.one(list(forms))
    wrong = verb.base if helper == "" else verb.past
    place = world.place()
    return tuple(
        " ".join(f"{a} {helper} {form} {b} in {place}".split())
        for form in (forms[helper], wrong)
    )


def _comparison(world: World) -> tuple[str, str]:
    """A comparison with the right form of its adjective, or another form."""
    a, b = world.people(2)
    scale = world.one(words.SCALES)
    forms = ("{a} is {} than {b}", "{a} is as {} as {b}")
    which = world.one((0, 1))
    right, wrong = (scale.more, scale.much) if which == 0 else (scale.much, scale.more)
    return tuple(forms[which].format(x, a=a, b=b) for x in (right, wrong))


def _lack(world: World) -> tuple[str, str]:
    """A statement with all its parts, or without one that it needs."""
    tokens = say(world, draw_any(world)).split()
    needed = ("the", "a", "is", "to", "in", "has", "of", "than", "who", "was", "from")
    spots = [at for at, token in enumerate(tokens) if token in needed]
    if not spots:
        return _lack(world)
    at = world.one(spots)
    return " ".join(tokens), " ".join(tokens[:at] + tokens[at + 1 :])


_RULES = (_agreement, _agreement, _order, _verb_form, _comparison, _lack)


def draw_pair(world: World) -> tuple[str, str]:
    """Draws an acceptable clause, and one with the same words that is not."""
    return world.one(_RULES)(world)


def cola_row(world: World, label: int) -> dict:
    """A sentence that is acceptable or breaks one rule."""
    good, bad = draw_pair(world)
    return {"sentence": sentence(good if label else bad), "label": label}
