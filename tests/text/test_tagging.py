"""Entities survive every form that they are given."""

import random

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.spot_tiny import BYTES
from spot_jax.text.byte_pieces import BytePieces
from spot_jax.text.metrics import entity_f1
from spot_jax.text.pieces import open_pieces
from spot_jax.text.tagging import (
    TAGS,
    align,
    entities_of,
    read_entities,
    tags_at,
    tags_of,
    write_entities,
)

# Of seqeval 1.2.2's tests and README.
ENTITIES = [
    ("O O O B-MISC I-MISC I-MISC O B-PER I-PER", [("MISC", 3, 5), ("PER", 7, 8)]),
    ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
    ("I-NP I-NP O", [("NP", 0, 1)]),
    ("B-NP B-NP", [("NP", 0, 0), ("NP", 1, 1)]),
    ("B-PER I-LOC I-LOC", [("PER", 0, 0), ("LOC", 1, 2)]),
    ("O O", []),
    ("", []),
]


@pytest.mark.parametrize("tags, entities", ENTITIES)
def test_tags_are_read_as_seqeval_reads_them(tags, entities):
    assert entities_of(tags.split()) == entities


@pytest.mark.parametrize(
    "target, guess, f1",
    [
        (
            ["O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O"],
            ["O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O"],
            50.0,
        ),
        (["B-NP I-NP O"], ["I-NP I-NP O"], 100.0),
        (["B-ORG I-ORG"], ["I-ORG I-ORG"], 100.0),
        (["O O"], ["O O"], 0.0),
        # One of two found, one of three right: 2 * 1 / (2 + 3).
        (["B-A O B-B"], ["B-A B-B B-B"], 80.0),
        (["B-A O B-B O"], ["B-A O B-A B-B"], 40.0),
    ],
)
def test_entity_f1_is_seqevals(target, guess, f1):
    sides = ([entities_of(t.split()) for t in side] for side in (target, guess))
    assert entity_f1(*sides) == {"entity_f1": pytest.approx(f1)}


def _random_tags(rng, count):
    return [rng.choice(TAGS) for _ in range(count)]


def test_entity_f1_is_that_of_the_package_where_it_is_installed():
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    rng = random.Random(0)
    for _ in range(200):
        sizes = [rng.randint(1, 9) for _ in range(4)]
        target, guess = ([_random_tags(rng, n) for n in sizes] for _ in range(2))
        expected = 100 * seqeval.f1_score(target, guess, zero_division=0)
        ours = entity_f1(map(entities_of, target), map(entities_of, guess))
        assert ours["entity_f1"] == pytest.approx(expected)


def test_an_entity_that_is_not_there_counts_as_a_wrong_one():
    words = "Bo met Di".split()
    guess = read_entities("person: Bo, person: Al, person: Al", words)
    assert guess[0] == ("PER", 0, 0) and len(set(guess)) == 3
    assert entity_f1([[("PER", 0, 0)]], [guess])["entity_f1"] == pytest.approx(50)


def test_entities_stand_as_text_in_their_order():
    words = "Peter Blackburn left Leeds".split()
    text = write_entities(words, [("LOC", 3, 3), ("PER", 0, 1)])
    assert text == "person: Peter Blackburn, location: Leeds"
    assert write_entities(words, []) == "none" and read_entities("none", words) == []


def test_a_number_tells_which_of_equal_words_is_meant():
    words = "Leeds beat Leeds in Leeds".split()
    assert write_entities(words, [("LOC", 4, 4)]) == "location 3: Leeds"
    assert write_entities(words, [("ORG", 0, 0), ("LOC", 4, 4)]) == (
        "organization: Leeds, location 2: Leeds"
    )


def test_spans_come_back_from_text_and_words():
    rng = random.Random(0)
    for _ in range(2000):
        words = rng.choices(["a", "b", "ab", ",", ":", "2", "none", "é"], k=8)
        entities = entities_of(_random_tags(rng, 8))
        text = write_entities(words, entities)
        assert read_entities(text, words) == entities, (words, entities, text)
        assert entities_of(tags_of(entities, 8)) == entities


@pytest.mark.parametrize(
    "text",
    ["", ",", "person", "person: ", "person 0: Bo", "x: y: z, ", "x 99999999999: Bo"],
)
def test_what_a_model_may_write_has_no_entity_of_the_sentence(text):
    assert all(first < 0 for _, first, _ in read_entities(text, ["Bo", "met", "Di"]))


def test_what_a_vocabulary_cannot_write_is_found_all_the_same():
    words = ["Al", "M\u0148ler"]
    assert read_entities("person: M \u2047 ler", words) == [("PER", 1, 1)]
    # Wide letters are normalized by the published vocabulary.
    assert read_entities("person: Al", ["\uff21l"]) == [("PER", 0, 0)]


@pytest.fixture(params=["spot_tiny", BYTES])
def pieces(request):
    return open_pieces(request.param, 0, "")[0]


def test_pieces_are_those_of_the_text_and_words_come_back(pieces):
    rng = random.Random(0)
    for _ in range(200):
        words = rng.choices(["Mila", "lives", "in", "Ashford", ".", "12", "xy-z"], k=9)
        tags = _random_tags(rng, 9)
        ids, first, marks = align(words, tags, pieces, prefix="ner:")
        assert ids.tolist() == [*pieces.encode(" ".join(["ner:", *words])), 1]
        assert len(ids) == len(marks) and np.count_nonzero(marks) == len(first) == 9
        assert tags_at(np.maximum(marks - 1, 0), first, 9) == tags
        ends = [*first[1:], len(ids) - 1]
        read = [
            pieces.decode(ids[start:end].tolist()).strip()
            for start, end in zip(first, ends, strict=True)
        ]
        assert read == words


def test_words_that_do_not_fit_are_left_out_whole():
    words, tags = ["ab", "cd", "ef"], ["B-PER", "I-PER", "O"]
    ids, first, marks = align(words, tags, BytePieces(), limit=6)
    # "ab cd" and the end.
    assert len(ids) == 6 and first.tolist() == [0, 3] and marks.tolist()[3] == 3
    assert align(words, tags, BytePieces(), limit=5).first.tolist() == [0]
    assert tags_at([8] * 6, first, 3) == ["I-MISC", "I-MISC", "O"]


def test_tags_that_cannot_be_right_are_refused():
    with pytest.raises(InputError, match="2 words have 1 tags"):
        align(["a", "b"], ["O"], BytePieces())
    with pytest.raises(InputError, match="B-X are none of O, B-PER"):
        align(["a"], ["B-X"], BytePieces())
