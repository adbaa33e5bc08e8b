"""Games are right: their answers are worked out again from their texts."""

import re

import pytest

from spot_jax.miniature import basics, games, lessons
from spot_jax.miniature.happenings import LINKS
from spot_jax.miniature.riddles import RIDDLES, claim_of
from spot_jax.miniature.world import open_world
from spot_jax.tasks.catalog import STUDY_LABELS
from tests.miniature.checker import judge


@pytest.fixture(name="world")
def fixture_world():
    return open_world("train", "games", STUDY_LABELS)


def opinion(riddle):
    return riddle.opinions[riddle.right]


def test_what_is_named_is_in_the_text(world):
    for draw in (basics.named, basics.value_of):
        for _ in range(200):
            riddle = draw(world)
            held = [re.search(rf"\b{o}\b", riddle.text, re.I) for o in riddle.opinions]
            assert bool(held[riddle.right]) and not held[1 - riddle.right], riddle


def test_one_of_five_words_is_named(world):
    for _ in range(200):
        riddle = basics.named_of_five(world)
        assert len(set(riddle.opinions)) == 5
        assert riddle.text == f"It is {opinion(riddle)}."


def test_equal_values_are_written_twice(world):
    for _ in range(300):
        riddle = basics.equal(world)
        text = re.sub(r"It is|[Ii]s it|Story:|Claim:|the same|[.?]", " ", riddle.text)
        one, other = text.split()
        assert opinion(riddle) == ("yes" if one == other else "no"), riddle


def test_the_mark_of_a_choice_stands_before_what_is_asked_for(world):
    for _ in range(300):
        riddle = basics.placed(world)
        asked = re.search(r"(?:It is|Which is) (\w+)", riddle.text).group(1)
        marked = f"{opinion(riddle)}: {asked}."
        assert marked.lower() in riddle.text.lower(), riddle


def test_a_cause_and_its_effect_belong_to_one_link(world):
    templates = [re.sub(r"\{\w+\}", r"\\w+", "|".join(link[:2])) for link in LINKS]
    for _ in range(300):
        riddle = basics.led_to(world)
        whole = [sum(1 for _ in re.finditer(t, riddle.text, re.I)) for t in templates]
        assert (max(whole) == 2) == (opinion(riddle) == "yes"), riddle


def test_claims_follow_from_their_stories(world):
    says = {True: "yes", False: "no", None: "perhaps"}
    for _ in range(500):
        riddle = claim_of(world, world.one((1, 2)))
        claim = re.search(r"Claim: (.*?\.)", riddle.text).group(1)
        story = riddle.text.replace(f"Claim: {claim}", "").replace("Story: ", "")
        assert opinion(riddle) == says[judge(story.strip(), claim)], riddle


def test_a_rule_names_the_word_that_is_the_answer(world):
    for draw in RIDDLES:
        for _ in range(20):
            state = world.rng.getstate()
            # The words are drawn after the riddle: the same riddle comes again.
            riddle = draw(world)
            world.rng.setstate(state)
            told, said = games.code(world, draw(world))
            assert f"{said[:-1]} if {opinion(riddle)}" in told
            assert told.endswith(riddle.text)


@pytest.mark.parametrize("of_a_year", [*games.YEARS, games.REVISION])
def test_rounds_of_every_year_are_short(world, of_a_year):
    for _ in range(3000):
        text = " ".join(games.play(world, of_a_year))
        assert len(text.split()) <= games.MAX_WORDS + 20


def test_a_mark_is_never_a_label(world, monkeypatch):
    monkeypatch.setattr(lessons, "SYLLABLES", ("choi", "ce", "hypo"))
    marks = {mark for _ in range(300) for mark in basics.placed(world).opinions}
    assert "hypo1" in marks and not marks & STUDY_LABELS
