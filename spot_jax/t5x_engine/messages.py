"""What a user can mend is told in a message, as `spot_jax` itself does it."""

import os
import sys
import time
from types import TracebackType

import jax

from spot_jax.errors import InputError
from spot_jax.reading import printable

# Seconds.
_AFTER = 3


def show_alone() -> None:
    """Lets an `InputError` that ends this process be one message and exit code 2.

    T5X's programs have no place for it: what they do not catch gets a trace, and the
    message stands in the middle of it. Any other exception is shown as before.
    """
    before = sys.excepthook

    def show(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, InputError):
            before(kind, error, trace)
            return
        # gin appends in which call the error happened; the message is complete.
        message = printable(str(error).partition("\n  In call to configurable")[0])
        if jax.process_count() == 1:
            print(f"spot_jax: {message}", file=sys.stderr)
            sys.exit(2)
        place = jax.process_index()
        print(f"spot_jax: process {place}: {message}", file=sys.stderr, flush=True)
        if not place:
            # The first one keeps the others together until they have said theirs.
            time.sleep(_AFTER)
        # Without waiting for the others, who may wait for this one.
        os._exit(2)

    sys.excepthook = show
