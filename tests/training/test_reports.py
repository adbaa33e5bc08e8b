"""What a run says while it goes on."""

import logging

import numpy as np
import pytest

from spot_jax import optim
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.settings import Training
from spot_jax.training.bank import Entry
from spot_jax.training.reports import Reports

BANK = [Entry("a-seed0", "a", 0, rate=0.3), Entry("b-seed1", "b", 1, rate=0.1)]


def reports_in(folder, rate=0.3, bank=BANK) -> Reports:
    optimizer = optim.adafactor(rate, base_step=0)
    return Reports(folder, bank, Training(10), 0, optimizer)


def metrics(**values) -> dict[str, np.ndarray]:
    plain = {"loss": [1.0, 2.0], "weight_sum": [1.0, 1.0], "correct": [0.0, 1.0]}
    every = plain | {"gradient_norm": [1.0, 1.0]} | values
    return {name: np.array(value, np.float32) for name, value in every.items()}


def test_an_evaluation_is_a_line_for_every_prompt(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    several = {"x": {"accuracy": 40.0}, "y": {"accuracy": 50.0, "f1": 70.0}}
    reports = reports_in(tmp_path)
    reports.evaluated(4, {0: {"a": {"loss": 2.31}}, 1: several})
    reports.evaluated(8, {0: {"a": {"accuracy": 1.0, "f1": 3.0}}, 1: several})
    reports.close()
    assert caplog.messages[1:4] == [
        "step 4  a-seed0: loss 2.31",
        "step 4  b-seed1: mean of 2 tasks 50.00 (x: accuracy 40.00; "
        "y: accuracy 50.00, f1 70.00)",
        "step 8  a-seed0: accuracy 1.00, f1 3.00, mean of accuracy and f1 2.00",
    ]


@pytest.mark.parametrize("rate", [0.3, [0.1, 0.3]], ids=str)
def test_the_rate_is_told_of_the_run_or_of_every_prompt(rate, tmp_path):
    reports = reports_in(tmp_path, rate)
    reports.step(metrics(), {"positions": 0.5, "flops": 0.75})
    reports.step(metrics(), {"positions": 0.7, "flops": 0.25})
    reports.write(1)
    reports.close()
    lines = records.read_metrics(tmp_path)
    shared = next(line for line in lines if not line["prompt"])
    assert shared["useful_positions"] == pytest.approx(0.6)
    assert shared["useful_flops"] == 0.5
    told = {line["prompt"]: line.get("learning_rate") for line in lines}
    if rate == 0.3:
        assert told == {"": 0.3, "a-seed0": None, "b-seed1": None}
    else:
        assert told[""] is None
        np.testing.assert_allclose([told["a-seed0"], told["b-seed1"]], [0.3, 0.1])


def test_a_prompt_that_diverges_is_named(tmp_path):
    reports = reports_in(tmp_path, [0.1, 0.3])
    reports.step(metrics(loss=[np.nan, 1.0]), {"flops": 1.0})
    with pytest.raises(InputError, match="of a-seed0 is not finite.*LEARNING_RATE"):
        reports.write(1)
