"""What a header says is checked where it is known, and kept where it is not."""

import math

import numpy as np
import pytest
import safetensors
from safetensors.numpy import save_file

from spot_jax.errors import InputError
from spot_jax.prompts import files, header
from tests.bundles import soft

PROMPT = np.ones((5, 4), np.float32)


def written(path, words, form=header.FORMAT):
    """Writes a prompt with a header as it stands, as a hand or an old version might."""
    save_file({"enc_input": PROMPT}, path, ({"format": form} if form else {}) | words)
    return path


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("name", "3"),
        ("name", "[]"),
        ("task", '{"a": 1}'),
        ("seed", '"0"'),
        ("seed", "true"),
        ("step", "1.5"),
        ("kind", "7"),
        ("results", "[1]"),
        ("results", '{"sst2": 90.0}'),
        ("results", '{"sst2": {"accuracy": "high"}}'),
        ("score", '"90"'),
        ("model", '"t5_base"'),
        ("model", '{"fingerprint": 3}'),
        ("model", '{"source": ["a"]}'),
        ("configuration", "{}"),
        ("task", "sst2"),
        ("task", "[" * 100_000),
        ("task", '"\\ud800"'),
        ("hidden_mode", "3"),
    ],
)
def test_a_value_of_another_type_is_named(key, text, tmp_path):
    path = written(tmp_path / "prompt.safetensors", {key: text})
    with pytest.raises(InputError, match=f"The {key} in the header of .*Copy") as error:
        files.read(path)
    assert str(path) in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize("form", [None, "pt"])
def test_words_of_another_program_are_kept_or_passed_over(form, tmp_path):
    words = {"author": "someone", "version": "[3]", "model": "t5-base", "seed": "none"}
    path = written(tmp_path / "prompt.safetensors", words, form)
    assert files.read(path).story == {"author": "someone", "version": [3]}


def test_what_a_later_version_adds_is_kept(tmp_path):
    words = {"teacher": '{"a": [1]}', "model": '{"source": "t5", "bits": 8}'}
    story = files.read(written(tmp_path / "prompt.safetensors", words)).story
    assert story == {"teacher": {"a": [1]}, "model": {"source": "t5", "bits": 8}}


def test_nothing_is_the_same_as_no_word(tmp_path):
    words = {key: "null" for key in ("name", "task", "model", "configuration", "step")}
    assert files.read(written(tmp_path / "prompt.safetensors", words)).story == {}


def test_nan_is_read_as_earlier_versions_wrote_it_and_written_as_json(tmp_path):
    path = tmp_path / "prompt.safetensors"
    words = {"results": '{"a": {"x": NaN, "y": 1.0}}', "score": "-Infinity"}
    for number in range(2):
        story = files.read(written(path, words)).story
        assert math.isnan(story["results"]["a"]["x"]) and "score" not in story
        assert story["results"]["a"]["y"] == 1
        files.write(path, soft(PROMPT), story | {"score": float("nan")})
        with safetensors.safe_open(path, framework="numpy") as file:
            words = file.metadata()
        assert words["results"] == '{"a": {"x": null, "y": 1.0}}', number
        assert words["score"] == "null"


@pytest.mark.parametrize(
    "story",
    [
        *({"name": name} for name in ("", ".", "..", "../x", "a/b", "/etc/x", "a\nb")),
        {"name": "x" * 300},
        {"name": "\x1b[2Jsst2"},
        {"task": "sst2\nimport os"},
        {"task": "\x1b]0;title\x07"},
        {"kind": "\x1b[2J"},
        {"model": {"source": "t5\n\x1b[2J"}},
        {"results": {"a\x1b[2J": {"x": 1.0}}},
        {"results": {"a": {"x\x1b[2J": 1.0}}},
        {"task": "x" * 10_000},
    ],
    ids=repr,
)
def test_names_that_lead_elsewhere_or_command_a_terminal_are_refused(story, tmp_path):
    path = tmp_path / "prompt.safetensors"
    files.write(path, soft(PROMPT), story)
    with pytest.raises(InputError, match="no file of a run has|cannot name") as error:
        files.read(path)
    shown = str(error.value)
    assert shown.isprintable() and len(shown) < 500


def test_text_that_is_shown_keeps_its_lines_and_commands_nothing():
    assert header.printable("a = 'é'\nb\t\x1b[2J") == "a = 'é'\nb\\t\\x1b[2J"
    assert header.printable("x" * 9, 3) == "xxx…"
