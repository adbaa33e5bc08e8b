"""`train` is a function: it needs no gin, and reads nothing that it was not given."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from spot_jax import config, optim
from spot_jax.model_dir import records
from spot_jax.prompts import files, init
from spot_jax.settings import Data, Evaluation, Loss, Model, Prompts, Training
from spot_jax.t5 import T5Config
from spot_jax.train import train
from tests import demo_tasks, runs  # noqa: F401  (registers the tasks)

OTHER = ["tests/demo.gin", "gin/runs/shared.gin"]


@pytest.fixture
def arguments(demo_model, tmp_path):
    """The quick run of tests/runs.py, from Python."""
    shape = T5Config(*(64, 4, 128, 2, 2), d_head=16, vocab_size=384, dropout_rate=0.0)
    return dict(
        model_dir=str(tmp_path / "run"),
        model=Model(shape, demo_model["INITIAL_CHECKPOINT_PATH"]),
        data=Data("demo_food", {"inputs": 32, "targets": 8}, demo_model["VOCABULARY"]),
        training=Training(4, batch_size=4, eval_period=4, log_period=2),
        optimizer=functools.partial(optim.adafactor, 0.3),
        evaluation=Evaluation("rank", examples=20, rows=20),
        loss=Loss(),
        prompts=Prompts(5, init.class_labels),
        devices=jax.devices()[:1],
    )


def test_it_trains_and_goes_on_without_gin(arguments, tmp_path):
    best = train(**arguments)
    assert set(best) == {"demo_food-seed0"}
    saved = files.read(tmp_path / "run/prompts/demo_food-seed0/last.safetensors")
    assert "Training.batch_size = 4" in saved.story["configuration"]
    assert "optim.adafactor(0.3)" in saved.story["configuration"]
    assert (tmp_path / "run/config.gin").read_text() == saved.story["configuration"]

    arguments["training"] = dataclasses.replace(arguments["training"], steps=6)
    train(**arguments)
    steps = [line["step"] for line in records.read_metrics(tmp_path / "run")]
    assert max(steps) == 6 and steps == sorted(steps)

    arguments["training"] = dataclasses.replace(arguments["training"], batch_size=5)
    with pytest.raises(ValueError, match=r"- Training.batch_size = 4\n  \+ .* = 5"):
        train(**arguments)


def test_what_gin_parsed_last_is_not_written(arguments, demo_model, tmp_path):
    anything = {"DROPOUT_RATE": 0.0, "MIXTURE_OR_TASK_NAME": "demo_topic"}
    given = [f"{name}={value}" for name, value in (demo_model | anything).items()]
    config.parse(OTHER, given)
    train(**arguments)
    assert "demo_topic" not in (tmp_path / "run/config.gin").read_text()


def test_gin_and_python_train_the_same_prompt(arguments, demo_model, tmp_path):
    same = {"TRAIN_STEPS": 4, "CHECKPOINT_PERIOD": 1000, "EMBEDDING_STEP": 10_000}
    runs.train(tmp_path / "gin", demo_model, same)
    train(**arguments)
    last = "prompts/demo_food-seed0/last.safetensors"
    one, two = (files.read(tmp_path / run / last).bundle for run in ("gin", "run"))
    np.testing.assert_array_equal(one.enc_input, two.enc_input)


def test_a_run_goes_on_on_another_mesh(arguments, tmp_path):
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices; conftest asks for them unless jax has begun")
    longer = dataclasses.replace(arguments["training"], steps=8)
    train(**arguments | {"training": longer, "model_dir": str(tmp_path / "one")})
    train(**arguments)
    split = dataclasses.replace(arguments["model"], num_partitions=2)
    elsewhere = {"model": split, "devices": jax.devices()[:4], "training": longer}
    train(**arguments | elsewhere)
    last = "prompts/demo_food-seed0/last.safetensors"
    one, two = (files.read(tmp_path / run / last).bundle for run in ("one", "run"))
    # Sums over devices round otherwise, and Adafactor divides by what is small.
    np.testing.assert_allclose(one.enc_input, two.enc_input, atol=1e-2)
