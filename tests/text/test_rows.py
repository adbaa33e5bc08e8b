import pytest

from spot_jax.errors import InputError
from spot_jax.tasks import catalog
from spot_jax.text.prepared import dataset_features
from spot_jax.text.rows import fit_rows


def fit(task, *rows, is_hidden=False, left_out=None):
    info = catalog.get(task)
    lines = ((f"a.jsonl:{number}", row) for number, row in enumerate(rows, start=1))
    return list(
        fit_rows(
            lines,
            info,
            dataset_features(info.tfds),
            is_hidden=is_hidden,
            left_out=set() if left_out is None else left_out,
        )
    )


@pytest.mark.parametrize("label", ["positive", 1, "1", True])
def test_labels_are_text_or_index(label):
    (row,) = fit("sst2", {"sentence": "x", "label": label})
    assert row == {"sentence": "x", "label": 1, "idx": 0}


def test_the_catalogs_labels_are_known_where_tfds_has_others():
    rows = fit("yelp_polarity", *({"text": "x", "label": n} for n in ("2", "negative")))
    assert [row["label"] for row in rows] == [1, 0]


@pytest.mark.parametrize(
    "task, row, message",
    [
        ("sst2", {"sentence": "x", "label": "good"}, "negative, positive"),
        ("sst2", {"sentence": "x", "label": 2}, "index from 0 to 1"),
        ("sst2", {"sentence": "x", "label": -1}, "index from 0 to 1"),
        ("sst2", {"sentence": "x", "label": 1.0}, "index from 0 to 1"),
        ("sst2", {"sentence": "x"}, "column label is missing"),
        ("sst2", {"sentence": 5, "label": 1}, "text is expected"),
        ("stsb", {"sentence1": "x", "sentence2": "y", "label": 6}, "0 to 5"),
        ("stsb", {"sentence1": "x", "sentence2": "y", "label": "3"}, "a number"),
        ("sentiment140", {"text": "x", "polarity": 1}, "0, 2, 4"),
        ("cosmos_qa", {"question": "x"}, "context, answer0"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(task, row, message):
    with pytest.raises(InputError, match="^a.jsonl:1: ") as error:
        fit(task, row)
    assert message in str(error.value)


WHOLE = {
    "sst2": {"sentence": "x", "label": 1},
    "squad": {"question": "x", "context": "y", "answers": {"text": ["z"]}},
    "news_qa": {"question": "x", "context": "y", "answers": ["z"]},
    "drop": {"passage": "x", "question": "y", "answer": "z", "validated_answers": []},
    "record": {"passage": "x", "query": "y", "entities": ["z"], "answers": ["z"]},
    "race": {
        **{"article": "x", "questions": ["y"], "answers": ["D"]},
        "options": [["a", "b", "c", "d"]],
    },
    "hellaswag": {"context": "x", "endings": ["a", "b", "c", "d"], "label": 3},
    "wsc": {
        **{"text": "Bo says (he) can.", "span1_text": "Bo", "span2_text": "can"},
        **{"span2_index": 3, "label": 1},
    },
    "go_emotions": {"comment_text": "x", "neutral": 1},
}


@pytest.mark.parametrize("task", WHOLE)
def test_a_right_row_is_taken(task):
    (row,) = fit(task, WHOLE[task])
    assert WHOLE[task].keys() <= row.keys()


@pytest.mark.parametrize(
    "task, column, value, message",
    [
        # Numbers that a column cannot hold are neither cut nor rounded.
        (
            "sst2",
            "idx",
            2**70,
            "idx is 1180591620717411303424; a whole number from -2,",
        ),
        ("sst2", "idx", 2**31, "to 2,147,483,647 is expected"),
        ("sst2", "idx", 1.5, "idx is 1.5; a whole number"),
        ("sst2", "idx", True, "idx is True; a whole number"),
        ("sst2", "idx", None, "idx is None; a whole number"),
        ("sst2", "sentence", "\ud800", "text is expected"),
        ("record", "idx", {"passage": 1}, "an object of passage, query is expected"),
        ("record", "idx", {"passage": 1, "query": 2**40}, "idx.query is 1099511627776"),
        ("go_emotions", "joy", 2, "joy is 2; true or false is expected"),
        # Questions without an answer.
        ("squad", "answers", {"text": []}, "answers is empty; every question"),
        ("squad", "answers", {"text": ["z", " "]}, "has a blank text, ['z', ' ']"),
        ("news_qa", "answers", [], "answers is empty; every question"),
        ("drop", "answer", "", "answer has a blank text"),
        ("record", "answers", [], "answers is empty; every question"),
        ("race", "questions", [], "must be as many, and some: {'questions': 0"),
        ("go_emotions", "neutral", 0, "none of the 28 emotions is true"),
        # Lists of other lengths, or of other things.
        ("squad", "answers", ["z"], "an object of answer_start, text is expected"),
        ("squad", "answers", {"text": [1]}, "answers.text[0] is 1; text is expected"),
        ("squad", "answers", {"text": ["z"], "answer_start": []}, "different lengths"),
        ("record", "entities", "z", "entities is 'z'; a list is expected"),
        ("race", "options", [["a", "b", "c"]], "each question has always 4"),
        ("race", "options", ["abcd"], "options[0] is 'abcd'; a list is expected"),
        ("race", "answers", ["E"], "expected A, B, C or D"),
        ("hellaswag", "endings", ["a"], "endings has 1 texts; there are always 4"),
        ("hellaswag", "label", 4, "label is 4; expected one of 0, 1, 2, 3"),
        # The pronoun of a Winograd schema stands where span2_index says, or behind.
        ("wsc", "span2_text", "she", "'she' is none of the words of text"),
        ("wsc", "span2_index", 4, "from span2_index 4 on"),
        ("wsc", "span2_index", -1, "from span2_index -1 on"),
    ],
)
def test_a_wrong_value_is_named_by_file_and_line(task, column, value, message):
    with pytest.raises(InputError, match="^a.jsonl:1: ") as error:
        fit(task, WHOLE[task] | {column: value})
    assert message in str(error.value)


def test_a_test_split_may_hide_its_answers():
    hidden = WHOLE["record"] | {"answers": []}
    assert fit("record", hidden, is_hidden=True)[0]["answers"] == []
    hidden = WHOLE["hellaswag"] | {"label": -1}
    assert fit("hellaswag", hidden, is_hidden=True)[0]["label"] == -1


def test_a_test_split_may_hide_its_labels():
    (row,) = fit("sst2", {"sentence": "x", "label": -1}, is_hidden=True)
    assert row["label"] == -1


def test_bookkeeping_is_filled_in_and_other_columns_left_out():
    left_out = set()
    given = {"question": "q", "context": "c", "answers": {"text": ["a", "b"]}}
    rows = fit("squad", given, given | {"id": "mine", "page": 3}, left_out=left_out)
    assert [row["id"] for row in rows] == ["0", "mine"]
    assert rows[0]["answers"] == {"text": ["a", "b"], "answer_start": [0, 0]}
    assert left_out == {"page"}


def test_answers_to_one_question_share_its_number():
    def row(paragraph, question, answer):
        columns = {"paragraph": paragraph, "question": question, "answer": answer}
        return columns | {"label": 0}

    rows = fit(
        "multirc",
        row("p", "q", "a"),
        row("p", "q", "b"),
        row("p", "r", "a"),
        row("s", "q", "a"),
    )
    assert [row["idx"]["paragraph"] for row in rows] == [0, 0, 0, 1]
    assert [row["idx"]["question"] for row in rows] == [0, 0, 1, 2]
    assert [row["idx"]["answer"] for row in rows] == [0, 1, 2, 3]
