"""The flags that tell of several processes."""

import argparse
from collections.abc import Sequence

from spot_jax.errors import InputError

# Seconds that a process waits for the others: to be there, and to say what they read.
MEETING = 300

USAGE = """of several processes that run one program (found on TPU pods, under SLURM and
under Open MPI) each is given, besides:
  --coordinator_address HOST:PORT --process_count N --process_id I
  --meeting_timeout SECONDS, that they wait for one another"""


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
