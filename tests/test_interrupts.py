"""Ctrl-C and SIGTERM, in processes of their own."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests import runs

# It says when it is ready; then a signal is sent. It would end by itself, with 0.
BEGIN = """
import contextlib, hashlib, pathlib, sys, time
from spot_jax import interrupts
from spot_jax.model_dir import storage
interrupts.listen()

def ready():
    print("ready", flush=True)
"""
# What JAX does with a KeyboardInterrupt that falls into one of its callbacks.
SWALLOWS = """
ready()
for _ in range(200):
    with contextlib.suppress(BaseException):
        time.sleep(0.05)
"""
# As long as XLA compiles, the main thread runs no Python.
COMPUTES = """
ready()
hashlib.pbkdf2_hmac("sha256", b"", b"", 40_000_000)
"""
WRITES = """
with storage.new_folder(pathlib.Path(sys.argv[1]) / "new") as folder:
    for number in range(200):
        storage.replace_text(folder / str(number), "text")
        if number == 10:
            ready()
        time.sleep(0.05)
"""
ASKS = """
with interrupts.answered() as is_to_stop:
    for number in range(200):
        time.sleep(0.05)
        if is_to_stop():
            break
        if number == 1:
            ready()
    print("saved")
print("never here")
"""
ASKS_NO_MORE = """
with interrupts.answered() as is_to_stop:
    is_to_stop()
    ready()
    time.sleep(0.5)
    ready()
    time.sleep(10)
"""
ENDS_BEFORE_IT_ASKS = """
with interrupts.answered() as is_to_stop:
    is_to_stop()
    ready()
    time.sleep(0.5)
print("never here")
"""
HAS_ASKED = """
with interrupts.answered() as is_to_stop:
    is_to_stop()
ready()
time.sleep(10)
"""


def begun(program: str, *arguments: str, **options) -> subprocess.Popen:
    """Starts a program, and returns when it is ready."""
    # Of tests that run in the background a shell has it ignored.
    options.setdefault("preexec_fn", _heed_ctrl_c)
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + program, *arguments],
        env=runs.environment(),
        cwd=runs.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("program", [SWALLOWS, COMPUTES, HAS_ASKED])
def test_a_signal_ends_a_program_wherever_it_stands(program, number, code):
    process = begun(program)
    process.send_signal(number)
    said = process.communicate(timeout=8)
    assert process.returncode == code
    told = f"ended by {number.name}; the same command continues."
    assert said == ("", f"\nspot_jax: {told}\n")


def test_what_is_half_written_goes_with_it(tmp_path):
    process = begun(WRITES, str(tmp_path))
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 143
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_program_that_asks_stops_where_it_wants(number, code):
    process = begun(ASKS)
    process.send_signal(number)
    out, err = process.communicate(timeout=8)
    assert (process.returncode, out) == (code, "saved\n")
    told = f"{number.name}: stopping after this step; once more ends it at once."
    assert err == f"\nspot_jax: {told}\n"


def test_the_second_signal_does_not_wait():
    process = begun(ASKS_NO_MORE)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=8)
    assert process.returncode == 143
    assert "ended by SIGTERM" in err


def test_a_signal_after_the_last_question_is_answered_too():
    process = begun(ENDS_BEFORE_IT_ASKS)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=8)
    assert (process.returncode, out) == (143, "")


WANTS_A_TRACE = """
ready()
for _ in range(200):
    if interrupts.trace_is_wanted():
        break
    time.sleep(0.05)
print("traced", interrupts.trace_is_wanted(), flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal")
def test_a_trace_is_asked_for_and_nothing_ends():
    process = begun(WANTS_A_TRACE)
    process.send_signal(signal.SIGUSR1)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "traced False\n")
    assert err == "\nspot_jax: SIGUSR1: the steps of training that follow are traced.\n"


def test_what_nohup_has_ignored_stays_ignored():
    process = begun(
        ASKS, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 143
    assert "SIGINT" not in process.stderr.read()


def test_code_that_is_called_takes_no_signals(monkeypatch):
    before = [signal.getsignal(number) for number, _ in SIGNALS]
    from spot_jax import interrupts

    with interrupts.answered() as is_to_stop:
        assert not is_to_stop()
    assert [signal.getsignal(number) for number, _ in SIGNALS] == before


# Ctrl-C at any moment of a start, and while steps run.
PROGRAM = """
import sys
from spot_jax import interrupts
interrupts.listen()
from spot_jax.__main__ import main
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 2, 3, 4, 5, 6, 8, 12])
def test_ctrl_c_is_never_swallowed(seconds, demo_model, tmp_path):
    given = runs.bindings(tmp_path, demo_model, {"TRAIN_STEPS": 1_000_000})
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *runs.command("train", given)[3:]],
        env=runs.environment(),
        cwd=runs.ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "Exception ignored" not in said
    is_saved = "Stopped at step " in said
    assert is_saved == ("stopping after this step" in said)
    checkpoints = pathlib.Path(tmp_path, "checkpoints")
    assert bool(is_saved) <= bool(checkpoints.is_dir() and os.listdir(checkpoints))
