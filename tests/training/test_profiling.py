"""A trace of steps, at a step or by a signal."""

import logging
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import interrupts
from spot_jax.model_dir import records, storage
from spot_jax.prompts import files
from spot_jax.settings import Training
from spot_jax.training import profiling
from tests import runs


def traces(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted((folder / "profile").rglob("*.xplane.pb"))


@pytest.fixture
def run(tmp_path, caplog):
    """Runs steps that add one; returns what was said."""
    caplog.set_level(logging.INFO)

    def run_steps(steps=6, done=0, wanted=(), **training):
        training = Training(steps, **training)
        with profiling.on_demand(jax.jit(_add_one), tmp_path, training, done) as step:
            state = jnp.int32(done)
            for number in range(done + 1, steps + 1):
                interrupts._listener.trace.clear()
                if number in wanted:
                    interrupts._listener.trace.set()
                state, metrics = step(state)
                assert state == metrics["loss"] == number
        return " ".join(caplog.messages)

    return run_steps


def _add_one(state):
    return state + 1, {"loss": state + 1}


def test_steps_are_traced_from_the_one_that_is_named(run, tmp_path):
    told = run(profile_step=2, profile_steps=3)
    assert f"A trace of 3 steps, to step 4, is in {tmp_path}/profile" in told
    assert len(traces(tmp_path)) == 1


def test_steps_are_traced_when_a_signal_asks_for_it(run, tmp_path):
    # While one trace is written, another cannot begin.
    told = run(steps=9, wanted=(3, 4, 6), profile_steps=2)
    assert "A trace of 2 steps, to step 4" in told
    assert "A trace of 2 steps, to step 7" in told
    assert told.count("A trace of") == 2


def test_a_trace_of_steps_that_do_not_all_come_is_kept(run, tmp_path):
    told = run(steps=3, profile_step=2, profile_steps=5)
    assert "A trace of 2 steps, to step 3" in told
    assert len(traces(tmp_path)) == 1


@pytest.mark.parametrize("step, done", [(3, 3), (7, 0)])
def test_a_step_that_does_not_come_is_told(run, tmp_path, step, done):
    told = run(done=done, profile_step=step)
    assert f"PROFILE_STEP is {step}, and steps {done + 1} to 6 are left" in told
    assert not traces(tmp_path)


def test_a_trace_that_cannot_be_written_does_not_end_the_run(run, tmp_path):
    (tmp_path / "profile").write_text("a file")
    assert "the run goes on" in run(profile_step=2)
    (tmp_path / "profile").unlink()
    jax.profiler.start_trace(tmp_path / "other")
    assert "the run goes on" in run(profile_step=2)
    jax.profiler.stop_trace()


def test_of_several_processes_one_is_traced(run, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_is_writer", False)
    assert run(profile_step=2) == ""
    assert not traces(tmp_path)


@pytest.mark.parametrize("values", [{"profile_step": 0}, {"profile_steps": 0}])
def test_numbers_of_steps_are_positive(values):
    with pytest.raises(ValueError, match="not at least 1"):
        Training(10, **values)


def test_a_run_that_is_traced_learns_the_same_prompt(demo_model, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    runs.train(one, demo_model)
    runs.train(two, demo_model, {"PROFILE_STEP": 5, "PROFILE_STEPS": 3})
    assert not traces(one) and len(traces(two)) == 1
    for kind in ("best", "last"):
        name = f"prompts/demo_food-seed0/{kind}.safetensors"
        prompts = [files.read(folder / name).bundle.enc_input for folder in (one, two)]
        np.testing.assert_array_equal(*prompts)
    lines = [records.read_metrics(folder) for folder in (one, two)]
    trained = [[m for m in of_run if m["kind"] == "train"] for of_run in lines]
    assert trained[0] == trained[1]
    # What a run says of itself beside its losses.
    speed = [line for line in lines[0] if line["kind"] == "speed"][-1]
    assert 0 < speed["seconds_per_step"] < 60 and 0 < speed["host_peak_gib"] < 100
    assert "device_peak_gib" not in speed
