"""What a Model leaves open, decided by how large the T5 is and by what computes it."""

import dataclasses
import logging
import math
from collections.abc import Sequence

import jax

from spot_jax.errors import InputError
from spot_jax.hardware.chips import chip_of
from spot_jax.settings import Model
from spot_jax.t5 import T5Config, fused, parameter_shapes

logger = logging.getLogger(__name__)

_GIB = 2**30

# Between T5 1.1 large and XL. Beyond, one program of all layers compiles for minutes;
# below, where it does not, its steps are quicker than those of a scan.
_MANY_PARAMETERS = 2e9
# How much of a device weights may fill; the rest is for activations.
_SHARE = 0.5
# A model that is tuned has weights, gradients and the optimizer's statistics.
_TUNED = 3


@dataclasses.dataclass(frozen=True)
class Place:
    """What a model will be computed by.

    Attributes:
        platform: "cpu", "gpu" or "tpu".
        count: how many devices there are.
        memory: bytes of one of them; 0: nobody knows.
        name: what one is called.
    """

    platform: str
    count: int
    memory: int
    name: str = "it"


def place_of(devices: Sequence[jax.Device] | None = None) -> Place:
    """Returns what devices are; None: all there are."""
    devices = jax.devices() if devices is None else devices
    chip = chip_of(devices[0])
    return Place(devices[0].platform, len(devices), chip.memory, chip.name)


def settled(model: Model, place: Place, *, is_tuned: bool = False) -> Model:
    """Returns a model of which nothing is left open.

    Accelerators compute in bfloat16 and hold frozen weights in it; a model that is
    tuned is held in float32. Weights are split over as few devices as they fit on.

    Args:
        model: of which the shape is known.
        place: what it will be computed by.
        is_tuned: whether the model itself is trained.

    Raises:
        InputError: see `check`.
    """
    config = model.config
    fast = "float32" if place.platform == "cpu" else "bfloat16"
    weights_dtype = model.weights_dtype or ("float32" if is_tuned else fast)
    is_scanned = parameters_of(config) > _MANY_PARAMETERS
    if model.scan_layers is not None:
        is_scanned = model.scan_layers
    # A scan writes down whatever the backward pass may look at, layer by layer; in one
    # program the compiler finds most of it dispensable.
    usual_remat = "minimal" if is_scanned else "none"
    dtype = model.dtype or (fast if config.dtype == "float32" else config.dtype)
    attention = model.attention or ("fused" if _fuses(place, dtype) else "plain")
    if is_tuned and model.attention == "fused":
        raise InputError(
            "ATTENTION is 'fused', which gives no gradient of a T5's position biases, "
            "and the T5 is tuned here. Leave it out, or set --gin.ATTENTION=plain."
        )
    given = {
        # Whoever has set it in the shape wants it.
        "dtype": dtype,
        "scan_layers": is_scanned,
        "remat_policy": model.remat_policy or usual_remat,
        "attention": "plain" if is_tuned else attention,
    }
    partitions = model.num_partitions
    if partitions is None:
        partitions = _fewest(model, place, weights_dtype, _TUNED if is_tuned else 1)
    settled = dataclasses.replace(
        model, weights_dtype=weights_dtype, num_partitions=partitions, **given
    )
    check(settled, place)
    return settled


def _fuses(place: Place, dtype: str) -> bool:
    """Returns whether attention is fused where nothing says whether it shall be."""
    is_known = place.platform == "gpu" and place.count == 1
    return is_known and dtype == "bfloat16" and fused.kernel() == "cudnn"


def check(model: Model, place: Place) -> None:
    """Refuses a mesh over which weights cannot be split, or that is too small for them.

    Args:
        model: of which nothing is left open.
        place: what it will be computed by.

    Raises:
        InputError: with the settings that can be.
    """
    config, partitions = model.config, model.num_partitions
    fitting = partitions_that_divide(config, place.count)
    if partitions not in fitting:
        raise InputError(
            f"NUM_PARTITIONS is {partitions}: over so many of {place.count} device(s) "
            f"the {config.d_joined} columns of all heads, d_mlp {config.d_mlp} and "
            f"vocabulary of {config.vocab_size} of this T5 cannot be split. Set "
            f"--gin.NUM_PARTITIONS to one of {', '.join(map(str, fitting))}."
        )
    asked = model.weights_dtype
    here = _on_each(model, place, partitions, asked)
    if not place.memory or here <= place.memory:
        return
    ways = []
    for dtype in dict.fromkeys((asked, "bfloat16")):
        enough = [n for n in fitting if _on_each(model, place, n, dtype) < place.memory]
        if enough:
            more = f" with --gin.WEIGHTS_DTYPE={dtype}" if dtype != asked else ""
            listed = ", ".join(map(str, enough))
            ways.append(f"--gin.NUM_PARTITIONS to one of {listed}{more}")
    cure = f"Set {', or '.join(ways)}." if ways else "Take more devices."
    raise InputError(
        f"The weights alone are {here / _GIB:.1f} GiB on each device (NUM_PARTITIONS "
        f"{partitions}, {asked}), and {place.name} has {place.memory / _GIB:.1f}. "
        f"{cure}"
    )


def _on_each(model: Model, place: Place, partitions: int, dtype: str) -> float:
    """Returns the bytes of weights on each device."""
    parts = partitions if model.parameter_partitioning_dims == 1 else place.count
    # Matrices in 8 bits are read as they are computed in, and made small then.
    read_as = model.config.dtype if dtype == "int8" else dtype
    return parameters_of(model.config) * _itemsize(read_as) / parts


def _itemsize(dtype: str) -> int:
    return 4 if dtype == "float32" else 2


def parameters_of(config: T5Config) -> int:
    """Returns how many parameters a T5 has."""
    shapes, _ = parameter_shapes(config)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def partitions_that_divide(config: T5Config, count: int) -> list[int]:
    """Returns the numbers of devices over which every weight of a T5 can be split.

    Heads need not divide: they are split while they are joined (T5 1.1 small's 6 heads
    of 64 over 4 devices).
    """
    sizes = (count, config.d_joined, config.d_mlp, config.vocab_size)
    return [n for n in range(1, count + 1) if not any(size % n for size in sizes)]


def _fewest(model: Model, place: Place, dtype: str, times: int) -> int:
    """Returns over how few devices so many times the weights fit."""
    config = model.config
    fitting = partitions_that_divide(config, place.count)
    # Whole heads, where there is a choice, are not sent around.
    fitting = [n for n in fitting if config.heads % n == 0]
    if not place.memory:
        return fitting[0]
    room = _SHARE * place.memory
    enough = [n for n in fitting if times * _on_each(model, place, n, dtype) <= room]
    return (enough or fitting[-1:])[0]


def tell(asked: Model, settled: Model) -> None:
    """Says what was decided where another machine would decide otherwise."""
    said = {
        "NUM_PARTITIONS": (asked.num_partitions, settled.num_partitions, 1),
        "WEIGHTS_DTYPE": (asked.weights_dtype, settled.weights_dtype, "float32"),
        "ACTIVATION_DTYPE": (asked.dtype, settled.config.dtype, "float32"),
    }
    for name, (given, value, usual) in said.items():
        if given is None and value != usual:
            logger.info("%s is %s here, as nothing sets it.", name, value)
