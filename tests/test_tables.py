"""Tables: nothing is lost in CSV, everything stands in its column in text."""

import csv

from spot_jax import tables

ROWS = [["prompt", "a, b"], ["x", 1 / 3], ["longer", 100.0]]


def test_csv_keeps_every_digit_and_comma():
    lines = list(csv.reader(tables.as_csv(ROWS).decode("utf-8").splitlines()))
    assert lines[0] == ROWS[0]
    assert [float(line[1]) for line in lines[1:]] == [1 / 3, 100.0]


def test_text_is_aligned():
    assert tables.as_text(ROWS).splitlines() == [
        "prompt  a, b",
        "x         0.33",
        "longer  100.00",
    ]
