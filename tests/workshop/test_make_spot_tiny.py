"""The making of the embedded model, with a few steps in place of thousands."""

import json
import os
import time

import jax
import numpy as np
import pytest

from spot_jax import config
from spot_jax.model import weights
from spot_jax.settings import Model
from spot_jax.training.outputs import best_checkpoint
from spot_jax.workshop import make_spot_tiny

FEW = ["TRAIN_STEPS=4", "WARMUP_STEPS=2", "EVAL_PERIOD=2", "CHECKPOINT_PERIOD=2"]
FEW += ["LOG_PERIOD=2", "EVALUATOR_NUM_EXAMPLES=16"]


@pytest.mark.slow
def test_the_chain_goes_on_where_it_was_stopped_and_ships_a_model(
    tmp_path, monkeypatch
):
    runs, out = tmp_path / "runs", tmp_path / "package"
    run_stage, trained = make_spot_tiny.run_stage, []

    def stopped(model_dir, *rest):
        if model_dir.name == "adapt" and not trained.count("adapt"):
            trained.append("adapt")
            raise KeyboardInterrupt
        trained.append(model_dir.name)
        return run_stage(model_dir, *rest)

    monkeypatch.setattr(make_spot_tiny, "run_stage", stopped)
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
        assert stage["versions"]["jax"] == jax.__version__
    assert "--gin TRAIN_STEPS=4" in card["command"]
    # Each stage goes on from the best of the one before, and the last is shipped.
    shipped = _load(out / "checkpoint")
    assert shipped.step == sum(s["best_step"] for s in card["stages"].values())
    last = _load(best_checkpoint(str(runs / "revise")))
    assert jax.tree.all(jax.tree.map(np.array_equal, shipped.params, last.params))
    # A build that is finished takes no time.
    make_spot_tiny.build(runs, FEW, out)
    assert json.loads((out / "card.json").read_text()) == card


def _load(checkpoint):
    bindings = [f"INITIAL_CHECKPOINT_PATH='{checkpoint}'", "WEIGHTS_DTYPE='bfloat16'"]
    bindings += ["MIXTURE_OR_TASK_NAME='cr'", "MODEL_DIR=None"]
    config.parse(["gin/runs/miniature_model.gin"], bindings)
    return weights.load(config.configured(Model)())


def test_a_build_does_not_go_on_with_other_text(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(make_spot_tiny, "run_stage", stop)
    with pytest.raises(KeyboardInterrupt):
        make_spot_tiny.build(tmp_path / "runs", out=tmp_path)
    monkeypatch.setattr(make_spot_tiny, "ROUNDS_OF_YEARS", (1, 2))
    with pytest.raises(ValueError, match="DIR .* was begun with text"):
        make_spot_tiny.build(tmp_path / "runs", out=tmp_path)


def test_a_misspelt_binding_is_found_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="no use for TRIAN_STEPS. .*TRAIN_STEPS"):
        make_spot_tiny.build(tmp_path / "runs", ["TRIAN_STEPS=4"], tmp_path)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out .*cannot be written"):
        make_spot_tiny.build(tmp_path / "runs", out=tmp_path / "file")
    assert os.listdir(tmp_path / "runs") == []


def test_the_time_of_a_build_that_is_killed_is_kept(tmp_path):
    path = tmp_path / "stage.seconds"
    path.write_text("100")
    with make_spot_tiny.stopwatch(path, kept_every=0.01) as seconds:
        latest = time.monotonic() + 60
        while path.read_text() == "100" and time.monotonic() < latest:
            time.sleep(0.05)
        # What a killed build leaves.
        assert 101 <= int(path.read_text()) <= seconds()
    assert int(path.read_text()) >= 101
