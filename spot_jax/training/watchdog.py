"""Tells of a run that stands still, and may end it for whoever starts it again."""

import contextlib
import faulthandler
import os
import threading
import time
from collections.abc import Iterator

from spot_jax import processes
from spot_jax.training.clock import Clock, Standing

# Seconds between two looks, at most.
_LOOK = 1.0


@contextlib.contextmanager
def watching(clock: Clock, after: float | None, ends: bool) -> Iterator[None]:
    """Looks, while the context lasts, whether steps go on finishing.

    Args:
        clock: knows when they finish, and when none is awaited.
        after: HANG_AFTER, seconds without one after which it is told; None: never.
        ends: HANG_ENDS, whether that ends the process as well.
    """
    if after is None:
        yield
        return
    is_over = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(clock, after, ends, is_over), daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        is_over.set()


def _watch(clock: Clock, after: float, ends: bool, is_over: threading.Event) -> None:
    told = None
    while not is_over.wait(min(_LOOK, after / 4)):
        stands = clock.standing()
        if stands.seconds is None or stands.seconds < after:
            continue
        # Once for every step that hangs.
        if stands[:2] != told:
            told = stands[:2]
            _tell(stands)
            _end(stands) if ends else _go_on()


def _tell(stands: Standing) -> None:
    """Says what the run was doing, past Python's buffers, which may be locked."""
    since = time.strftime("%H:%M:%S", time.localtime(time.time() - stands.seconds))
    if stands.begun == stands.finished:
        doing = (
            f"step {stands.finished} has finished and no other has begun: the run "
            "waits for its next batch, for what it writes or for other processes"
        )
    else:
        doing = (
            f"step {stands.finished} was the last to finish, and steps up to "
            f"{stands.begun} were given to the device"
        )
    who = f"process {processes.place()}: " if processes.are_several() else ""
    _say(
        f"\nspot_jax: {who}The run stands still: nothing has gone on for "
        f"{stands.seconds:.0f} s, since {since} ({doing}). Its threads are at"
    )
    faulthandler.dump_traceback(2)


def _go_on() -> None:
    _say(
        "spot_jax: It is waited for. --gin.HANG_AFTER says after how many seconds this "
        "is told, and --gin.HANG_ENDS=True ends such a run with exit code "
        f"{processes.LOST}, for a program that starts it again."
    )


def _end(stands: Standing) -> None:
    processes.leave(
        f"Ended, as HANG_ENDS asks for, after step {stands.finished}. The same command "
        "goes on from the last checkpoint.",
        processes.LOST,
    )


def _say(text: str) -> None:
    os.write(2, f"{text}\n".encode())
