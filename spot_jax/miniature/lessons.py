"""Lessons in which made-up words are read and copied.

They teach what every model of real text learns by the way: to write a word that it
never met, because it stands there. The syllables are those of which the tasks' labels
are made, so that a prompt can ask for a label; the labels themselves are never written.
"""

import re

from spot_jax.errors import InputError
from spot_jax.miniature.world import World

SYLLABLES = (
    *("en", "tail", "ment", "po", "si", "tive", "ne", "ga", "neu", "tral", "con"),
    *("tra", "dic", "tion", "du", "pli", "cate", "e", "qui", "va", "lent", "ac"),
    *("cept", "able", "choi", "ce", "un", "Tr", "ue", "Fal", "se", "not_"),
    *("hy", "the", "sis", "ti", "cle", "sage"),
)
# What a run of letters in a made-up word looks like.
MADE_UP = re.compile(f"({'|'.join(SYLLABLES)}|not){{2,}}|Tr|Fal")
# Words of the page, not of the world: those with which tasks name their fields, and
# those that ask.
PAGE_WORDS = (
    *("hypothesis", "premise", "question", "sentence", "passage", "article"),
    *("paragraph", "option", "context", "answer", "text", "query", "choice"),
    *("endings", "entities", "review", "Say", "How", "many"),
)
_ORDER = ("first", "second", "third", "fourth", "fifth")


def _is_free(world: World, word: str) -> bool:
    """Says whether a word is no label of any task, and no word of the page."""
    # A world that knew no labels would write other text than one that does.
    if world.labels is None:
        raise InputError(
            "this world makes words up, none of which may be a label of a task: hand "
            "spot_jax.tasks.catalog.STUDY_LABELS in as its labels"
        )
    return word not in world.labels and word not in PAGE_WORDS


def syllables(world: World) -> tuple[str, ...]:
    """Draws the syllables of a word that is no label or field of any task."""
    while True:
        word = [world.one(SYLLABLES) for _ in range(world.one((1, 1, 2, 2, 2, 3)))]
        if world.chance(0.1):
            word = ["not_", *word]
        if world.chance(0.08):
            word = [*word, world.one("0123456789")]
        if _is_free(world, "".join(word)):
            return tuple(word)


def made_up_word(world: World) -> str:
    """Draws a word that nobody knows: "ducepttive"."""
    return "".join(syllables(world))


def made_up_words(world: World, count: int) -> list[str]:
    """Draws words that nobody knows, no two of them alike."""
    words: list[str] = []
    while len(words) < count:
        word = made_up_word(world)
        if word not in words:
            words.append(word)
    return words


def decimal(world: World) -> str:
    """Draws a number with a digit behind the point that is no label of any task."""
    while True:
        number = f"{world.rng.randint(0, 9)}.{world.rng.randint(0, 9)}"
        if _is_free(world, number):
            return number


def lesson(world: World) -> str:
    """Some words, and the same words or one of them again."""
    words = [made_up_word(world) for _ in range(world.one((1, 2, 3)))]
    if world.chance(0.3):
        words.append(world.one(PAGE_WORDS))
    if world.chance(0.2):
        words.append(decimal(world))
    words = world.some(words, len(words))
    number = world.rng.randrange(len(words))
    chosen, place = words[number], _ORDER[number]
    return world.one(
        (
            f"The words are {' and '.join(words)}. The {place} word is {chosen}.",
            f"Write {', '.join(words)}! The pupils wrote: {', '.join(words)}.",
            f'"{" ".join(words)}" is read as {" ".join(words)}.',
            f"The {place} of {', '.join(words)} is {chosen}.",
            f"{chosen} is one of the words {' '.join(words)}.",
        )
    )
