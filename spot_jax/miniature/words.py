"""The common words of the miniature world, by kind."""

from typing import NamedTuple

TOYS = ("kite", "drum", "ball", "doll", "flute", "puzzle", "sled", "robot")
TOOLS = ("hammer", "saw", "rope", "ladder", "brush", "shovel", "bucket", "knife")
CLOTHES = ("coat", "hat", "scarf", "shirt", "dress", "jacket", "belt", "vest")
FURNITURE = ("lamp", "chair", "table", "mirror", "shelf", "bed", "clock", "desk")
KINDS = {
    **dict.fromkeys(TOYS, "toy"),
    **dict.fromkeys(TOOLS, "tool"),
    **dict.fromkeys(CLOTHES, "piece of clothing"),
    **dict.fromkeys(FURNITURE, "piece of furniture"),
}
OBJECTS = tuple(KINDS)
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "brown", "grey")
ROOMS = ("kitchen", "garden", "cellar", "hall", "attic", "barn", "garage", "library")
FOODS = (
    *("soup", "bread", "rice", "cheese", "fish", "honey", "cake", "corn"),
    *("tea", "milk", "jam", "salad"),
)
FRUITS = ("apples", "pears", "plums", "lemons", "cherries", "melons", "nuts", "eggs")
# What each job is known by: "a baker" is who "bakes bread".
JOBS = {
    "baker": "bakes bread",
    "teacher": "teaches children",
    "farmer": "grows corn",
    "doctor": "heals sick people",
    "driver": "drives a bus",
    "painter": "paints pictures",
    "singer": "sings songs",
    "tailor": "sews clothes",
    "fisher": "catches fish",
    "writer": "writes books",
}
TIMES = ("morning", "evening", "afternoon", "night")


class Compared(NamedTuple):
    """A scale: `much` and its comparative, `little` and its comparative."""

    much: str
    more: str
    little: str
    less: str


SCALES = (
    Compared("tall", "taller", "short", "shorter"),
    Compared("old", "older", "young", "younger"),
    Compared("fast", "faster", "slow", "slower"),
    Compared("strong", "stronger", "weak", "weaker"),
    Compared("rich", "richer", "poor", "poorer"),
    Compared("loud", "louder", "quiet", "quieter"),
)


class Deed(NamedTuple):
    """What one person does to another: past, base form and passive form."""

    past: str
    base: str
    done: str


DEEDS = (
    Deed("helped", "help", "helped"),
    Deed("called", "call", "called"),
    Deed("followed", "follow", "followed"),
    Deed("visited", "visit", "visited"),
    Deed("taught", "teach", "taught"),
    Deed("saved", "save", "saved"),
)


class Trade(NamedTuple):
    """A way in which a thing changes hands, as both sides tell it."""

    gave: str
    give: str
    given: str
    got: str
    get: str


TRADES = (
    Trade("gave", "give", "given", "got", "get"),
    Trade("lent", "lend", "lent", "borrowed", "borrow"),
)
