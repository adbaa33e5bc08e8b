"""Whole runs on the demo's tasks: what they write, and that they end as they should."""

import dataclasses
import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from spot_jax.model import weights
from spot_jax.model_dir import records
from spot_jax.prompts import files
from spot_jax.settings import Data, Model, Target, Training
from spot_jax.train import mixture_first
from spot_jax.training.outputs import best_checkpoint
from tests import demo_tasks, runs  # noqa: F401  (registers the tasks)
from tests.pretrained import their_folders


@pytest.fixture(scope="module")
def bank_run(demo_model, tmp_path_factory):
    """A bank of two tasks and two seeds."""
    folder = tmp_path_factory.mktemp("runs") / "bank"
    tasks = {
        "MIXTURE_OR_TASK_NAME": "['demo_food', 'demo_topic']",
        "RANDOM_SEED": "[0, 1]",
    }
    return folder, runs.train(folder, demo_model, tasks)


NAMES = [
    f"{task}-seed{seed}" for task in ("demo_food", "demo_topic") for seed in (0, 1)
]


def test_a_run_writes_every_prompt_with_its_story(bank_run):
    folder, best = bank_run
    assert list(best) == NAMES
    for name in NAMES:
        for kind in ("embedding", "best", "last"):
            prompt = files.read(folder / "prompts" / name / f"{kind}.safetensors")
            assert prompt.bundle.enc_input.shape == (5, 64)
            assert prompt.story["name"] == name
            assert prompt.story["task"] == name.split("-")[0]
            assert prompt.story["seed"] == int(name[-1])
            assert len(prompt.story["model"]["fingerprint"]) == 16
            assert "PROMPT_LENGTH = 5" in prompt.story["configuration"]
    assert (
        files.read(folder / f"prompts/{NAMES[0]}/embedding.safetensors").story["step"]
        == 6
    )


def test_a_run_says_what_ran(bank_run):
    folder, _ = bank_run
    story = json.loads((folder / "run.json").read_text())
    assert {"command", "versions", "devices", "git_commit", "model"} <= set(story)
    assert "TRAIN_STEPS = 12" in (folder / "config.gin").read_text()
    assert list((folder / "tensorboard").glob("events*"))


def test_metrics_have_a_line_for_every_prompt_and_period(bank_run):
    folder, best = bank_run
    lines = records.read_metrics(folder)
    trained = [line for line in lines if line["kind"] == "train"]
    assert {line["prompt"] for line in trained} == set(NAMES)
    # Every second step, and where something is saved or evaluated.
    steps = sorted({line["step"] for line in trained})
    assert steps == [2, 3, 4, 6, 8, 9, 10, 12]
    assert all(np.isfinite(line["loss"]) for line in trained)
    evaluated = [line for line in lines if line["kind"] == "demo_food"]
    assert {line["prompt"] for line in evaluated} == set(NAMES[:2])
    assert sorted({line["step"] for line in evaluated}) == [4, 8, 12]
    for name in NAMES[:2]:
        own = [line["accuracy"] for line in evaluated if line["prompt"] == name]
        assert best[name].score == max(own)


def test_the_checkpoint_holds_no_frozen_model(bank_run):
    folder, _ = bank_run
    size = sum(f.stat().st_size for f in (folder / "checkpoints").rglob("*"))
    assert size < 200_000
    steps = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert steps == ["step_12", "step_9"]


def test_the_same_command_on_a_finished_run_changes_nothing(bank_run, demo_model):
    folder, best = bank_run
    prompt = folder / f"prompts/{NAMES[0]}/last.safetensors"
    before, lines = prompt.read_bytes(), records.read_metrics(folder)
    tasks = {
        "MIXTURE_OR_TASK_NAME": "['demo_food', 'demo_topic']",
        "RANDOM_SEED": "[0, 1]",
    }
    again = runs.train(folder, demo_model, tasks)
    assert again == best
    assert prompt.read_bytes() == before
    assert records.read_metrics(folder) == lines


