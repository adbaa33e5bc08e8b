"""A run that stands still says so."""

import subprocess
import sys
import time

import pytest

from spot_jax import processes
from spot_jax.training import watchdog
from spot_jax.training.clock import Clock
from tests import runs
from tests.training.steps import Result, step


def wait_for(capfd, text: str) -> str:
    told = ""
    for _ in range(200):
        told += capfd.readouterr().err
        if text in told:
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_a_step_that_does_not_finish_is_told_once_with_every_thread(capfd):
    stuck = Result()
    with Clock() as clock, watchdog.watching(clock, 0.2, ends=False):
        step(clock, 1)
        clock.begin(2, stuck)
        told = wait_for(capfd, "HANG_ENDS=True")
        assert "step 1 was the last to finish, and steps up to 2" in told
        assert "Thread" in told and "test_watchdog.py" in told
        time.sleep(0.5)
        assert not capfd.readouterr().err
        # The next one that hangs is told as well.
        stuck.finish()
        told = wait_for(capfd, "HANG_ENDS=True")
        assert "step 2 has finished and no other has begun" in told


@pytest.mark.parametrize("after", [0.2, None])
def test_nothing_is_told_before_the_first_step_and_in_pauses(capfd, after):
    first = Result()
    with Clock() as clock, watchdog.watching(clock, after, ends=True):
        clock.begin(1, first)
        time.sleep(0.6)
        first.finish()
        with clock.paused():
            time.sleep(0.6)
        if after is None:
            time.sleep(0.6)
    time.sleep(0.6)
    assert not capfd.readouterr().err


BLOCKS = """
import threading, time
from spot_jax.training import watchdog
from spot_jax.training.clock import Clock

class Never:
    def block_until_ready(self):
        threading.Event().wait()

def compute_for_ever():
    time.sleep(60)

with Clock() as clock, watchdog.watching(clock, 0.5, ends=True):
    clock.begin(1, 0)
    time.sleep(0.2)
    clock.begin(2, Never())
    compute_for_ever()
"""


def test_a_run_that_hangs_ends_for_whoever_starts_it_again():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS],
        cwd=runs.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == processes.LOST, done.stderr
    assert "The run stands still" in done.stderr
    assert "in compute_for_ever" in done.stderr
    assert "Ended, as HANG_ENDS asks for, after step 1." in done.stderr
