"""A short name for a frozen model that depends on its weights alone, and on all.

Every array has a sum: of the bits of each value as bfloat16, times a number that its
place fixes. Sums of pieces add up to the sum of the whole, so it does not matter who
holds which piece; and as those numbers are odd, no single value can change unseen.

Measured on one core: 0.8 ns a value of float32, 0.4 of bfloat16; to look for NaN takes
0.2 and 0.8 more. So it is 0.3 s for the 250 million values of base and 12 s for the 11
billion of XXL, of which `load` spends most while it waits for the disk.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import ml_dtypes
import numpy as np
from flax import traverse_util
from jax.experimental import multihost_utils

# Small enough for the cache of a core, large enough to keep numpy busy.
_BLOCK_VALUES = 2**18
_MODULUS = 2**64


def fingerprint(params: Mapping[str, Any]) -> str:
    """Returns 16 hex characters that tell one frozen model from another.

    They are the same whatever the format the weights were read from, the sharding, and
    whether they are held in float32 or bfloat16: so they see every bit of every value
    as bfloat16, and nothing below that precision. Two models that differ have the same
    ones by an accident of 1 in about 2**47; they are no defence against a forger.

    Args:
        params: Nested dict of arrays of any shape; sharded ones are not gathered.
    """
    flat = traverse_util.flatten_dict(dict(params), sep="/")
    parts = {name: sum_of(array) for name, array in flat.items()}
    return from_sums(flat, sums_of_all_processes(parts))


def from_sums(arrays: Mapping[str, Any], sums: Mapping[str, int]) -> str:
    """Returns the fingerprint of arrays whose sums are known.

    Args:
        arrays: By name, anything with a shape.
        sums: Of each the sum over all processes.
    """
    lines = [f"{name} {list(arrays[name].shape)} {sums[name]:016x}\n" for name in sums]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16]


def sum_of(array: jax.Array | np.ndarray) -> int:
    """Returns the sum of what this process holds of an array, of any shape."""
    if not isinstance(array, jax.Array):
        return sum_of_piece(array, [0] * array.ndim)
    # Of each part one copy among all processes.
    pieces = [shard for shard in array.addressable_shards if shard.replica_id == 0]
    sums = [
        sum_of_piece(np.asarray(piece.data), starts(piece.index, array.shape))
        for piece in pieces
    ]
    return sum(sums) % _MODULUS


def starts(index: Sequence[slice], shape: Sequence[int]) -> list[int]:
    """Returns where a part of an array of this shape begins, in each dimension."""
    return [part.indices(size)[0] for part, size in zip(index, shape, strict=True)]


def sum_of_piece(values: np.ndarray, start: Sequence[int]) -> int:
    """Returns the sum of a piece of an array.

    Args:
        values: The piece, of any shape.
        start: Where it begins in the array, in each dimension.
    """
    if values.ndim < 2:
        missing = 2 - values.ndim
        whole = values.reshape((1,) * missing + values.shape)
        return sum_of_piece(whole, [0] * missing + list(start))
    keys = _keys(values.ndim, start[0], len(values))
    if values.ndim > 2:
        inner = [sum_of_piece(part, start[1:]) for part in values]
        return sum(s * int(key) for s, key in zip(inner, keys, strict=True)) % _MODULUS
    columns = _keys(1, start[1], values.shape[1])
    rows = max(1, _BLOCK_VALUES // max(1, values.shape[1]))
    total = 0
    for first in range(0, len(values), rows):
        block = values[first : first + rows].astype(ml_dtypes.bfloat16, copy=False)
        bits = block.view(np.uint16).astype(np.uint64)
        of_rows = np.einsum("rc,c->r", bits, columns)
        total += int(np.dot(of_rows, keys[first : first + rows]))
    return total % _MODULUS


def _keys(dimension: int, start: int, size: int) -> np.ndarray:
    """Returns [size] odd numbers that the positions of a dimension fix.

    They are splitmix64's (Steele et al. 2014), which look random.

    Args:
        dimension: Counted from the last, which is 1.
        start: The first position.
        size: How many.
    """
    first = (dimension << 40) + start + 1
    state = np.arange(first, first + size, dtype=np.uint64)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31)) | np.uint64(1)


def sums_of_all_processes(sums: Mapping[str, int]) -> dict[str, int]:
    """Adds up what each process has summed of each array."""
    if jax.process_count() == 1:
        return dict(sums)
    # In halves, because JAX has no 64 bits.
    own = np.array(list(sums.values()), np.uint64).view(np.uint32)
    everywhere = np.asarray(multihost_utils.process_allgather(own))
    totals = np.ascontiguousarray(everywhere).view(np.uint64).sum(axis=0)
    return {name: int(total) for name, total in zip(sums, totals, strict=True)}
