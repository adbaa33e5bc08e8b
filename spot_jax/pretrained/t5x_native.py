"""T5X's own checkpoints: a msgpack file `checkpoint`, and zarr folders beside it.

The msgpack holds the tree of the training state. A leaf of it is an array, the
tensorstore spec of an array that lies beside it, the name of one (in the first orbax
checkpoints: `PLACEHOLDER://target.a.b`), or None where an optimizer left a parameter
alone. Old checkpoints have their small arrays only inside the msgpack.
"""

import io
import mmap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import msgpack
import numpy as np
from flax import serialization

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Checkpoint, Index, StoredArray
from spot_jax.pretrained.folder import Folder
from spot_jax.pretrained.zarr import inside, open_arrays, orbax_store

_PLACEHOLDER = "PLACEHOLDER://"
# How flax marks an array that it cut up because of msgpack's limit of 4 GB.
_CHUNKED = "__msgpack_chunked_array__"
_TENSORFLOW = b"model_checkpoint_path"


class _Span(NamedTuple):
    """Where in the file an array lies."""

    start: int
    stop: int


def read(folder: Folder, file: str = "checkpoint") -> Checkpoint:
    """Reads the index of a native checkpoint; no array that lies beside it.

    Args:
        folder: The folder of the checkpoint.
        file: The name of the msgpack file in it.

    Returns:
        The `target` arrays and the step; nothing of the optimizer or of flax_mutables,
        which a T5 does not have.

    Raises:
        InputError: if the file is no such index or an array beside it does not open.
    """
    data = folder.contents(file)
    top = _index(data, f"{folder.url}/{file}")
    version = top.get("version", 0)
    state = next((top[key] for key in ("optimizer", "_optimizer") if key in top), top)
    leaves = dict(_leaves(state.get("target") or {}))
    inline = {
        name: _inline(data, leaf)
        for name, leaf in leaves.items()
        if isinstance(leaf, _Span)
    }
    beside = open_arrays(
        {
            name: _kvstore(folder, leaf, name)
            for name, leaf in leaves.items()
            if name not in inline and leaf is not None
        }
    )
    arrays = {
        name: _weights(array, version) for name, array in (inline | beside).items()
    }
    return Checkpoint(
        arrays, _step(folder, data, (state.get("state") or {}).get("step"))
    )


def whole_step(value: Any) -> int:
    """Returns the step of a checkpoint, which some T5X versions save as a float.

    Raises:
        InputError: if it is not a whole number.
    """
    step = np.asarray(value).item()
    if step != int(step):
        raise InputError(f"the checkpoint's step is {step}, which is no whole number")
    return int(step)


def _index(data: mmap.mmap | bytes, source: str) -> dict[str, Any]:
    """Returns the msgpack's tree with a _Span in place of every array."""
    if data[: len(_TENSORFLOW)] == _TENSORFLOW:
        raise InputError(
            f"{source} belongs to a Mesh TensorFlow checkpoint, which is not readable "
            "here: convert it with T5X, or use T5X or Hugging Face weights"
        )
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    # 0 lifts the limit of 100 MB on one item.
    unpacker = msgpack.Unpacker(stream, max_buffer_size=0, strict_map_key=False)
    try:
        tree = _tree(unpacker, data)
    except (ValueError, IndexError, msgpack.UnpackException) as error:
        raise InputError(f"{source} is no T5X checkpoint index: {error!r}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{source} is no T5X checkpoint index: it holds no tree")
    return tree


def _tree(unpacker: msgpack.Unpacker, data: mmap.mmap | bytes) -> Any:
    start = unpacker.tell()
    kind = data[start]
    if 0x80 <= kind <= 0x8F or kind in (0xDE, 0xDF):  # a map, in msgpack's format
        size = unpacker.read_map_header()
        tree = {unpacker.unpack(): _tree(unpacker, data) for _ in range(size)}
        return _Span(start, unpacker.tell()) if _CHUNKED in tree else tree
    if 0xC7 <= kind <= 0xC9 or 0xD4 <= kind <= 0xD8:  # an extension: flax's arrays
        unpacker.skip()
        return _Span(start, unpacker.tell())
    return unpacker.unpack()


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{path}/{key}" if path else key
        if isinstance(value, dict) and not _is_spec(value):
            yield from _leaves(value, name)
        else:
            yield name, value


def _is_spec(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("driver"), str) and "kvstore" in value


def _decode(data: mmap.mmap | bytes, span: _Span) -> np.ndarray:
    return np.asarray(serialization.msgpack_restore(data[span.start : span.stop]))


def _inline(data: mmap.mmap | bytes, span: _Span) -> StoredArray:
    # Decoded once for its shape and dropped: a checkpoint that is all in one file
    # would otherwise be in memory as a whole.
    array = _decode(data, span)

    def read_part(index: Index) -> np.ndarray:
        return _decode(data, span)[index]

    return StoredArray(array.shape, array.dtype, read_part)


def _kvstore(folder: Folder, leaf: Any, name: str) -> dict[str, Any]:
    """Returns where the array of a spec or placeholder lies now.

    Of a spec only the last part of its path counts: its driver (gfile, gcs, file), its
    bucket and its folders are those of the machine that wrote it.
    """
    if isinstance(leaf, str) and leaf.startswith(_PLACEHOLDER):
        return inside(orbax_store(folder), leaf.removeprefix(_PLACEHOLDER))
    if isinstance(leaf, dict) and leaf["driver"] == "zarr":
        # Tensorstore before 0.1.14 had the path beside the store.
        path = leaf["kvstore"].get("path") or leaf.get("path") or ""
    else:
        path = ""
    directory = path.rstrip("/").rpartition("/")[2]
    if not directory:
        raise InputError(f"the index of {folder.url} says of {name} only {leaf!r}")
    return folder.kvstore(directory)


def _weights(array: StoredArray, version: int) -> StoredArray:
    # Before version 3, T5X stored the bits of bfloat16 as uint16.
    if version < 3 and array.dtype == np.uint16:
        return array.viewed(ml_dtypes.bfloat16)
    return array


def _step(folder: Folder, data: mmap.mmap | bytes, leaf: Any) -> int | None:
    if leaf is None:
        return None
    if isinstance(leaf, _Span):
        return whole_step(_decode(data, leaf))
    if isinstance(leaf, dict | str):
        array = open_arrays({"step": _kvstore(folder, leaf, "step")})["step"]
        return whole_step(array.read(()))
    return whole_step(leaf)
