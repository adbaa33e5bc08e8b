"""What a run says while it goes on."""

import dataclasses
import logging

import numpy as np
import pytest

from spot_jax import optim
from spot_jax.errors import InputError
from spot_jax.model_dir import records
from spot_jax.model_dir.records import Progress
from spot_jax.settings import Training
from spot_jax.training.bank import Entry
from spot_jax.training.reports import Reports

BANK = [Entry("a-seed0", "a", 0, rate=0.3), Entry("b-seed1", "b", 1, rate=0.1)]


USEFUL = {"flops": 1.0}


def reports_in(folder, rate=0.3, bank=BANK, **options) -> Reports:
    optimizer = optim.adafactor(rate, base_step=0)
    training = Training(10, batch_size=4)
    return Reports(folder, bank, training, 0, optimizer, **options)


def metrics(**values) -> dict[str, np.ndarray]:
    plain = {"loss": [1.0, 2.0], "weight_sum": [1.0, 1.0], "correct": [0.0, 1.0]}
    every = plain | {"gradient_norm": [1.0, 1.0], "diverged": [0, 0]} | values
    return {name: np.array(value, np.float32) for name, value in every.items()}


def trained(folder) -> list[dict]:
    lines = records.read_metrics(folder)
    return [line for line in lines if line["kind"] == "train"]


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


@pytest.mark.parametrize("before", [(), (1,)], ids=str)
def test_a_bank_of_which_all_have_diverged_is_an_error_that_names_them(
    before, tmp_path
):
    reports = reports_in(tmp_path, [0.1, 0.3], diverged=before)
    reports.step(metrics(loss=[np.nan, np.inf], diverged=[1, 1]), USEFUL)
    named = "a-seed0" if before else "a-seed0, b-seed1"
    with pytest.raises(InputError, match=f"of {named} is not finite.*LEARNING_RATE"):
        reports.write(1)
    assert trained(tmp_path) == []


def test_a_prompt_that_has_diverged_is_told_once_and_its_steps_count_no_more(
    tmp_path, caplog
):
    caplog.set_level(logging.WARNING)
    reports = reports_in(tmp_path, [0.1, 0.3])
    reports.step(metrics(), USEFUL)
    assert reports.write(1) == {}
    reports.step(metrics(loss=[3.0, 4.0], correct=[1.0, 1.0]), USEFUL)
    # Of what comes after it nothing may be any number.
    nans = dict(loss=[np.nan, 6.0], gradient_norm=[np.nan, 1.0], diverged=[3, 0])
    reports.step(metrics(**nans), USEFUL)
    reports.step(metrics(**nans), USEFUL)
    assert reports.write(4) == {0: 3}
    reports.step(metrics(**nans), USEFUL)
    assert reports.write(5) == {}
    reports.close()
    (told,) = caplog.messages
    assert told.startswith("a-seed0 has diverged at step 3 and leaves the bank")
    kept = tmp_path / "prompts/a-seed0/best.safetensors"
    assert f"its best prompt so far is kept: {kept}. Lower the learning rate" in told
    own = {}
    for line in trained(tmp_path):
        own.setdefault(line["prompt"], []).append((line["step"], line["loss"]))
    assert own == {
        "a-seed0": [(1, 1.0), (4, 3.0)],
        "b-seed1": [(1, 2.0), (4, pytest.approx(16 / 3)), (5, 6.0)],
    }
    marked = [line for line in trained(tmp_path) if "diverged" in line]
    assert [(line["prompt"], line["step"], line["diverged"]) for line in marked] == [
        ("a-seed0", 4, 3)
    ]
    assert marked[0]["accuracy"] == 1.0


def test_a_prompt_that_never_moved_has_a_line_that_says_so(tmp_path):
    reports = reports_in(tmp_path)
    reports.step(metrics(loss=[np.nan, 1.0], diverged=[1, 0]), USEFUL)
    assert reports.write(1) == {0: 1}
    line = {"step": 1, "prompt": "a-seed0", "kind": "train", "diverged": 1}
    assert trained(tmp_path)[0] == line


def test_a_prompt_that_is_finished_is_told_and_has_no_more_lines(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    bank = [BANK[0], dataclasses.replace(BANK[1], steps=2)]
    reports = reports_in(tmp_path, [0.1, 0.3], bank)
    for number in (1, 2, 3):
        reports.step(metrics(), USEFUL)
        assert reports.write(number) == {}
    told = [message for message in caplog.messages if "finished" in message]
    assert told == ["b-seed1 is finished after 2 steps, and leaves the bank."]
    assert [(line["prompt"][0], line["step"]) for line in trained(tmp_path)] == [
        *(("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3))
    ]


def test_examples_of_who_has_left_are_no_throughput(tmp_path, monkeypatch):
    reports = reports_in(tmp_path)
    monkeypatch.setattr(Progress, "report", lambda *_: None)
    monkeypatch.setattr(
        Progress, "speed", lambda progress: {"each": progress.examples_per_step}
    )
    marks = [[0, 0], [0, 2], [0, 2]]
    for number, mark in enumerate(marks, 1):
        reports.step(metrics(diverged=mark), USEFUL)
        reports.write(number)
    lines = records.read_metrics(tmp_path)
    told = [line["each"] for line in lines if line["kind"] == "speed"]
    assert told == [8, 4, 4]
