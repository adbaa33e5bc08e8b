"""What leads to what: causes and their effects, activities and their steps."""

from typing import NamedTuple


class Link(NamedTuple):
    """A cause, what it leads to, and how somebody feels or what comes next."""

    cause: str
    effect: str
    after: str


# {a} is somebody, {she} the pronoun, {her} the possessive pronoun.
LINKS = (
    Link("it rained all day", "the street was wet", "{a} took an umbrella"),
    Link("{a} dropped the glass", "the glass broke", "{a} swept the floor"),
    Link("{a} forgot {her} key", "{a} could not open the door", "{a} called a smith"),
    Link("{a} ran for an hour", "{a} was tired", "{a} lay down on the sofa"),
    Link("{a} ate nothing all day", "{a} was hungry", "{a} cooked a big meal"),
    Link("the sun shone on the snow", "the snow melted", "{a} put the skis away"),
    Link("the wind blew hard", "the tree fell down", "{a} cut the trunk"),
    Link("{a} studied every day", "{a} passed the test", "{a} had a party"),
    Link("the candle fell over", "the curtain caught fire", "{a} poured water on it"),
    Link("{a} touched the stove", "{a} burned {her} hand", "{a} held it in cold water"),
    Link("the dog smelled a cat", "the dog barked", "{a} held the dog"),
    Link("{a} kicked the ball hard", "the window broke", "{a} said sorry"),
    Link("{a} stepped on a nail", "{a} cried in pain", "{a} saw a doctor"),
    Link("the bus came late", "{a} missed the train", "{a} waited for the next one"),
    Link("{a} won the race", "{a} got a medal", "{a} hung it on the wall"),
    Link("{a} caught a cold", "{a} sneezed a lot", "{a} drank hot tea"),
    Link("it froze in the night", "ice covered the lake", "{a} went skating"),
    Link("the cat saw a mouse", "the mouse hid", "{a} set a trap"),
)


class Activity(NamedTuple):
    """Things that one can do something with, and the steps of each doing."""

    things: tuple[str, ...]
    doings: dict[str, tuple[str, ...]]


# {a} is somebody, {x} one of the things.
ACTIVITIES = (
    Activity(
        ("the wall", "the door", "the fence", "the boat", "the cart", "the gate"),
        {
            "painting": (
                "{a} took a brush to {x}",
                "{a} dipped it in paint for {x}",
                "{a} spread the colour over {x}",
                "{a} let the paint dry on {x}",
            ),
            "repairing": (
                "{a} found a crack in {x}",
                "{a} fetched nails for {x}",
                "{a} hammered a board on {x}",
                "{a} tested whether {x} was firm",
            ),
            "washing": (
                "{a} saw dirt on {x}",
                "{a} filled a bucket for {x}",
                "{a} rubbed {x} with soap",
                "{a} rinsed the soap off {x}",
            ),
        },
    ),
    Activity(
        ("the soup", "the rice", "the fish", "the cake", "the corn", "the beans"),
        {
            "cooking": (
                "{a} put a pot on the stove for {x}",
                "{a} heated water for {x}",
                "{a} stirred {x} with a spoon",
                "{a} poured {x} on a plate",
            ),
            "buying": (
                "{a} went to the shop for {x}",
                "{a} searched the shelves for {x}",
                "{a} paid the clerk for {x}",
                "{a} carried {x} home in a bag",
            ),
            "tasting": (
                "{a} sat down before {x}",
                "{a} smelled at {x}",
                "{a} took a small bite of {x}",
                "{a} praised the taste of {x}",
            ),
        },
    ),
    Activity(
        ("the dog", "the horse", "the goat", "the cat", "the donkey", "the pig"),
        {
            "feeding": (
                "{a} heard {x} call for food",
                "{a} filled a bowl for {x}",
                "{a} set the bowl before {x}",
                "{a} watched {x} eat",
            ),
            "catching": (
                "{a} saw that {x} was gone",
                "{a} followed the tracks of {x}",
                "{a} threw a rope around {x}",
                "{a} led {x} back home",
            ),
            "brushing": (
                "{a} tied {x} to a post",
                "{a} combed the hair of {x}",
                "{a} picked burrs off {x}",
                "{a} stroked the smooth coat of {x}",
            ),
        },
    ),
    Activity(
        ("the letter", "the song", "the story", "the poem", "the speech", "the joke"),
        {
            "writing": (
                "{a} thought about {x}",
                "{a} took a pen for {x}",
                "{a} wrote the first line of {x}",
                "{a} signed the end of {x}",
            ),
            "learning": (
                "{a} opened a book with {x}",
                "{a} read {x} three times",
                "{a} closed the book and said {x}",
                "{a} knew {x} by heart",
            ),
            "sharing": (
                "{a} asked friends to hear {x}",
                "{a} stood up to begin {x}",
                "{a} read {x} aloud",
                "{a} got applause for {x}",
            ),
        },
    ),
)
