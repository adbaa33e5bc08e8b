"""Runs `spot_jax study` on tasks of the demo and one more; can be killed in a run.

    python -m tests.study_process NAME ARGUMENTS...

NAME is the run in which the process kills itself, after its first checkpoint; "" for
none.
"""

import os
import pathlib
import re
import signal
import sys
import threading
import time

from spot_jax import study, text

# Two sources, two targets, two seeds: a run for each stage.
VALUES = {
    "SOURCES": ["demo_food", "demo_topic"],
    "TARGETS": ["demo_film", "demo_snack"],
    "SEEDS": [0, 1],
    "SOURCE_STEPS": 6,
    "TARGET_STEPS": 4,
    "SOURCE_EVAL_PERIOD": 3,
    "TARGET_EVAL_PERIOD": 2,
    "EMBEDDING_STEP": 3,
    "CHECKPOINT_PERIOD": 2,
    "LOG_PERIOD": 2,
    "BEST_KS": [1, 2],
    "AVERAGE_KS": [3],
    "MIXTURE_KS": [1, 4],
    "MIXTURE_EVAL_EXAMPLES": 4,
    "BANK_SIZE": 8,
    "BATCH_SIZE": 4,
    "PROMPT_LENGTH": 5,
    "EVALUATION": "rank",
    "EVALUATOR_NUM_EXAMPLES": 20,
    "EVAL_BATCH_SIZE": 20,
    "DROPOUT_RATE": 0.0,
    "TRUNCATE": False,
}


def arguments(study_dir, *values: dict) -> list[str]:
    """Returns the arguments of the program; later values win."""
    merged = VALUES | {"STUDY_DIR": str(study_dir)}
    for more in values:
        merged |= more
    return [
        "--gin_file=gin/runs/study.gin",
        "--gin_file=tests/demo.gin",
        "--gin.study.study.poll_seconds=0.2",
        *(f"--gin.{name}={value}" for name, value in merged.items()),
    ]


def add_task() -> None:
    """Registers a second small target beside those of the demo."""
    text.import_tensorflow()
    from spot_jax.text import metrics
    from tests import demo_tasks, demo_world

    demo_tasks.add(
        "demo_snack",
        32,
        lambda count, seed: demo_world.reviews("food", count, seed + 10),
        ("bad", "good"),
        [metrics.accuracy],
    )


def remove_task() -> None:
    """Leaves the registries as they were: other tests look at all of them."""
    import seqio

    from spot_jax.tasks import catalog

    seqio.TaskRegistry.remove("demo_snack")
    del catalog.TASKS["demo_snack"]


def _kill_in(run: pathlib.Path) -> None:
    while not list(run.glob("checkpoints/step_*")):
        time.sleep(0.0002)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    name, *given = sys.argv[1:]
    if name:
        found = re.search(r"--gin\.STUDY_DIR=(\S+)", " ".join(given))
        run = pathlib.Path(found.group(1)) / "runs" / name
        threading.Thread(target=_kill_in, args=[run], daemon=True).start()
    add_task()
    study.main(given)
