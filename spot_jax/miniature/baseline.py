"""What can be read off single words: the majority class and a bag of words."""

import collections
from collections.abc import Sequence

# Columns with text that is read; choices come apart, one column each.
_COLUMNS = (
    *("premise", "hypothesis", "text", "sentence", "question", "question1"),
    *("question2", "sentence1", "sentence2", "word", "span1_text", "span2_text"),
    *("passage", "query", "entities", "context", "paragraph", "article", "options"),
    *("option1", "option2", "choice1", "choice2", "endings"),
    *("answer0", "answer1", "answer2", "answer3"),
)
_SCORED = ("stsb", "cxc")


def texts(task: str, row: dict) -> dict[str, str]:
    """Returns the texts that a row gives to read, by column."""
    if task == "race":
        row = {**row, "question": row["questions"][0], "options": row["options"][0]}
    columns = (*_COLUMNS, "answer") if task == "multirc" else _COLUMNS
    found = {}
    for column in columns:
        value = row.get(column, ())
        if isinstance(value, str):
            found[column] = value
        else:
            found |= {f"{column}{place}": text for place, text in enumerate(value)}
    return found


def label(task: str, row: dict) -> object:
    """Returns what is to be told from the texts.

    Where the answer is free it is where to look: the number of its first word in
    SQuAD's context, of the entity in ReCoRD; RACE stands for its first question.
    """
    if task == "squad":
        return row["context"][: row["answers"]["answer_start"][0]].count(" ")
    if task == "record":
        return row["entities"].index(row["answers"][0])
    if task == "race":
        return row["answers"][0]
    return row["answer"] if task == "drop" else row["label"]


def one_question_each(task: str, rows: Sequence[dict]) -> list[dict]:
    """Returns a row for each example: RACE asks several questions about an article."""
    if task != "race":
        return list(rows)
    asked = ("questions", "options", "answers")
    return [
        {**row, **{column: [row[column][place]] for column in asked}}
        for row in rows
        for place in range(len(row["questions"]))
    ]


def answer(task: str, row: dict, guess: object, labels: Sequence[str]) -> str:
    """Returns a label of the row as the text in which the task wants its answer.

    SQuAD's is a single word; a place where there is nothing is no answer.

    Args:
        task: one of the miniature's labelled tasks.
        row: a row of it.
        guess: what it is taken for, as `label` numbers it.
        labels: the task's, as text, where it has any.
    """
    match task:
        case "cxc" | "stsb":
            return f"{guess:.1f}"
        case "drop":
            return guess
        case "wsc":
            return row["span1_text" if guess else "span2_text"]
        case "winogrande":
            choices = [row["option1"], row["option2"]]
        case "hellaswag":
            choices = row["endings"]
        case "cosmos_qa":
            choices = [row[f"answer{place}"] for place in range(4)]
        case "record":
            choices = row["entities"]
        case "squad":
            choices = [word.strip(".,?!") for word in row["context"].split()]
        case "race":
            guess, choices = "ABCD".index(guess), row["options"][0]
        case _:
            choices = labels
    return choices[guess] if guess < len(choices) else ""


def most_frequent(task: str, rows: Sequence[dict]) -> object:
    """Returns the label that most rows have."""
    ((most, _),) = collections.Counter(label(task, row) for row in rows).most_common(1)
    return most


def guesses(
    task: str, train: Sequence[dict], validation: Sequence[dict], longest: int = 1
) -> Sequence:
    """Returns what a linear model of word counts takes the labels for.

    Args:
        task: one of the miniature's labelled tasks.
        train: rows to learn from.
        validation: rows to guess.
        longest: 1 counts words, 2 pairs of neighbours as well.

    Returns:
        A label for each row of validation.
    """
    # Measuring alone needs these.
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    read = {
        part: [texts(task, row) for row in rows]
        for part, rows in (("train", train), ("validation", validation))
    }
    columns = sorted({column for row in read["train"] for column in row})
    counts: dict[str, list] = {"train": [], "validation": []}
    # By column: a word of the premise tells other things than one of the hypothesis.
    for column in columns:
        count = CountVectorizer(ngram_range=(1, longest), token_pattern=r"[^\s.,?!]+")
        count.fit(row.get(column, "") for row in read["train"])
        for part, rows in read.items():
            counts[part].append(count.transform(row.get(column, "") for row in rows))
    known, new = (sparse.hstack(counts[part]).tocsr() for part in counts)
    targets = [label(task, row) for row in train]
    if len(set(targets)) == 1:
        # T5 trains on WSC's true rows alone (Raffel et al. 2020, §2.4).
        return targets[:1] * len(validation)
    scored = task in _SCORED
    model = Ridge(alpha=10.0) if scored else LogisticRegression(max_iter=300, C=0.3)
    return model.fit(known, targets).predict(new)
