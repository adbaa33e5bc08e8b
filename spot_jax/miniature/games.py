"""Games of the plain text: something to decide, and what is said to it.

A riddle is a text and the right one of a few opinions on it. It is played in three
ways: the opinion is given in plain words; or a rule says beforehand which made-up word
stands for which opinion, and that word is the answer; or something is asked, and the
answer is found in the text. The second way is what a prompt needs of a frozen model:
to answer in the words that it is told to use.
"""

from collections.abc import Callable, Sequence

from spot_jax.miniature.facts import askable, question
from spot_jax.miniature.lessons import made_up_word
from spot_jax.miniature.quizzes import QUESTIONS, Round
from spot_jax.miniature.riddles import (
    RIDDLES,
    Riddle,
    claim_of,
    either_way,
    question_on,
    value_of,
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


def _code(world: World, riddle: Riddle) -> Round:
    """A rule of code words, a riddle, and the word for the right opinion."""
    words: list[str] = []
    while len(words) < len(riddle.opinions):
        word = made_up_word(world)
        if word not in words:
            words.append(word)
    rule = _rule(world, riddle.opinions, words)
    return Round(f"{rule} {riddle.text}", f"{words[riddle.right]}.")


def _speak(riddle: Riddle) -> Round:
    return Round(riddle.text, sentence(riddle.opinions[riddle.right]))


def coded(world: World) -> Round:
    """A riddle, and the word that a rule made up for the right opinion."""
    return _code(world, _draw(world, RIDDLES)(world))


def spoken(world: World) -> Round:
    """A riddle, and the right opinion in plain words."""
    return _speak(_draw(world, RIDDLES)(world))


def asked(world: World) -> Round:
    """A text, a question on it, and the answer."""
    return _draw(world, QUESTIONS)(world)


def _riddle_of_little(world: World) -> Riddle:
    size = world.one((1, 1, 2))
    return claim_of(world, size) if world.chance(0.6) else question_on(world, size)


def _asked_of_little(world: World) -> Round:
    facts = draw_scene(world, world.one((1, 1, 2)))
    fact = world.one(facts)
    role = world.one(askable(fact))
    wanted = sentence(question(world, fact, role), "?")
    told = either_way(world, tell(world, facts), wanted)
    return Round(told, sentence(fact.roles[role]))


_FIRST: dict[Callable[[World], Round], int] = {
    lambda world: _speak(_riddle_of_little(world)): 35,
    _asked_of_little: 20,
    lambda world: _code(world, value_of(world)): 15,
    lambda world: _code(world, _riddle_of_little(world)): 15,
    spoken: 15,
}


def play_first(world: World) -> Round:
    """A round for a model that compares nothing yet; the others come after it.

    A small model learns to compare on one fact at a time. Mixed with longer stories
    these rounds are too few, and it learns nothing from either for very long.
    """
    return _draw(world, _FIRST)(world)


def play(world: World) -> Round:
    """A round of any game, not so long that a small model has no room for it."""
    while True:
        drawn = _draw(world, {spoken: 45, asked: 25, coded: 30})(world)
        if len(drawn.told.split()) <= MAX_WORDS:
            return drawn
