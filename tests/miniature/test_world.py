import re

import pytest

from spot_jax.miniature import datasets, held_out, lessons, plain_text, words, world
from spot_jax.miniature.frames import FAMILIES
from spot_jax.miniature.plain import story_text
from spot_jax.tasks.catalog import STUDY_LABELS
from tests.miniature.names import NAME, names_of


def test_splits_share_no_name_and_training_has_every_syllable():
    sets = [names_of(split) for split in world.SPLITS]
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert held_out() == sets[1] | sets[2]
    syllables = (*world.HEADS, *world.HER_TAILS, *world.HIS_TAILS)
    syllables += (*world.PLACE_HEADS, *world.PLACE_TAILS)
    for syllable in syllables:
        assert any(
            n.startswith(syllable) or n.endswith(syllable) for n in names_of("train")
        )


def test_no_name_is_a_word_of_the_world():
    everything = " ".join(plain_text(0, 3000, STUDY_LABELS))
    common = {word for word in re.findall(r"\w+", everything) if word.islower()}
    assert not {name.lower() for name in names_of("train") | held_out()} & common


def test_pronouns_follow_from_names():
    assert (world.she("Mana"), world.her("Mana"), world.her_own("Mana")) == (
        *("she", "her", "her"),
    )
    assert (world.she("Balo"), world.her("Balo"), world.her_own("Balo")) == (
        *("he", "him", "his"),
    )


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="not 'dev'"):
        world.open_world("dev", "x")
    with pytest.raises(ValueError, match="not 'nli'"):
        datasets.rows("nli", "train", 1)
    with pytest.raises(ValueError, match="validation_matched.*not 'validation'"):
        datasets.rows("mnli", "validation", 1)


def test_no_word_is_made_up_without_knowing_the_labels():
    unaware = world.open_world("train", "x")
    for draw in (lessons.made_up_word, lessons.decimal):
        with pytest.raises(ValueError, match="STUDY_LABELS"):
            draw(unaware)


def test_templates_of_a_frame_fill_and_name_every_role_that_is_asked_for():
    for family in FAMILIES:
        for frame in family:
            for template in frame.asks:
                for role, kind in frame.kinds.items():
                    assert "{" + role + "}" in template, (template, kind)
            for templates in frame.questions.values():
                assert len(templates) > 1, "paraphrase needs two"
    assert set(words.OBJECTS) == set(words.KINDS)


def test_the_world_has_a_few_hundred_words():
    text = NAME.sub("", " ".join(story_text(0, 20000, STUDY_LABELS)))
    found = re.findall("[A-Za-z]+", text)
    known = {word.lower() for word in found if not lessons.MADE_UP.fullmatch(word)}
    assert 500 < len(known) < 1100
