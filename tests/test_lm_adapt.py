"""A T5 goes on as a language model, and each of its stages can be prompted."""

import json

import numpy as np
import pytest

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.prompts import files
from spot_jax.settings import Training
from spot_jax.spot_tiny import FOLDER
from spot_jax.training import prepare
from tests import runs

FILES = ["gin/models/spot_tiny.gin", "gin/runs/lm_adapt.gin"]
QUICK = {
    "INITIAL_CHECKPOINT_PATH": "spot_tiny",
    "MIXTURE_OR_TASK_NAME": "miniature_prefix_lm",
    "TASK_FEATURE_LENGTHS": "{'inputs': 80, 'targets': 24}",
    "SAVE_MODEL_PERIOD": 2,
    "TRAIN_STEPS": 5,
    "BATCH_SIZE": 2,
    "EVAL_PERIOD": 5,
    "EVALUATOR_NUM_EXAMPLES": 4,
    "EVAL_BATCH_SIZE": 4,
    "LOG_PERIOD": 1,
    "CHECKPOINT_PERIOD": 1,
}


def adapt(folder, **changes):
    from spot_jax import config
    from spot_jax.train import train

    values = QUICK | {"MODEL_DIR": str(folder)} | changes
    config.parse(FILES, [f"{name}={value}" for name, value in values.items()])
    devices = runs.jax.devices()[:1]
    return config.configured(train)(configuration=config.text(), devices=devices)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapted")
    return folder, adapt(folder)


def stages(folder) -> list[int]:
    base = json.loads((FOLDER / "card.json").read_text())["stages"]
    begins = sum(stage["steps"] for stage in base.values())
    numbers = [int(p.name.split("_")[1]) for p in (folder / "adapted").iterdir()]
    return sorted(number - begins for number in numbers)


def test_the_model_of_every_so_many_steps_is_kept_and_the_last(adapted):
    folder, best = adapted
    assert stages(folder) == [2, 4, 5]
    assert best["model"].step == 5
    # The best, which is the last here, is kept as ever.
    (chosen,) = folder.glob("checkpoint_*")
    same_files(chosen, folder / "adapted" / chosen.name)


def same_files(one, two):
    for path in one.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()


@pytest.mark.slow
def test_a_run_that_was_stopped_keeps_the_same_models(adapted, tmp_path):
    folder, _ = adapted
    adapt(tmp_path, TRAIN_STEPS=3)
    # What a run leaves that is killed while it writes one.
    (tmp_path / "adapted" / ".checkpoint_1.x.tmp").mkdir()
    adapt(tmp_path)
    for name in ("2", "4", "5"):
        (ours,) = (p for p in (folder / "adapted").iterdir() if p.name.endswith(name))
        same_files(ours, tmp_path / "adapted" / ours.name)


@pytest.mark.slow
def test_a_stage_is_the_frozen_model_of_the_next_run(adapted, tmp_path):
    folder, _ = adapted
    first, *_, last = sorted((folder / "adapted").iterdir())
    values = QUICK | {"INITIAL_CHECKPOINT_PATH": str(first), "VOCABULARY": "spot_tiny"}
    del values["SAVE_MODEL_PERIOD"]
    prompted = ["gin/prompts/sampled_vocabulary.gin", "gin/runs/prompt_tune.gin"]
    runs.train(tmp_path, values, {"TRAIN_STEPS": 1}, files=prompted)
    name = "prompts/miniature_prefix_lm-seed0/last.safetensors"
    prompt = files.read(tmp_path / name)
    assert prompt.story["model"]["source"] == str(first)
    told = [pretrained.describe(str(path)) for path in (first, last)]
    assert [found.step for found in told] == [int(p.name[11:]) for p in (first, last)]


def test_prompts_are_no_models_to_be_saved(demo_model, tmp_path):
    period = {"settings.Training.model_period": 2}
    with pytest.raises(InputError, match="SAVE_MODEL_PERIOD is 2, which is of model"):
        runs.train(tmp_path, demo_model, period)


TOP = {"TRAIN_STEPS": 4, "EVAL_PERIOD": 4, "TUNED_LAYERS": 1}
TOP |= {"settings.Training.model_period": 4}
TOP_FILES = ["tests/demo.gin", "gin/runs/model_tune_top.gin"]


def test_of_top_layers_the_model_is_written_whole(demo_model, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    runs.train(whole, demo_model, TOP, files=TOP_FILES)
    runs.train(parts, demo_model, TOP, {"TRAIN_STEPS": 3}, files=TOP_FILES)
    runs.train(parts, demo_model, TOP, files=TOP_FILES)
    (tuned,) = whole.glob("checkpoint_*")
    same_files(tuned, whole / "adapted" / tuned.name)
    same_files(tuned, parts / "adapted" / tuned.name)
    before = arrays(demo_model["INITIAL_CHECKPOINT_PATH"])
    after = arrays(str(tuned))
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert {"/".join(name.split("/")[:2]) for name in moved} == {
        *("decoder/layers_1", "decoder/decoder_norm", "decoder/logits_dense")
    }
    # What it resumes from has nothing of what is frozen.
    state = next((whole / "checkpoints" / "step_4" / "state").glob("_METADATA"))
    assert "layers_1" in state.read_text() and "layers_0" not in state.read_text()


def arrays(checkpoint: str) -> dict:
    from flax import traverse_util

    from spot_jax.model import weights
    from spot_jax.settings import Model

    params = weights.load(Model(checkpoint=checkpoint)).params
    return traverse_util.flatten_dict(params, sep="/")


def test_a_wrong_name_is_found_before_the_model_is_loaded(
    demo_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(prepare, "load_model", None)
    values = {"TUNED_LAYERS": "['decoder/layers_9']"}
    with pytest.raises(
        InputError, match=r"no part 'layers_9': it has decoder_norm, la"
    ):
        runs.train(tmp_path, demo_model, values, files=TOP_FILES)


@pytest.mark.parametrize("tuned", [0, -1, [], "", (), True, 1.5, [1], {"decoder": 1}])
def test_layers_that_cannot_be_tuned_are_refused(tuned):
    with pytest.raises(
        InputError, match=r"TUNED_LAYERS is .* trains nothing|tuned of "
    ):
        Training(1, tuned=tuned)


@pytest.mark.parametrize("period", [0, -5, 2.5])
def test_a_period_that_never_comes_is_refused(period):
    with pytest.raises(InputError, match="model_period of "):
        Training(1, model_period=period)
