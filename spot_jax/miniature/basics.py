"""Basics: riddles that ask for one skill each.

A small model that meets whole claims and stories at once learns nothing from them for
tens of thousands of games. After these, of which only the first takes it as long, the
others follow: which value was named, whether two are the same, what leads to what.
"""

from collections.abc import Callable, Sequence

from spot_jax.miniature.continuation import fill
from spot_jax.miniature.facts import draw_value, falsify
from spot_jax.miniature.happenings import LINKS
from spot_jax.miniature.lessons import made_up_words
from spot_jax.miniature.riddle import NO, YES, Riddle, either_way
from spot_jax.miniature.scenes import draw_scene, tell
from spot_jax.miniature.senses import SENSES, use
from spot_jax.miniature.world import World, sentence

_WORD_KINDS = ("colour", "room", "food", "job", "object")
_KINDS = (*_WORD_KINDS, "person", "place")


def _two_values(world: World) -> tuple[str, str]:
    kind = world.one(_KINDS)
    one = draw_value(world, kind)
    return one, draw_value(world, kind, (one,))


def named(world: World) -> Riddle:
    """A value by itself, and two of which it is one."""
    values, right = _two_values(world), world.rng.randrange(2)
    return Riddle(f"It is {values[right]}.", values, right)


def named_of_five(world: World) -> Riddle:
    """A word by itself, and five words of any kind of which it is one.

    With two to choose from it was luck whether looking a word up was learned at all
    (docs/spot_tiny.md): the wrong one takes back half of what a game teaches.
    """
    words: list[str] = []
    while len(words) < 5:
        words.append(draw_value(world, world.one(_WORD_KINDS), words))
    right = world.rng.randrange(5)
    return Riddle(f"It is {words[right]}.", words, right)


def value_of(world: World) -> Riddle:
    """A fact, and two values of which one is its own."""
    fact = draw_scene(world, 1)[0]
    role = world.one(fact.frame.exclusive)
    values = [each.roles[role] for each in (fact, falsify(world, fact))]
    right = world.rng.randrange(2)
    return Riddle(tell(world, [fact]), values[:: 1 if right == 0 else -1], right)


_BOTH = (
    "It is {}. Is it {}?",
    "Is it {}? It is {}.",
    "Story: It is {}. Claim: It is {}.",
    "Claim: It is {}. Story: It is {}.",
    "{}? {}? Is it the same?",
)


def equal(world: World) -> Riddle:
    """Two values, and whether they are the same."""
    (one, other), same = _two_values(world), world.rng.randrange(2)
    text = world.one(_BOTH).format(one, one if same else other)
    return Riddle(text, (NO, YES), same)


def choice(world: World, asked: str, offers: Sequence[str], right: int) -> Riddle:
    """A question and two clauses, each with a mark; the mark of one is the answer."""
    word, other = made_up_words(world, 2)
    # Some differ in a digit alone, as the labels choice1 and choice2 do.
    marks = world.one((("first", "second"), (f"{word}1", f"{word}2"), (word, other)))
    row = " ".join(
        f"{mark}: {sentence(offer)}" for mark, offer in zip(marks, offers, strict=True)
    )
    return Riddle(either_way(world, asked, row), marks, right)


def placed(world: World) -> Riddle:
    """Two values with marks, and which of them is asked for."""
    values, right = _two_values(world), world.rng.randrange(2)
    asked = world.one(("It is {}.", "Which is {}?")).format(values[right])
    return choice(world, asked, values, right)


def meant(world: World) -> Riddle:
    """A word of two senses in use, and what it means there."""
    word, sense = world.one(tuple(SENSES)), world.rng.randrange(2)
    used = sentence(use(world, word, sense).format(a=world.person()))
    meanings = [each.meaning for each in SENSES[word]]
    return Riddle(either_way(world, used, f"What is {word} here?"), meanings, sense)


def led_to(world: World) -> Riddle:
    """A happening, and whether another one was its cause or came of it."""
    link, other = world.some(LINKS, 2)
    person, yes = world.person(), world.rng.randrange(2)
    asked, given = world.some(["cause", "effect"], 2)
    told = sentence(fill(getattr(link, given), person))
    guess = fill(getattr(link if yes else other, asked), person)
    text = either_way(world, told, f"Was the {asked} that {guess}?")
    return Riddle(text, (NO, YES), yes)


BASICS: dict[Callable[[World], Riddle], int] = {
    **{named: 1, value_of: 2, equal: 2, placed: 2, meant: 2, led_to: 2},
}
