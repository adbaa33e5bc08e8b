"""Tables: nothing is lost in CSV, everything stands in its column in text."""

import csv
import io

import pytest

from spot_jax import tables

ROWS = [["prompt", "a, b"], ["x", 1 / 3], ["longer", 100.0]]


def test_csv_keeps_every_digit_and_comma():
    lines = list(csv.reader(tables.as_csv(ROWS).decode("utf-8").splitlines()))
    assert lines[0] == ROWS[0]
    assert [float(line[1]) for line in lines[1:]] == [1 / 3, 100.0]


@pytest.mark.parametrize("text", ["a\rb", "\r", "a\nb", "a\r\nb", 'a"b', ",", "", "é"])
def test_csv_gives_every_text_back(text):
    written = tables.as_csv([["head", text], [text, "end"]]).decode("utf-8")
    rows = list(csv.reader(io.StringIO(written, newline="")))
    assert rows == [["head", text], [text, "end"]]
    assert written.endswith("end\n")


def test_text_is_aligned():
    assert tables.as_text(ROWS).splitlines() == [
        "prompt  a, b",
        "x         0.33",
        "longer  100.00",
    ]
