import pytest

from spot_jax.data.vocabularies import open_sentencepiece
from spot_jax.miniature.quizzes import Round
from spot_jax.miniature.world import held_out, open_world
from spot_jax.workshop import play_games


@pytest.fixture(scope="module")
def model():
    return play_games.load()


@pytest.fixture(scope="module")
def vocabulary():
    return open_sentencepiece("spot_tiny")


# By guessing: a half, a third of the names and things of a text, a third, a half.
@pytest.mark.parametrize(
    "name, least",
    [
        ("one of two words, in code", 90),
        ("a question on a text", 60),
        ("a claim on one fact", 80),
        ("a review, in code", 80),
    ],
)
def test_spot_tiny_plays_with_people_it_never_read_of(model, vocabulary, name, least):
    assert set(open_world("test", "").everybody) <= held_out()
    assert play_games.share_right(model, vocabulary, name, rounds=64) > least


def test_a_wrong_answer_is_not_right(model, vocabulary, monkeypatch):
    play = play_games.GAMES["a review, in code"]

    def mistaken(world):
        told, said = play(world)
        words = told.split("Say ")[1].split(".")[0].replace(" if", "").split(", ")
        other = next(w.split()[0] for w in words if w.split()[0] != said[:-1])
        return Round(told, f"{other}.")

    monkeypatch.setitem(play_games.GAMES, "mistaken", mistaken)
    assert play_games.share_right(model, vocabulary, "mistaken", rounds=64) < 20


def test_a_vocabulary_that_is_not_there_is_one_message():
    with pytest.raises(ValueError, match="nowhere.model cannot be read"):
        play_games.main(["--vocabulary", "nowhere.model"])
