"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Something given to spot_jax cannot be right: an option, a file, a setting.

    Its message is complete, and names the cure: the command line shows it without a
    trace. Any other exception is a fault of the code, and keeps its trace.
    """


def message_of(error: InputError) -> str:
    """Returns the message alone: gin appends in which call the error happened."""
    return str(error).partition("\n  In call to configurable")[0]
