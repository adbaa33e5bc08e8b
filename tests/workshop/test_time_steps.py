"""A step's time and memory are measured on the very step that a run compiles."""

import json

import pytest

from spot_jax.errors import InputError
from spot_jax.workshop import time_steps

QUICK = ["--inputs", "16", "--batch", "8", "--length", "4", "--steps", "2"]


@pytest.mark.slow
def test_it_prints_a_line_for_every_model(capsys):
    time_steps.main(["t5_1_1_tiny", "--json", "--bank", "2", *QUICK])
    told = capsys.readouterr().out
    assert "t5_1_1_tiny  9,012,992" in told
    (cost,) = json.loads(told[told.index("[\n") :])
    assert cost["parameters"] == 9_012_992 and cost["weights"] >= 4 * 9_012_992 / 8
    assert cost["memory"] > cost["weights"] and cost["seconds"] > 0
    assert cost["flops"] > 1e6


@pytest.mark.parametrize("given", [["nowhere"], ["t5_1_1_tiny", "--batch", "0"]])
def test_what_cannot_be_timed_is_one_message(given):
    with pytest.raises((InputError, SystemExit)):
        time_steps.main(given)
