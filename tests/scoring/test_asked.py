"""What is asked: lines where lines do, rows where templates name columns."""

import gzip
import io
import json
import logging

import pytest

from spot_jax.errors import InputError
from spot_jax.prompts.files import SavedPrompt
from spot_jax.rows.files import Row
from spot_jax.rows.template import Template
from spot_jax.scoring import asked
from spot_jax.scoring.forms import Form
from tests.bundles import soft

LENGTHS = {"inputs": 32, "targets": 8}
TEXT = Form("text", Template("mood: {text}", "The template of a,"), (), LENGTHS)
BODY = Form("body", Template("{body}", "The template of b,"), (), LENGTHS)
PAIR = Form("pair", Template("{one} {two}", "The template of c,"), (), LENGTHS)
PLAIN = Form("plain", None, (), LENGTHS)
OBJECT = '{"text": "so", "one": "1", "two": 2, "prompt": "a"}'


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Puts text into a file, or on the standard input."""

    def put(name: str, text: str) -> str:
        data = text.encode("utf-8")
        data = gzip.compress(data) if name.endswith(".gz") else data
        if name == "-":
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
            return name
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return put


@pytest.mark.parametrize(
    ("name", "text", "forms", "column", "wanted"),
    [
        ("in.txt", "a\n\nb\n", [TEXT, BODY], None, ["a", "", "b"]),
        ("in", "a,b\n", [PLAIN, TEXT], None, ["a,b"]),
        ("-", "a\n{\n", [TEXT], None, ["a", "{"]),
        # What an object has decides, where a line would do as well.
        ("-", OBJECT + "\n\n", [TEXT], None, [json.loads(OBJECT)]),
        ("-", OBJECT, [BODY], None, [OBJECT]),
        ("-", OBJECT, [PLAIN], None, [OBJECT]),
        ("in.txt", OBJECT, [TEXT], None, [OBJECT]),
        ("-", OBJECT, [PAIR], None, [json.loads(OBJECT)]),
        ("-", OBJECT, [TEXT], "prompt", [json.loads(OBJECT)]),
        ("in.csv", "text,more\na,1\n", [TEXT], None, [{"text": "a", "more": "1"}]),
        ("in.TSV", "one\ttwo\na\t1\n", [PAIR], None, [{"one": "a", "two": "1"}]),
        ("in.jsonl", OBJECT, [TEXT, PAIR], None, [json.loads(OBJECT)]),
        ("in.JSONL.gz", OBJECT, [TEXT, PAIR], None, [json.loads(OBJECT)]),
    ],
)
def test_lines_and_rows_are_told_apart(name, text, forms, column, wanted, given):
    found = asked.read(given(name, text), forms, column)
    assert [x.cells if isinstance(x, Row) else x for x in found] == wanted


@pytest.mark.parametrize(
    ("name", "text", "forms", "column", "words"),
    [
        ("in.txt", "a\n", [TEXT, PAIR], None, "'{one} {two}' has several columns"),
        ("in.txt", "a\n", [TEXT], "prompt", "names the column 'prompt', .* lines of"),
        ("-", "a\n", [PAIR], None, "input:1 is no JSON.*the keys 'one', 'two'"),
        ("-", "a\n", [TEXT], "prompt", "input:1 is no JSON.* 'text', 'prompt'"),
        ("-", OBJECT + "\n{\n", [TEXT], None, "The standard input:2 is no JSON"),
        ("-", "[1]", [PAIR], None, "input:1 is not what it should be"),
        # As in a file of rows.
        ("-", OBJECT + '\n{"text": "a"}\n', [TEXT], None, "input:2 has no 'one'"),
        ("-", '{"text": NaN}', [TEXT], "prompt", "input:1 is no JSON"),
        ("-", "\n \n", [TEXT], None, "has no line of text"),
        ("in.txt", "", [TEXT], None, "has no line of text"),
        ("in.csv", "text\n", [TEXT], None, "has no rows"),
        ("in.csv", "text\na\n", [TEXT, PLAIN], None, "plain tells no template"),
    ],
)
def test_what_cannot_be_asked_is_one_message(name, text, forms, column, words, given):
    with pytest.raises(InputError, match=words):
        asked.read(given(name, text), forms, column)


def test_a_folder_of_several_data_sets_is_told(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test/state.json").write_text("{}")
    with pytest.raises(InputError, match="several data sets, test"):
        asked.read(str(tmp_path), [TEXT], None)


def test_lines_that_seem_to_have_the_template_already_are_told(given, caplog):
    with caplog.at_level(logging.WARNING):
        asked.read(given("in.txt", "mood: a\nb\n"), [TEXT, BODY], None)
    (said,) = caplog.messages
    assert "1 of 2 lines begin with 'mood:', which text puts before each" in said


@pytest.fixture
def saved(tmp_path):
    """Two prompts of one name in two folders, and one of no name."""
    places = (("x/best", "mood"), ("y/best", "mood"), ("z/other", None))
    return [
        SavedPrompt(soft([[1.0]]), {"name": name} if name else {}, f"{tmp_path}/{p}.st")
        for p, name in places
    ]


def rows(*values):
    return [Row("my.csv:2", {"prompt": value, "text": "a"}) for value in values]


def test_a_row_names_its_prompt_or_its_file(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = ["other", f"{tmp_path}/x/best.st", "y/best.st", "./z/../y/best.st"]
    found = asked.prompts_of(rows(*values), "prompt", saved)
    assert found == [[2], [0], [1], [1]]
    assert asked.prompts_of(rows("mood"), "prompt", saved[1:]) == [[0]]
    assert asked.prompts_of(rows("mood-1"), "prompt", saved) == [[1]]


def test_without_a_column_every_prompt_answers(saved):
    assert asked.prompts_of(["a", "b"], None, saved) == [[0, 1, 2], [0, 1, 2]]
    assert asked.prompts_of(["a"], None, []) == [[0]]


@pytest.mark.parametrize(
    ("value", "column", "words"),
    [
        ("mood", "prompt", "the name of 2 prompts, .*x/best.st, .*y/best.st"),
        ("moot", "prompt", "my.csv:2: 'prompt' is 'moot', .*'mood', 'mood-1', 'other'"),
        ("", "prompt", "'prompt' is ''"),
        (None, "prompt", "'prompt' is None"),
        (2, "prompt", "'prompt' is 2"),
        ("a\0b", "prompt", "no such prompt"),
        ("mood", "who", "names the column 'who', and my.csv:2 has 'prompt', 'text'"),
    ],
)
def test_a_row_that_names_no_prompt_is_one_message(value, column, words, saved):
    with pytest.raises(InputError, match=words):
        asked.prompts_of(rows(value), column, saved)


def test_a_column_of_prompts_needs_prompts():
    with pytest.raises(InputError, match="there are no prompts"):
        asked.prompts_of(rows("mood"), "prompt", [])
