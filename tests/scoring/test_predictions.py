"""Predictions on disk: what is written is read again, whatever stands in a text."""

import io
import json

import pytest

from spot_jax.errors import InputError
from spot_jax.rows import files
from spot_jax.scoring import predictions

TEXTS = ["plain", "a,b\tc", 'say "so"', "two\nlines", "a\rb", " caf\u00e9\u2028 ", ""]
LINES = [
    {"prompt": "mood", "input": text, "prediction": "good", "score": -0.1}
    for text in TEXTS
]


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "OUT.CSV", "out.jsonl"])
def test_what_is_written_is_read_again(name, tmp_path):
    path = predictions.writable(str(tmp_path / name), None)
    predictions.write(path, LINES)
    read = [dict(row.cells) for row in files.read(str(path))]
    assert [row | {"score": float(row["score"])} for row in read] == LINES


def test_the_standard_output_has_json_lines(capsysbinary):
    assert predictions.writable("-", None) is None
    predictions.write(None, LINES)
    said = capsysbinary.readouterr().out.decode("utf-8").split("\n")[:-1]
    assert [json.loads(line) for line in said] == LINES


class Narrow(io.RawIOBase):
    """Takes seven bytes at a time, as a disk or pipe may that is nearly full."""

    def __init__(self):
        self.taken = b""

    def writable(self):
        return True

    def write(self, data):
        self.taken += bytes(data[:7])
        return min(7, len(data))


def test_an_output_without_a_buffer_has_all_lines(monkeypatch):
    # PYTHONUNBUFFERED=1 makes the standard output one.
    narrow = Narrow()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(narrow, write_through=True))
    predictions.write(None, LINES)
    assert narrow.taken.count(b"\n") == len(LINES)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "is a folder"),
        ("out.csv.gz", "would be no .gz file"),
        ("out.parquet", "would be no .parquet file"),
        ("in.txt", "is INFER_INPUT, whose lines would be lost"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(output, words, tmp_path):
    (tmp_path / "in.txt").write_text("a\n")
    with pytest.raises(InputError, match=words):
        predictions.writable(f"{tmp_path}/{output}", f"{tmp_path}/in.txt")
