"""What the rows of single tasks must be, beyond the types of their columns.

What is found here would otherwise end a run with an error of TensorFlow, or be learnt
as an answer that is empty or wrong.
"""

import re
import string
from collections.abc import Callable, Mapping

# From a row, and whether its labels may be hidden, to what is wrong with it; "" for a
# row that is right.
Check = Callable[[Mapping, bool], str]


def row_fault(task: str, row: Mapping, is_hidden: bool) -> str:
    """Says what is wrong with a row of a task; empty if nothing is.

    Args:
        task: its name in the catalog.
        row: values that their columns can hold.
        is_hidden: whether labels may be hidden, as in a test split.
    """
    check = _CHECKS.get(task)
    return check(row, is_hidden) if check else ""


def _number(column: str, allowed: tuple[int, ...]) -> Check:
    """Labels that a data set keeps as plain numbers."""

    def check(row: Mapping, is_hidden: bool) -> str:
        value = row[column]
        if value in allowed or (is_hidden and value == -1):
            return ""
        return f"{column} is {value!r}; expected one of {', '.join(map(str, allowed))}"

    return check


def _similarity(row: Mapping, is_hidden: bool) -> str:
    value = row["label"]
    if 0 <= value <= 5 or (is_hidden and value == -1):
        return ""
    return f"label is {value!r}; expected a number from 0 to 5"


def _hellaswag(row: Mapping, is_hidden: bool) -> str:
    if len(row["endings"]) != 4:
        return f"endings has {len(row['endings'])} texts; there are always 4"
    return _number("label", (0, 1, 2, 3))(row, is_hidden)


def _answered(column: str, texts: Callable[[Mapping], list[str]]) -> Check:
    """Questions that all have an answer, as in SQuAD 1.1."""

    def check(row: Mapping, is_hidden: bool) -> str:
        answers = texts(row)
        if all(answer.strip() for answer in answers) and (answers or is_hidden):
            return ""
        found = f"has a blank text, {answers!r:.60}" if answers else "is empty"
        return (
            f"{column} {found}; every question of this task has an answer. Leave out "
            "the rows without one, such as those of SQuAD 2 that are impossible"
        )

    return check


def _race(row: Mapping, is_hidden: bool) -> str:
    columns = ("questions", "options", "answers")
    lengths = {column: len(row[column]) for column in columns}
    if len(set(lengths.values())) > 1 or not row["questions"]:
        return f"questions, options and answers must be as many, and some: {lengths}"
    if any(len(options) != 4 for options in row["options"]):
        return f"options has {row['options']!r:.80}; each question has always 4"
    if not set(row["answers"]) <= set("ABCD"):
        return f"answers is {row['answers']!r:.60}; expected A, B, C or D for each"
    return ""


def _wsc(row: Mapping, is_hidden: bool) -> str:
    """As `wsc.mark_word` looks for the pronoun."""
    text, word, index = row["text"], row["span2_text"], row["span2_index"]
    words = text.split(" ")
    if 0 <= index < len(words):
        if words[index] != word:
            words = text.strip(string.whitespace).split(" ")
        pattern = re.escape(word) + f"[{re.escape(string.punctuation)}]*"
        if any(re.fullmatch(pattern, later) for later in words[index:]):
            return ""
    return (
        f"span2_text {word!r:.60} is none of the words of text from span2_index "
        f"{index} on, counted from 0"
    )


def _go_emotions(row: Mapping, is_hidden: bool) -> str:
    if is_hidden or any(value == 1 for value in row.values()):
        return ""
    return "none of the 28 emotions is true; give at least one, which may be neutral"


def _tagged(row: Mapping, is_hidden: bool) -> str:
    words, tags = row["tokens"], row["ner"]
    if len(words) != len(tags):
        return f"tokens are {len(words)} and ner has {len(tags)}; each word has a tag"
    if any(not word.strip() or word.split() != [word] for word in words):
        return f"tokens has a blank word, or one with a space in it: {words!r:.80}"
    return ""


_MRQA = ("mrqa_squad", "news_qa", "trivia_qa", "search_qa", "hotpot_qa")
_CHECKS: dict[str, Check] = {
    "stsb": _similarity,
    "cxc": _similarity,
    "sentiment140": _number("polarity", (0, 2, 4)),
    "hellaswag": _hellaswag,
    **dict.fromkeys(
        ("squad", "squad_span"),
        _answered("answers", lambda row: row["answers"]["text"]),
    ),
    "conll2003": _tagged,
    "drop": _answered("answer", lambda row: [row["answer"]]),
    "record": _answered("answers", lambda row: row["answers"]),
    **dict.fromkeys(
        (*_MRQA, "natural_questions"),
        _answered("answers", lambda row: row["answers"]),
    ),
    "race": _race,
    "wsc": _wsc,
    "go_emotions": _go_emotions,
}
