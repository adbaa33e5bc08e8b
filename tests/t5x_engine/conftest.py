"""Runs of T5X's programs on a small T5, in processes of their own."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile

import pytest

from tests.runs import ROOT

QUICK = {
    "TASK_FEATURE_LENGTHS": {"inputs": 32, "targets": 8},
    "MIXTURE_OR_TASK_NAME": "demo_food",
    "BATCH_SIZE": 16,
}
TRAINING = {
    "PROMPT_LENGTH": 5,
    "DROPOUT_RATE": 0.0,
    "EVAL_PERIOD": 4,
    "CHECKPOINT_PERIOD": 4,
    "EVAL_STEPS": 1,
    "EVALUATOR_NUM_EXAMPLES": 16,
    "train.stats_period": 1,
}
# On a machine that does much else.
_SECONDS = 600


@pytest.fixture(scope="session")
def call_t5x(demo_model):
    """(program, {macro: value}, gin files) -> runs `python -m t5x.PROGRAM`.

    `each` has more values for each of several processes. Returns what all of them said;
    where `fails`, all of them do, with the code of a mistake that a user can mend.
    """
    model = {"INITIAL_CHECKPOINT_PATH": demo_model["INITIAL_CHECKPOINT_PATH"]}

    def call(
        program: str,
        values: dict,
        *files: str,
        fails: bool = False,
        each: tuple[dict, ...] = ({},),
    ) -> str:
        start = [sys.executable, "-m", f"t5x.{program}"]
        start += [f"--gin_file={file}" for file in (*files, "tests/demo.gin")]
        together = _flags(len(each))
        commands = []
        for more, flags in zip(each, together, strict=True):
            given = QUICK | model | values | more
            bindings = [f"--gin.{name}={value!r}" for name, value in given.items()]
            commands.append([*start, *bindings, *flags])
        codes, said = _run(commands)
        assert codes == [2 if fails else 0] * len(each), said[-4000:]
        return said

    return call


def _flags(processes: int) -> list[list[str]]:
    """Returns by which flags of T5X's each process finds the others."""
    if processes == 1:
        return [[]]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"--coordinator_address=127.0.0.1:{free.getsockname()[1]}"
    all_of_them = ["--multiprocess_gpu", address, f"--process_count={processes}"]
    return [[*all_of_them, f"--process_index={place}"] for place in range(processes)]


def _run(commands: list[list[str]]) -> tuple[list[int], str]:
    """Runs commands beside one another; returns their codes, and what they said."""
    # As the tests compile, but on one device.
    where = {"cwd": ROOT, "stdout": subprocess.DEVNULL}
    where["env"] = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    with contextlib.ExitStack() as until_the_end:
        said = [
            until_the_end.enter_context(tempfile.TemporaryFile("w+")) for _ in commands
        ]
        running = [
            subprocess.Popen(command, stderr=file, **where)
            for command, file in zip(commands, said, strict=True)
        ]
        for process in running:
            until_the_end.callback(process.kill)
        codes = [process.wait(timeout=_SECONDS) for process in running]
        for file in said:
            file.seek(0)
        return codes, "\n".join(file.read() for file in said)


@pytest.fixture(scope="session")
def train(call_t5x, demo_model):
    """(MODEL_DIR, last step, {macro: value}, gin files, options) -> trains there."""

    def run(
        folder, steps: int, values: dict | None = None, *files: str, **options
    ) -> str:
        if "gin/t5x/model_tune.gin" not in files:
            files = ("gin/t5x/prompt_tune.gin", *files)
        own = {"MODEL_DIR": str(folder), "TRAIN_STEPS": steps}
        own["VOCABULARY"] = demo_model["VOCABULARY"]
        return call_t5x("train", TRAINING | own | (values or {}), *files, **options)

    return run
