"""When steps finish, and when the next began: a thread waits, in place of the run.

A device computes behind the program that feeds it, which may be many steps ahead, and
looks at none of them before metrics are due. What waits here costs a step nothing.
"""

import contextlib
import queue
import statistics
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import jax

# Seconds that the end of a run waits for the thread, which waits for the device.
_PATIENCE = 5.0


class Standing(NamedTuple):
    """Where a run stands.

    Attributes:
        begun: the last step that was given to the device; None before the first.
        finished: the last one that it has done; None before the first.
        seconds: for how long this has not changed; None where nobody waits for a step:
            before the first is done, while the run is paused, and at the end.
    """

    begun: int | None
    finished: int | None
    seconds: float | None


class Clock:
    """Tells how long steps take, and how long none has finished.

    It runs as a context.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._steps: queue.SimpleQueue = queue.SimpleQueue()
        self._begun: int | None = None
        self._finished: int | None = None
        # The last that was begun before the run was paused.
        self._passed = 0
        # The times of steps since they were last asked for.
        self._seconds: list[float] = []
        # For how long the device had no step to do, since this was last asked for.
        self._idle = 0.0
        # When the last step finished, or what is no step; None where none is awaited.
        self._since: float | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> "Clock":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        with self._lock:
            self._is_over, self._since = True, None
        self._steps.put(None)
        self._thread.join(_PATIENCE)

    def begin(self, number: int, result: jax.Array) -> None:
        """Notes that a step was given to the device.

        Args:
            number: which step.
            result: any array that it computes.
        """
        with self._lock:
            is_idle = self._finished is not None and self._finished == self._begun
            if is_idle and self._since is not None:
                self._idle += time.monotonic() - self._since
            self._begun = number
        self._steps.put((number, result))

    def _wait(self) -> None:
        while not self._is_over and (step := self._steps.get()):
            number, result = step
            try:
                jax.block_until_ready(result)
            except Exception:
                # Whoever asks for the step's metrics is told as well.
                return
            self._finish(number)

    def _finish(self, number: int) -> None:
        now = time.monotonic()
        with self._lock:
            self._finished = number
            # The first is compiled; and of those before a pause this may hear late.
            if self._since is not None and number > self._passed:
                self._seconds.append(now - self._since)
            if number > self._passed and not self._is_over:
                self._since = now

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves what happens inside out of the time of steps."""
        with self._lock:
            self._since, self._passed = None, self._begun or 0
        try:
            yield
        finally:
            with self._lock:
                self._since = time.monotonic()

    def speed(self) -> dict[str, float]:
        """Returns what the steps since this was last asked took; of none nothing.

        `seconds_per_step` is their median, `waiting` the share of their time in which
        the device had nothing to do: it waits for rows, or for what is written down.
        """
        with self._lock:
            seconds, self._seconds = self._seconds, []
            idle, self._idle = self._idle, 0.0
        if not seconds:
            return {}
        waiting = min(1.0, idle / sum(seconds))
        return {"seconds_per_step": statistics.median(seconds), "waiting": waiting}

    def standing(self) -> Standing:
        """Returns where the run stands."""
        with self._lock:
            since = self._since
            seconds = None if since is None else time.monotonic() - since
            return Standing(self._begun, self._finished, seconds)
