"""The kinds of facts of the miniature world: one table of templates for each family."""

from spot_jax.miniature import words
from spot_jax.miniature.facts import Frame

_TWO = {"a": "person", "b": "person"}


def _trade(verb: words.Trade) -> Frame:
    gave, give, given, got, get = verb
    return Frame(
        family="trade",
        kinds={**_TWO, "object": "object"},
        says=(
            f"{{a}} {gave} the {{object}} to {{b}}",
            f"{{b}} {got} the {{object}} from {{a}}",
            f"the {{object}} was {given} to {{b}} by {{a}}",
            f"it was {{a}} who {gave} the {{object}} to {{b}}",
            f"it was {{b}} who {got} the {{object}} from {{a}}",
        ),
        asks=(
            f"did {{a}} {give} the {{object}} to {{b}}",
            f"did {{b}} {get} the {{object}} from {{a}}",
        ),
        questions={
            "a": (
                f"who {gave} the {{object}} to {{b}}",
                f"from whom did {{b}} {get} the {{object}}",
            ),
            "b": (
                f"who {got} the {{object}} from {{a}}",
                f"to whom did {{a}} {give} the {{object}}",
            ),
            "object": (
                f"what did {{a}} {give} to {{b}}",
                f"what did {{b}} {get} from {{a}}",
            ),
        },
        follows=(
            "{b} has the {object} now",
            f"{{b}} {got} a {{kind}} from {{a}}",
        ),
        exclusive=("b",),
        free=("object",),
    )


def _deed(verb: words.Deed) -> Frame:
    past, base, done = verb
    return Frame(
        family="deed",
        kinds={**_TWO, "place": "place"},
        says=(
            f"{{a}} {past} {{b}} in {{place}}",
            f"in {{place}}, {{a}} {past} {{b}}",
            f"{{b}} was {done} by {{a}} in {{place}}",
            f"it was {{a}} who {past} {{b}} in {{place}}",
        ),
        asks=(
            f"did {{a}} {base} {{b}} in {{place}}",
            f"was {{b}} {done} by {{a}} in {{place}}",
        ),
        questions={
            "a": (f"who {past} {{b}} in {{place}}", f"by whom was {{b}} {done}"),
            "b": (f"who was {done} by {{a}}", f"whom did {{a}} {base} in {{place}}"),
            "place": (
                f"where did {{a}} {base} {{b}}",
                f"where was {{b}} {done} by {{a}}",
            ),
        },
        follows=(f"{{a}} {past} {{b}}", f"{{b}} was {done} by {{a}}"),
        exclusive=("place",),
        free=("a", "b"),
    )


LIVES = Frame(
    family="lives",
    kinds={"a": "person", "place": "place"},
    says=(
        "{a} lives in {place}",
        "the home of {a} is in {place}",
        "{place} is where {a} lives",
    ),
    asks=("does {a} live in {place}", "is the home of {a} in {place}"),
    questions={
        "place": ("where does {a} live", "where is the home of {a}"),
        "a": ("who lives in {place}", "whose home is in {place}"),
    },
    exclusive=("place",),
    free=("a",),
)
OWNS = Frame(
    family="owns",
    kinds={"a": "person", "colour": "colour", "object": "object"},
    says=(
        "{a} has a {colour} {object}",
        "the {object} of {a} is {colour}",
        "the colour of {a}'s {object} is {colour}",
    ),
    asks=("does {a} have a {colour} {object}", "is the {object} of {a} {colour}"),
    questions={
        "colour": (
            "what colour is the {object} of {a}",
            "which colour does {a}'s {object} have",
        ),
        "a": ("who has a {colour} {object}", "whose {object} is {colour}"),
    },
    follows=("{a} has a {object}",),
    exclusive=("colour",),
    free=("a", "object"),
)
KEEPS = Frame(
    family="keeps",
    kinds={"a": "person", "object": "object", "room": "room"},
    says=(
        "{a} keeps the {object} in the {room}",
        "the {object} of {a} is in the {room}",
        "in the {room} is {a}'s {object}",
    ),
    asks=(
        "does {a} keep the {object} in the {room}",
        "is the {object} of {a} in the {room}",
    ),
    questions={
        "room": ("where does {a} keep the {object}", "where is {a}'s {object}"),
        "object": ("what does {a} keep in the {room}", "what of {a} is in the {room}"),
        "a": (
            "who keeps the {object} in the {room}",
            "whose {object} is in the {room}",
        ),
    },
    exclusive=("room",),
    free=("a", "object"),
)
WORKS = Frame(
    family="works",
    kinds={"a": "person", "job": "job"},
    says=("{a} is a {job}", "{a} works as a {job}", "the job of {a} is {job}"),
    asks=("is {a} a {job}", "does {a} work as a {job}"),
    questions={
        "job": ("what is the job of {a}", "what does {a} work as"),
        "a": ("who is a {job}", "who works as a {job}"),
    },
    follows=("{a} {does}", "{a} is the one who {does}"),
    exclusive=("job",),
    free=("a",),
)
FAVOURS = Frame(
    family="favours",
    kinds={"a": "person", "food": "food"},
    says=(
        "{a} likes {food} best",
        "the favourite food of {a} is {food}",
        "{food} is what {a} likes best",
    ),
    asks=(
        "does {a} like {food} best",
        "is {food} the favourite food of {a}",
    ),
    questions={
        "a": ("who likes {food} best", "whose favourite food is {food}"),
        "food": ("what does {a} like best", "what is the favourite food of {a}"),
    },
    exclusive=("food",),
    free=("a",),
)
TRADES = tuple(_trade(verb) for verb in words.TRADES)
DEEDS = tuple(_deed(verb) for verb in words.DEEDS)
FAMILIES: tuple[tuple[Frame, ...], ...] = (
    *(TRADES, DEEDS),
    *((LIVES,), (OWNS,), (KEEPS,), (WORKS,), (FAVOURS,)),
)
