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
SCORED = ("stsb", "cxc")


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

    Where the answer is free it is where to look: the number of the sentence in SQuAD's
    context, of the entity in ReCoRD; RACE stands for its first question.
    """
    if task == "squad":
        return row["context"][: row["answers"]["answer_start"][0]].count(". ")
    if task == "record":
        return row["entities"].index(row["answers"][0])
    if task == "race":
        return row["answers"][0]
    return row["answer"] if task == "drop" else row["label"]


def majority(task: str, train: Sequence[dict], validation: Sequence[dict]) -> float:
    """Returns the percentage of validation rows that have the most frequent label."""
    labels = collections.Counter(label(task, row) for row in train)
    ((most, _),) = labels.most_common(1)
    right = [label(task, row) == most for row in validation]
    return 100 * sum(right) / len(right)


def bag_of_words(
    task: str, train: Sequence[dict], validation: Sequence[dict], longest: int = 1
) -> float:
    """Returns how well a linear model of word counts does, in percent.

    Args:
        task: one of the miniature's labelled tasks.
        train: rows to learn from.
        validation: rows to score.
        longest: 1 counts words, 2 pairs of neighbours as well.

    Returns:
        Accuracy, or Pearson's correlation times 100 for a likeness (STS-B, CxC).
    """
    import numpy as np
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    read = {
        part: [texts(task, row) for row in rows]
        for part, rows in (("train", train), ("validation", validation))
    }
    columns = sorted({column for row in read["train"] for column in row})
    counts: dict[str, list] = {"train": [], "validation": []}
    for column in columns:
        count = CountVectorizer(ngram_range=(1, longest), token_pattern=r"[^\s.,?!]+")
        count.fit(row.get(column, "") for row in read["train"])
        for part, rows in read.items():
            counts[part].append(count.transform(row.get(column, "") for row in rows))
    known, new = (sparse.hstack(counts[part]).tocsr() for part in counts)
    targets = [label(task, row) for row in train]
    wanted = [label(task, row) for row in validation]
    if task in SCORED:
        predicted = Ridge(alpha=10.0).fit(known, targets).predict(new)
        return 100 * float(np.corrcoef(predicted, wanted)[0, 1])
    model = LogisticRegression(max_iter=300, C=0.3).fit(known, targets)
    return 100 * float(np.mean(model.predict(new) == np.asarray(wanted)))