# test_step has it for one batch; this for whole runs.
@pytest.mark.slow
def test_a_prompt_in_a_bank_equals_the_prompt_alone(bank_run, demo_model, tmp_path):
    folder, _ = bank_run
    alone = tmp_path / "alone"
    task = {"MIXTURE_OR_TASK_NAME": "demo_topic", "RANDOM_SEED": 1}
    runs.train(alone, demo_model, task)
    together = tmp_path / "together"
    tasks = task | {
        "MIXTURE_OR_TASK_NAME": "['demo_food', 'demo_topic']",
        "RANDOM_SEED": "[0, 1]",
    }
    runs.train(together, demo_model, tasks)
    name = "prompts/demo_topic-seed1/last.safetensors"
    # Adafactor amplifies rounding where gradients are near zero; see test_step.
    np.testing.assert_allclose(
        files.read(alone / name).bundle.enc_input,
        files.read(together / name).bundle.enc_input,
        atol=1e-3,
    )


def test_spot_starts_a_target_from_a_source_prompt(bank_run, demo_model, tmp_path):
    source = bank_run[0] / f"prompts/{NAMES[0]}/best.safetensors"
    spot = [runs.FILES[0], "gin/prompts/from_file.gin", runs.FILES[2]]
    values = {
        "MIXTURE_OR_TASK_NAME": "demo_film",
        "PROMPT_FILE": str(source),
        "TRAIN_STEPS": 1,
        "LEARNING_RATE": 0.0,
        "EVAL_PERIOD": 1,
    }
    runs.train(tmp_path / "target", demo_model, values, files=spot)
    last = files.read(tmp_path / "target/prompts/demo_film-seed0/last.safetensors")
    # Without a learning rate only the weight decay of 1e-5 moves it.
    np.testing.assert_allclose(
        last.bundle.enc_input, files.read(source).bundle.enc_input, rtol=2e-5
    )


def test_resuming_ends_as_an_uninterrupted_run(demo_model, tmp_path):
    whole = tmp_path / "whole"
    runs.train(whole, demo_model)
    parts = tmp_path / "parts"
    runs.train(parts, demo_model, {"TRAIN_STEPS": 7})
    runs.train(parts, demo_model, {"TRAIN_STEPS": 12})
    for kind in ("last", "best", "embedding"):
        name = f"prompts/demo_food-seed0/{kind}.safetensors"
        one, two = files.read(whole / name), files.read(parts / name)
        np.testing.assert_array_equal(
            one.bundle.enc_input, two.bundle.enc_input, err_msg=kind
        )
    final = [
        [m["loss"] for m in records.read_metrics(f) if m["kind"] == "train"][-1]
        for f in (whole, parts)
    ]
    assert final[0] == final[1]


