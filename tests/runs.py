"""Training runs of seconds, in this process or in one that can be killed."""

import os
import pathlib
import subprocess
import sys

import jax

ROOT = pathlib.Path(__file__).resolve().parents[1]

FILES = [
    "tests/demo.gin",
    "gin/prompts/class_labels.gin",
    "gin/runs/prompt_tune.gin",
]
# Small, and every period is met several times.
QUICK = {
    "MIXTURE_OR_TASK_NAME": "demo_food",
    "TRAIN_STEPS": 12,
    "BATCH_SIZE": 4,
    "PROMPT_LENGTH": 5,
    "EVAL_PERIOD": 4,
    "CHECKPOINT_PERIOD": 3,
    "LOG_PERIOD": 2,
    "EMBEDDING_STEP": 6,
    "EVALUATION": "rank",
    "EVALUATOR_NUM_EXAMPLES": 20,
    "EVAL_BATCH_SIZE": 20,
    # Compiling dropout takes longer than all of the steps.
    "DROPOUT_RATE": 0.0,
}


def bindings(model_dir, *values: dict) -> list[str]:
    """Returns gin bindings; later values win."""
    merged = QUICK | {"MODEL_DIR": str(model_dir)}
    for more in values:
        merged |= more
    return [f"{name}={value}" for name, value in merged.items()]


def train(model_dir, *values: dict, files=FILES):
    """Trains in this process, on one of its virtual devices."""
    from spot_jax import config
    from spot_jax.train import train

    config.parse(files, bindings(model_dir, *values))
    return config.configured(train)(
        configuration=config.text(), devices=jax.devices()[:1]
    )


def command(program: str, given: list[str], files=FILES) -> list[str]:
    """Returns the command line of a program."""
    return [
        *(sys.executable, "-m", "spot_jax", program),
        *(f"--gin_file={file}" for file in files),
        *(f"--gin.{binding}" for binding in given),
    ]


def environment() -> dict[str, str]:
    """Returns an environment with one device, as a laptop has."""
    return os.environ | {"XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}


def call(arguments: list[str], **options) -> subprocess.CompletedProcess:
    """Runs a command line and returns what it said."""
    return subprocess.run(
        arguments,
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )
