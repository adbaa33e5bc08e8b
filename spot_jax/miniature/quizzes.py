"""Quizzes: something is asked, and the answer stands in the text."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from spot_jax.miniature.continuation import cosmos_qa_row, hellaswag_row
from spot_jax.miniature.reading import drop_row, race_row, record_row, squad_row
from spot_jax.miniature.reference import winogrande_row, wsc_row
from spot_jax.miniature.riddle import either_way
from spot_jax.miniature.world import World, sentence


class Round(NamedTuple):
    """What is told, and what is said to it."""

    told: str
    said: str


def _squad(world: World) -> Round:
    row = squad_row(world, 0)
    told = either_way(world, row["question"], row["context"])
    return Round(told, sentence(row["answers"]["text"][0]))


def _drop(world: World) -> Round:
    row = drop_row(world, 0)
    return Round(
        either_way(world, row["question"], row["passage"]), f"{row['answer']}."
    )


def _record(world: World) -> Round:
    row = record_row(world, 0)
    gap = row["query"].replace("@placeholder", world.one(("_", "so-and-so", "X")))
    passage = sentence(row["passage"].replace("\n@highlight\n", " "))
    return Round(either_way(world, gap, passage), sentence(row["answers"][0]))


def _race(world: World) -> Round:
    row = race_row(world, 0)
    number = world.rng.randrange(len(row["questions"]))
    options = row["options"][number]
    right = options["ABCD".index(row["answers"][number])]
    wrong = [option for option in options if option != right]
    shown = [right, *world.some(wrong, world.one((1, 1, 3)))]
    shown = world.some(shown, len(shown))
    choices = " or ".join(option.removesuffix(".") for option in shown)
    asked = f"{row['questions'][number]} {choices}?"
    told = either_way(world, asked, row["article"])
    return Round(told, sentence(right.removesuffix(".")))


def _winogrande(world: World) -> Round:
    row = winogrande_row(world, world.rng.randrange(2))
    right = (row["option1"], row["option2"])[row["label"]]
    gap = row["sentence"].replace("_", world.one(("_", "so-and-so", "X")))
    asked = world.one((f"{row['option1']} or {row['option2']}?", "Who is it?"))
    return Round(f"{gap} {asked}", sentence(right))


def _pronoun(world: World) -> Round:
    row = wsc_row(world, 1)
    asked = f"Who is {row['span2_text']}?"
    return Round(either_way(world, row["text"], asked), sentence(row["span1_text"]))


def _what_came(world: World) -> Round:
    row = cosmos_qa_row(world, world.rng.randrange(4))
    options = [row[f"answer{number}"] for number in range(4)]
    return _choose(world, row["question"], row["context"], options, row["label"])


def _what_then(world: World) -> Round:
    row = hellaswag_row(world, 0)
    asked = world.one(("What came then?", "And then?"))
    return _choose(world, asked, row["context"], row["endings"], row["label"])


def _choose(
    world: World, asked: str, context: str, options: Sequence[str], right: int
) -> Round:
    wrong = [option for option in options if option != options[right]]
    shown = [options[right], *world.some(wrong, world.one((1, 2)))]
    choices = " ".join(world.some(shown, len(shown)))
    told = world.one((f"{asked} {choices} {context}", f"{context} {asked} {choices}"))
    return Round(told, options[right])


QUESTIONS: dict[Callable[[World], Round], int] = {
    **{_squad: 4, _drop: 2, _record: 3, _race: 3},
    **{_winogrande: 2, _pronoun: 1, _what_came: 2, _what_then: 1},
}
