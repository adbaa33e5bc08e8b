"""How much memory a run has taken."""

import resource
import sys

import jax

# What a backend calls it that tells.
_PEAK = "peak_bytes_in_use"


def peaks() -> dict[str, float]:
    """Returns the most memory since the process began, in GiB.

    Returns:
        host_peak_gib; then device_peak_gib, of the fullest of this process's devices,
        where they tell: CPUs do not.
    """
    found = [device.memory_stats() or {} for device in jax.local_devices()]
    of_devices = [told[_PEAK] for told in found if _PEAK in told]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In KiB on Linux, in bytes on macOS.
    told = {"host_peak_gib": peak / 2 ** (30 if sys.platform == "darwin" else 20)}
    return told | ({"device_peak_gib": max(of_devices) / 2**30} if of_devices else {})
