"""What several processes decide together."""

import hashlib
import itertools
from collections.abc import Callable, Mapping

from spot_jax.errors import InputError
from spot_jax.processes.flags import MEETING

# Steps between two questions whether all shall stop; each is a meeting of all.
_BETWEEN = 10

_meetings = itertools.count()
# Which process this is, how many there are, and seconds that they wait for one another.
_place, _count, _timeout = 0, 1, MEETING


def begin(place: int, count: int, timeout: int) -> None:
    """Notes that this process has joined the others.

    Args:
        place: which it is.
        count: how many there are.
        timeout: seconds that it waits for them from now on.
    """
    global _place, _count, _timeout
    _place, _count, _timeout = place, count, timeout


def place() -> int:
    """Returns which process this is; JAX, if asked, would first look for devices."""
    return _place


def are_several() -> bool:
    """Whether this process is one of several."""
    return _count > 1


def agree(facts: Mapping[str, object]) -> None:
    """Makes sure that all processes read the same.

    Args:
        facts: {what it is: its text}, the same keys on all.

    Raises:
        InputError: on all of them, naming what differs; or when one does not come.
    """
    if not are_several():
        return
    told = {what: _digest(str(value)) for what, value in facts.items()}
    others = _exchange("\n".join(told.values()))
    differing = [
        f"{what} of process {place} is another than that of process 0"
        for place, theirs in enumerate(others)
        for what, mine, one in zip(
            told, others[0].split("\n"), theirs.split("\n"), strict=True
        )
        if one != mine
    ]
    if differing:
        raise InputError(
            f"{'; '.join(differing)}. Give all processes the same command, the same "
            "files and the same version of spot_jax."
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _exchange(text: str) -> list[str]:
    """Returns what every process says, in their order; all wait for all."""
    import jax
    from jax._src import distributed  # The only way that has a time-out.

    client, meeting = distributed.global_state.client, next(_meetings)
    client.key_value_set(f"spot_jax/{meeting}/{_place}", text)
    found = []
    for other in range(_count):
        key = f"spot_jax/{meeting}/{other}"
        try:
            found.append(client.blocking_key_value_get(key, _timeout * 1000))
        except jax.errors.JaxRuntimeError as error:
            raise InputError(
                f"Process {other} did not come within {_timeout} s. Look at what it "
                "says; all processes are given the same command."
            ) from error
    return found


def together(is_to_stop: Callable[[], bool]) -> Callable[[int], bool]:
    """Lets all processes stop at the same step, whichever is told to.

    Args:
        is_to_stop: whether this one is told to.

    Returns:
        From a step's number to whether all shall stop after it.
    """
    if not are_several():
        return lambda number: is_to_stop()

    from jax.experimental import multihost_utils

    def all_stop(number: int) -> bool:
        mine = is_to_stop()
        if number % _BETWEEN:
            return False
        return bool(multihost_utils.process_allgather(mine).any())

    return all_stop
