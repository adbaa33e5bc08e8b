"""Writes weights as a T5X native checkpoint."""

import concurrent.futures
import contextlib
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import tensorstore as ts
from flax import serialization, traverse_util

from spot_jax import buckets
from spot_jax.errors import InputError
from spot_jax.model_dir import storage
from spot_jax.pretrained.fingerprint import sum_of
from spot_jax.pretrained.folder import Folder
from spot_jax.pretrained.t5x_native import SETTINGS, STEP, SUMS, UNSHOWN
from spot_jax.reading import as_json, as_path, in_full, path_of

# Version 3 keeps bfloat16 as bfloat16.
_VERSION = 3
# T5X's own size: small enough to be read in parallel, large enough to be few.
CHUNK_BYTES = 64 * 2**20
_ARRAYS_IN_FLIGHT = 4


def save_t5x(
    path: str,
    params: Mapping[str, Any],
    step: int,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Writes a T5X native checkpoint, which T5X and `load` read.

    The checkpoint has the weights and the step and no optimizer state: T5X evaluates
    and infers from it as it is, and trains from it with `fallback_to_scratch`. It
    appears under its name only when it is whole. Its index has a key more than T5X
    writes, and which T5X does not look at: a sum of every array, by which `load` finds
    arrays that were damaged or exchanged, and the step again; and what of the settings
    its shapes do not tell.

    Args:
        path: The folder to create, of this machine or in a bucket. T5X looks in a
            MODEL_DIR for folders named `checkpoint_<step>`.
        params: Nested dict of arrays of any shape, the tree under `target`; written a
            few at a time, shard by shard.
        step: The step that the checkpoint says it is of.
        settings: The model's T5Config as a dict; None leaves it to the reader.

    Raises:
        InputError: if the path exists or is another url, or an array is spread over
            processes.
    """
    if re.match(r"\w+://", path) and not buckets.is_inside(path):
        raise InputError(
            f"cannot write to {path}: give a folder of this machine, or one of a "
            f"bucket, {buckets.SCHEME}BUCKET/FOLDER"
        )
    final = as_path(in_full(path_of(path)))
    flat = traverse_util.flatten_dict(dict(params), sep="/")
    for name, array in flat.items():
        if not getattr(array, "is_fully_addressable", True):
            raise InputError(
                f"{name} is spread over several processes: replicate it before saving"
            )
    with _appearing(final) as folder:
        with concurrent.futures.ThreadPoolExecutor(_ARRAYS_IN_FLIGHT) as executor:
            written = executor.map(lambda item: _write(folder, *item), flat.items())
            specs = dict(zip(flat, written, strict=True))
        tree = _index(specs, step) | _ours(flat, step, settings)
        checkpoint = serialization.msgpack_serialize(tree)
        storage.replace_file(folder / "checkpoint", checkpoint)


def _index(specs: Mapping[str, dict], step: int) -> dict[str, Any]:
    """Returns what T5X reads: where each array is."""
    return {
        "version": _VERSION,
        "optimizer": {
            "target": traverse_util.unflatten_dict(dict(specs), sep="/"),
            "state": {"step": np.asarray(step, np.int32)},
        },
    }


def _ours(
    flat: Mapping[str, Any], step: int, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns what T5X passes over: sums, and settings that no shape tells."""
    sums = {name: f"{sum_of(array):016x}" for name, array in flat.items()}
    told = {SUMS: sums | {STEP: f"{step:016x}"}}
    if settings is not None:
        told[SETTINGS] = as_json({name: settings[name] for name in UNSHOWN}, None)
    return told


@contextlib.contextmanager
def _appearing(final: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a folder to fill, which gets its name when it is full."""
    problem = f"{final} exists: choose another path, or remove it first"
    # In a bucket it is there with its index, which `new_folder` looks for.
    if not buckets.is_inside(final) and final.exists():
        raise InputError(problem)
    try:
        with storage.new_folder(final, last="checkpoint") as folder:
            yield folder
    except FileExistsError as error:
        raise InputError(problem) from error


def _write(folder: pathlib.Path, name: str, array: jax.Array | np.ndarray) -> dict:
    """Writes one array and returns the spec T5X finds it by, relative to the folder."""
    directory = f"target.{name.replace('/', '.')}/"
    shards = _shards(array)
    spec = {
        "driver": "zarr",
        "dtype": np.dtype(array.dtype).name,
        "metadata": {
            "shape": list(array.shape),
            "chunks": chunks_of(shards[0][1]),
            "compressor": {"id": "gzip", "level": 1},
        },
    }
    here = {"kvstore": Folder(str(folder)).kvstore(directory)}
    store = ts.open(spec | here, create=True).result()
    for index, data in shards:
        store[index].write(np.asarray(data)).result()
    return spec | {"kvstore": {"driver": "file", "path": directory}}


def _shards(array: jax.Array | np.ndarray) -> list[tuple[tuple[slice, ...], Any]]:
    if not isinstance(array, jax.Array):
        return [(tuple(slice(0, size) for size in array.shape), array)]
    return [
        (shard.index, shard.data)
        for shard in array.addressable_shards
        if shard.replica_id == 0
    ]


def chunks_of(
    shard: jax.Array | np.ndarray, most_bytes: int = CHUNK_BYTES
) -> list[int]:
    """Cuts a shard into equal blocks of rows, so that no two shards share one.

    Args:
        shard: [rows, ...] what is cut.
        most_bytes: how large a block may be, where a row is not larger already.

    Returns:
        The shape of a block.
    """
    if shard.nbytes <= most_bytes:
        return list(shard.shape)
    rows = shard.shape[0]
    most = max(1, most_bytes * rows // shard.nbytes)
    divisor = next(count for count in range(most, 0, -1) if rows % count == 0)
    return [divisor, *shard.shape[1:]]
