"""Chips: the memory they have and the rates that their makers publish.

TPUs: https://docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e, read in November
2026; the interconnect there is of both directions together, per chip. The page of v4
leaves it out: its six links of 50 GB/s in each direction are those of "TPU v4: An
Optically Reconfigurable Supercomputer" (Jouppi et al. 2023). GPUs: NVIDIA's data sheets
of the SXM modules, bfloat16 without sparsity, NVLink of both directions together.
"""

import dataclasses
import os

import jax

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
    """One chip; a rate of None is not published, and nothing is estimated by it.

    Attributes:
        name: what it is called.
        memory: bytes.
        flops: bfloat16 operations a second.
        bandwidth: bytes of its memory read or written a second.
        interconnect: bytes sent to other chips a second, in one direction.
    """

    name: str
    memory: int
    flops: float | None = None
    bandwidth: float | None = None
    interconnect: float | None = None


# v5e's and v6e's gigabytes are 2^30 bytes, as the compiler counts them (it leaves 0.25
# of them to the runtime).
TPUS = {
    "v4": Chip("v4", 32 * _GIB, 275e12, 1200e9, 600e9 / 2),
    "v5e": Chip("v5e", 16 * _GIB, 197e12, 819e9, 400e9 / 2),
    "v5p": Chip("v5p", 95 * _GIB, 459e12, 2765e9, 1200e9 / 2),
    "v6e": Chip("v6e", 32 * _GIB, 918e12, 1638e9, 800e9 / 2),
}
# By the name that JAX has for the device.
_DEVICES = {
    "TPU v4": TPUS["v4"],
    "TPU v5 lite": TPUS["v5e"],
    "TPU v5": TPUS["v5p"],
    "TPU v6 lite": TPUS["v6e"],
    "NVIDIA A100-SXM4-40GB": Chip("A100", 40 * _GIB, 312e12, 1555e9, 600e9 / 2),
    "NVIDIA A100-SXM4-80GB": Chip("A100", 80 * _GIB, 312e12, 2039e9, 600e9 / 2),
    "NVIDIA H100 80GB HBM3": Chip("H100", 80 * _GIB, 989e12, 3350e9, 900e9 / 2),
    "NVIDIA H200": Chip("H200", 141 * 10**9, 989e12, 4800e9, 900e9 / 2),
}


def chip_of(device: jax.Device) -> Chip:
    """Returns a device that is there, with the memory that a program may have of it."""
    kind = device.device_kind
    known = _DEVICES.get(kind, Chip(kind, 0))
    # Another process's device cannot be asked here; all are of one kind.
    is_here = device.process_index == jax.process_index()
    asked = device if is_here else jax.local_devices()[0]
    told = (asked.memory_stats() or {}).get("bytes_limit")
    if told is None and device.platform == "cpu":
        # Devices that a machine pretends to have share its memory.
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        told = whole // jax.device_count()
    return dataclasses.replace(known, memory=told or known.memory)
