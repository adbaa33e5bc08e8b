"""What a user can mend is told in a message, as `spot_jax` itself does it."""

import sys
from types import TracebackType

import jax

from spot_jax.errors import InputError, message_of
from spot_jax.processes import flags, leave, meeting
from spot_jax.reading import printable


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
        message = printable(message_of(error))
        if jax.process_count() == 1:
            print(f"spot_jax: {message}", file=sys.stderr)
            sys.exit(2)
        # T5X let them meet, with flags of its own.
        meeting.begin(jax.process_index(), jax.process_count(), flags.MEETING)
        leave(message, 2)

    sys.excepthook = show
