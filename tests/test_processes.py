"""Several processes are one run: its losses, its prompts, its end."""

import csv
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from spot_jax import config, pretrained, processes
from spot_jax.errors import InputError
from spot_jax.model_dir import records, storage
from spot_jax.prompts import files
from spot_jax.workshop import make_miniature
from tests import demo_world

LAST = "prompts/mood-seed0/last.safetensors"
# One device each, and programs that are compiled quickly.
ENVIRONMENT = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}


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
def begin():
    """Starts one of `count` processes of a program, with one device of its own."""
    port = _free_port()
    running = []

    def begin_one(program, arguments, place, count=2, timeout=60):
        command = [sys.executable, "-m", "spot_jax", program, *arguments]
        if count > 1:
            command += ["--coordinator_address", f"localhost:{port}"]
            command += ["--process_count", str(count), "--process_id", str(place)]
            command += ["--meeting_timeout", str(timeout)]
        process = subprocess.Popen(
            command,
            env=os.environ | ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin_one
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def start(begin, rows, demo_model, tmp_path):
    """Starts one of `count` processes of a run."""

    def start_one(place, count=2, steps=20, timeout=60, more=(), model_dir="run"):
        given = {k: demo_model[k] for k in ("INITIAL_CHECKPOINT_PATH", "VOCABULARY")}
        given |= dict(TRAIN_STEPS=steps, BATCH_SIZE=4, PROMPT_LENGTH=4)
        given |= dict(EVALUATION="rank")
        given |= dict(EVAL_PERIOD=1000, LOG_PERIOD=10, CHECKPOINT_PERIOD=10)
        given |= dict(DROPOUT_RATE=0.0, MODEL_DIR=tmp_path / model_dir)
        command = ["--rows", f"train={rows}"]
        command += ["--input", "{text}", "--target", "{label}", "--name", "mood"]
        files_of = ["tests/demo_model", "gin/runs/prompt_tune"]
        files_of += ["gin/prompts/random_uniform"]
        command += [f"--gin_file={name}.gin" for name in files_of]
        command += [f"--gin.{name}={value}" for name, value in given.items()]
        return begin("train", [*command, *more], place, count, timeout)

    return start_one


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
    assert second[1:] == ("", ""), second
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


@pytest.mark.slow
def test_one_that_is_killed_ends_the_other_and_both_go_on(start, tmp_path):
    for killed, step in ((1, 20), (0, 50)):
        both = [start(place, steps=5000) for place in (0, 1)]
        wait_for_step(tmp_path / "run", step)
        both[killed].kill()
        began = time.monotonic()
        ((code, _, told),) = end(both[1 - killed])
        assert time.monotonic() - began < 60
        assert code == processes.LOST, told
        assert told.count("Another process has gone") == 1 and "same command" in told
        assert "stack trace" not in told and "Traceback" not in told
    # Both again; now one is told to leave, and both do, at one step.
    first, second = start(0, steps=5000), start(1, steps=5000)
    wait_for_step(tmp_path / "run", 80)
    second.send_signal(signal.SIGTERM)
    (code, _, told), (of_second, *_) = end(first, second)
    assert "Resuming at step" in told and "Stopped at step" in told, told
    assert (code, of_second) == (0, 128 + signal.SIGTERM), told
    step = int(told.split("Stopped at step ")[1].split()[0])
    assert (tmp_path / f"run/checkpoints/step_{step}").is_dir()


# Of processes that have met: one waits, and says nothing as long as it does.
WAITS = """
import sys, time
from spot_jax import processes
from spot_jax.processes import joining
joining.SILENCE = 2
seconds, *flags = sys.argv[1:]
processes.join(processes.split(flags)[0])
print("met", file=sys.stderr, flush=True)
with processes.watched():
    time.sleep(float(seconds))
"""


@pytest.fixture
def wait():
    """Starts two processes that meet, and wait so many seconds."""
    port = _free_port()
    running = []

    def start_both(*seconds):
        for place, each in enumerate(seconds):
            flags = ["--coordinator_address", f"localhost:{port}"]
            flags += ["--process_count", "2", "--process_id", str(place)]
            command = [sys.executable, "-c", WAITS, str(each), *flags]
            options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            options |= dict(env=os.environ | ENVIRONMENT)
            running.append(subprocess.Popen(command, **options))
        for process in running:
            assert any(line == "met\n" for line in process.stderr)
        return running

    yield start_both
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("place", [0, 1])
def test_one_that_is_gone_or_stands_still_is_told_in_one_message(wait, place, number):
    both = wait(60, 60)
    both[place].send_signal(number)
    began = time.monotonic()
    ((code, _, told),) = end(both[1 - place])
    assert time.monotonic() - began < 20
    assert code == processes.LOST, told
    (message,) = [line for line in told.splitlines() if line.startswith("spot_jax")]
    said = f"spot_jax: process {1 - place}: Another process has gone (process {place}"
    assert message.startswith(said), told
    assert "stack trace" not in told and "Terminating" not in told


@pytest.mark.parametrize("seconds", [(0, 0), (6, 0), (0, 6)])
def test_one_that_is_done_before_the_others_is_not_missed(wait, seconds):
    assert end(*wait(*seconds)) == [(0, "", "")] * 2


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


@pytest.mark.parametrize("speaks", [True, False])
def test_of_several_one_shows_what_was_found(monkeypatch, capsys, speaks):
    evaluate, infer = map(
        importlib.import_module, ["spot_jax.evaluate", "spot_jax.infer"]
    )
    monkeypatch.setattr(storage, "_is_writer", speaks)
    monkeypatch.setattr(config, "parse_flags", lambda *_: None)
    monkeypatch.setattr(config, "configured", lambda program: lambda: [{}, {}])
    infer.main([])
    evaluate._show([["prompt", "rte"], ["a", 1.0]])
    told = capsys.readouterr().err
    assert bool(told) == speaks
    assert ("2 predictions written." in told and "rte" in told) == speaks


@pytest.mark.slow
def test_a_model_that_is_split_between_processes_is_written_whole(start, tmp_path):
    tune = ["--gin_file=gin/runs/model_tune.gin", "--gin.NUM_PARTITIONS=2"]
    first, second = end(start(0, steps=2, more=tune), start(1, steps=2, more=tune))
    assert first[0] == second[0] == 0, first[2] + second[2]
    (written,) = (tmp_path / "run").glob("checkpoint_*")
    found = pretrained.describe(str(written))
    assert found.settings["d_model"] == 64


@pytest.mark.slow
def test_tasks_of_seqio_are_trained_and_scored_by_both(begin, monkeypatch, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    sizes = ["--train=40", "--validation=16"]
    make_miniature.main([str(data), "--tasks=sst2,mrpc", *sizes])
    monkeypatch.setenv("TFDS_DATA_DIR", str(data))
    given = {"MIXTURES": {"both": ["sst2", "mrpc"]}, "TRAIN_STEPS": 2, "BATCH_SIZE": 2}
    given |= {"MIXTURE_OR_TASK_NAME": ["both", "mrpc"], "EVAL_BATCH_SIZE": 4}
    given |= {"MODEL_DIR": run, "EMBEDDING_STEP": 1, "EVALUATION": "rank"}
    files_of = ["gin/prompts/class_labels", "gin/runs/miniature_prompt"]
    train = [f"--gin_file={name}.gin" for name in files_of]
    train += [f"--gin.{name}={value}" for name, value in given.items()]
    # Of a mixture of these two alone there are no labels to start from.
    train += ["--gin.CLASS_LABELS=[good,bad]"]
    first, second = end(*(begin("train", train, place) for place in (0, 1)))
    assert first[0] == second[0] == 0, first[2] + second[2]
    assert "both-seed0" in first[1] and second[1:] == ("", "")
    given = {"INITIAL_CHECKPOINT_PATH": "spot_tiny", "EVAL_OUTPUT_DIR": tmp_path / "e"}
    given |= {"PROMPT_FILES": run / "prompts/mrpc-seed0/last.safetensors"}
    given |= {"MIXTURE_OR_TASK_NAME": "mrpc", "EVALUATION": "rank"}
    given |= {"TASK_FEATURE_LENGTHS": {"inputs": 128, "targets": 8}}
    score = ["--gin_file=gin/runs/evaluate.gin"]
    score += [f"--gin.{name}={value}" for name, value in given.items()]
    first, second = end(*(begin("evaluate", score, place) for place in (0, 1)))
    assert first[0] == second[0] == 0, first[2] + second[2]
    lines = records.read_evaluations(run)
    (there,) = [e.values for e in lines if (e.prompt, e.step) == ("mrpc-seed0", 2)]
    assert json.loads(first[1])["mrpc-seed0"]["mrpc"] == there
    assert "mrpc-seed0" in first[2] and second[1:] == ("", "")
