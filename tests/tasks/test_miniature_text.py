"""The tasks on which spot_tiny is pre-trained: streams of plain text."""

import dataclasses
import itertools

import pytest
import seqio

from spot_jax.data import loading, set_up
from spot_jax.data.orders import Position
from spot_jax.miniature import plain, world
from spot_jax.settings import Data
from spot_jax.tasks.catalog import STUDY_LABELS
from spot_jax.text import vocabulary
from spot_jax.text.vocabulary import PUBLISHED_VOCABULARY
from tests.miniature.names import NAME

NAMES = ("miniature_span_corruption", "miniature_prefix_lm", "miniature_revision")
LENGTHS = {"inputs": 80, "targets": 32}

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture(autouse=True)
def data():
    data = Data("miniature_prefix_lm", LENGTHS, "spot_tiny", truncate=True)
    set_up.set_up_tasks(data)
    yield data
    vocabulary.use_vocabulary(PUBLISHED_VOCABULARY)


def texts(name, split, count, seed=0):
    task = seqio.get_mixture_or_task(name)
    dataset = task.get_dataset(None, split, shuffle=False, seed=seed).take(count)
    decode = vocabulary.VOCABULARY.decode
    return [
        tuple(decode(example[feature].tolist()) for feature in ("inputs", "targets"))
        for example in dataset.as_numpy_iterator()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_training_are_its_own_and_validation_has_those_of_test(
    name, monkeypatch
):
    monkeypatch.setattr("spot_jax.tasks.miniature.ROUNDS_OF_YEARS", ())
    known = set(world.open_world("train", "").everybody)
    hidden = set(world.open_world("test", "").everybody)
    reported_on = set(world.open_world("validation", "").everybody)
    for split, its_own, others in (
        ("train", known, hidden | reported_on),
        ("validation", hidden, known | reported_on),
    ):
        found = set(NAME.findall(" ".join(map(" ".join, texts(name, split, 200)))))
        assert len(found & its_own) > 5
        assert not found & others


def test_an_adaptation_begins_with_the_years_in_order(data, monkeypatch):
    monkeypatch.setattr("spot_jax.tasks.miniature.ROUNDS_OF_YEARS", (70, 130))
    expected = plain.halves(0, 300, STUDY_LABELS, years=(70, 130))
    rules = [told.startswith("Say ") for told, _ in itertools.islice(expected, 300)]
    assert all(rules[:70]) and not all(rules[70:200])
    given = texts("miniature_prefix_lm", "train", 300)
    assert [told.startswith("Say ") for told, _ in given] == rules


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_goes_on_where_it_was_stopped(name, data):
    data = dataclasses.replace(data, names=name)
    read = loading.training_loader(data)(name)
    whole = [pair[1].tolist() for pair in read(5, Position()).take(150)]
    first = read(5, Position())
    begun = [pair[1].tolist() for pair in first.take(90)]
    rest = [pair[1].tolist() for pair in read(5, first.position).take(60)]
    assert begun + rest == whole
    assert [pair[1].tolist() for pair in read(6, Position()).take(150)] != whole
