"""What heads learn is what targets, tags and answers say."""

import gzip
import itertools
import json

import numpy as np
import pytest

from spot_jax.data import head_targets
from spot_jax.data.orders import MemoryExamples, Position
from spot_jax.data.sentinel import Begun
from spot_jax.errors import InputError
from spot_jax.prompts.heads import ENDS
from spot_jax.text import spans, tagging
from spot_jax.text.lengths import shorten
from spot_jax.text.pieces import open_pieces
from spot_jax.text.tagging import TAGS

OPINION = ("bad", "good")


@pytest.fixture(scope="module")
def vocabulary():
    return open_pieces("spot_tiny", 0, "")[0]


def ids_of(vocabulary, text):
    return np.asarray([*vocabulary.encode(text), 1], np.int32)


def test_a_target_is_the_number_of_its_class_from_one_on(vocabulary):
    number = head_targets.numbers(OPINION, vocabulary, 8, "opinion")
    found = [number(ids_of(vocabulary, text)) for text in ("bad", "good")]
    assert [one.tolist() for one in found] == [[1], [2]]
    assert found[0].dtype == np.int32


def test_a_target_that_was_cut_is_found_by_what_is_left(vocabulary):
    labels = ("a very good film", "bad")
    number = head_targets.numbers(labels, vocabulary, 3, "opinion")
    cut = shorten(ids_of(vocabulary, labels[0]), 3)
    assert len(cut) == 3 and number(cut).tolist() == [1]


def test_classes_that_are_alike_when_cut_are_refused(vocabulary):
    labels = ("a very good film", "a very bad film")
    head_targets.numbers(labels, vocabulary, 8, "opinion")
    with pytest.raises(InputError, match="same pieces.*cut to 2.*'a very bad film'"):
        head_targets.numbers(labels, vocabulary, 2, "opinion")


def test_targets_begin_with_the_sentinel_where_the_run_has_it():
    plain = open_pieces("spot_tiny", 100, "")[0]
    begun = Begun(plain)
    number = head_targets.numbers(OPINION, begun, 8, "opinion")
    assert number(ids_of(begun, "good")).tolist() == [2]
    with pytest.raises(InputError, match="A target of opinion is 'good'"):
        number(ids_of(plain, "good"))


def test_a_target_that_is_no_class_is_refused_with_its_text(vocabulary):
    number = head_targets.numbers(OPINION, vocabulary, 8, "opinion")
    with pytest.raises(
        InputError, match="A target of opinion is 'fine'.* 2 classes .'bad', 'good'"
    ):
        number(ids_of(vocabulary, "fine"))


def test_a_reader_gives_numbers_and_stands_where_the_other_does(vocabulary):
    pairs = [(np.asarray([n, 1]), ids_of(vocabulary, OPINION[n % 2])) for n in range(5)]
    number = head_targets.numbers(OPINION, vocabulary, 8, "opinion")
    plain = MemoryExamples(pairs, 3, Position(1, 2))
    made = head_targets.numbered(
        lambda seed, position: MemoryExamples(pairs, seed, position), number
    )(3, Position(1, 2))
    for count in (2, 4):
        theirs = plain.take(count)
        for (inputs, ours), (same, target) in zip(
            made.take(count), theirs, strict=True
        ):
            assert inputs is same and ours.tolist() == number(target).tolist()
        assert made.position == plain.position


@pytest.mark.parametrize(
    ("kind", "labels", "classes"),
    [("cls", OPINION, OPINION), ("token", (), TAGS), ("span", (), ENDS)],
)
def test_the_classes_of_a_task(kind, labels, classes):
    assert head_targets.classes_of(kind, labels, "x") == classes


def test_a_task_without_labels_has_no_classes():
    with pytest.raises(InputError, match="'cls'.* and x has none.*CLASS_LABELS"):
        head_targets.classes_of("cls", (), "x")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("token", "words and tags, .*conll2003"), ("span", "answer_start and .*squad")],
)
def test_a_task_that_tells_no_marks_is_refused(kind, told):
    with pytest.raises(InputError, match=f"HEAD is '{kind}'.* of x do not have {told}"):
        head_targets.check_task(kind, "x", {"inputs", "targets"})
    head_targets.check_task("cls", "x", {})


WORDS = "Mila Brook lives in Ashford .".split()
TAGGED = ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]


def sentence(prefix="", words=WORDS, tags=TAGGED):
    text = " ".join([*prefix.split(), *words])
    return {
        "inputs_pretokenized": text.encode(),
        "words": np.asarray([word.encode() for word in words], object),
        "tags": np.asarray([tag.encode() for tag in tags], object),
    }


