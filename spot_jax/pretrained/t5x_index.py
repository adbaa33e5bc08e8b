"""The msgpack file of a T5X checkpoint: a tree in which no array is decoded yet."""

import io
import mmap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgpack
import numpy as np
from flax import serialization

from spot_jax.errors import InputError

# How flax marks an array that it cut up because of msgpack's limit of 4 GB.
_CHUNKED = "__msgpack_chunked_array__"
_TENSORFLOW = b"model_checkpoint_path"
# T5's tree has 5 levels; the limit is far below Python's.
_DEEPEST = 50


class Span(NamedTuple):
    """Where in the file an array lies."""

    start: int
    stop: int


def read_index(data: mmap.mmap | bytes, source: str) -> dict[str, Any]:
    """Returns the msgpack's tree with a Span in place of every array.

    Raises:
        InputError: if it is none, whatever is wrong with it.
    """
    if data[: len(_TENSORFLOW)] == _TENSORFLOW:
        raise InputError(
            f"{source} belongs to a Mesh TensorFlow checkpoint, which is not readable "
            "here: convert it with T5X, or use T5X or Hugging Face weights"
        )
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    # 0 lifts the limit of 100 MB on one item.
    unpacker = msgpack.Unpacker(
        stream,
        max_buffer_size=0,
        # A length that the file cannot have would be reserved in memory.
        max_array_len=len(data),
        strict_map_key=False,
    )
    try:
        tree = _tree(unpacker, data)
    except (ValueError, IndexError, TypeError, msgpack.UnpackException) as error:
        reason = str(error) or repr(error)
        raise InputError(f"{source} is no T5X checkpoint index: {reason}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{source} is no T5X checkpoint index: it holds no tree")
    return tree


def _tree(unpacker: msgpack.Unpacker, data: mmap.mmap | bytes, depth: int = 0) -> Any:
    start = unpacker.tell()
    kind = data[start]
    if depth > _DEEPEST:
        raise InputError(f"it nests more than {_DEEPEST} trees")
    if 0x80 <= kind <= 0x8F or kind in (0xDE, 0xDF):  # a map, in msgpack's format
        tree = {}
        for _ in range(unpacker.read_map_header()):
            key = unpacker.unpack()
            if key in tree:
                raise InputError(f"it has {key!r} twice")
            tree[key] = _tree(unpacker, data, depth + 1)
        return Span(start, unpacker.tell()) if _CHUNKED in tree else tree
    if 0xC7 <= kind <= 0xC9 or 0xD4 <= kind <= 0xD8:  # an extension: flax's arrays
        unpacker.skip()
        return Span(start, unpacker.tell())
    return unpacker.unpack()


def leaves_by_name(tree: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Returns what is no branch of a tree, under names such as "encoder/norm/scale".

    Raises:
        InputError: if two have one name.
    """
    found = {}
    for name, leaf in _leaves(tree):
        if name in found:
            raise InputError(f"{source} has the array {name} twice: copy it again")
        found[name] = leaf
    return found


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{path}/{key}" if path else str(key)
        if isinstance(value, dict) and not _is_spec(value):
            yield from _leaves(value, name)
        else:
            yield name, value


def _is_spec(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("driver"), str) and "kvstore" in value


def decode(data: mmap.mmap | bytes, span: Span, source: str) -> np.ndarray:
    """Returns the array that lies in a span of the file.

    Raises:
        InputError: if there is none.
    """
    try:
        return np.asarray(serialization.msgpack_restore(data[span.start : span.stop]))
    except Exception as error:  # what flax makes of a damaged array may raise any
        raise InputError(
            f"{source} has a damaged array ({error}): copy it again"
        ) from error
