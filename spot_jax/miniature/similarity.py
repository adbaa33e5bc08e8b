"""Paraphrase and similarity: QQP, MRPC, STS-B and CxC."""

from collections.abc import Callable, Mapping, Sequence

from spot_jax.miniature import words
from spot_jax.miniature.facts import (
    Fact,
    alter,
    askable,
    draw_value,
    falsify,
    question,
    say,
)
from spot_jax.miniature.scenes import draw_any, draw_scene
from spot_jax.miniature.world import World, sentence


def _other_question(world: World, fact: Fact, role: str, template: str) -> str:
    """A question of much the same words that asks for something else."""
    asked = fact.fill(template)
    near = [
        question(
            world, fact.change(**{r: draw_value(world, kind, (fact.roles[r],))}), role
        )
        for r, kind in fact.frame.kinds.items()
        if r != role and "{" + r + "}" in template
    ]
    near += [question(world, fact, r) for r in askable(fact) if r != role]
    return world.one(near, (asked,))


def qqp_row(world: World, label: int) -> dict:
    """Two questions that ask for the same thing, or nearly."""
    template = ""
    # Only questions that name somebody: "who likes soup" could be of any split.
    while not any(
        "{" + name + "}" in template for name in ("a", "b", "place", "other")
    ):
        fact = draw_any(world)
        role = world.one(askable(fact))
        template = world.one(fact.frame.questions[role])
    one = fact.fill(template)
    if label == 1:
        other = question(world, fact, role, one)
    else:
        other = _other_question(world, fact, role, template)
    return {
        "question1": sentence(one, "?"),
        "question2": sentence(other, "?"),
        "label": label,
    }


def _distort(world: World, fact: Fact) -> str:
    """A statement that differs from the fact in who or what."""
    if world.chance(0.6):
        return say(world, falsify(world, fact))
    return say(world, alter(world, fact))


def mrpc_row(world: World, label: int) -> dict:
    """Two sentences of two facts each, told alike or with one difference."""
    facts = draw_scene(world, 2)
    first = [say(world, fact) for fact in facts]
    second = [say(world, fact, told) for fact, told in zip(facts, first, strict=True)]
    if label == 0:
        changed = world.rng.randrange(2)
        second[changed] = _distort(world, facts[changed])
    if world.chance(0.5):
        second.reverse()
    joins = (", and ", ", while ")
    return {
        "sentence1": sentence(world.one(joins).join(first)),
        "sentence2": sentence(world.one(joins).join(second)),
        "label": label,
    }


# What each part weighs in the likeness of two events, in points of five.
EVENT_WEIGHTS = {"a": 1.2, "verb": 1.4, "b": 1.2, "place": 0.6, "time": 0.6}
PICTURE_WEIGHTS = {"who": 1.0, "doing": 1.6, "place": 1.2, "colour": 0.6, "wear": 0.6}
# What it costs when the two people of an event change places.
SWAPPED = 2.0
WHO = ("a man", "a woman", "a boy", "a girl", "a clown", "a guard", "a cook", "a nurse")
DOING = (
    *("riding a horse", "flying a kite", "walking a dog", "reading a book"),
    *("eating an apple", "throwing a ball", "playing a drum", "climbing a tree"),
)
_EVENT_SAYS = (
    "{a} {past} {b} in {place} in the {time}",
    "in the {time}, {b} was {done} by {a} in {place}",
    "it was {a} who {past} {b} in {place} in the {time}",
    "in {place}, {a} {past} {b} in the {time}",
)
_PICTURE_SAYS = (
    "{who} in a {colour} {wear} is {doing} in {place}",
    "in {place}, {who} who wears a {colour} {wear} is {doing}",
    "{who} is {doing} in {place} and wears a {colour} {wear}",
    "this is {who} with a {colour} {wear}, {doing} in {place}",
)


def draw_event(world: World) -> dict:
    """Draws who did what to whom, where and when."""
    a, b = world.people(2)
    return {
        **{"a": a, "b": b, "verb": world.one(words.DEEDS)},
        **{"place": world.place(), "time": world.one(words.TIMES)},
    }


def draw_picture(world: World) -> dict:
    """Draws what a picture shows."""
    return {
        **{"who": world.one(WHO), "doing": world.one(DOING), "place": world.place()},
        **{"colour": world.one(words.COLOURS), "wear": world.one(words.CLOTHES)},
    }


def tell_event(world: World, event: Mapping, but: str = "") -> str:
    """Tells an event in one clause, other than `but`."""
    verb = event["verb"]
    filled = [t.format(**event, past=verb.past, done=verb.done) for t in _EVENT_SAYS]
    return world.one(filled, (but,))


def tell_picture(world: World, picture: Mapping, but: str = "") -> str:
    """Describes a picture in one clause, other than `but`."""
    return world.one([t.format(**picture) for t in _PICTURE_SAYS], (but,))


def change_parts(
    world: World, drawn: Mapping, parts: Sequence[str], draw: Callable[[World], Mapping]
) -> dict:
    """Returns the event or picture with new values for these parts."""
    changed = dict(drawn)
    for part in parts:
        while changed[part] in drawn.values():
            changed[part] = draw(world)[part]
    return changed


def _alike(
    world: World,
    weights: Mapping[str, float],
    draw: Callable[[World], Mapping],
    tell: Callable[..., str],
    differing: int,
) -> dict:
    """Two clauses that differ in some parts; the label is what the rest weighs."""
    drawn = draw(world)
    if "verb" in weights and world.chance(0.1):
        other, score = {**drawn, "a": drawn["b"], "b": drawn["a"]}, 5.0 - SWAPPED
    else:
        parts = world.some(list(weights), differing)
        other = change_parts(world, drawn, parts, draw)
        score = 5.0 - sum(weights[part] for part in parts)
    first = tell(world, drawn)
    return {
        "sentence1": sentence(first),
        "sentence2": sentence(tell(world, other, first)),
        "label": round(score, 1),
    }


def stsb_row(world: World, differing: int) -> dict:
    """Two events of which so many parts differ, and their likeness, 0 to 5."""
    return _alike(world, EVENT_WEIGHTS, draw_event, tell_event, differing)


def cxc_row(world: World, differing: int) -> dict:
    """Two captions of which so many parts differ, and their likeness, 0 to 5."""
    return _alike(world, PICTURE_WEIGHTS, draw_picture, tell_picture, differing)
