"""Steps that finish when a test says so."""

import threading
import time

from spot_jax.training.clock import Clock


class Result:
    """What a device computes."""

    def __init__(self):
        self._is_there = threading.Event()

    def block_until_ready(self) -> None:
        """Waits as a `jax.Array` does."""
        assert self._is_there.wait(10)

    def finish(self) -> None:
        """Has it computed."""
        self._is_there.set()


def step(clock: Clock, number: int, seconds: float = 0.0) -> None:
    """Has a step computed in so many seconds, and waits until the clock knows it."""
    result = Result()
    clock.begin(number, result)
    time.sleep(seconds)
    result.finish()
    deadline = time.monotonic() + 10
    while clock.standing().finished != number and time.monotonic() < deadline:
        time.sleep(0.001)
