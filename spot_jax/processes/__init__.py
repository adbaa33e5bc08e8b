"""Several processes that run one program: on a TPU pod, a cluster, or in two shells.

Each is started with the same command, reads the same data and computes with its own
devices. The first one writes, for all; what they read is compared before they begin.

JAX is imported where it is used: most programs, and all help, are quicker without.
"""

from spot_jax.processes.flags import USAGE, split
from spot_jax.processes.joining import join
from spot_jax.processes.leaving import LOST, Parted, leave, watched
from spot_jax.processes.meeting import agree, are_several, place, together

__all__ = [
    "LOST",
    "USAGE",
    "Parted",
    "agree",
    "are_several",
    "join",
    "leave",
    "place",
    "split",
    "together",
    "watched",
]
