"""T5X's own checkpoints: a msgpack file `checkpoint`, and zarr folders beside it.

The msgpack holds the tree of the training state. A leaf of it is an array, the
tensorstore spec of an array that lies beside it, the name of one (in the first orbax
checkpoints: `PLACEHOLDER://target.a.b`), or None where an optimizer left a parameter
alone. Old checkpoints have their small arrays only inside the msgpack.
"""

import math
import mmap
from collections.abc import Mapping
from typing import Any, TypedDict

import ml_dtypes
import numpy as np

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Checkpoint, Index, StoredArray
from spot_jax.pretrained.folder import Folder
from spot_jax.pretrained.t5x_index import Span, decode, leaves_by_name, read_index
from spot_jax.pretrained.zarr import inside, open_arrays, orbax_store
from spot_jax.reading import parse_json

_PLACEHOLDER = "PLACEHOLDER://"
# T5X's own: 1 and 2 keep bfloat16 as uint16, 0 is Flax's form, without "optimizer".
_VERSIONS = range(4)
_LARGEST_STEP = 2**31 - 1  # T5X counts in int32
# What save_t5x adds to the index, which T5X passes over: sums of arrays by name.
SUMS = "spot_jax_sums"
STEP = "state/step"
# And what shapes do not tell, under the names of T5Config, as JSON.
SETTINGS = "spot_jax_settings"


class _Settings(TypedDict, total=False):
    """What a T5 computes with that its arrays do not show."""

    mlp_activations: list[str]
    relpos_max_distance: int
    norm_epsilon: float


UNSHOWN = tuple(_Settings.__annotations__)


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
    source = f"{folder.url}/{file}"
    data = folder.contents(file)
    top = read_index(data, source)
    version = _version(data, top.get("version", 0), source)
    state = next((top[key] for key in ("optimizer", "_optimizer") if key in top), top)
    leaves = leaves_by_name(_part(state, "target", source), source)
    inline = {
        name: _inline(data, leaf, source)
        for name, leaf in leaves.items()
        if isinstance(leaf, Span)
    }
    specs = {
        name: leaf
        for name, leaf in leaves.items()
        if name not in inline and leaf is not None
    }
    beside = open_arrays(
        {name: _kvstore(folder, leaf, name) for name, leaf in specs.items()}
    )
    for name, leaf in specs.items():
        _check_spec(leaf, name, beside[name], source)
    arrays = {
        name: _weights(array, version) for name, array in (inline | beside).items()
    }
    step = _step(folder, data, _part(state, "state", source).get("step"), source)
    sums = _sums(top.get(SUMS), source)
    if sums.pop(STEP, step) != step:
        raise InputError(
            f"{source} has two steps, one is {step}: copy the folder again"
        )
    return Checkpoint(arrays, step, _settings(top.get(SETTINGS), source), sums=sums)


def whole_step(value: Any) -> int:
    """Returns the step of a checkpoint, which some T5X versions save as a float.

    Raises:
        InputError: if it is no whole number from 0 on.
    """
    array = np.asarray(value)
    is_number = array.size == 1 and array.dtype.kind in "iuf"
    step = array.item() if is_number else value
    # Both are false for NaN.
    if not (is_number and 0 <= step <= _LARGEST_STEP and step == int(step)):
        raise InputError(
            f"the checkpoint's step is {step!r}; steps are whole numbers from 0 on: "
            "copy the checkpoint again, or take another"
        )
    return int(step)


def _part(tree: Any, key: str, source: str) -> Mapping[str, Any]:
    """Returns a branch of the index; {} where there is none."""
    branch = tree.get(key) if isinstance(tree, dict) else tree
    if branch is None:
        return {}
    if not isinstance(branch, dict):
        raise InputError(f"{source} is no T5X checkpoint index: its {key} is no tree")
    return branch


def _version(data: mmap.mmap | bytes, value: Any, source: str) -> int:
    if isinstance(value, Span):
        value = decode(data, value, source).tolist()
    if type(value) is not int or value not in _VERSIONS:
        raise InputError(
            f"{source} is of version {value!r} of T5X's checkpoints; read are those up "
            f"to {_VERSIONS[-1]}. Write it anew with a T5X of 2022 or later, or take "
            "another checkpoint"
        )
    return value


