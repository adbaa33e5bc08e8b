"""Where arrays live: a mesh with a data and a model axis, and T5X's logical rules."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
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


def parameter_shardings(
    shapes: Mapping, axes: Mapping, mesh: Mesh, dimensions: int = 1
) -> dict:
    """Returns a NamedSharding for every parameter.

    An axis that the mesh does not divide (the 6 heads of the position bias of T5 1.1
    small over 4 devices) stays whole: those arrays are small.

    Args:
        shapes: tree of arrays or jax.ShapeDtypeStruct.
        axes: a tree of tuples of logical axis names with the same nested keys.
        mesh: the mesh.
        dimensions: 1 splits over the model axis, 2 also over the data axis, which keeps
            less on every device and gathers a matrix whenever it is needed (T5X's
            parameter_partitioning_dims).
    """
    over_data = (("embed", "data"), *RULES)

    def shard(shape: Any, names: tuple[str, ...]) -> NamedSharding:
        # Vectors are so small that they are sooner kept than gathered.
        rules = over_data if dimensions == 2 and len(names) > 1 else RULES
        spec = nn.logical_to_mesh_axes(tuple(names), rules)
        fitting = [
            axis if axis and size % mesh.shape[axis] == 0 else None
            for size, axis in zip(shape.shape, spec, strict=True)
        ]
        return NamedSharding(mesh, PartitionSpec(*fitting))

    # Names stand in tuples, which are leaves here.
    return jax.tree.map(shard, dict(shapes), dict(axes))


def places(tree: Any) -> Any:
    """Returns the sharding of every array, or of its shape."""
    return jax.tree.map(lambda leaf: leaf.sharding, tree)


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


def place(tree: Any, where: Any) -> Any:
    """Puts arrays on the mesh, which may be that of several processes.

    Args:
        tree: of arrays; every process passes the same, or arrays that are there.
        where: a sharding for all, or a tree of them.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, where)
    if isinstance(where, NamedSharding):
        where = jax.tree.map(lambda _: where, tree)
    return jax.tree.map(_place, tree, where)


def _place(array: Any, where: NamedSharding) -> jax.Array:
    if not getattr(array, "is_fully_addressable", True):
        # It is there already; elsewhere it may be split otherwise.
        return jax.device_put(array, where)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        # A key is its numbers, and these have an axis more.
        data = _place(jax.random.key_data(array), replicated(where.mesh))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
    values = np.asarray(array)
    part = values.__getitem__
    return jax.make_array_from_callback(values.shape, where, part)


def whole(tree: Any) -> Any:
    """Lets every device hold arrays whole, inside of what is compiled.

    What a process fetches has to be in it, and not in parts in several.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return tree
    return jax.lax.with_sharding_constraint(tree, PartitionSpec())


def fetched(array: jax.Array) -> np.ndarray:
    """Returns an array, wherever it is, on the host."""
    if not array.is_fully_addressable and not array.is_fully_replicated:
        where = replicated(array.sharding.mesh)
        array = jax.jit(lambda same: same, out_shardings=where)(array)
    return np.asarray(array)


@contextlib.contextmanager
def on_mesh(mesh: Mesh) -> Iterator[None]:
    """Puts the mesh and the logical axis rules in reach of what is compiled inside.

    A program enters it once, around everything that computes.
    """
    with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
        yield
