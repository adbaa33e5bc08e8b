"""The making of the embedded model, with a few steps in place of thousands."""

import json
import os
import time

import pytest

from spot_jax import make_spot_tiny

FEW = ["TRAIN_STEPS=4", "WARMUP_STEPS=2", "EVAL_PERIOD=2", "CHECKPOINT_PERIOD=2"]
FEW += ["LOG_PERIOD=2", "EVALUATOR_NUM_EXAMPLES=16"]


@pytest.mark.slow
def test_the_chain_goes_on_where_it_was_stopped_and_ships_a_model(
    tmp_path, monkeypatch
):
    runs, out = tmp_path / "runs", tmp_path / "package"
    train, trained = make_spot_tiny._run, []

    def stopped(model_dir, *rest):
        if model_dir.name == "adapt" and not trained.count("adapt"):
            trained.append("adapt")
            raise KeyboardInterrupt
        trained.append(model_dir.name)
        return train(model_dir, *rest)

    monkeypatch.setattr(make_spot_tiny, "_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_spot_tiny.build(runs, FEW, out)
    assert not list(out.iterdir())
    first = (runs / "pretrain" / "metrics.jsonl").read_text()
    make_spot_tiny.build(runs, FEW, out)
    assert (runs / "pretrain" / "metrics.jsonl").read_text() == first
    card = json.loads((out / "card.json").read_text())
    for stage in card["stages"].values():
        assert (stage["steps"], stage["documents"]) == (4, 4 * 32)
        # A document is answered in two tokens or more: a word and the end.
        assert stage["target_tokens"] > 2 * stage["documents"]
    assert "--gin TRAIN_STEPS=4" in card["command"]
    assert (out / "checkpoint").stat().st_size > 2 * card["parameters"]


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out .*cannot be written"):
        make_spot_tiny.build(tmp_path / "runs", out=tmp_path / "file")
    assert os.listdir(tmp_path / "runs") == []


def test_the_time_of_a_build_that_is_killed_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(make_spot_tiny, "_KEPT_EVERY", 0.01)
    path = tmp_path / "stage.seconds"
    path.write_text("100")
    with make_spot_tiny._stopwatch(path) as seconds:
        while path.read_text() == "100":
            time.sleep(0.05)
        # What a killed build leaves.
        assert 101 <= int(path.read_text()) <= seconds()
    assert int(path.read_text()) >= 101
