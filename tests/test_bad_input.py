"""Every mistake a user can make is one message with the cure, and costs nothing."""

import json
import logging
import os

import numpy as np
import pytest

from spot_jax.__main__ import main
from spot_jax.prompts import files
from tests import runs
from tests.bundles import soft

# what is wrong -> gin values, gin files or None, and what the message must say
CASES = {
    "unknown task": (
        {"MIXTURE_OR_TASK_NAME": "demo_fod"},
        None,
        ["no task or mixture 'demo_fod'", "demo_food"],
    ),
    "prompt longer than the input": (
        {"PROMPT_LENGTH": 40},
        None,
        ["PROMPT_LENGTH is 40", "32", "TASK_FEATURE_LENGTHS"],
    ),
    "input too long": (
        {"TASK_FEATURE_LENGTHS": "{'inputs': 8, 'targets': 8}"},
        None,
        ["of 2000 inputs are longer than 8 tokens", "the longest has", "TRUNCATE=True"],
    ),
    "label too long": (
        {"TASK_FEATURE_LENGTHS": "{'inputs': 32, 'targets': 1}"},
        None,
        ["2000 of 2000 targets are longer than 1 tokens", "TASK_FEATURE_LENGTHS"],
    ),
    "no length for the targets": (
        {"TASK_FEATURE_LENGTHS": "{'inputs': 32}"},
        None,
        ["TASK_FEATURE_LENGTHS", "'targets': 16"],
    ),
    "checkpoint of another size": (
        {"T5Config.d_model": 32},
        None,
        ["of another shape", "[32, 64]", "[64, 64]"],
    ),
    "no checkpoint": (
        {"INITIAL_CHECKPOINT_PATH": "/nowhere/at/all"},
        None,
        ["/nowhere/at/all"],
    ),
    "missing vocabulary": (
        {"VOCABULARY": "/nowhere/spiece.model"},
        None,
        ["/nowhere/spiece.model", "--gin.VOCABULARY"],
    ),
    "embedding of another size": (
        {"T5Config.vocab_size": 16},
        None,
        ["vocab_size 384 (not 16)", "--gin.T5Config.vocab_size=384"],
    ),
    "unwritable MODEL_DIR": (
        {"MODEL_DIR": "/proc/run"},
        None,
        ["MODEL_DIR /proc/run cannot be written", "--gin.MODEL_DIR"],
    ),
    "no such split": (
        {"EVAL_SPLIT": "test"},
        None,
        ["has no split 'test'", "validation", "EVAL_SPLIT"],
    ),
    "devices that do not divide": (
        {"NUM_PARTITIONS": 3},
        None,
        ["NUM_PARTITIONS is 3", "one of 1, 2, 4, 8"],
    ),
    "unknown evaluation": (
        {"EVALUATION": "guess"},
        None,
        ["'guess'", "'decode'", "'rank'"],
    ),
    "more labels than vectors": (
        {"CLASS_LABELS": "['a', 'b', 'c', 'd', 'e', 'f']"},
        None,
        ["6 labels do not fit in a prompt of 5", "PROMPT_LENGTH"],
    ),
    "prompt file missing": (
        {"PROMPT_FILE": "/nowhere/best.safetensors"},
        "gin/prompts/from_file.gin",
        ["no prompt file /nowhere/best.safetensors"],
    ),
}


@pytest.fixture(autouse=True)
def _handlers_of_this_test_alone():
    yield
    # main() speaks to the stderr that this test captured.
    logging.getLogger("spot_jax").handlers.clear()


@pytest.mark.parametrize("case", list(CASES))
def test_one_message_and_a_failing_exit(case, demo_model, tmp_path, capsys):
    values, prompt, expected = CASES[case]
    gin_files = list(runs.FILES)
    if prompt:
        gin_files[1] = prompt
    given = runs.bindings(tmp_path / "run", demo_model, values)
    message = _fail("train", given, gin_files, capsys)
    for words in expected:
        assert words in message
    assert not (tmp_path / "run" / "checkpoints" / "step_1").exists()


def _fail(program, given, gin_files, capsys) -> str:
    arguments = runs.command(program, given, gin_files)[3:]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    assert message.count("spot_jax: ") == 1
    return message


def test_an_unset_macro(demo_model, capsys):
    given = [f"{k}={v}" for k, v in demo_model.items()]
    message = _fail("train", given, runs.FILES, capsys)
    assert "is not set" in message
    assert "--gin." in message


def test_a_mistyped_macro(demo_model, tmp_path, capsys):
    given = [*runs.bindings(tmp_path, demo_model), "BATCHSIZE=3"]
    message = _fail("train", given, runs.FILES, capsys)
    assert "no use for BATCHSIZE. Did you mean BATCH_SIZE" in message


