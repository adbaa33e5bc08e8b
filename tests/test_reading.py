"""What comes in from outside: one message for whatever cannot be right."""

import json
from typing import TypedDict

import pytest

from spot_jax import reading
from spot_jax.errors import InputError


class Point(TypedDict):
    step: int
    values: dict[str, float]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"[]",
        b"7",
        b"{}",
        b'{"step": "1", "values": {}}',
        b'{"step": 1.5, "values": {}}',
        b'{"step": 1, "values": {"loss": NaN}}',
        b'{"step": 1, "values": {"loss": 1e999}}',
        b'{"step": 1, "values": {"\\ud800": 1}}',
        b'{"step": 1, "values": {"\xff": 1}}',
    ],
)
def test_json_of_another_type_is_one_message(data):
    with pytest.raises(InputError, match=r"^run\.json (holds|is) .* Copy it again\.$"):
        reading.parse_json(data, Point, "run.json", "Copy it again.")


def test_json_of_the_right_type_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"step": 1, "values": {"loss": 2}, "more": 3}')
    assert reading.read_json(path, Point, "") == {"step": 1, "values": {"loss": 2.0}}
    with pytest.raises(InputError, match="cannot be read .No such file.*Look for it"):
        reading.read_json(tmp_path / "b.json", Point, "Look for it.")


def test_json_is_written_as_every_reader_takes_it():
    text = reading.as_json({"a": [float("nan"), 1.0, float("-inf")], "\udcff": ("é",)})
    assert json.loads(text) == {"a": [None, 1.0, None], "\\udcff": ["é"]}
    assert "é" in text


def test_lines_end_in_newlines_alone():
    assert reading.lines_of("a\u2028b\x0c\x85c\r\n\nd\n") == [
        "a\u2028b\x0c\x85c",
        *("", "d"),
    ]
    assert reading.lines_of("") == []
    assert reading.lines_of("no end") == ["no end"]


@pytest.mark.parametrize(
    ("data", "fault"), [("é".encode("utf-16"), "UTF-16"), (b"a\xff", "not UTF-8")]
)
def test_texts_are_utf_8(tmp_path, data, fault):
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{path} is {fault}.* Cure"):
        reading.read_text(path, "Cure.")
    path.write_bytes("\ufeffé".encode())
    assert reading.read_text(path, "Cure.") == "é"


def test_a_home_that_nobody_has_is_one_message():
    with pytest.raises(InputError, match="~nobody-here/x: there is no such home"):
        reading.path_of("~nobody-here/x")
    assert reading.path_of("~/x").is_absolute()
