"""Where arrays live: a mesh with a data and a model axis, and T5X's logical rules."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from spot_jax.errors import InputError

# T5X's rules for model parallelism of parameters in one dimension: heads, feed-forward
# and vocabulary are split over "model", rows of the batch over "data". Prompts are on
# every device whole, so that their files are complete wherever they are written.
RULES = (
    ("batch", "data"),
    ("vocab", "model"),
    ("mlp", "model"),
    ("heads", "model"),
    ("joined_kv", "model"),
    ("embed", None),
    ("kv", None),
    ("relpos_buckets", None),
    ("length", None),
    ("layers", None),
    ("prompt", None),
    ("prompt_embed", None),
)


def make_mesh(
    model_parallel: int = 1, devices: Sequence[jax.Device] | None = None
) -> Mesh:
    """Arranges devices as (data, model).

    Args:
        model_parallel: over how many devices each weight is split (NUM_PARTITIONS).
        devices: None takes all there are, of all processes.

    Raises:
        InputError: when the devices cannot be divided so.
    """
    devices = jax.devices() if devices is None else devices
    if model_parallel < 1 or len(devices) % model_parallel:
        raise InputError(
            f"NUM_PARTITIONS is {model_parallel}, which does not divide the "
            f"{len(devices)} device(s) there are. Choose a divisor of {len(devices)}."
        )
    return Mesh(np.reshape(devices, (-1, model_parallel)), ("data", "model"))


def parameter_shardings(shapes: Mapping, axes: Mapping, mesh: Mesh) -> dict:
    """Returns a NamedSharding for every parameter.

    An axis that the mesh does not divide (the 6 heads of the position bias of T5 1.1
    small over 4 devices) stays whole: those arrays are small.

    Args:
        shapes: tree of arrays or jax.ShapeDtypeStruct.
        axes: a tree of tuples of logical axis names with the same nested keys.
        mesh: the mesh.
    """

    def shard(shape: Any, names: tuple[str, ...]) -> NamedSharding:
        spec = nn.logical_to_mesh_axes(tuple(names), RULES)
        fitting = [
            axis if axis and size % mesh.shape[axis] == 0 else None
            for size, axis in zip(shape.shape, spec, strict=True)
        ]
        return NamedSharding(mesh, PartitionSpec(*fitting))

    # Names stand in tuples, which are leaves here.
    return jax.tree.map(shard, dict(shapes), dict(axes))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def shard_rows(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Puts a batch on the mesh, its rows split over the data axis.

    Every process passes the same whole batch and keeps the rows of its own devices.
    """
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return {
        name: jax.make_array_from_callback(
            array.shape, sharding, lambda index, array=array: array[index]
        )
        for name, array in batch.items()
    }


@contextlib.contextmanager
def on_mesh(mesh: Mesh) -> Iterator[None]:
    """Puts the mesh and the logical axis rules in reach of what is compiled inside.

    A program enters it once, around everything that computes.
    """
    with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
        yield
