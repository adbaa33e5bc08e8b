"""Games of the plain text: something to decide, and what is said to it.

A riddle is a text and the right one of a few opinions on it. It is played in three
ways: the opinion is given in plain words; or a rule says beforehand which made-up word
stands for which opinion, and that word is the answer; or something is asked, and the
answer is found in the text. The second way is what a prompt needs of a frozen model:
to answer in the words that it is told to use.
"""

from collections.abc import Callable, Sequence

from spot_jax.miniature.basics import BASICS, equal, named, named_of_five, value_of
from spot_jax.miniature.facts import askable, question
from spot_jax.miniature.lessons import made_up_words
from spot_jax.miniature.quizzes import QUESTIONS, Round
from spot_jax.miniature.riddle import Riddle, either_way
from spot_jax.miniature.riddles import (
    COMPARISONS,
    RIDDLES,
    claim_of,
    pupils,
    question_on,
    review,
)
from spot_jax.miniature.scenes import draw_scene, tell
from spot_jax.miniature.world import World, sentence

MAX_WORDS = 60


def _draw(world: World, kinds: dict) -> Callable:
    (chosen,) = world.rng.choices(list(kinds), list(kinds.values()))
    return chosen


def _rule(world: World, opinions: Sequence[str], words: Sequence[str]) -> str:
    """Says which word stands for which opinion."""
    pairs = world.some(list(zip(words, opinions, strict=True)), len(words))
    return "Say " + ", ".join(f"{word} if {what}" for word, what in pairs) + "."


def code(world: World, riddle: Riddle) -> Round:
    """A rule of code words, a riddle, and the word for the right opinion."""
    words = made_up_words(world, len(riddle.opinions))
    rule = _rule(world, riddle.opinions, words)
    return Round(f"{rule} {riddle.text}", f"{words[riddle.right]}.")


def speak(riddle: Riddle) -> Round:
    """A riddle, and the right opinion in plain words."""
    said = riddle.opinions[riddle.right]
    # A mark in the text is repeated as it stands there.
    marked = f"{said}:" in riddle.text
    return Round(riddle.text, f"{said}." if marked else sentence(said))


def coded(world: World) -> Round:
    """A riddle, and the word that a rule made up for the right opinion."""
    return code(world, _draw(world, RIDDLES)(world))


def spoken(world: World) -> Round:
    """A riddle, and the right opinion in plain words."""
    return speak(_draw(world, RIDDLES)(world))


def asked(world: World) -> Round:
    """A text, a question on it, and the answer."""
    return _draw(world, QUESTIONS)(world)


def _basic(world: World) -> Riddle:
    return _draw(world, BASICS)(world)


def comparison(world: World) -> Riddle:
    """A claim, a question with an answer, or two sentences, to be compared."""
    return _draw(world, COMPARISONS)(world)


def _riddle_of_little(world: World) -> Riddle:
    size = world.one((1, 1, 2))
    return claim_of(world, size) if world.chance(0.6) else question_on(world, size)


def asked_of_little(world: World) -> Round:
    """A question on one of a few facts, and its answer."""
    facts = draw_scene(world, world.one((1, 1, 2)))
    fact = world.one(facts)
    role = world.one(askable(fact))
    wanted = sentence(question(world, fact, role), "?")
    told = either_way(world, tell(world, facts), wanted)
    return Round(told, sentence(fact.roles[role]))


def in_words(draw: Callable[[World], Riddle]) -> Callable[[World], Round]:
    """Makes a game of riddles whose right opinion is said in plain words."""
    return lambda world: speak(draw(world))


def in_code(draw: Callable[[World], Riddle]) -> Callable[[World], Round]:
    """Makes a game of riddles of which a rule says how to name the right opinion."""
    return lambda world: code(world, draw(world))


# A small model learns one thing at a time, and nothing from stories in which it is to
# compare, choose and obey a rule at once: hence the years. In the first, which has
# nothing else, it learns to find the word that a rule gives for what it reads; what is
# equal, what follows from what, and claims on one fact or two then take it minutes.
YEARS: tuple[dict[Callable[[World], Round], int], ...] = (
    {in_code(named_of_five): 1},
    {in_code(named): 60, in_code(value_of): 20, in_words(equal): 20},
    {
        **{in_code(named): 10, in_code(value_of): 10, asked_of_little: 20},
        **{in_words(equal): 10, in_code(equal): 15, in_words(_basic): 15},
        **{in_words(review): 10, in_code(review): 10},
    },
    {
        **{in_words(_riddle_of_little): 20, in_code(_riddle_of_little): 18},
        **{in_words(_basic): 16, in_code(_basic): 14, asked_of_little: 12},
        **{in_words(pupils): 6, in_code(pupils): 6},
        **{in_words(review): 2, in_code(review): 6},
    },
    {spoken: 30, asked: 25, coded: 45},
)
# With how many rounds of the first year, the second, ... an LM adaptation begins; the
# last year is all that follows.
ROUNDS_OF_YEARS = (70_000, 40_000, 48_000, 96_000)
# What is left for the end: claims and questions on one fact or two, pairs of sentences,
# of which a model that had all games at once is not yet certain (docs/spot_tiny.md).
REVISION: dict[Callable[[World], Round], int] = {
    **{in_words(comparison): 45, in_code(comparison): 35},
    **{coded: 8, asked: 12},
}


def play(world: World, games: dict[Callable[[World], Round], int] = YEARS[-1]) -> Round:
    """A round of a game, not so long that a small model has no room for it.

    Args:
        world: the draws.
        games: which games there are, and how often each is played.
    """
    while True:
        drawn = _draw(world, games)(world)
        if len(drawn.told.split()) <= MAX_WORDS:
            return drawn
