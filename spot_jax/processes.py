"""Several processes that run one program: on a TPU pod, a cluster, or in two shells.

Each is started with the same command, reads the same data and computes with its own
devices. The first one writes, for all; what they read is compared before they begin.

JAX is imported where it is used: most programs, and all help, are quicker without.
"""

import argparse
import contextlib
import hashlib
import itertools
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from spot_jax.errors import InputError
from spot_jax.model_dir import storage

logger = logging.getLogger(__name__)

# Seconds that a process waits for the others: to be there, and to say what they read.
MEETING = 300
# Seconds after which one that says nothing is taken for dead.
SILENCE = 100
# Steps between two questions whether all shall stop; each is a meeting of all.
_BETWEEN = 10
# Seconds by which the first process outlives the others, which it keeps together.
_AFTER = 3
# Not 2, which tells that the command is wrong: this one may be given again.
LOST = 75

USAGE = """of several processes that run one program (found on TPU pods, under SLURM and
under Open MPI) each is given, besides:
  --coordinator_address HOST:PORT --process_count N --process_id I
  --meeting_timeout SECONDS, that they wait for one another"""

_meetings = itertools.count()
_timeout = MEETING
_has_joined = False


class Parted(Exception):
    """What cannot be done together any more."""


def split(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Takes the flags that tell of processes out of a command line.

    Returns:
        The flags, and the rest.

    Raises:
        InputError: when they do not fit together.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_to(parser)
    options, rest = parser.parse_known_args(argv)
    told = (options.coordinator_address, options.process_count, options.process_id)
    if any(value is not None for value in told) and None in told:
        raise InputError(
            "--coordinator_address, --process_count and --process_id go together: the "
            "address of the first process, such as 10.0.0.1:8476, how many there are, "
            "and which this is, from 0 on."
        )
    if options.process_count is not None:
        _check(options)
    return options, rest


def _check(options: argparse.Namespace) -> None:
    count, place = options.process_count, options.process_id
    if not 0 <= place < count:
        raise InputError(
            f"--process_id is {place}, and --process_count {count}: the processes are "
            f"0 to {count - 1}."
        )
    host, _, port = options.coordinator_address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"--coordinator_address is {options.coordinator_address!r}; write host and "
            "port of the first process, such as 10.0.0.1:8476."
        )


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds the flags, for a program's help."""
    group = parser.add_argument_group(
        "several processes", "found on TPU pods, under SLURM and Open MPI"
    )
    group.add_argument("--coordinator_address", metavar="HOST:PORT")
    group.add_argument("--process_count", type=int, metavar="N")
    group.add_argument("--process_id", type=int, metavar="I")
    group.add_argument(
        "--meeting_timeout",
        type=int,
        default=MEETING,
        metavar="SECONDS",
        help=f"that processes wait for one another ({MEETING})",
    )


def join(options: argparse.Namespace) -> None:
    """Joins the other processes, if there are any, before JAX is used.

    Args:
        options: what `split` returned.

    Raises:
        InputError: when they do not all come.
    """
    global _has_joined, _timeout
    if options.coordinator_address is None and not _is_in_a_cluster():
        return
    import jax

    # It would take SIGTERM from `interrupts`, and tell nobody who does not ask it.
    jax.config.update("jax_enable_preemption_service", False)
    # What CPUs of several processes speak to each other with.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    with _at_most(options.meeting_timeout):
        jax.distributed.initialize(
            options.coordinator_address,
            options.process_count,
            options.process_id,
            # Longer: at its end JAX ends the process with a trace of its own.
            initialization_timeout=2 * options.meeting_timeout,
            heartbeat_timeout_seconds=min(SILENCE, options.meeting_timeout),
        )
    _has_joined, _timeout = True, options.meeting_timeout
    _meet()
    if jax.process_index():
        # One tells and writes for all.
        logging.getLogger("spot_jax").setLevel(logging.WARNING)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        storage.write_nothing()


@contextlib.contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Ends the process with a message where the others do not come in time."""

    def give_up() -> None:
        print(
            f"spot_jax: The other processes were not met within {seconds} s. Start all "
            "of them with the same --coordinator_address, which is that of process 0, "
            "with the ports between them open.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(2)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"The other processes cannot be met: {str(error).splitlines()[0]}. Look at "
            "--coordinator_address, --process_count and --process_id."
        ) from error
    finally:
        timer.cancel()


def _meet() -> None:
    """Lets devices meet; the standard output, which may be asked for, stays clean."""
    from jax.experimental import multihost_utils

    sys.stdout.flush()
    kept = os.dup(1)
    try:
        # Gloo says there whom it has met.
        os.dup2(2, 1)
        multihost_utils.sync_global_devices("spot_jax")
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _is_in_a_cluster() -> bool:
    """Whether a scheduler has started several of these, as JAX will find as well."""
    sizes = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
    if "SLURM_STEP_NODELIST" not in os.environ:
        sizes = sizes[1:]
    if any(int(os.environ.get(name) or 1) > 1 for name in sizes):
        return True
    # Of a TPU pod: the hosts whose chips are used together.
    return len((os.environ.get("TPU_WORKER_HOSTNAMES") or "").split(",")) > 1


def are_several() -> bool:
    """Whether this process is one of several."""
    if not _has_joined:
        return False
    import jax

    return jax.process_count() > 1


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
    client.key_value_set(f"spot_jax/{meeting}/{jax.process_index()}", text)
    found = []
    for place in range(jax.process_count()):
        key = f"spot_jax/{meeting}/{place}"
        try:
            found.append(client.blocking_key_value_get(key, _timeout * 1000))
        except jax.errors.JaxRuntimeError as error:
            raise InputError(
                f"Process {place} did not come within {_timeout} s. Look at what it "
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
        first = str(error).partition("\n")[0]
        leave(
            f"Another process has gone ({first[:200]}). Start all of them again with "
            "the same command: the run goes on from its last checkpoint.",
            LOST,
        )
    except InputError as error:
        # The others would wait for this one.
        leave(str(error).partition("\n  In call to configurable")[0], 2)
    except Exception:
        traceback.print_exc()
        leave("It ends here, and the others with it.", 1)


def leave(message: str, code: int) -> None:
    """Ends this process at once, without waiting for the others."""
    import jax

    print(f"spot_jax: process {jax.process_index()}: {message}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    if not jax.process_index():
        # The others would be ended by JAX before they have said what they have to.
        time.sleep(_AFTER)
    os._exit(code)
