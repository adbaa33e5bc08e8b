"""The model that comes with the package."""

import json

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