@pytest.mark.parametrize("prefix", ["", "conll2003 tokens:"])
def test_a_word_has_its_tag_at_its_first_piece_and_words_before_have_none(
    prefix, vocabulary
):
    found = head_targets.marked("token", sentence(prefix), vocabulary, 60)
    words = [*prefix.split(), *WORDS]
    assert found.inputs.tolist() == [*vocabulary.encode(" ".join(words)), 1]
    assert found.skipped == len(prefix.split()) and list(found.words) == WORDS
    at_words = found.marks[found.first]
    numbers = [1 + TAGS.index(tag) for tag in TAGGED]
    # Outside is a tag to learn, of the words before as well.
    assert at_words.tolist() == [1] * found.skipped + numbers
    assert np.count_nonzero(found.marks) == len(words)
    read = [
        vocabulary.decode(found.inputs[a:b].tolist()).strip()
        for a, b in itertools.pairwise([*found.first, len(found.inputs) - 1])
    ]
    assert read == words


def test_words_that_do_not_fit_have_no_marks(vocabulary):
    whole = head_targets.marked("token", sentence("ner:"), vocabulary, 60)
    limit = whole.first[-2] + 1
    found = head_targets.marked("token", sentence("ner:"), vocabulary, limit)
    assert len(found.inputs) == limit and found.inputs[-1] == 1
    assert len(found.first) == len(whole.first) - 2
    assert found.marks.tolist() == [*whole.marks[: limit - 1], 0]
    assert list(found.words) == WORDS


@pytest.mark.parametrize("text", ["Mila  lives in Ashford", " Mila\tlives in Ashford "])
def test_text_of_which_no_words_are_told_is_each_word_once(text, vocabulary):
    found = head_targets.marked("token", {"inputs_pretokenized": text}, vocabulary, 60)
    assert list(found.words) == text.split() and found.skipped == 0
    assert found.inputs.tolist() == [*vocabulary.encode(" ".join(text.split())), 1]


def test_words_that_are_not_in_the_text_are_refused(vocabulary):
    example = sentence() | {"inputs_pretokenized": "Mila lives in Ashford . And more ."}
    with pytest.raises(InputError, match="And more .* does not end in the words"):
        head_targets.marked("token", example, vocabulary, 60)


TEXT = "question: Who lives here ? context: Mila lives in Ashford . "


def question(answer, text=TEXT):
    start = text.rindex(answer) if answer else -1
    return {
        "inputs_pretokenized": text.encode(),
        "answer_start": np.int32(start),
        "answer_end": np.int32(start + len(answer or "")),
    }


def test_an_answer_has_a_mark_where_it_begins_and_one_where_it_ends(vocabulary):
    found = head_targets.marked("span", question("Mila lives in"), vocabulary, 60)
    first, last = np.flatnonzero(found.marks)
    assert found.marks[[first, last]].tolist() == [1, 2]
    assert spans.text_at(TEXT, found.places, first, last) == "Mila lives in"
    assert found.inputs.tolist() == [*vocabulary.encode(TEXT.strip()), 1]


def test_an_answer_of_one_piece_has_both_marks_there(vocabulary):
    found = head_targets.marked("span", question("lives"), vocabulary, 60)
    (place,) = np.flatnonzero(found.marks)
    assert found.marks[place] == 3


@pytest.mark.parametrize("limit", [60, 12])
def test_no_answer_and_one_that_is_cut_off_have_no_marks(limit, vocabulary):
    answer = None if limit == 60 else "Ashford"
    found = head_targets.marked("span", question(answer), vocabulary, limit)
    assert not found.marks.any() and len(found.marks) == len(found.inputs) <= limit
    unknown = head_targets.marked("span", {"inputs_pretokenized": TEXT}, vocabulary, 60)
    assert not unknown.marks.any()


@pytest.fixture(scope="module")
def published(shared):
    path = shared / "fixtures/t5_vocab/spiece.model"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return open_pieces(str(path), 0, "")[0]


def _lines(path, count):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(next(file)) for _ in range(count)]


def test_the_tags_of_real_sentences_come_back(shared, published):
    path = shared / "data/conll03_ner/validation.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    for row in _lines(path, 300):
        words, tags = row["tokens"], row["ner_tags"]
        example = sentence("conll2003 tokens:", words, tags)
        found = head_targets.marked("token", example, published, 512)
        text = " ".join(["conll2003 tokens:", *words])
        assert found.inputs.tolist() == [*published.encode(text), 1]
        count = found.skipped + len(words)
        read = tagging.tags_at(np.maximum(found.marks - 1, 0), found.first, count)
        assert read[found.skipped :] == tags


def test_the_answers_of_real_questions_come_back(shared, published):
    path = shared / "data/squad/validation.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    inside = 0
    for row in _lines(path, 300):
        answers = row["answers"]
        before = f"question: {row['question']} context: "
        start = len(before) + answers["answer_start"][0]
        answer = answers["text"][0]
        example = {
            "inputs_pretokenized": before + row["context"],
            "answer_start": start,
            "answer_end": start + len(answer),
        }
        found = head_targets.marked("span", example, published, 256)
        if not found.marks.any():
            continue
        inside += 1
        ends = [np.flatnonzero(found.marks & bit).tolist() for bit in (1, 2)]
        ((first,), (last,)) = ends
        read = spans.text_at(found.text, found.places, first, last)
        # All of the answer, and at most the rest of its pieces: what is joined to it.
        assert answer.strip() in read and len(read) < len(answer) + 20
    assert inside > 200
