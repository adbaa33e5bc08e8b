"""The making of the embedded model, with a few steps in place of thousands."""

import json

import pytest

from spot_jax import make_spot_tiny


@pytest.mark.slow
def test_the_chain_ships_a_model_and_goes_on_where_it_was_stopped(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(make_spot_tiny, "FOLDER", tmp_path / "package")
    (tmp_path / "package").mkdir()
    bindings = ["TRAIN_STEPS=4", "WARMUP_STEPS=2", "EVAL_PERIOD=2"]
    bindings += ["CHECKPOINT_PERIOD=2", "LOG_PERIOD=2"]
    make_spot_tiny.build(tmp_path / "runs", bindings)
    card = json.loads((tmp_path / "package" / "card.json").read_text())
    assert [stage["steps"] for stage in card["stages"].values()] == [4, 4, 4]
    weights = (tmp_path / "package" / "checkpoint").read_bytes()
    make_spot_tiny.build(tmp_path / "runs", bindings)
    assert (tmp_path / "package" / "checkpoint").read_bytes() == weights
