"""The model that comes with the package."""

import json

import jax
from flax import serialization

from spot_jax import spot_tiny

FILES = ("checkpoint", "vocabulary.model", "card.json")


def test_it_is_small():
    size = sum((spot_tiny.FOLDER / name).stat().st_size for name in FILES)
    assert size <= 6_000_000


def test_the_card_tells_how_it_was_made():
    card = json.loads((spot_tiny.FOLDER / "card.json").read_text())
    assert set(card["stages"]) == {"pretrain", "adapt", "revise"}
    assert sum(stage["seconds"] for stage in card["stages"].values()) <= 90 * 60
    for stage in card["stages"].values():
        losses = list(stage["validation_loss"].values())
        assert losses[-1] < losses[0]


def test_the_card_is_of_these_weights():
    card = json.loads((spot_tiny.FOLDER / "card.json").read_text())
    whole = (spot_tiny.FOLDER / "checkpoint").read_bytes()
    state = serialization.msgpack_restore(whole)["optimizer"]
    arrays = jax.tree.leaves(state["target"])
    assert card["parameters"] == sum(array.size for array in arrays)
    assert state["state"]["step"] == sum(s["steps"] for s in card["stages"].values())


def test_the_vocabulary_is_found_by_its_name_a_path_or_a_url(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert spot_tiny.vocabulary_path("spot_tiny").endswith("vocabulary.model")
    assert spot_tiny.vocabulary_path("~/v.model") == "/home/ann/v.model"
    assert spot_tiny.vocabulary_path("gs://a//v.model") == "gs://a//v.model"
