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
        denies=(
            f"{{a}} did not {give} the {{object}} to {{b}}",
            f"{{b}} did not {get} the {{object}} from {{a}}",
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
            "{a} does not have the {object} now",
            f"{{b}} {got} a {{kind}} from {{a}}",
        ),
        swaps=("a", "b"),
        free=("object",),
    )


def _compare(scale: words.Compared) -> Frame:
    much, more, little, less = scale
    return Frame(
        family="compare",
        kinds=_TWO,
        says=(
            f"{{a}} is {more} than {{b}}",
            f"{{b}} is {less} than {{a}}",
            f"of {{a}} and {{b}}, {{a}} is the {more} one",
            f"{{b}} is not as {much} as {{a}}",
        ),
        denies=(f"{{a}} is not {more} than {{b}}", f"{{b}} is not {less} than {{a}}"),
        asks=(f"is {{a}} {more} than {{b}}", f"is {{b}} {less} than {{a}}"),
        questions={
            "a": (f"who is {more} than {{b}}", f"who is {more}, {{b}} or {{a}}"),
            "b": (f"who is {less} than {{a}}", f"who is {less}, {{a}} or {{b}}"),
        },
        swaps=("a", "b"),
        free=("a", "b"),
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
        denies=(
            f"{{a}} did not {base} {{b}} in {{place}}",
            f"{{b}} was not {done} by {{a}} in {{place}}",
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
        swaps=("a", "b"),
        free=("place",),
    )


def _direction(there: str, back: str) -> Frame:
    return Frame(
        family="direction",
        kinds={"place": "place", "other": "place"},
        says=(
            f"{{place}} is {there} of {{other}}",
            f"{{other}} is {back} of {{place}}",
            f"you go {there} from {{other}} to {{place}}",
        ),
        denies=(
            f"{{place}} is not {there} of {{other}}",
            f"{{other}} is not {back} of {{place}}",
        ),
        asks=(
            f"is {{place}} {there} of {{other}}",
            f"is {{other}} {back} of {{place}}",
        ),
        questions={
            "place": (
                f"which place is {there} of {{other}}",
                f"what lies {there} of {{other}}",
            ),
            "other": (
                f"which place is {back} of {{place}}",
                f"what lies {back} of {{place}}",
            ),
        },
        swaps=("place", "other"),
        free=("place", "other"),
    )


BEFORE = Frame(
    family="before",
    kinds={**_TWO, "place": "place"},
    says=(
        "{a} came to {place} before {b}",
        "{b} came to {place} after {a}",
        "when {b} came to {place}, {a} was already there",
    ),
    denies=(
        "{a} did not come to {place} before {b}",
        "{b} did not come to {place} after {a}",
    ),
    asks=(
        "did {a} come to {place} before {b}",
        "did {b} come to {place} after {a}",
    ),
    questions={
        "a": (
            "who came to {place} before {b}",
            "who was already in {place} when {b} came",
        ),
        "b": ("who came to {place} after {a}", "who came to {place} later than {a}"),
    },
    follows=("{a} came before {b}", "{b} came after {a}"),
    swaps=("a", "b"),
    free=("place",),
)
LIVES = Frame(
    family="lives",
    kinds={"a": "person", "place": "place"},
    says=(
        "{a} lives in {place}",
        "the home of {a} is in {place}",
        "{place} is where {a} lives",
    ),
    denies=("{a} does not live in {place}", "the home of {a} is not in {place}"),
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
    denies=("{a} does not have a {colour} {object}", "{a}'s {object} is not {colour}"),
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
    denies=(
        "{a} does not keep the {object} in the {room}",
        "the {object} of {a} is not in the {room}",
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
    denies=("{a} is not a {job}", "{a} does not work as a {job}"),
    asks=("is {a} a {job}", "does {a} work as a {job}"),
    questions={
        "job": ("what is the job of {a}", "what does {a} work as"),
        "a": ("who is a {job}", "who works as a {job}"),
    },
    follows=("{a} {does}", "{a} is the one who {does}"),
    exclusive=("job",),
    free=("a",),
)
LIKES = Frame(
    family="likes",
    kinds={"a": "person", "food": "food"},
    says=("{a} likes {food}", "{a} is fond of {food}", "{food} is what {a} likes"),
    denies=("{a} hates {food}", "{a} does not like {food}"),
    asks=("does {a} like {food}", "is {a} fond of {food}"),
    questions={
        "a": ("who likes {food}", "who is fond of {food}"),
        "food": ("what does {a} like", "what is {a} fond of"),
    },
    follows=("{a} does not hate {food}",),
    free=("a", "food"),
)
HATES = Frame(
    family="likes",
    kinds={"a": "person", "food": "food"},
    says=("{a} hates {food}", "{a} cannot stand {food}", "{food} is what {a} hates"),
    denies=("{a} likes {food}", "{a} is fond of {food}"),
    asks=("does {a} hate {food}", "is it true that {a} cannot stand {food}"),
    questions={
        "a": ("who hates {food}", "who cannot stand {food}"),
        "food": ("what does {a} hate", "what can {a} not stand"),
    },
    follows=("{a} does not like {food}",),
    free=("a", "food"),
)
TRADES = tuple(_trade(verb) for verb in words.TRADES)
COMPARISONS = tuple(_compare(scale) for scale in words.SCALES)
DEEDS = tuple(_deed(verb) for verb in words.DEEDS)
DIRECTIONS = (_direction("north", "south"), _direction("east", "west"))
FAMILIES: tuple[tuple[Frame, ...], ...] = (
    *(TRADES, COMPARISONS, DEEDS, DIRECTIONS),
    *((BEFORE,), (LIVES,), (OWNS,), (KEEPS,), (WORKS,), (LIKES, HATES)),
)
