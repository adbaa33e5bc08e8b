"""The command line: what is input's fault is a message, what is ours is a trace."""

import subprocess
import sys

import pytest

from spot_jax import __main__
from spot_jax.errors import InputError

COMMAND = [sys.executable, "-m", "spot_jax"]


@pytest.mark.parametrize("arguments", [[], ["inspect_tasks"]], ids=["help", "a list"])
def test_a_reader_that_has_seen_enough_is_no_error(arguments):
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    stopped = subprocess.run(
        [*COMMAND, *arguments], stdout=reader.stdin, stderr=subprocess.PIPE, text=True
    )
    assert stopped.returncode == 141
    assert not stopped.stderr


def test_a_full_disk_behind_what_is_printed_is_one_message():
    with open("/dev/full", "w") as full:
        stopped = subprocess.run(
            [*COMMAND, "inspect_tasks"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert stopped.returncode == 2
    assert stopped.stderr.count("\n") == 1
    assert "cannot be written (No space left on device)" in stopped.stderr


def _program(error: Exception):
    def run(argv: list[str]) -> None:
        raise error

    return run


def test_only_errors_of_input_are_shown_without_a_trace(monkeypatch, capsys):
    wrong = InputError("Too long.\n  In call to configurable 'train'")
    monkeypatch.setattr(__main__, "_run", _program(wrong))
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["train"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "spot_jax: Too long.\n"
    wrong = InputError("sst2\x1b[2J is wrong.\nNot é.")
    monkeypatch.setattr(__main__, "_run", _program(wrong))
    with pytest.raises(SystemExit):
        __main__.main(["train"])
    assert capsys.readouterr().err == "spot_jax: sst2\\x1b[2J is wrong.\nNot é.\n"
    # One of JAX, say, that our code did not foresee.
    monkeypatch.setattr(__main__, "_run", _program(ValueError("k must be smaller")))
    with pytest.raises(ValueError, match="k must be smaller"):
        __main__.main(["train"])


def test_signals_are_taken_by_the_program_alone(monkeypatch):
    heard = []
    monkeypatch.setattr(__main__.interrupts, "listen", lambda: heard.append(True))
    monkeypatch.setattr(__main__, "_run", lambda argv: None)
    __main__.main(["train"])
    assert not heard
    __main__.main()
    assert heard
