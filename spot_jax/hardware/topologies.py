"""TPU slices that are not there: programs are compiled for them all the same."""

import importlib.util
import math
import os
import re
from collections.abc import Sequence

import jax

from spot_jax.errors import InputError
from spot_jax.hardware.chips import TPUS, Chip

# What can be rented (the pages named in chips.py), the smallest first; larger ones of
# v4 and v5p are made of cubes of 4x4x4.
_FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_CUBES = ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8")
SHAPES = {
    "v4": (*_CUBES, "8x8x16", "8x16x16"),
    "v5e": _FLAT,
    "v5p": (*_CUBES, "8x8x16", "8x16x16", "16x16x16"),
    "v6e": _FLAT,
}
# Chips of a host: v4 and v5p have four; of the others only small slices are on one.
_BOUNDS = {"1x1": [1, 1, 1]}
# What libtpu asks of a machine that has no TPU, and that it says so on stderr.
_SURROUNDINGS = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    # Two programs may compile at once; nobody computes.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def known(name: str) -> tuple[Chip, int]:
    """Returns the chip of a topology such as "v5e:4x4", and how many there are.

    Raises:
        InputError: when there is no such topology, with those that there are.
    """
    kind, _, shape = name.partition(":")
    if kind not in SHAPES:
        raise InputError(
            f"--topology {name}: there is no TPU {kind!r}. Write KIND:SHAPE, of "
            f"{_listed(SHAPES)}, as in v5e:4x4."
        )
    if shape not in SHAPES[kind]:
        raise InputError(
            f"--topology {name}: {kind} has no slice {shape!r}. Choose from "
            f"{_listed(f'{kind}:{each}' for each in SHAPES[kind])}."
        )
    return TPUS[kind], chips_in(shape)


def chips_in(shape: str) -> int:
    """Returns 16 for "4x4"."""
    return math.prod(map(int, re.findall(r"\d+", shape)))


def devices_of(name: str) -> Sequence[jax.Device]:
    """Returns the devices of a topology, for which programs can be compiled.

    Args:
        name: one that is `known`.

    Raises:
        InputError: when libtpu, which compiles for TPUs, is not installed.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise InputError(
            "Compiling for a TPU needs libtpu, which is not installed: "
            'pip install "spot_jax[tpu-compile]", or "jax[tpu]" of the version of JAX '
            f"that is here ({jax.__version__}). No TPU is needed."
        )
    for variable, value in _SURROUNDINGS.items():
        os.environ.setdefault(variable, value)
    from jax.experimental import topologies

    kind, _, shape = name.partition(":")
    options = {}
    if shape in _BOUNDS:
        options["chips_per_host_bounds"] = _BOUNDS[shape]
    if kind == "v4":
        # Its two cores are one device, as on a TPU VM.
        options["chip_config_name"] = "megacore"
    made = topologies.get_topology_desc(name, "tpu", **options)
    return list(made.devices)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
