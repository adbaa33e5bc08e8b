"""A mistake that a user can mend is one message under T5X's programs as well."""

import sys

import pytest

from spot_jax.errors import InputError
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
