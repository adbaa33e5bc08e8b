"""How long steps take, as a thread sees it."""

import contextlib
import time

import pytest

from spot_jax.training.clock import Clock
from tests.training.steps import Result, step


@pytest.fixture
def clock():
    with Clock() as clock:
        yield clock


def test_the_median_is_of_steps_after_the_first(clock):
    step(clock, 1, 0.5)
    assert clock.speed() == {}
    for number, seconds in enumerate([0.02, 0.05, 0.4], start=2):
        step(clock, number, seconds)
    assert 0.05 <= clock.speed()["seconds_per_step"] < 0.2
    # Of those since it was asked.
    assert clock.speed() == {}
    step(clock, 5, 0.3)
    assert clock.speed()["seconds_per_step"] >= 0.3


def test_the_device_waits_while_no_step_is_given_to_it(clock):
    step(clock, 1)
    step(clock, 2, 0.2)
    assert clock.speed()["waiting"] < 0.2
    time.sleep(0.3)
    step(clock, 3, 0.1)
    assert 0.6 < clock.speed()["waiting"] < 0.9
    # A step that was given before the last had finished is not waited for.
    early = Result()
    clock.begin(4, early)
    clock.begin(5, late := Result())
    for result in (early, late):
        time.sleep(0.1)
        result.finish()
    step(clock, 6, 0.1)
    assert clock.speed()["waiting"] < 0.2


def test_what_happens_between_steps_is_no_part_of_them(clock):
    for number in range(1, 5):
        step(clock, number, 0.01)
        with clock.paused():
            time.sleep(0.3)
    assert clock.speed()["seconds_per_step"] < 0.2


def test_a_step_that_is_heard_of_after_a_pause_has_no_time_of_its_own(clock):
    step(clock, 1)
    late = Result()
    clock.begin(2, late)
    with clock.paused():
        pass
    late.finish()
    step(clock, 3, 0.2)
    assert clock.speed()["seconds_per_step"] >= 0.2


def test_begun_steps_are_not_waited_for(clock):
    results = [Result() for _ in range(3)]
    for number, result in enumerate(results, start=1):
        clock.begin(number, result)
    assert clock.standing()[:2] == (3, None)
    # Nobody waits for the first, which is compiled.
    assert clock.standing().seconds is None
    for result in results:
        result.finish()


def test_nobody_waits_while_the_run_is_paused_or_over():
    with Clock() as clock:
        step(clock, 1)
        assert clock.standing().seconds is not None
        with contextlib.suppress(KeyError), clock.paused():
            assert clock.standing().seconds is None
            raise KeyError
        assert clock.standing().seconds < 5
    assert clock.standing().seconds is None


def test_a_step_that_fails_ends_the_thread_and_not_the_run():
    class Failed:
        def block_until_ready(self):
            raise RuntimeError("told where the metrics are read")

    with Clock() as clock:
        clock.begin(1, Failed())
    assert clock.standing()[:2] == (1, None)
