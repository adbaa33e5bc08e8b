"""Several processes that run one program: on a TPU pod, a cluster, or in two shells.

Each is started with the same command, reads the same data and computes with its own
devices. The first one writes, for all; what they read is compared before they begin.
"""

import argparse
import contextlib
import hashlib
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils

from spot_jax.errors import InputError
from spot_jax.model_dir import storage

logger = logging.getLogger(__name__)

# Seconds that a process waits for the others: to be there, and to say what they read.
MEETING = 300
# Seconds after which one that says nothing is taken for dead.
SILENCE = 100
# Steps between two questions whether all shall stop; each is a meeting of all.
_BETWEEN = 10
# Not 2, which tells that the command is wrong: this one may be given again.
LOST = 75

_meetings = itertools.count()


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
    if options.coordinator_address is None and not _is_in_a_cluster():
        return
    # What CPUs of several processes speak to each other with.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            options.coordinator_address,
            options.process_count,
            options.process_id,
            initialization_timeout=options.meeting_timeout,
            heartbeat_timeout_seconds=min(SILENCE, options.meeting_timeout),
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"The other processes were not met within {options.meeting_timeout} s "
            f"({str(error).splitlines()[0]}). Start all of them with the same "
            "--coordinator_address, which is that of process 0, and with ports open "
            "between them."
        ) from error
    global _timeout
    _timeout = options.meeting_timeout
    if not is_first():
        # One tells and writes for all.
        logging.getLogger("spot_jax").setLevel(logging.WARNING)
        storage.write_nothing()


_timeout = MEETING


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
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this process writes for all."""
    return jax.process_index() == 0


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

    def all_stop(number: int) -> bool:
        if number % _BETWEEN:
            return False
        told = multihost_utils.process_allgather(np.asarray(is_to_stop()))
        return bool(np.any(told))

    return all_stop


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Ends this process with a message where another one has gone.

    Without it JAX would wait for the one that is gone before it ends.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not are_several():
            raise
        leave(
            f"Another process has gone ({str(error).splitlines()[0][:200]}). Start all "
            "of them again with the same command: the run goes on from its last "
            "checkpoint."
        )


def leave(message: str) -> None:
    """Ends this process at once, without waiting for the others."""
    print(f"spot_jax: process {jax.process_index()}: {message}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(LOST)
