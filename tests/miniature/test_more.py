"""The miniature's tagging and its text from tables."""

import collections
import hashlib
import re

import pytest

from spot_jax.miniature import DATASETS, MORE, all_splits, rows
from spot_jax.miniature.tables import UNSEEN
from spot_jax.text.tagging import TAGS, entities_of, read_entities, write_entities
from tests.miniature.names import NAME, names_of

RECORDED = "29e61ecfbcdc56b0"
TABLES = ("web_nlg_table", "dart_table")


@pytest.fixture(scope="module")
def drawn():
    """Every split of every one of them, with few rows."""
    return {task: all_splits(task, train=300, validation=100) for task in MORE}


def text_of(value):
    if isinstance(value, dict):
        return " ".join(map(text_of, value.values()))
    return " ".join(map(text_of, value)) if isinstance(value, list) else str(value)


def triples_of(row):
    table = row["input_text"]["table"]
    told = {"subject": 0, "predicate": 1, "object": 2}
    triples = [[""] * 3 for _ in range(max(table["row_number"]) + 1)]
    parts = (table[column] for column in ("column_header", "row_number", "content"))
    for header, number, content in zip(*parts, strict=True):
        triples[number][told[header]] = content
    return [tuple(triple) for triple in triples]


def relations(rows):
    return {relation for row in rows for _, relation, _ in triples_of(row)}


def test_they_are_apart_from_the_study():
    assert not set(MORE) & set(DATASETS)


def test_rows_never_change_unnoticed():
    """A new world is a new release: results quote the data they were made with."""
    digest = hashlib.sha256()
    for task, dataset in MORE.items():
        for split in dataset.splits:
            digest.update(repr(rows(task, split, 20)).encode())
    assert digest.hexdigest()[:16] == RECORDED


@pytest.mark.parametrize("task", MORE)
def test_rows_are_the_same_for_the_same_seed_only(task):
    first, again, other = (rows(task, "train", 40, seed) for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.parametrize("task", MORE)
def test_each_row_names_somebody_of_its_own_split_and_nobody_else(task, drawn):
    for split, part in MORE[task].splits.items():
        own = names_of(part)
        for row in drawn[task][split]:
            found = set(NAME.findall(text_of(row)))
            assert found and found <= own, row


@pytest.mark.parametrize("task", MORE)
def test_no_row_occurs_twice_and_all_have_the_size_that_was_asked_for(task, drawn):
    for split in MORE[task].splits:
        texts = [repr(row) for row in drawn[task][split]]
        assert len(set(texts)) == len(texts) == (300 if split == "train" else 100)


def test_every_word_of_a_sentence_has_its_tags(drawn):
    for split in drawn["conll2003"].values():
        for row in split:
            assert len({len(row[column]) for column in row}) == 1
            assert set(row["ner"]) <= set(TAGS)
            assert row["tokens"][-1] == "." and row["tokens"][0][0].isupper()
            assert len(row["tokens"]) < 30
            entities = entities_of(row["ner"])
            assert entities
            text = write_entities(row["tokens"], entities)
            assert read_entities(text, row["tokens"]) == entities


def test_names_are_people_places_or_what_is_named_after_them(drawn):
    kinds = collections.Counter()
    for row in drawn["conll2003"]["train"]:
        words = row["tokens"]
        named = {place for place, word in enumerate(words) if NAME.fullmatch(word)}
        inside = set()
        for kind, first, last in entities_of(row["ner"]):
            kinds[kind] += 1
            assert first in named and last - first == (kind in ("ORG", "MISC"))
            inside |= {first}
        assert inside == named
    assert set(kinds) == {"PER", "LOC", "ORG", "MISC"} and min(kinds.values()) > 30


def test_a_name_alone_does_not_tell_its_kind(drawn):
    kinds = collections.defaultdict(set)
    for row in rows("conll2003", "train", 2000):
        for word, tag in zip(row["tokens"], row["ner"], strict=True):
            if tag.startswith("B-"):
                kinds[word].add(tag)
    assert sum(len(found) > 1 for found in kinds.values()) > 0.9 * len(kinds)


@pytest.mark.parametrize("task", TABLES)
def test_a_table_is_told_in_two_ways_that_say_all_of_it(task, drawn):
    groups = collections.defaultdict(list)
    for row in drawn[task]["train"]:
        groups[tuple(triples_of(row))].append(row["target_text"])
    for triples, texts in groups.items():
        assert len(set(texts)) == 2
        for text in texts:
            for subject, _, value in triples:
                for word in (*subject.split(" of "), value):
                    assert re.search(rf"\b{word}", text, re.IGNORECASE), (word, text)


def test_half_of_the_tested_categories_are_unseen(drawn):
    splits = drawn["web_nlg_table"]
    contexts = {
        split: [row["input_text"]["context"] for row in rows]
        for split, rows in splits.items()
    }
    assert not set(contexts["train"] + contexts["validation"]) & set(UNSEEN)
    assert set(contexts["test_unseen"]) == set(UNSEEN)
    assert splits["test_unseen"] == [
        row
        for row, context in zip(splits["test_all"], contexts["test_all"], strict=True)
        if context in UNSEEN
    ]
    assert 25 < len(splits["test_unseen"]) < 75
    tested = splits["test_unseen"]
    assert not relations(tested) & relations(splits["train"])


def test_half_of_the_tested_tables_have_an_unseen_relation(drawn):
    splits = drawn["dart_table"]
    seen = relations(splits["train"]) | relations(splits["validation"])
    unseen = [row for row in splits["test"] if not relations([row]) <= seen]
    assert 25 < len(unseen) < 75
    assert relations(splits["train"]) == relations(splits["validation"])
