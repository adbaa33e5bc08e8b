"""Real rows, the real vocabulary and a T5X checkpoint, through the whole program."""

import numpy as np
import pytest

from spot_jax.model_dir import records
from spot_jax.prompts import files
from tests import runs

TASKS = ("sst2", "mrpc", "rte")
# The shape of the checkpoint of prompt-tuning's own tests.
SHAPE = {"d_model": 4, "d_mlp": 8, "heads": 2, "d_head": 2, "relpos_buckets": 4}


@pytest.fixture(scope="module")
def given(shared, tmp_path_factory):
    """Real rows as TFDS data, and gin values for the real files."""
    folder = tmp_path_factory.mktemp("tfds")
    for task in TASKS:
        rows = shared / "data" / task
        done = runs.call(
            [
                *(runs.sys.executable, "-m", "spot_jax", "convert", task),
                *("--data_dir", str(folder)),
                *("--rows", f"train={rows / 'train.jsonl.gz'}"),
                *("--rows", f"validation={rows / 'validation.jsonl'}"),
            ]
        )
        assert done.returncode == 0, done.stderr
    fixtures = shared / "fixtures"
    checkpoint = fixtures / "prompt_tuning_test_data/test_t5_1_1_tiny/checkpoint_3"
    return folder, {
        "MIXTURE_OR_TASK_NAME": list(TASKS),
        "TASK_FEATURE_LENGTHS": "{'inputs': 320, 'targets': 8}",
        "INITIAL_CHECKPOINT_PATH": str(checkpoint),
        "VOCABULARY": str(fixtures / "t5_vocab/spiece.model"),
    } | {f"T5Config.{name}": value for name, value in SHAPE.items()}


def test_a_bank_of_real_tasks_trains_and_is_scored(given, tmp_path, monkeypatch):
    folder, values = given
    gin_files = ["gin/models/t5_1_1_tiny.gin", *runs.FILES[1:]]
    command = runs.command(
        "train",
        runs.bindings(tmp_path / "run", values, {"TRAIN_STEPS": 6, "EVAL_PERIOD": 6}),
        gin_files,
    )
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    done = runs.call(command)
    assert done.returncode == 0, done.stderr
    lines = records.read_metrics(tmp_path / "run")
    kinds = {line["kind"]: line for line in lines}
    assert set(kinds["mrpc"]) >= {"f1", "accuracy"}
    assert {"sst2", "rte"} <= set(kinds)
    for task in TASKS:
        prompt = files.read(tmp_path / f"run/prompts/{task}-seed0/last.safetensors")
        assert prompt.bundle.enc_input.shape == (5, 4)
        assert np.isfinite(prompt.bundle.enc_input).all()
    # The model is random, and its vocabulary has 32,128 entries.
    trained = [line["loss"] for line in lines if line["kind"] == "train"]
    assert np.mean(trained) == pytest.approx(np.log(32128), abs=2)


@pytest.mark.slow
def test_evaluating_the_trained_prompts_gives_the_runs_scores(
    given, tmp_path, monkeypatch
):
    folder, values = given
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    gin_files = ["gin/models/t5_1_1_tiny.gin", *runs.FILES[1:]]
    steps = {"TRAIN_STEPS": 2, "EVAL_PERIOD": 2, "MIXTURE_OR_TASK_NAME": "rte"}
    made = runs.bindings(tmp_path / "run", values, steps)
    done = runs.call(runs.command("train", made, gin_files))
    assert done.returncode == 0, done.stderr
    best = tmp_path / "run/prompts/rte-seed0/best.safetensors"
    wanted = {
        "MIXTURE_OR_TASK_NAME": "rte",
        "PROMPT_FILES": str(best),
        "EVAL_OUTPUT_DIR": str(tmp_path / "eval"),
        "EVALUATION": "rank",
        "EVALUATOR_NUM_EXAMPLES": 20,
    }
    given_now = [f"{name}={value}" for name, value in (values | wanted).items()]
    gin_files = ["gin/models/t5_1_1_tiny.gin", "gin/runs/evaluate.gin"]
    done = runs.call(runs.command("evaluate", given_now, gin_files))
    assert done.returncode == 0, done.stderr
    score = files.read(best).story["results"]["rte"]["accuracy"]
    assert f'"accuracy": {score}' in done.stdout
