import pandas as pd
import pytest

from spot_jax.analysis import csv_files
from spot_jax.analysis.csv_files import COUNT, SCORE, Text

COLUMNS = {"task": Text(), "note": Text(optional=True), "score": SCORE, "k": COUNT}


def read(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return csv_files.read(path, COLUMNS, ["task", "k"])


def test_columns_come_by_name_and_in_their_kinds(tmp_path):
    text = "\ufeffk,other,score,task,note\n3,x,71.5,rte,\n\n,y,0, cb ,first\n"
    frame = read(tmp_path, text)
    assert list(frame.columns) == ["task", "note", "score", "k"]
    assert list(frame["task"]) == ["rte", "cb"]
    assert list(frame["score"]) == [71.5, 0]
    assert list(frame["note"]) == ["", "first"]
    assert frame["k"].iloc[0] == 3 and frame["k"].iloc[1] is pd.NA
    assert list(frame.index) == [2, 4]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column task, note, score, k"),
        ("task,score\nrte,1\n", "no column note, k"),
        ("task,note,score,k\nrte,,high,\n", "line 2: score is 'high'; expected a numb"),
        ("task,note,score,k\nrte,,100.1,\n", "line 2: score is '100.1'; .* to 100"),
        ("task,note,score,k\nrte,,-101,\n", "line 2: score is '-101'"),
        ("task,note,score,k\nrte,,nan,\n", "line 2: score is 'nan'"),
        ("task,note,score,k\nrte,,1,inf\n", "line 2: k is 'inf'; .* whole number"),
        ("task,note,score,k\nrte,,1_0,1\n", "line 2: score is '1_0'; expected a numb"),
        ("task,note,score,k\nrte,,1,1e400\n", "line 2: k is '1e400'; .* whole number"),
        ("task,note,score,k\nrte,,1,1e30\n", "line 2: k is '1e30'; .* whole number"),
        ("task,note,score,k\nrte,,1,1.5\n", "line 2: k is '1.5'; .* whole number"),
        ("task,note,score,k\nrte,,,\n", "line 2: score is empty"),
        ("task,note,score,k\n,,1,\n", "line 2: task is empty"),
        ("task,note,score,k\nrte,,1\n", "line 2: 3 cells, but .* 4 columns"),
        (
            "task,note,score,k\nrte,,1,\ncb,,1,\nrte,,2,\n",
            "lines 2 and 4 are of the same run",
        ),
        (b"task,note,score,k\n\xff\xfe,,1,\n", "cannot be read as CSV"),
        (b'task,note,score,k\n"rte,,1,\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(ValueError, match=told):
        read(tmp_path, text)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="cannot be read as CSV .*No such file"):
        csv_files.read(tmp_path / "none.csv", COLUMNS, ["task"])
