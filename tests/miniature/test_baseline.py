"""No single word gives a label away; see `baseline` for what is measured."""

import pytest

from spot_jax.miniature import DATASETS, rows
from spot_jax.miniature.baseline import SCORED, bag_of_words, label, majority, texts

# A label that follows from comparing texts: words alone tell next to nothing.
COMPARED = ("mnli", "qnli", "rte", "cb", "qqp", "mrpc", "wic", "wsc", "winogrande")
COMPARED += ("copa", "multirc", "boolq", "cola")
SENTIMENT = ("yelp_polarity", "sst2", "cr")


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
