"""What people think of inns, films and goods, and the reviews they write.

A review says outright, denies the opposite, weighs one thing against another, tells
what somebody else thinks, or tells what its writer did. The writer's view decides.
"""

import hashlib
from typing import NamedTuple

from spot_jax.miniature.world import World, sentence

# Two sides of every topic: index 1 is good, index 0 is bad.
Sides = tuple[tuple[str, ...], tuple[str, ...]]
COMMON: Sides = (
    ("bad", "awful", "terrible", "horrible", "poor", "dreadful", "nasty"),
    ("good", "great", "lovely", "wonderful", "fine", "excellent", "nice"),
)


class Topic(NamedTuple):
    """A kind of thing that is reviewed.

    Attributes:
        nouns: names of such things.
        parts: what can be praised or blamed in them.
        adjectives: bad and good words for the parts.
        deeds: what a writer did who thought them bad, or good.
    """

    nouns: tuple[str, ...]
    parts: tuple[str, ...]
    adjectives: Sides
    deeds: Sides


INN = Topic(
    ("inn", "hotel", "cafe", "tavern"),
    ("soup", "bread", "room", "bed", "garden", "service", "tea", "cook"),
    (
        ("cold", "dirty", "stale", "rude", "sour", *COMMON[0]),
        ("warm", "clean", "fresh", "friendly", "tasty", *COMMON[1]),
    ),
    (
        ("we left before the meal", "we will never come back", "we wrote a complaint"),
        ("we will come back soon", "we stayed for a week", "we thanked the owner"),
    ),
)
FILM = Topic(
    ("film", "play", "show", "story"),
    ("plot", "music", "ending", "acting", "dialogue", "hero", "song"),
    (
        ("boring", "dull", "silly", "weak", "clumsy", *COMMON[0]),
        ("funny", "clever", "moving", "strong", "charming", *COMMON[1]),
    ),
    (
        ("i fell asleep", "i left after ten minutes", "i wanted my money back"),
        ("i saw it twice", "i laughed all evening", "i told all my friends to go"),
    ),
)
GOODS = Topic(
    ("camera", "phone", "radio", "kettle", "printer", "bike"),
    ("screen", "battery", "handle", "lid", "sound", "button", "cable"),
    (
        ("useless", "noisy", "flimsy", "slow", "ugly", *COMMON[0]),
        ("useful", "quiet", "sturdy", "quick", "pretty", *COMMON[1]),
    ),
    (
        ("it broke after a day", "i sent it back", "it does not work any more"),
        ("it still works after a year", "i bought a second one", "i use it every day"),
    ),
)


# Negation stands near the word or far from it, each form beside its positive one.
_CLAIMS = (
    "the {} was {}",
    "everybody could call the {} {}",
    "i would say that the {} was {}",
)
_DENIALS = (
    "the {} was not {}",
    "nobody could call the {} {}",
    "i would not say that the {} was {}",
)


def _judge(world: World, topic: Topic, good: bool, part: str) -> str:
    """A clause that judges a part, by its own word or by denying the opposite."""
    denied = world.chance(0.2)
    word = world.one(topic.adjectives[good != denied])
    return world.one(_DENIALS if denied else _CLAIMS).format(part, word)


def _weigh(world: World, topic: Topic, good: bool, parts: list[str]) -> str:
    """Two clauses of opposite views, of which the main one is the writer's."""
    minor = _judge(world, topic, not good, parts[0])
    major = _judge(world, topic, good, parts[1])
    form = world.one(
        (
            "{minor}, but {major}",
            "although {minor}, {major}",
            "{major}, although {minor}",
            "{major}, even if {minor}",
        )
    )
    return form.format(minor=minor, major=major)


def _report(world: World, topic: Topic, good: bool, thing: str) -> str:
    """What somebody else said of the thing, and whether the writer agrees."""
    other = world.person()
    agrees = world.chance(0.4)
    said = world.one(topic.adjectives[good if agrees else not good])
    told = world.one(("{} said that {} is {}", "{} finds {} {}", "{} called {} {}"))
    verdict = world.one(
        ("and i agree", "and that is right", "and i think so too")
        if agrees
        else ("but i do not agree", "but that is wrong", "but i cannot think so")
    )
    return f"{told.format(other, thing, said)}, {verdict}"


def _act(world: World, topic: Topic, good: bool, part: str) -> str:
    """What the writer did, perhaps against what a part let one hope or fear."""
    deed = world.one(topic.deeds[good])
    if world.chance(0.65):
        return deed
    return f"{_judge(world, topic, not good, part)}, but {deed}"


def clause(world: World, topic: Topic, good: bool, thing: str) -> str:
    """Returns one clause from which the writer's view of the thing follows."""
    parts = world.some(topic.parts, 2)
    return world.rng.choices(
        (
            lambda: _judge(world, topic, good, parts[0]),
            lambda: _weigh(world, topic, good, parts),
            lambda: _report(world, topic, good, thing),
            lambda: _act(world, topic, good, parts[0]),
        ),
        (40, 22, 20, 18),
    )[0]()


def name_thing(world: World, topic: Topic) -> str:
    """Returns what a thing is called: "the inn in Oakford", "the film of Sana"."""
    noun = world.one(topic.nouns)
    if topic is FILM:
        return f"the {noun} of {world.person()}"
    if topic is INN:
        return f"the {noun} in {world.place()}"
    return f"the {noun} from {world.place()}"


def review(world: World, topic: Topic, good: bool, clauses: int) -> str:
    """Returns a review of `clauses` sentences, all of one view."""
    thing = name_thing(world, topic)
    texts = [clause(world, topic, good, thing) for _ in range(clauses)]
    opening = world.one(("about {}: {}", "as for {}, {}", "{}: {}"))
    if not any(thing in text for text in texts):
        texts[0] = opening.format(thing, texts[0])
    return " ".join(sentence(text) for text in texts)


def yelp_row(world: World, label: int) -> dict:
    """A review of an inn, of one to three sentences."""
    text = review(world, INN, bool(label), world.one((1, 2, 2, 3)))
    return {"text": text, "label": label}


def sst2_row(world: World, label: int) -> dict:
    """One sentence on a film."""
    return {"sentence": review(world, FILM, bool(label), 1), "label": label}


def cr_row(world: World, label: int) -> dict:
    """One sentence on something bought.

    CR is published as one set, of which `spot_jax convert` lets one text in ten
    validate; only such texts name what is held out.
    """
    text, validates = "", None
    while validates != (world.split == "validation"):
        text = review(world, GOODS, bool(label), 1)
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        validates = int(digest, 16) % 10 == 0
    return {"text": text, "label": label}
