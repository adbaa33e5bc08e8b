"""How a process finds the others."""

import argparse
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator

from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.processes import lifeline, meeting

# Seconds after which one that says nothing is taken for dead.
SILENCE = 100
# Seconds that a process has to say what it knows before JAX ends it.
_SLACK = 30


def join(options: argparse.Namespace) -> None:
    """Joins the other processes, if there are any, before JAX is used.

    Args:
        options: what `flags.split` returned.

    Raises:
        InputError: when they do not all come.
    """
    if options.coordinator_address is None and not _is_in_a_cluster():
        return
    import jax

    # It would take SIGTERM from `interrupts`, and tell nobody who does not ask it.
    jax.config.update("jax_enable_preemption_service", False)
    # What CPUs of several processes speak to each other with.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    silence = min(SILENCE, options.meeting_timeout)
    with _at_most(options.meeting_timeout):
        address, count, place = _found(options)
        line = lifeline.Lifeline(place, count, silence)
        jax.distributed.initialize(
            line.through(address),
            count,
            place,
            # Longer: at their end JAX ends the process with a trace of its own.
            initialization_timeout=2 * options.meeting_timeout,
            heartbeat_timeout_seconds=2 * silence + _SLACK,
        )
    meeting.begin(place, count, options.meeting_timeout)
    line.hold()
    _meet()
    if place:
        # One tells and writes for all, what it warns of as well: all read the same.
        logging.getLogger("spot_jax").setLevel(logging.ERROR)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        storage.write_nothing()


def _found(options: argparse.Namespace) -> tuple[str, int, int]:
    """Returns the address of the first process, how many there are, and which this is.

    As they are given, or as JAX finds them in a cluster.
    """
    from jax._src.clusters import ClusterEnv  # `initialize` keeps what it finds.

    address = options.coordinator_address or os.environ.get("JAX_COORDINATOR_ADDRESS")
    address, count, place, _ = ClusterEnv.auto_detect_unset_distributed_params(
        *(address, options.process_count, options.process_id),
        # Which devices are whose is asked for where they are needed.
        local_device_ids=None,
        cluster_detection_method=None,
        initialization_timeout=options.meeting_timeout,
    )
    return address, count, place


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
    """Lets devices meet, without a word on the standard output."""
    from jax.experimental import multihost_utils

    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        # Gloo says there whom it has met.
        os.dup2(nowhere, 1)
        multihost_utils.sync_global_devices("spot_jax")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _is_in_a_cluster() -> bool:
    """Whether a scheduler has started several of these, as JAX will find as well."""
    sizes = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
    if "SLURM_STEP_NODELIST" not in os.environ:
        sizes = sizes[1:]
    if any(int(os.environ.get(name) or 1) > 1 for name in sizes):
        return True
    # Of a TPU pod: the hosts whose chips are used together.
    return len((os.environ.get("TPU_WORKER_HOSTNAMES") or "").split(",")) > 1
