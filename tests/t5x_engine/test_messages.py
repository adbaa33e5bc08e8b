"""A mistake that a user can mend is one message under T5X's programs as well."""

import sys
import threading

import jax
import pytest

from spot_jax.errors import InputError
from spot_jax.processes import leaving, meeting
from spot_jax.t5x_engine import messages


@pytest.fixture
def shown(monkeypatch):
    """exception -> what Python does where nobody catches it."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    messages.show_alone()

    def show(error: BaseException) -> None:
        sys.excepthook(type(error), error, error.__traceback__)

    return show


def test_an_input_error_is_its_message_and_code_2(shown, capsys):
    with pytest.raises(SystemExit) as end:
        shown(InputError("No such task.\n  In call to configurable 'Run' (<x>)"))
    assert end.value.code == 2
    assert capsys.readouterr().err == "spot_jax: No such task.\n"


def test_any_other_exception_has_its_trace(shown, capsys):
    shown(KeyError("lost"))
    assert "KeyError: 'lost'" in capsys.readouterr().err


@pytest.mark.parametrize("place", [0, 1])
def test_of_several_processes_each_says_who_it_is_and_leaves(
    place, shown, capfd, monkeypatch
):
    waited, left = [], []
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: place)
    monkeypatch.setattr(leaving.time, "sleep", waited.append)
    monkeypatch.setattr(leaving.os, "_exit", left.append)
    # What they leave behind in this process.
    monkeypatch.setattr(leaving, "_leaving", threading.Lock())
    for name in ("_place", "_count", "_timeout"):
        monkeypatch.setattr(meeting, name, getattr(meeting, name))
    shown(InputError("No such task.\x1b[2J\n  In call to configurable 'Run' (<x>)"))
    assert capfd.readouterr().err == (
        f"spot_jax: process {place}: No such task.\\x1b[2J\n"
    )
    # The first one keeps the others together until they have said theirs.
    assert left == [2] and len(waited) == (place == 0)
