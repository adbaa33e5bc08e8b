"""No single word gives a label away; see `baseline` for what is measured."""

import numpy as np
import pytest

from spot_jax.miniature import DATASETS, rows
from spot_jax.miniature.baseline import guesses, label, most_frequent, texts

# A label that follows from comparing texts: words alone tell next to nothing.
COMPARED = ("mnli", "qnli", "rte", "cb", "qqp", "mrpc", "wic", "wsc", "winogrande")
COMPARED += ("copa", "multirc", "boolq", "cola")
SENTIMENT = ("yelp_polarity", "sst2", "cr")
SCORED = ("stsb", "cxc")


def majority(task, train, validation):
    """The percentage of validation rows that have the most frequent label."""
    most = most_frequent(task, train)
    return 100 * np.mean([label(task, row) == most for row in validation])


def bag_of_words(task, train, validation, longest=1):
    """Accuracy of word counts in percent, or Pearson's correlation times 100."""
    guessed = guesses(task, train, validation, longest)
    wanted = [label(task, row) for row in validation]
    if task in SCORED:
        return 100 * np.corrcoef(guessed, wanted)[0, 1]
    return 100 * np.mean(guessed == np.asarray(wanted))


def _splits(task, train, validation):
    dataset = DATASETS[task]
    held_out = next(s for s, p in dataset.splits.items() if p == "validation")
    first = next(iter(dataset.splits))
    return rows(task, first, train), rows(task, held_out, validation)


@pytest.mark.parametrize("task", COMPARED)
def test_words_tell_little_more_than_the_majority_class(task):
    train, validation = _splits(task, DATASETS[task].train, 600)
    # Standard error of 600 rows: 2 points.
    assert bag_of_words(task, train, validation) < majority(task, train, validation) + 7


@pytest.mark.parametrize("task", SENTIMENT)
def test_words_tell_some_of_the_sentiment(task):
    train, validation = _splits(task, DATASETS[task].train, 600)
    score = bag_of_words(task, train, validation)
    assert majority(task, train, validation) + 2 < score < 85


@pytest.mark.parametrize("task", SCORED)
def test_words_tell_no_likeness(task):
    train, validation = _splits(task, 800, 400)
    assert abs(bag_of_words(task, train, validation)) < 20


def test_every_labelled_task_has_texts_and_a_label():
    for task in DATASETS:
        if task == "c4_prefix_lm":
            continue
        (row,) = rows(task, next(iter(DATASETS[task].splits)), 1)
        assert texts(task, row) and label(task, row) is not None


def test_a_label_that_is_a_word_is_found():
    train = [
        {"sentence": f"it is {w} {n}", "label": w == "good"}
        for n in range(20)
        for w in ("good", "bad")
    ]
    assert bag_of_words("sst2", train, train) == 100
    assert majority("sst2", train, train) == 50
