"""Games of the plain text: something to decide, and what is said to it.

A riddle is a text and the right one of a few opinions on it. It is played in three
ways: the opinion is given in plain words; or a rule says beforehand which made-up word
stands for which opinion, and that word is the answer; or something is asked, and the
answer is found in the text. The second way is what a prompt needs of a frozen model:
to answer in the words that it is told to use.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from spot_jax.miniature.continuation import copa_row, cosmos_qa_row, hellaswag_row
from spot_jax.miniature.entailment import (
    cb_row,
    doc_nli_row,
    mnli_row,
    qnli_row,
    rte_row,
)
from spot_jax.miniature.grammar import cola_row
from spot_jax.miniature.lessons import made_up_word
from spot_jax.miniature.opinions import cr_row, sst2_row, yelp_row
from spot_jax.miniature.reading import (
    boolq_row,
    drop_row,
    multirc_rows,
    race_row,
    record_row,
    squad_row,
)
from spot_jax.miniature.reference import winogrande_row, wsc_row
from spot_jax.miniature.senses import wic_row
from spot_jax.miniature.similarity import cxc_row, mrpc_row, qqp_row, stsb_row
from spot_jax.miniature.world import World, sentence

Opinions = Sequence[Sequence[str]]
MAX_WORDS = 60


class Riddle(NamedTuple):
    """A text, the opinions one may have of it, in several words each, the right one."""

    text: str
    opinions: Opinions
    right: int


class Round(NamedTuple):
    """What is told, and what is said to it."""

    told: str
    said: str


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


def _either_way(world: World, one: str, other: str) -> str:
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
    return Riddle(_either_way(world, row["passage"], asked), opinions, yes)


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
    return Riddle(_either_way(world, uses, f"The word is {word}."), opinions, same)


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
    return Riddle(_either_way(world, choices, asked), opinions, second)


def _likeness(world: World) -> Riddle:
    row = world.one((stsb_row, cxc_row))(world, world.rng.randrange(6))
    opinions = (
        ("they are hardly alike", "they differ much"),
        ("they are somewhat alike", "they differ in part"),
        ("they are much alike", "they are nearly the same"),
    )
    third = min(int(row["label"] / 5 * 3), 2)
    return Riddle(_both(world, row["sentence1"], row["sentence2"]), opinions, third)


_RIDDLES: dict[Callable[[World], Riddle], int] = {
    **{_claim: 4, _claim_of_story: 4, _yes_or_no: 3, _likeness: 3},
    **{_is_the_answer: 2, _questions: 2, _answers_it: 2, _two_sentences: 2},
    **{_grammar: 2, _review: 2, _sense: 2, _which_of_two: 2},
}


def _squad(world: World) -> Round:
    row = squad_row(world, 0)
    told = _either_way(world, row["question"], row["context"])
    return Round(told, sentence(row["answers"]["text"][0]))


def _drop(world: World) -> Round:
    row = drop_row(world, 0)
    return Round(
        _either_way(world, row["question"], row["passage"]), f"{row['answer']}."
    )


def _record(world: World) -> Round:
    row = record_row(world, 0)
    gap = row["query"].replace("@placeholder", world.one(("_", "so-and-so", "X")))
    passage = sentence(row["passage"].replace("\n@highlight\n", " "))
    return Round(_either_way(world, gap, passage), sentence(row["answers"][0]))


def _race(world: World) -> Round:
    row = race_row(world, 0)
    number = world.rng.randrange(len(row["questions"]))
    options = row["options"][number]
    right = options["ABCD".index(row["answers"][number])]
    wrong = [option for option in options if option != right]
    shown = [right, *world.some(wrong, world.one((1, 1, 3)))]
    shown = world.some(shown, len(shown))
    asked = f"{row['questions'][number]} {' or '.join(shown)}?"
    told = _either_way(world, asked, row["article"])
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
    return Round(_either_way(world, row["text"], asked), sentence(row["span1_text"]))


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


_QUESTIONS: dict[Callable[[World], Round], int] = {
    **{_squad: 4, _drop: 2, _record: 3, _race: 3},
    **{_winogrande: 2, _pronoun: 1, _what_came: 2, _what_then: 1},
}


def _draw(world: World, kinds: dict) -> Callable:
    (chosen,) = world.rng.choices(list(kinds), list(kinds.values()))
    return chosen


def _rule(world: World, opinions: Opinions, words: Sequence[str]) -> str:
    """Says which word stands for which opinion."""
    pairs = [(words[i], world.one(forms)) for i, forms in enumerate(opinions)]
    pairs = world.some(pairs, len(pairs))
    return world.one(
        (
            "Say " + ", ".join(f"{word} if {what}" for word, what in pairs) + ".",
            ", ".join(f"{word} means {what}" for word, what in pairs) + ".",
            "If " + ", if ".join(f"{what}, write {word}" for word, what in pairs) + ".",
            " ".join(f"{word}: {what}." for word, what in pairs),
        )
    )


def coded(world: World) -> Round:
    """A rule of code words, a riddle, and the word for the right opinion."""
    riddle = _draw(world, _RIDDLES)(world)
    words: list[str] = []
    while len(words) < len(riddle.opinions):
        word = made_up_word(world)
        if word not in words:
            words.append(word)
    rule = _rule(world, riddle.opinions, words)
    return Round(f"{rule} {riddle.text}", f"{words[riddle.right]}.")


def spoken(world: World) -> Round:
    """A riddle, and the right opinion in plain words."""
    riddle = _draw(world, _RIDDLES)(world)
    return Round(riddle.text, sentence(world.one(riddle.opinions[riddle.right])))


def asked(world: World) -> Round:
    """A text, a question on it, and the answer."""
    return _draw(world, _QUESTIONS)(world)


def play(world: World) -> Round:
    """A round of any game, not so long that a small model has no room for it."""
    while True:
        drawn = _draw(world, {coded: 50, asked: 35, spoken: 15})(world)
        if len(drawn.told.split()) <= MAX_WORDS:
            return drawn
