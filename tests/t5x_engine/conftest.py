"""Runs of T5X's programs on a small T5, in processes of their own."""

import os
import subprocess
import sys

import pytest

from tests.runs import ROOT

QUICK = {
    "TASK_FEATURE_LENGTHS": {"inputs": 32, "targets": 8},
    "MIXTURE_OR_TASK_NAME": "demo_food",
    "PROMPT_LENGTH": 5,
    "BATCH_SIZE": 16,
}
TRAINING = {
    "DROPOUT_RATE": 0.0,
    "EVAL_PERIOD": 4,
    "CHECKPOINT_PERIOD": 4,
    "EVAL_STEPS": 1,
    "EVALUATOR_NUM_EXAMPLES": 16,
    "train.stats_period": 1,
}


@pytest.fixture(scope="session")
def call_t5x(demo_model):
    """(program, {macro: value}, gin files) -> runs `python -m t5x.PROGRAM`.

    Returns what it said.
    """
    model = {"INITIAL_CHECKPOINT_PATH": demo_model["INITIAL_CHECKPOINT_PATH"]}
    model["VOCABULARY"] = demo_model["VOCABULARY"]

    def call(program: str, values: dict, *files: str, fails: bool = False) -> str:
        given = QUICK | model | values
        bindings = [f"--gin.{name}={value!r}" for name, value in given.items()]
        done = subprocess.run(
            [
                *(sys.executable, "-m", f"t5x.{program}"),
                *(f"--gin_file={file}" for file in (*files, "tests/demo.gin")),
                *bindings,
            ],
            # As the tests compile, but on one device.
            env=os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert bool(done.returncode) is fails, done.stderr[-4000:]
        return done.stderr

    return call


@pytest.fixture(scope="session")
def train(call_t5x):
    """(MODEL_DIR, last step, {macro: value}, gin files) -> trains there."""

    def run(folder, steps: int, values: dict | None = None, *files: str) -> str:
        if "gin/t5x/model_tune.gin" not in files:
            files = ("gin/t5x/prompt_tune.gin", *files)
        own = {"MODEL_DIR": str(folder), "TRAIN_STEPS": steps}
        return call_t5x("train", TRAINING | own | (values or {}), *files)

    return run