# Orbax writes into a folder of another name and renames it when it is whole.
KILLER = """
import os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1]) / "checkpoints"
def instead_of_the_second_renaming(event, arguments):
    if event == "os.rename" and (folder / "step_3").exists():
        if pathlib.Path(os.fsdecode(arguments[1])).parent == folder:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(instead_of_the_second_renaming)
from spot_jax.__main__ import main
main(sys.argv[2:])
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_to_the_same_prompt(demo_model, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert runs.call(_command(whole, demo_model)).returncode == 0

    # In the middle of writing a checkpoint, after a first one was written.
    script = [runs.sys.executable, "-c", KILLER, str(killed)]
    died = runs.call(script + _command(killed, demo_model)[3:])
    assert died.returncode == -9, died.stderr
    left = [f.name for f in (killed / "checkpoints").iterdir()]
    assert any("tmp" in name for name in left), left

    # At some moment while steps are running.
    process = subprocess.Popen(
        _command(killed, demo_model),
        env=runs.environment(),
        cwd=runs.ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if line.startswith("step "):
            break
    process.kill()
    assert process.wait(60) == -9

    assert runs.call(_command(killed, demo_model)).returncode == 0
    for kind in ("last", "best"):
        name = f"prompts/demo_food-seed0/{kind}.safetensors"
        one, two = files.read(whole / name), files.read(killed / name)
        np.testing.assert_array_equal(
            one.bundle.enc_input, two.bundle.enc_input, err_msg=kind
        )
        assert one.story["results"] == two.story["results"]


def _command(folder: pathlib.Path, demo_model: dict) -> list[str]:
    # Dropout is on: its randomness has to resume as well.
    return runs.command(
        "train", runs.bindings(folder, demo_model, {"DROPOUT_RATE": 0.1})
    )


@pytest.mark.slow
def test_model_tuning_resumes_from_before_its_best_model(demo_model, tmp_path):
    files_ = ["tests/demo.gin", "gin/runs/model_tune.gin"]
    steps = {"TRAIN_STEPS": 8}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    runs.train(whole, demo_model, steps, files=files_)
    runs.train(killed, demo_model, steps, files=files_)
    # As if it had died after the best model was written and before the checkpoint.
    for later in ("step_6", "step_8"):
        shutil.rmtree(killed / "checkpoints" / later)
    shutil.copytree(whole / "checkpoints" / "step_6", killed / "checkpoints" / "step_6")
    runs.train(killed, demo_model, steps, files=files_)
    ours, theirs = (best_checkpoint(str(f)) for f in (whole, killed))
    assert ours.name == theirs.name
    for path in ours.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (theirs / path.relative_to(ours)).read_bytes()


def test_model_tuning_leaves_a_model_that_can_be_prompted(demo_model, tmp_path):
    tuned = tmp_path / "tuned"
    files_ = ["tests/demo.gin", "gin/runs/model_tune.gin"]
    best = runs.train(tuned, demo_model, files=files_)
    checkpoint = best_checkpoint(str(tuned))
    assert checkpoint.name == f"checkpoint_{7 + best['model'].step}"
    values = demo_model | {"INITIAL_CHECKPOINT_PATH": str(checkpoint), "TRAIN_STEPS": 1}
    runs.train(tmp_path / "prompt", values)
    prompt = files.read(tmp_path / "prompt/prompts/demo_food-seed0/last.safetensors")
    assert prompt.story["model"]["source"] == str(checkpoint)


@pytest.mark.slow
def test_multitask_model_tuning_tunes_the_target_after_the_mixture(
    demo_model, tmp_path
):
    values = demo_model | {
        "TARGET_TASK_NAME": "demo_film",
        "TARGET_TRAIN_STEPS": 4,
        "TRAIN_STEPS": 4,
    }
    files_ = ["tests/demo.gin", "gin/runs/multitask_model_tune.gin"]
    runs.train(tmp_path, values, files=files_)
    assert best_checkpoint(str(tmp_path / "mixture")).name == "checkpoint_11"
    assert best_checkpoint(str(tmp_path / "target")).name == "checkpoint_15"
    story = json.loads((tmp_path / "target" / "run.json").read_text())
    assert story["model"]["source"].endswith("mixture/checkpoint_11")


def test_the_second_stage_has_the_model_and_vocabulary_of_the_first(
    demo_model, tmp_path
):
    folder = tmp_path / "theirs"
    params = weights.load(
        Model(checkpoint=demo_model["INITIAL_CHECKPOINT_PATH"])
    ).params
    sizes = dict(d_model=64, d_kv=16, num_heads=4, d_ff=128, vocab_size=384)
    shape = sizes | {"feed_forward_proj": "gated-silu", "tie_word_embeddings": False}
    buckets = {"relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-5}
    their_folders.write(folder, their_folders.their_weights(params), **shape, **buckets)
    shutil.copy(demo_model["VOCABULARY"], folder / "spiece.model")
    stages = []

    def run(**stage):
        stages.append(stage)
        (tmp_path / "mixture/checkpoint_5").mkdir(parents=True, exist_ok=True)

    mixture_first(
        run,
        str(tmp_path),
        Model(checkpoint=str(folder)),
        Data("demo_food", {"inputs": 32, "targets": 8}),
        Training(3),
        Target("demo_film", 2),
    )
    one, two = stages
    assert one["model"].config.mlp_activations == ("silu", "linear")
    assert one["model"].config.norm_epsilon == 1e-5
    assert one["data"].vocabulary == str(folder / "spiece.model")
    assert (one["data"].names, two["data"].names) == (("demo_food",), ("demo_film",))
    assert two["model"].config == one["model"].config
    assert two["model"].checkpoint == str(tmp_path / "mixture/checkpoint_5")
    assert two["data"] == dataclasses.replace(one["data"], names="demo_film")
    assert (one["training"].steps, two["training"].steps) == (3, 2)


def test_training_settings_are_checked():
    with pytest.raises(ValueError, match="batch_size"):
        dataclasses.replace(Training(steps=1), batch_size=0)
