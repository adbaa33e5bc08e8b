"""Signals: Ctrl-C and SIGTERM, which end a program wherever its code stands.

Python runs a signal's handler when the main thread comes back from what it computes,
and raises KeyboardInterrupt there; in a callback of JAX it is swallowed. So a thread
of its own listens. It ends the process at once, or, of a program that asks in a loop
whether it is to stop, waits until it asks; a second signal does not wait. SIGUSR1 ends
nothing: it asks for a trace of the steps that follow.
"""

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator

from spot_jax.model_dir import storage

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Asks for a trace of the steps that follow; not every system has it.
_TRACE = getattr(signal, "SIGUSR1", None)


class _Listener:
    """What is known of signals; one for the process.

    Attributes:
        received: the first signal that waits to be answered.
        is_asked: whether somebody asks for it.
        trace: whether a trace is wanted.
    """

    def __init__(self):
        self.received: signal.Signals | None = None
        self.is_asked = False
        self.trace = threading.Event()
        # For each signal whose handler may return.
        self._go_on: queue.SimpleQueue = queue.SimpleQueue()

    def start(self) -> None:
        """Takes signals from now on; called in the main thread."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # Written to by the handler in C, which waits for nobody.
        signal.set_wakeup_fd(writing)
        for number in _SIGNALS:
            # `nohup` and shells that run in the background have them ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                # The main thread stands still until it is known whether it goes on: it
                # would stumble over what is removed.
                signal.signal(number, lambda *_: self._go_on.get())
        if _TRACE and signal.getsignal(_TRACE) is not signal.SIG_IGN:
            signal.signal(_TRACE, lambda *_: None)
        threading.Thread(target=self._listen, args=[reading], daemon=True).start()

    def _listen(self, reading: int) -> None:
        while True:
            (number,) = os.read(reading, 1)
            if number in _SIGNALS:
                self._take(signal.Signals(number))
            elif number == _TRACE:
                self._take_trace()

    def _take(self, number: signal.Signals) -> None:
        is_second = self.received is not None
        # Before `is_asked` is looked at, as `answered` does it the other way round: one
        # of the two sees what the other did, and no signal is lost between them.
        self.received = number
        if is_second or not self.is_asked:
            _say(f"ended by {number.name}; the same command continues.")
            storage.remove_unfinished()
            os._exit(128 + number)
        _say(f"{number.name}: stopping after this step; once more ends it at once.")
        self._go_on.put(None)

    def _take_trace(self) -> None:
        if storage.is_writer():
            self.trace.set()
            _say("SIGUSR1: the steps of training that follow are traced.")
        else:
            _say("SIGUSR1: process 0 alone is traced; send it to that one.")


_listener = _Listener()


def _say(text: str) -> None:
    # Without Python's buffers, whose locks the main thread may hold.
    os.write(2, f"\nspot_jax: {text}\n".encode())


def listen() -> None:
    """Takes the signals of this process; for a program, which no code calls."""
    _listener.start()


def trace_is_wanted() -> bool:
    """Returns whether SIGUSR1 has come since this was last asked."""
    is_wanted = _listener.trace.is_set()
    # Not where it was not set: one that comes in between would be lost.
    if is_wanted:
        _listener.trace.clear()
    return is_wanted


@contextlib.contextmanager
def answered() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether to stop; whoever calls it does so soon.

    From its first call to the end of the context a signal waits for the next call, and
    at the end it is answered: by SystemExit, with the exit code that shells expect.
    """

    def is_to_stop() -> bool:
        _listener.is_asked = True
        return _listener.received is not None

    try:
        yield is_to_stop
    finally:
        _listener.is_asked = False
    if _listener.received:
        raise SystemExit(128 + _listener.received)