@pytest.mark.parametrize(
    "value",
    [
        {"BATCH_SIZE": "abc"},
        {"TRAIN_STEPS": 4.0},
        {"TASK_FEATURE_LENGTHS": 512},
        {"RANDOM_SEED": "x"},
        {"RANDOM_SEED": [0, 0]},
        {"EVALUATOR_NUM_EXAMPLES": 0},
        {"LOSS_NORMALIZING_FACTOR": "mean"},
        {"OPTIMIZER_CLOCK": "zero"},
        {"TRUNCATE": "yes"},
        {"MODEL_DIR": "s3://bucket/run"},
        {"MIXTURE_OR_TASK_NAME": "[demo_food, demo_food]"},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused_before_the_model_is_loaded(
    value, demo_model, tmp_path, capsys
):
    given = runs.bindings(tmp_path, demo_model, value)
    message = _fail("train", given, runs.FILES, capsys)
    assert "Loading the T5" not in message


def test_a_mistake_that_is_mended_is_not_another_configuration(
    demo_model, tmp_path, capsys
):
    typo = {"MIXTURE_OR_TASK_NAME": "demo_fod"}
    _fail("train", runs.bindings(tmp_path, demo_model, typo), runs.FILES, capsys)
    runs.train(tmp_path, demo_model, {"TRAIN_STEPS": 1})


def test_an_unknown_program_and_no_program(capsys):
    with pytest.raises(SystemExit):
        main(["trian"])
    assert "choose train" in capsys.readouterr().err
    main([])
    assert "evaluate" in capsys.readouterr().out


def test_a_model_dir_of_another_run_is_left_alone(demo_model, tmp_path, capsys):
    runs.train(tmp_path, demo_model)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    given = runs.bindings(tmp_path, demo_model, {"BATCH_SIZE": 5})
    message = _fail("train", given, runs.FILES, capsys)
    assert "another configuration" in message
    assert "- BATCH_SIZE = 4" in message
    assert "+ BATCH_SIZE = 5" in message
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert after == before


def test_a_loss_that_is_not_finite_stops_the_run(demo_model, tmp_path, capsys):
    runs.train(tmp_path, demo_model, {"TRAIN_STEPS": 4, "LEARNING_RATE": 0.3})
    best = tmp_path / "prompts/demo_food-seed0/best.safetensors"
    before = best.read_bytes()
    # The same run goes on, its configuration edited by hand to diverge.
    config = tmp_path / "config.gin"
    config.write_text(config.read_text().replace("0.3", "1e+39"))
    given = runs.bindings(tmp_path, demo_model, {"LEARNING_RATE": 1e39})
    message = _fail("train", given, runs.FILES, capsys)
    assert "loss of demo_food-seed0 is not finite" in message
    assert "LEARNING_RATE" in message
    assert best.read_bytes() == before


def test_an_empty_data_set(demo_model, tmp_path, capsys):
    import seqio

    # The same as demo_food, without an example.
    like = seqio.TaskRegistry.get("demo_food")
    source = seqio.FunctionDataSource(
        lambda split, shuffle_files, seed=None: like.source.get_dataset(split).take(0),
        splits=("train", "validation"),
        num_input_examples={"train": 0, "validation": 0},
    )
    seqio.TaskRegistry.add(
        "nothing",
        source=source,
        preprocessors=like.preprocessors,
        output_features=like.output_features,
        metric_fns=like.metric_fns,
    )
    given = runs.bindings(tmp_path, demo_model, {"MIXTURE_OR_TASK_NAME": "nothing"})
    message = _fail("train", given, runs.FILES, capsys)
    assert "nothing has no training examples" in message


def test_a_disk_that_is_full_keeps_the_old_prompt(tmp_path, monkeypatch):
    path = tmp_path / "best.safetensors"
    files.write(path, soft(np.ones((2, 3), np.float32)), {"step": 1})

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, soft(np.zeros((2, 3), np.float32)), {"step": 2})
    assert files.read(path).story == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_prompt_of_another_model_or_length(demo_model, tmp_path, capsys):
    other = tmp_path / "other.safetensors"
    story = {"model": {"fingerprint": "0" * 16, "source": "elsewhere"}}
    files.write(other, soft(np.ones((5, 64), np.float32)), story)
    spot = [runs.FILES[0], "gin/prompts/from_file.gin", runs.FILES[2]]
    values = {"PROMPT_FILE": str(other)}
    given = runs.bindings(tmp_path / "a", demo_model, values)
    assert "allow_other_model" in _fail("train", given, spot, capsys)
    files.write(other, soft(np.ones((3, 64), np.float32)), {})
    assert "PROMPT_LENGTH=3" in _fail("train", given, spot, capsys)
    given = runs.bindings(
        tmp_path / "b", demo_model, values | {"PROMPT_LENGTH_MISMATCH": "pad"}
    )
    main(runs.command("train", given, spot)[3:])
    story = json.loads((tmp_path / "b" / "run.json").read_text())
    assert story["resumed_at"] == 0


def test_a_run_does_not_go_on_with_another_vocabulary(demo_model, tmp_path, capsys):
    values = {"TRAIN_STEPS": 4}
    runs.train(tmp_path, demo_model, values)
    prompt = files.read(tmp_path / "prompts/demo_food-seed0/best.safetensors")
    story = json.loads((tmp_path / "run.json").read_text())
    assert prompt.story["vocabulary"] == story["vocabulary"]
    assert story["vocabulary"]["path"] == demo_model["VOCABULARY"]
    # As if the file under this name had been another one.
    story["vocabulary"]["fingerprint"] = "0" * 64
    (tmp_path / "run.json").write_text(json.dumps(story))
    given = runs.bindings(tmp_path, demo_model, {"TRAIN_STEPS": 6})
    message = _fail("train", given, runs.FILES, capsys)
    assert "was made with the vocabulary" in message
    assert "Loading the T5" not in message
