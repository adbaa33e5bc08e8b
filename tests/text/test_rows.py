import gzip

import pytest

from spot_jax.tasks import catalog
from spot_jax.text.prepared import dataset_features
from spot_jax.text.rows import fit_rows, read_lines


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
        ("stsb", {"sentence1": "x", "sentence2": "y", "label": "3"}, "0 to 5"),
        ("hellaswag", {"context": "x", "endings": ["a"], "label": 4}, "0, 1, 2 or 3"),
        ("sentiment140", {"text": "x", "polarity": 1}, "0, 2 or 4"),
        ("cosmos_qa", {"question": "x"}, "context, answer0"),
        ("squad", {"question": "x", "context": "y", "answers": ["z"]}, '"text"'),
        (
            "record",
            {"passage": "x", "query": "y", "entities": "z", "answers": []},
            "a list is expected",
        ),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(task, row, message):
    with pytest.raises(ValueError, match="^a.jsonl:1: ") as error:
        fit(task, row)
    assert message in str(error.value)


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


def test_lines_are_read_compressed_or_not(tmp_path):
    text = '{"a": "Zoë"}\n\n{"a": 2}\n'
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    for name in ("a.jsonl", "a.jsonl.gz"):
        path = tmp_path / name
        assert list(read_lines(path)) == [
            (f"{path}:1", {"a": "Zoë"}),
            (f"{path}:3", {"a": 2}),
        ]


# Without a time: a test's name has to be the same in every process that collects it.
TRUNCATED_GZIP = gzip.compress(b'{"a": 1}', mtime=0)[:-9]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", None, "no such file"),
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b'{"a": 1}\n{"a": ', "a.jsonl:2: no JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]', "a.jsonl:2: a JSON object is expected"),
        ("a.jsonl", b'{"a": "\xff"}', "a.jsonl:1"),
        ("a.jsonl.gz", b'{"a": 1}', "gzip"),
        ("b.jsonl.gz", TRUNCATED_GZIP, "b.jsonl"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_lines(path))
