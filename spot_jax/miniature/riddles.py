"""Riddles: a text, and what one may think of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from spot_jax.miniature.continuation import copa_row
from spot_jax.miniature.entailment import (
    cb_row,
    doc_nli_row,
    mnli_row,
    qnli_row,
    rte_row,
)
from spot_jax.miniature.grammar import cola_row
from spot_jax.miniature.opinions import cr_row, sst2_row, yelp_row
from spot_jax.miniature.reading import boolq_row, multirc_rows
from spot_jax.miniature.senses import wic_row
from spot_jax.miniature.similarity import cxc_row, mrpc_row, qqp_row, stsb_row
from spot_jax.miniature.world import World, sentence

Opinions = Sequence[Sequence[str]]


class Riddle(NamedTuple):
    """A text, the opinions one may have of it, in several words each, the right one."""

    text: str
    opinions: Opinions
    right: int


_CLAIM = (
    ("it follows", "that is so", "it is sure"),
    ("nobody can tell", "it is open", "one cannot know"),
    ("it cannot be", "that is not so", "it is ruled out"),
)
_STORY = (
    ("it follows", "it is so", "the story says so"),
    ("it does not follow", "it is not so", "the story does not say so"),
)


def _both(world: World, one: str, other: str) -> str:
    """Two texts, bare or with a word before each, in either order."""
    names = world.one(
        (
            *(("", ""), ("", "")),
            *(("First: ", "Second: "), ("One: ", "Other: ")),
            *(("Said: ", "Known: "), ("Claim: ", "Story: ")),
        )
    )
    texts = [f"{names[0]}{one}", f"{names[1]}{other}"]
    return " ".join(world.some(texts, 2) if names[0] else texts)


def either_way(world: World, one: str, other: str) -> str:
    """Puts two texts in either order."""
    return " ".join(world.some([one, other], 2))


def _claim(world: World) -> Riddle:
    relation = world.rng.randrange(3)
    if world.chance(0.7):
        row = mnli_row(world, relation)
    else:
        # CB counts its labels in another order.
        row = cb_row(world, (0, 2, 1)[relation])
    return Riddle(_both(world, row["hypothesis"], row["premise"]), _CLAIM, relation)


def _claim_of_story(world: World) -> Riddle:
    does_not = world.rng.randrange(2)
    row = world.one(
        (lambda: rte_row(world, does_not), lambda: doc_nli_row(world, 1 - does_not))
    )()
    return Riddle(_both(world, row["hypothesis"], row["premise"]), _STORY, does_not)


def _yes_or_no(world: World) -> Riddle:
    yes = world.rng.randrange(2)
    row = boolq_row(world, yes)
    asked = sentence(row["question"], "?")
    opinions = (("no", "it is not so"), ("yes", "it is so"))
    return Riddle(either_way(world, row["passage"], asked), opinions, yes)


def _is_the_answer(world: World) -> Riddle:
    row = world.one(multirc_rows(world, 4))
    answer = row["answer"].removesuffix(".")
    opinions = (
        ("the answer is wrong", "that is false"),
        ("the answer is right", "that is true"),
    )
    text = f"{row['question']} {answer}. {row['paragraph']}"
    return Riddle(text, opinions, row["label"])


def _questions(world: World) -> Riddle:
    same = world.rng.randrange(2)
    row = qqp_row(world, same)
    opinions = (
        ("they ask for different things", "the questions differ"),
        ("they ask the same", "it is one question"),
    )
    return Riddle(_both(world, row["question1"], row["question2"]), opinions, same)


def _answers_it(world: World) -> Riddle:
    silent = world.rng.randrange(2)
    row = qnli_row(world, silent)
    opinions = (
        ("that answers it", "there is the answer"),
        ("that does not answer it", "there is no answer"),
    )
    return Riddle(_both(world, row["question"], row["sentence"]), opinions, silent)


def _two_sentences(world: World) -> Riddle:
    same = world.rng.randrange(2)
    row = mrpc_row(world, same)
    opinions = (
        ("they say different things", "they do not say the same"),
        ("they say the same", "both mean the same"),
    )
    return Riddle(_both(world, row["sentence1"], row["sentence2"]), opinions, same)


def _grammar(world: World) -> Riddle:
    good = world.rng.randrange(2)
    opinions = (
        ("it is bad grammar", "there is a mistake"),
        ("it is good grammar", "there is no mistake"),
    )
    return Riddle(cola_row(world, good)["sentence"], opinions, good)


def _review(world: World) -> Riddle:
    good = world.rng.randrange(2)
    row = world.one((cr_row, sst2_row, yelp_row))(world, good)
    opinions = (
        ("the writer is not pleased", "it is bad"),
        ("the writer is pleased", "it is good"),
    )
    return Riddle(row.get("text") or row["sentence"], opinions, good)


def _sense(world: World) -> Riddle:
    same = world.rng.randrange(2)
    row = wic_row(world, same)
    opinions = (
        ("it has two meanings", "the meaning differs"),
        ("it has one meaning", "the meaning is the same"),
    )
    uses, word = f"{row['sentence1']} {row['sentence2']}", row["word"]
    return Riddle(either_way(world, uses, f"The word is {word}."), opinions, same)


_ASKED = {
    "cause": ("What was the cause?", "Why was that?"),
    "effect": ("What came of it?", "What was the effect?"),
}


def _which_of_two(world: World) -> Riddle:
    second = world.rng.randrange(2)
    row = copa_row(world, second)
    asked = f"{row['premise']} {world.one(_ASKED[row['question']])}"
    opinions = (("the first", "the one before"), ("the second", "the last one"))
    choices = f"{row['choice1']} {row['choice2']}"
    return Riddle(either_way(world, choices, asked), opinions, second)


def _likeness(world: World) -> Riddle:
    row = world.one((stsb_row, cxc_row))(world, world.rng.randrange(6))
    opinions = (
        ("they are hardly alike", "they differ much"),
        ("they are somewhat alike", "they differ in part"),
        ("they are much alike", "they are nearly the same"),
    )
    third = min(int(row["label"] / 5 * 3), 2)
    return Riddle(_both(world, row["sentence1"], row["sentence2"]), opinions, third)


RIDDLES: dict[Callable[[World], Riddle], int] = {
    **{_claim: 4, _claim_of_story: 4, _yes_or_no: 3, _likeness: 3},
    **{_is_the_answer: 2, _questions: 2, _answers_it: 2, _two_sentences: 2},
    **{_grammar: 2, _review: 2, _sense: 2, _which_of_two: 2},
}
