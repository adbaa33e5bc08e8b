"""Riddles: a text, and what one may think of it.

Whatever asks to compare is answered in the same words. A model that learned to judge
claims about one fact then judges longer stories, answers and questions with little more
to learn; with words of its own for each kind it learns none of them in that time.
"""

from collections.abc import Callable

from spot_jax.miniature.basics import BASICS, choice, placed
from spot_jax.miniature.continuation import copa_row
from spot_jax.miniature.entailment import (
    CONTRADICTION,
    ENTAILMENT,
    NEUTRAL,
    cb_row,
    hypothesis,
    qnli_row,
)
from spot_jax.miniature.facts import ask, falsify, say
from spot_jax.miniature.grammar import cola_row
from spot_jax.miniature.opinions import cr_row, sst2_row, yelp_row
from spot_jax.miniature.reading import boolq_row, multirc_rows
from spot_jax.miniature.riddle import NO, PERHAPS, YES, Riddle, either_way
from spot_jax.miniature.scenes import draw_scene, tell
from spot_jax.miniature.senses import wic_row
from spot_jax.miniature.similarity import cxc_row, mrpc_row, qqp_row, stsb_row
from spot_jax.miniature.world import World, sentence


def _claim_and_story(world: World, claim: str, story: str) -> str:
    return either_way(world, f"Claim: {claim}", f"Story: {story}")


def _claim(world: World) -> Riddle:
    return claim_of(world, world.one((1, 1, 1, 2, 2, 3, 4)))


def claim_of(world: World, size: int) -> Riddle:
    """A claim on one of `size` facts."""
    relations = (CONTRADICTION, ENTAILMENT, NEUTRAL)
    right = world.rng.randrange(3)
    facts = draw_scene(world, size)
    fact = world.one(facts)
    told = {id(each): say(world, each) for each in facts}
    claim = hypothesis(world, relations[right], fact, told[id(fact)], facts)
    if len(facts) == 2 and world.chance(0.5):
        story = sentence(world.one((", and ", ", while ")).join(told.values()))
    else:
        story = " ".join(map(sentence, told.values()))
    text = _claim_and_story(world, sentence(claim), story)
    return Riddle(text, (NO, YES, PERHAPS), right)


def _reported_claim(world: World) -> Riddle:
    label = world.rng.randrange(3)
    row = cb_row(world, label)
    text = _claim_and_story(world, row["hypothesis"], row["premise"])
    return Riddle(text, (YES, NO, PERHAPS), label)


def question_on(world: World, size: int) -> Riddle:
    """A question on one of `size` facts, to answer with yes or no."""
    facts = draw_scene(world, size)
    fact, yes = world.one(facts), world.rng.randrange(2)
    asked = sentence(ask(world, fact if yes else falsify(world, fact, facts)), "?")
    return Riddle(either_way(world, tell(world, facts), asked), (NO, YES), yes)


def _yes_or_no(world: World) -> Riddle:
    yes = world.rng.randrange(2)
    row = boolq_row(world, yes)
    asked = sentence(row["question"], "?")
    return Riddle(either_way(world, row["passage"], asked), (NO, YES), yes)


def _is_the_answer(world: World) -> Riddle:
    row = world.one(multirc_rows(world, 4))
    answer = row["answer"].removesuffix(".")
    text = f"{row['question']} {answer}. {row['paragraph']}"
    return Riddle(text, (NO, YES), row["label"])


def _same(world: World, one: str, other: str) -> str:
    return either_way(world, f"{one} {other}", "Is it the same?")


def _questions(world: World) -> Riddle:
    same = world.rng.randrange(2)
    row = qqp_row(world, same)
    text = _same(world, row["question1"], row["question2"])
    return Riddle(text, (NO, YES), same)


def _two_sentences(world: World) -> Riddle:
    same = world.rng.randrange(2)
    row = mrpc_row(world, same)
    text = _same(world, row["sentence1"], row["sentence2"])
    return Riddle(text, (NO, YES), same)


def _answers_it(world: World) -> Riddle:
    silent = world.rng.randrange(2)
    row = qnli_row(world, silent)
    pair = f"{row['question']} {row['sentence']}"
    return Riddle(either_way(world, pair, "Is that an answer?"), (YES, NO), silent)


def _sense(world: World) -> Riddle:
    same = world.rng.randrange(2)
    row = wic_row(world, same)
    uses = f"{row['sentence1']} {row['sentence2']}"
    text = either_way(world, uses, f"Is {row['word']} the same?")
    return Riddle(text, (NO, YES), same)


def pupils(world: World) -> Riddle:
    """A sentence as a pupil may write it, right or wrong."""
    good = world.rng.randrange(2)
    opinions = ("wrong", "right")
    return Riddle(cola_row(world, good)["sentence"], opinions, good)


def review(world: World) -> Riddle:
    """A review, good or bad."""
    good = world.rng.randrange(2)
    row = world.one((cr_row, sst2_row, yelp_row))(world, good)
    opinions = ("bad", "good")
    return Riddle(row.get("text") or row["sentence"], opinions, good)


_ASKED = {"cause": "What was the cause?", "effect": "What was the effect?"}


def _which_of_two(world: World) -> Riddle:
    right = world.rng.randrange(2)
    row = copa_row(world, right)
    asked = f"{row['premise']} {_ASKED[row['question']]}"
    offers = [row[name].removesuffix(".") for name in ("choice1", "choice2")]
    return choice(world, asked, offers, right)


def _likeness(world: World) -> Riddle:
    row = world.one((stsb_row, cxc_row))(world, world.rng.randrange(6))
    third = min(int(row["label"] / 5 * 3), 2)
    text = f"{row['sentence1']} {row['sentence2']} Are they alike?"
    return Riddle(text, ("hardly", "partly", "much"), third)


RIDDLES: dict[Callable[[World], Riddle], int] = BASICS | {
    **{_claim: 10, _reported_claim: 1, _yes_or_no: 3, _is_the_answer: 3},
    **{_questions: 3, _two_sentences: 4, _answers_it: 3, _likeness: 4},
    **{pupils: 6, review: 4, _sense: 5, _which_of_two: 4},
}

# What asks whether one thing follows from another or is the same, the simple ones most.
COMPARISONS: dict[Callable[[World], Riddle], int] = {
    **{lambda world: claim_of(world, 1): 18, lambda world: claim_of(world, 2): 18},
    **{lambda world: question_on(world, 1): 6, _yes_or_no: 8, _is_the_answer: 8},
    **{_claim: 8, _reported_claim: 3, _questions: 7, _two_sentences: 9},
    **{_answers_it: 5, _likeness: 6, _sense: 3, _which_of_two: 5, pupils: 7},
    **{placed: 5},
}
