"""Several processes are one run: its losses, its prompts, its end."""

import csv
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from spot_jax import pretrained, processes
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.prompts import files
from tests import demo_world

LAST = "prompts/mood-seed0/last.safetensors"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "mood.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number, row in enumerate(demo_world.reviews("food", 60, 60)):
            writer.writerow([row["inputs"], ("bad", "good")[number % 2]])
    return path


@pytest.fixture
def start(rows, demo_model, tmp_path):
    """Starts one of `count` processes of a run, each with one device of its own."""
    port = _free_port()
    running = []

    def start_one(place, count=2, steps=20, timeout=60, more=(), model_dir="run"):
        given = {k: demo_model[k] for k in ("INITIAL_CHECKPOINT_PATH", "VOCABULARY")}
        given |= dict(TRAIN_STEPS=steps, BATCH_SIZE=4, PROMPT_LENGTH=4)
        given |= dict(EVALUATION="rank")
        given |= dict(EVAL_PERIOD=1000, LOG_PERIOD=10, CHECKPOINT_PERIOD=10)
        given |= dict(DROPOUT_RATE=0.0, MODEL_DIR=tmp_path / model_dir)
        command = [sys.executable, "-m", "spot_jax", "train", "--rows", f"train={rows}"]
        command += ["--input", "{text}", "--target", "{label}", "--name", "mood"]
        files_of = ["tests/demo_model", "gin/runs/prompt_tune"]
        files_of += ["gin/prompts/random_uniform"]
        command += [f"--gin_file={name}.gin" for name in files_of]
        command += [f"--gin.{name}={value}" for name, value in given.items()]
        if count > 1:
            command += ["--coordinator_address", f"localhost:{port}"]
            command += ["--process_count", str(count), "--process_id", str(place)]
            command += ["--meeting_timeout", str(timeout)]
        environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
        process = subprocess.Popen(
            [*command, *more],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("localhost", 0))
        return sock.getsockname()[1]


def end(*running) -> list[tuple[int, str, str]]:
    """Waits for processes, and returns the exit code, stdout and stderr of each."""
    said = [process.communicate(timeout=300) for process in running]
    return [(p.returncode, *out) for p, out in zip(running, said, strict=True)]


def wait_for_step(folder, step: int) -> None:
    for _ in range(1200):
        metrics = folder / "metrics.jsonl"
        lines = records.read_metrics(folder) if metrics.exists() else []
        if lines and lines[-1]["step"] >= step:
            return
        time.sleep(0.1)
    raise AssertionError(f"{folder} did not come to step {step}")


def test_two_processes_train_what_one_trains(start, tmp_path):
    (code, _, told), *_ = end(start(0, count=1, model_dir="alone"))
    assert code == 0, told
    first, second = end(start(0), start(1))
    assert first[0] == second[0] == 0, first[2] + second[2]
    assert "mood-seed0: best" in first[1]
    # The second says nothing and writes nothing.
    assert not second[1] and "step" not in second[2], second[2]
    one, two = (tmp_path / folder for folder in ("alone", "run"))
    losses = [
        [line["loss"] for line in records.read_metrics(folder) if "loss" in line]
        for folder in (one, two)
    ]
    assert len(losses[0]) == 2
    np.testing.assert_allclose(*losses, rtol=1e-4)
    # Sums over processes round otherwise, and Adafactor divides by what is small.
    prompts = [files.read(folder / LAST).bundle.enc_input for folder in (one, two)]
    np.testing.assert_allclose(*prompts, atol=1e-2)
    assert files.read(one / LAST).story["step"] == 20
    # What two began one continues, and three do.
    (code, _, told), *_ = end(start(0, count=1, steps=30))
    assert code == 0 and "Resuming at step 20." in told, told
    done = end(*(start(place, count=3, steps=40) for place in range(3)))
    assert [code for code, *_ in done] == [0, 0, 0], done
    assert "Resuming at step 30." in done[0][2]


def test_one_that_is_killed_ends_the_other_and_both_go_on(start, tmp_path):
    first, second = start(0, steps=5000), start(1, steps=5000)
    wait_for_step(tmp_path / "run", 20)
    second.kill()
    began = time.monotonic()
    ((code, _, told),) = end(first)
    assert time.monotonic() - began < 60
    assert code == processes.LOST, told
    assert "Another process has gone" in told and "same command" in told
    # Both again; now one is told to leave, and both do, at one step.
    first, second = start(0, steps=5000), start(1, steps=5000)
    wait_for_step(tmp_path / "run", 50)
    second.send_signal(signal.SIGTERM)
    (code, _, told), (of_second, *_) = end(first, second)
    assert "Resuming at step" in told and "Stopped at step" in told, told
    assert (code, of_second) == (0, 128 + signal.SIGTERM), told
    step = int(told.split("Stopped at step ")[1].split()[0])
    assert (tmp_path / f"run/checkpoints/step_{step}").is_dir()


def test_what_differs_is_one_message_on_both(start, tmp_path):
    first, second = end(start(0), start(1, more=["--gin.BATCH_SIZE=5"]))
    for code, _, told in (first, second):
        assert code == 2, told
        assert "The configuration of process 1 is another" in told
    assert not (tmp_path / "run/config.gin").exists()


def test_one_that_never_comes_is_one_message(start):
    ((code, _, told),) = end(start(0, timeout=5))
    assert code == 2 and "were not met within 5 s" in told, told


@pytest.mark.parametrize(
    "flags, told",
    [
        (["--process_id", "0"], "go together"),
        (["--process_count", "2", "--process_id", "0"], "go together"),
        (
            ["--coordinator_address", "a:1", "--process_count", "2"]
            + ["--process_id", "2"],
            "are 0 to 1",
        ),
        (
            ["--coordinator_address", "a", "--process_count", "2"]
            + ["--process_id", "0"],
            "host and port",
        ),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, told):
    with pytest.raises(InputError, match=told):
        processes.split(flags)


def test_all_that_is_no_flag_of_processes_is_left():
    options, rest = processes.split(["--gin.A=1", "--rows", "train=a", "sst2"])
    assert rest == ["--gin.A=1", "--rows", "train=a", "sst2"]
    assert options.coordinator_address is None
    assert not processes.are_several()
    processes.agree({"nothing": "is compared"})


@pytest.mark.slow
def test_a_model_that_is_split_between_processes_is_written_whole(start, tmp_path):
    tune = ["--gin_file=gin/runs/model_tune.gin", "--gin.NUM_PARTITIONS=2"]
    first, second = end(start(0, steps=2, more=tune), start(1, steps=2, more=tune))
    assert first[0] == second[0] == 0, first[2] + second[2]
    (written,) = (tmp_path / "run").glob("checkpoint_*")
    found = pretrained.describe(str(written))
    assert found.settings["d_model"] == 64