def _sums(told: Any, source: str) -> dict[str, int]:
    try:
        return {name: int(digits, 16) for name, digits in (told or {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"the sums of the arrays in {source} are damaged: copy the folder again"
        ) from error


def _settings(told: Any, source: str) -> dict[str, Any]:
    if told is None:
        return {}
    text = told if isinstance(told, str) else ""
    found = parse_json(text, _Settings, f"{source}, {SETTINGS}", "Copy it again.")
    return {key: tuple(v) if isinstance(v, list) else v for key, v in found.items()}


def _inline(data: mmap.mmap | bytes, span: Span, source: str) -> StoredArray:
    # Decoded once for its shape and dropped: a checkpoint that is all in one file
    # would otherwise be in memory as a whole.
    array = decode(data, span, source)

    def read_part(index: Index) -> np.ndarray:
        return decode(data, span, source)[index]

    return StoredArray(array.shape, array.dtype, read_part)


def _kvstore(folder: Folder, leaf: Any, name: str) -> dict[str, Any]:
    """Returns where the array of a spec or placeholder lies now.

    Of a spec only the last part of its path counts: its driver (gfile, gcs, file), its
    bucket and its folders are those of the machine that wrote it.
    """
    directory = _directory(leaf)
    if directory in ("", ".", ".."):
        raise InputError(f"the index of {folder.url} says of {name} only {leaf!r}")
    if isinstance(leaf, str):
        return inside(orbax_store(folder), directory)
    return folder.kvstore(directory)


def _directory(leaf: Any) -> str:
    """Returns the name of the folder that a spec or placeholder points to, or ""."""
    if isinstance(leaf, str):
        is_name = leaf.startswith(_PLACEHOLDER)
        path = leaf.removeprefix(_PLACEHOLDER) if is_name else ""
    elif isinstance(leaf, dict) and leaf.get("driver") == "zarr":
        store = leaf["kvstore"]
        # Tensorstore before 0.1.14 had the path beside the store.
        path = (isinstance(store, dict) and store.get("path")) or leaf.get("path")
    else:
        path = ""
    return path.rstrip("/").rpartition("/")[2] if isinstance(path, str) else ""


def _check_spec(leaf: Any, name: str, array: StoredArray, source: str) -> None:
    """Refuses an index that gives one array's place to another.

    Of two of the same shape nothing else would tell: T5X names the folder of each by
    its path in the tree.
    """
    directory = _directory(leaf)
    if directory.removeprefix("_optimizer.") != f"target.{name.replace('/', '.')}":
        raise InputError(
            f"{source} says that {name} lies in {directory!r}, the place of another "
            "array: the index is damaged. Copy the checkpoint again, or take another"
        )
    metadata = leaf.get("metadata") if isinstance(leaf, dict) else None
    told = metadata.get("shape") if isinstance(metadata, dict) else None
    if told is not None and told != list(array.shape):
        raise InputError(
            f"{source} says that {name} is {told}, and its folder holds "
            f"{list(array.shape)}: they are of different checkpoints"
        )


def _weights(array: StoredArray, version: int) -> StoredArray:
    # Before version 3, T5X stored the bits of bfloat16 as uint16.
    if version < 3 and array.dtype == np.uint16:
        return array.viewed(ml_dtypes.bfloat16)
    return array


def _step(
    folder: Folder, data: mmap.mmap | bytes, leaf: Any, source: str
) -> int | None:
    if leaf is None:
        return None
    if isinstance(leaf, Span):
        return whole_step(decode(data, leaf, source))
    if isinstance(leaf, dict | str):
        return step_of(open_arrays({"step": _kvstore(folder, leaf, "step")})["step"])
    return whole_step(leaf)


def step_of(array: StoredArray) -> int:
    """Returns the step that an array beside the weights holds.

    Raises:
        InputError: if it holds anything else, or cannot be read.
    """
    if math.prod(array.shape) != 1:
        raise InputError(f"the checkpoint's step is an array of {list(array.shape)}")
    try:
        return whole_step(array.read(array.whole()))
    except (ValueError, OSError) as error:
        raise InputError(f"the checkpoint's step cannot be read: {error}") from error
