"""The texts spot_tiny is pre-trained on tell nothing of the tasks' rows."""

import re

import pytest

from spot_jax.miniature import games, held_out
from spot_jax.miniature.plain import halves, plain_text, revision, story_text
from spot_jax.miniature.quizzes import Round
from spot_jax.tasks.catalog import STUDY_LABELS
from tests.miniature.names import NAME

# Numbers as well: STS-B and CxC have labels from "0.0" to "5.0".
LABEL = re.compile(
    rf"(?<![\w.-])({'|'.join(map(re.escape, STUDY_LABELS))})(?![\w-])(?!\.\d)"
)
YEARS = len(games.YEARS) - 1
# What stands before the parts of a task's input.
MARKER = re.compile(
    r"\b(premise|hypothesis|sentence[12]?|question[12]?|context|passage|paragraph|"
    r"answer[0-3]?|choice[12]?|option[12]?|word|text|query|entities|article|endings)"
    r"\s?:"
)
STREAMS = {
    "span corruption": lambda: plain_text(0, 5000, STUDY_LABELS),
    "LM adaptation, years": lambda: halves(
        0, 12_000, STUDY_LABELS, years=(3000,) * YEARS
    ),
    "LM adaptation": lambda: halves(0, 5000, STUDY_LABELS),
    "revision": lambda: revision(0, 5000, STUDY_LABELS),
    "vocabulary": lambda: story_text(0, 5000, STUDY_LABELS),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_no_label_no_format_of_a_task_and_no_held_out_name_is_read(stream):
    for document in STREAMS[stream]():
        text = document if isinstance(document, str) else " ".join(document)
        for found in (LABEL.search(text), MARKER.search(text)):
            assert not found, f"{found.group()!r} in {text!r}"
        assert not set(NAME.findall(text)) & held_out(), text


@pytest.mark.parametrize(
    "text", ["It is 3.4.", "choice1: tea.", "True", "unacceptable", "Say neutral."]
)
def test_a_label_would_be_found(text):
    assert LABEL.search(text)


def test_plain_text_is_deterministic_and_a_longer_run_begins_with_a_shorter():
    short, longer, other = (
        list(plain_text(seed, documents, STUDY_LABELS))
        for seed, documents in ((3, 50), (3, 80), (4, 50))
    )
    assert short == longer[:50] != other


def test_the_halves_of_a_document_hide_what_is_said_to_it():
    pairs = list(halves(1, 500, STUDY_LABELS))
    assert all(told and said for told, said in pairs)
    games = [pair for pair in pairs if isinstance(pair, Round)]
    assert 370 < len(games) < 430
    coded = [game for game in games if re.match("Say ", game.told)]
    assert coded and all(game.said[:-1] in game.told for game in coded)
