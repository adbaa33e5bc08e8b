"""Brings arrays from their files into the sharding and dtype they are held in.

Each is placed and done with before the next ones are read, so that the host's memory
needs room for a few arrays and not for a model.
"""

import concurrent.futures
from collections.abc import Mapping

import jax
import numpy as np

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Index, StoredArray
from spot_jax.pretrained.fingerprint import starts, sum_of_piece

# Enough that a disk or bucket is not idle while an array is decoded; peak memory grows
# with it.
_ARRAYS_IN_FLIGHT = 3


def read_all(
    arrays: Mapping[str, StoredArray],
    wanted: Mapping[str, jax.ShapeDtypeStruct],
    source: str,
) -> tuple[dict[str, jax.Array], dict[str, int]]:
    """Reads arrays, a few at a time.

    Args:
        arrays: The stored arrays by name.
        wanted: Of each the shape, the dtype and the sharding (None: the default device)
            to hold it in.
        source: Where they lie, for the message.

    Returns:
        The arrays under the names of `wanted`, and of each the sum of what this
        process holds, as `fingerprint.sum_of` has it.

    Raises:
        InputError: if one cannot be read, or holds NaN or infinity; the message names
            it.
    """
    executor = concurrent.futures.ThreadPoolExecutor(_ARRAYS_IN_FLIGHT)
    futures = {
        name: executor.submit(_place, arrays[name], target)
        for name, target in wanted.items()
    }
    name = None
    try:
        params, sums = {}, {}
        for name, future in futures.items():
            params[name], sums[name] = future.result()
        return params, sums
    except (ValueError, OSError) as error:
        raise InputError(f"cannot read {name} from {source}: {error}") from error
    finally:
        executor.shutdown(cancel_futures=True)


def _place(array: StoredArray, target: jax.ShapeDtypeStruct) -> tuple[jax.Array, int]:
    """Reads what this process needs of an array, into its sharding and dtype."""
    if target.sharding is None:
        values = _read(array, array.whole(), target.dtype)
        placed = jax.device_put(values).block_until_ready()
        return placed, sum_of_piece(values, [0] * values.ndim)
    # One read for all shards of this process: a stored chunk may cover several of them
    # and is decoded as a whole.
    box = box_of_process(array.shape, target.sharding)
    values = _read(array, box, target.dtype)

    def shard(index: Index) -> np.ndarray:
        return values[_within(index, box, array.shape)]

    placed = jax.make_array_from_callback(array.shape, target.sharding, shard)
    placed.block_until_ready()
    # What was read and not what was placed, which need not come back from the device.
    own = [part.index for part in placed.addressable_shards if part.replica_id == 0]
    sums = [sum_of_piece(shard(index), starts(index, array.shape)) for index in own]
    return placed, sum(sums) % 2**64


def _read(array: StoredArray, index: Index, dtype: np.dtype) -> np.ndarray:
    stored = array.read(index)
    with np.errstate(over="ignore"):  # what becomes infinity is looked for below
        values = stored.astype(dtype, order="C", copy=False)
    is_finite = np.isfinite(values)
    if not is_finite.all():
        within = np.argwhere(~is_finite)[0]
        first = [int(i) + part.start for i, part in zip(within, index, strict=True)]
        raise InputError(
            f"{np.sum(~is_finite)} of its values are NaN or infinite in {values.dtype},"
            f" the first at {first}. No model computes with them: get the file again, "
            "or take an earlier checkpoint"
        )
    return values


def box_of_process(shape: tuple[int, ...], sharding: jax.sharding.Sharding) -> Index:
    """Returns the smallest index that covers this process's shards of an array."""
    shards = sharding.addressable_devices_indices_map(shape).values()
    bounds = [_bounds(index, shape) for index in shards]
    return tuple(
        slice(min(starts), max(stops))
        for starts, stops in (
            zip(*dimension, strict=True) for dimension in zip(*bounds, strict=True)
        )
    )


def _within(index: Index, box: Index, shape: tuple[int, ...]) -> Index:
    return tuple(
        slice(start - outer.start, stop - outer.start)
        for (start, stop), outer in zip(_bounds(index, shape), box, strict=True)
    )


def _bounds(index: Index, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return [part.indices(size)[:2] for part, size in zip(index, shape, strict=True)]
