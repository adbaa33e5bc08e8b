"""How a process ends that cannot go on without the others."""

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator

from spot_jax.errors import InputError, message_of
from spot_jax.processes.meeting import are_several, place

# Not 2, which tells that the command is wrong: this one may be given again.
LOST = 75
# Seconds by which the first process outlives the others, which it keeps together.
_AFTER = 3
# Several threads may notice the same; one tells it.
_leaving = threading.Lock()


class Parted(Exception):
    """What cannot be done together any more."""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Ends this process with a message where another one has gone.

    At once: JAX, and whoever writes a checkpoint, would wait for the one that is gone.
    """
    if not are_several():
        yield
        return
    import jax

    try:
        yield
    except (jax.errors.JaxRuntimeError, Parted) as error:
        has_gone(str(error).partition("\n")[0][:200])
    except InputError as error:
        # The others would wait for this one.
        leave(message_of(error), 2)
    except Exception:
        traceback.print_exc()
        leave("It ends here, and the others with it.", 1)


def has_gone(why: str) -> None:
    """Ends this process with a message, for another one has gone."""
    leave(
        f"Another process has gone ({why}). Start all of them again with the same "
        "command: the run goes on from its last checkpoint.",
        LOST,
    )


def leave(message: str, code: int) -> None:
    """Ends this process at once, without waiting for the others.

    Args:
        message: why.
        code: its exit code.
    """
    # Held until the end: of two threads that would leave the second waits here.
    _leaving.acquire()
    who = f"process {place()}: " if are_several() else ""
    # Without Python's buffers, whose locks a thread may hold that stands still.
    os.write(2, f"spot_jax: {who}{message}\n".encode())
    if are_several() and not place():
        # The others would be ended by JAX before they have said what they have to.
        time.sleep(_AFTER)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(code)
