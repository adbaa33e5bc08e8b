"""Chips that are there."""

import os

import jax

from spot_jax.hardware import chips


class Device:
    """A device of JAX, as far as anyone asks."""

    process_index = 0

    def __init__(self, kind: str, platform: str, memory: int | None = None):
        self.device_kind, self.platform, self._memory = kind, platform, memory

    def memory_stats(self):
        return None if self._memory is None else {"bytes_limit": self._memory}


def test_a_known_device_has_published_rates_and_the_memory_that_it_says():
    found = chips.chip_of(Device("NVIDIA H100 80GB HBM3", "gpu", 75 * 2**30))
    assert (found.name, found.flops, found.memory) == ("H100", 989e12, 75 * 2**30)
    assert chips.chip_of(Device("TPU v5 lite", "tpu")) == chips.TPUS["v5e"]


def test_virtual_devices_share_the_memory_of_their_machine():
    here = chips.chip_of(jax.devices()[0])
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert here.memory * jax.device_count() <= whole
    assert here.flops is None


def test_of_an_unknown_device_no_rates_are_made_up():
    found = chips.chip_of(Device("Abacus 9", "gpu", 5))
    assert found == chips.Chip("Abacus 9", 5)
