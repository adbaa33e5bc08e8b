"""The fingerprint of earlier versions, which prompts and libraries of theirs tell."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import jax
import ml_dtypes
import numpy as np
from flax import traverse_util
from jax.experimental import multihost_utils

_VALUES = 256


def earlier_fingerprint(params: Mapping[str, Any]) -> str:
    """Returns 16 hex characters that tell many frozen models from another.

    They are as independent of format, sharding and precision as those of today, but
    see the first 256 values of each array alone: a hash of the sorted names, the
    shapes and these values in C order, as bfloat16. `made_for.is_same_model` compares
    them with what was written before there were others.

    Args:
        params: Nested dict of arrays of any shape; sharded ones are not gathered.
    """
    flat = sorted(traverse_util.flatten_dict(dict(params), sep="/").items())
    bits = [_first_bits(array) for _, array in flat]
    if jax.process_count() > 1:
        bits = _merge(bits)
    digest = hashlib.sha256()
    for (name, array), values in zip(flat, bits, strict=True):
        digest.update(f"{name} {list(array.shape)}\n".encode())
        digest.update(values.astype("<u2").tobytes())
    return digest.hexdigest()[:16]


def _first_bits(array: jax.Array | np.ndarray) -> np.ndarray:
    """Returns the bits of the first values, 0 for those that another process holds."""
    corner = _corner(array.shape)
    bits = np.zeros(corner, np.uint16)
    for index, shard in _shards(array):
        starts = [
            part.indices(size)[0] for part, size in zip(index, array.shape, strict=True)
        ]
        sizes = [
            min(size - start, length)
            for size, start, length in zip(corner, starts, shard.shape, strict=True)
        ]
        if all(size > 0 for size in sizes):
            values = np.asarray(shard[tuple(slice(size) for size in sizes)])
            place = tuple(
                slice(start, start + size)
                for start, size in zip(starts, sizes, strict=True)
            )
            bits[place] = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    return bits.reshape(-1)[:_VALUES]


def _corner(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape of the leading part that holds the first values."""
    return tuple(
        min(size, -(-_VALUES // math.prod(shape[dimension + 1 :])))
        for dimension, size in enumerate(shape)
    )


def _shards(array: jax.Array | np.ndarray):
    if not isinstance(array, jax.Array):
        return [(tuple(slice(None) for _ in array.shape), array)]
    # Of each part one copy among all processes.
    return [
        (shard.index, shard.data)
        for shard in array.addressable_shards
        if shard.replica_id == 0
    ]


def _merge(bits: list[np.ndarray]) -> list[np.ndarray]:
    """Puts together what each process holds."""
    everywhere = multihost_utils.process_allgather(np.concatenate(bits))
    merged = np.bitwise_or.reduce(np.asarray(everywhere), axis=0)
    return np.split(merged, np.cumsum([part.size for part in bits])[:-1])
