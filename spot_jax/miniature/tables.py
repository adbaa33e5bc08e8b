"""Facts as triples, and what they say as text: WebNLG and DART.

Training has facts of some frames. Half of the test rows tell of others: of another
category (WebNLG), or with a relation that training has not (DART).
"""

from collections.abc import Callable, Sequence

from spot_jax.miniature import frames, words
from spot_jax.miniature.facts import Fact, Frame, draw_fact, say
from spot_jax.miniature.world import World, sentence

Triple = tuple[str, str, str]
# Each set of triples is told in as many ways, a row each.
_WAYS = 2

_CATEGORIES: dict[str, tuple[Frame, ...]] = {
    "Home": (frames.LIVES,),
    "Job": (frames.WORKS,),
    "Colour": (frames.OWNS,),
    "Room": (frames.KEEPS,),
    "Food": (frames.FAVOURS,),
    "Gift": frames.TRADES,
}
# The categories of WebNLG that training does not have.
UNSEEN = ("Food", "Gift")
_DART_UNSEEN: tuple[Frame, ...] = (
    frames.KEEPS,
    frames.FAVOURS,
    frames.TRADES[1],
    *frames.DEEDS[4:],
)
_DART_SEEN: tuple[Frame, ...] = (
    *(frames.LIVES, frames.WORKS, frames.OWNS, frames.TRADES[0]),
    *frames.DEEDS[:4],
)
# "given" of giving, "helped" of helping.
_DONE = (
    *zip(frames.TRADES, (trade.given for trade in words.TRADES), strict=True),
    *zip(frames.DEEDS, (deed.done for deed in words.DEEDS), strict=True),
)


def triples_of(fact: Fact) -> list[Triple]:
    """Returns what a fact says as (subject, relation, object).

    Mila lives in Ashford -> `[("Mila", "home", "Ashford")]`.
    """
    roles, family = fact.roles, fact.frame.family
    thing = f"{roles.get('object')} of {roles.get('a')}"
    match family:
        case "lives":
            return [(roles["a"], "home", roles["place"])]
        case "works":
            return [(roles["a"], "job", roles["job"])]
        case "owns":
            return [(thing, "colour", roles["colour"])]
        case "keeps":
            return [(thing, "room", roles["room"])]
        case "favours":
            return [(roles["a"], "favourite food", roles["food"])]
    # Of what somebody does to somebody there are two: with whom, and what or where.
    done = next(done for frame, done in _DONE if frame is fact.frame)
    if "place" in roles:
        return [
            (roles["b"], f"{done} by", roles["a"]),
            (roles["b"], f"{done} in", roles["place"]),
        ]
    return [
        (roles["object"], f"{done} by", roles["a"]),
        (roles["object"], f"{done} to", roles["b"]),
    ]


def _row(triples: Sequence[Triple], text: str, **told: str) -> dict:
    parts = ("subject", "predicate", "object")
    table = {
        "column_header": list(parts) * len(triples),
        "row_number": [number for number in range(len(triples)) for _ in parts],
        "content": [part for triple in triples for part in triple],
    }
    return {"input_text": {"table": table} | told, "target_text": text}


def _told(world: World, facts: Sequence[Fact]) -> list[str]:
    """Tells the facts in two ways, no fact twice in the same words."""
    first = [say(world, fact) for fact in facts]
    other = [say(world, fact, but) for fact, but in zip(facts, first, strict=True)]
    return [" ".join(map(sentence, texts)) for texts in (first, other)]


def _facts(world: World, kinds: Sequence[Frame]) -> list[Fact]:
    """Draws a fact of each frame, of different people and things."""
    facts: list[Fact] = []
    for frame in kinds:
        taken = [value for fact in facts for value in fact.roles.values()]
        facts.append(draw_fact(world, frame, taken))
    return facts


def _rows(
    world: World, size: int, draw: Callable[[World], tuple[list[Fact], dict]]
) -> list[dict]:
    """Returns rows of different sets of facts, as many of each as ways to say them."""
    rows: list[dict] = []
    seen: set[tuple[Triple, ...]] = set()
    while len(rows) < size:
        facts, told = draw(world)
        triples = tuple(triple for fact in facts for triple in triples_of(fact))
        if triples not in seen:
            seen.add(triples)
            rows += [_row(triples, text, **told) for text in _told(world, facts)]
    return rows[:size]


def web_nlg_rows(world: World, size: int) -> list[dict]:
    """Facts of one category, and what they say."""
    seen = [name for name in _CATEGORIES if name not in UNSEEN]

    def draw(world: World) -> tuple[list[Fact], dict]:
        names = UNSEEN if world.split == "test" and world.chance(0.5) else seen
        name = world.one(names)
        kinds = [world.one(_CATEGORIES[name]) for _ in range(world.one((1, 2, 2)))]
        return _facts(world, kinds), {"context": name}

    return _rows(world, size, draw)


def dart_rows(world: World, size: int) -> list[dict]:
    """Facts of several kinds, and what they say."""

    def draw(world: World) -> tuple[list[Fact], dict]:
        kinds = world.some(_DART_SEEN, world.one((1, 2, 2)))
        if world.split == "test" and world.chance(0.5):
            kinds[world.rng.randrange(len(kinds))] = world.one(_DART_UNSEEN)
        return _facts(world, kinds), {}

    return _rows(world, size, draw)
