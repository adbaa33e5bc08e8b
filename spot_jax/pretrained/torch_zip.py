"""PyTorch's .bin files without PyTorch, and without running what they hold.

A .bin file is a zip archive: `data.pkl`, a pickle of the tensors' names, shapes and
strides, and one uncompressed member per storage. A pickle may call any function it
names; here the few that describe tensors have stand-ins, and every other name is
refused.
"""

import collections
import io
import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Index, StoredArray

_STORAGES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
_CONVERT = (
    "convert the folder to safetensors where PyTorch is installed "
    "(T5ForConditionalGeneration.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER))"
)
# A zip member's own header: 30 bytes, of which the last four are the lengths of the
# name and of the extra field that stand between it and the data.
_HEADER_BYTES = 30


# Tuples, as they have no __dict__ that a pickle could write to.
class _Storage(NamedTuple):
    dtype: str
    offset: int  # in bytes, from the start of the file
    size: int  # in elements


class _Tensor(NamedTuple):
    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: str) -> dict[str, StoredArray]:
    """Reads the names and shapes of a .bin file's tensors.

    Args:
        path: The file.

    Returns:
        The tensors under their names; each maps its part of the file when it is read.

    Raises:
        InputError: if the file is not in the zip format (PyTorch before 1.6), names
            anything that does not describe a tensor, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            index = archive.read(_member(path, members, "data.pkl"))
            if "byteorder" in members:
                order = archive.read(_member(path, members, "byteorder"))
                if order != b"little":
                    raise InputError(f"{path} is big-endian: {_CONVERT}")
    except InputError:
        raise
    except Exception as error:  # of a damaged archive zipfile may raise any
        raise InputError(
            f"{path} is not a PyTorch file of the zip format ({error}). If it is from "
            f"before PyTorch 1.6, {_CONVERT}; if not, its download is incomplete"
        ) from error
    try:
        tensors = _Unpickler(index, path, members).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle may raise any
        raise InputError(f"{path} cannot be unpickled safely: {error}") from error
    if not isinstance(tensors, Mapping):
        raise InputError(
            f"{path} holds a {type(tensors).__name__}, not weights by name"
        )
    return {name: _stored(path, name, tensor) for name, tensor in tensors.items()}


def _members(path: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found = {}
    for info in archive.infolist():
        name = info.filename.partition("/")[2]
        if name in found:
            raise InputError(f"{path} has the member {name!r} twice: get it again")
        found[name] = info
    return found


class _Unpickler(pickle.Unpickler):
    """Rebuilds descriptions of tensors, and calls nothing else."""

    def __init__(self, data: bytes, path: str, members: Mapping[str, zipfile.ZipInfo]):
        super().__init__(io.BytesIO(data))
        self._path = path
        self._members = members

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise InputError(
            f"{self._path} names {module}.{name}, which no file of plain weights needs "
            "and which could run anything: it is refused. If you trust the file, "
            f"{_CONVERT}"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), _, int(size)) if dtype in _STORAGES:
                member = _member(self._path, self._members, f"data/{key}")
                if size * np.dtype(_STORAGES[dtype]).itemsize > member.file_size:
                    raise InputError(f"{self._path}: data/{key} is cut off")
                return _Storage(dtype, _data_offset(self._path, member), size)
        raise InputError(f"{self._path} refers to {pid!r}, which is no storage")


def _rebuild_tensor(storage, start, shape, strides, *_) -> _Tensor:
    return _Tensor(storage, start, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *_) -> _Tensor:
    return tensor


def _member(
    path: str, members: Mapping[str, zipfile.ZipInfo], name: str
) -> zipfile.ZipInfo:
    if name not in members:
        raise InputError(f"{path} has no member {name}: {_CONVERT}")
    if members[name].compress_type != zipfile.ZIP_STORED:
        raise InputError(f"{path} is compressed, which PyTorch never does: {_CONVERT}")
    return members[name]


def _data_offset(path: str, member: zipfile.ZipInfo) -> int:
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        lengths = struct.unpack("<HH", file.read(_HEADER_BYTES)[-4:])
    return member.header_offset + _HEADER_BYTES + sum(lengths)


def _stored(path: str, name: str, tensor: Any) -> StoredArray:
    """Checks that a tensor lies inside its storage, and makes it readable."""
    is_whole = isinstance(tensor, _Tensor) and isinstance(tensor.storage, _Storage)
    if not is_whole or not isinstance(name, str):
        kind = type(tensor).__name__
        raise InputError(f"{path}: {name!r} is a {kind}, not a tensor by name")
    storage, start, shape, strides = tensor
    numbers = (start, *shape, *strides)
    is_possible = all(isinstance(n, int) and n >= 0 for n in numbers)
    if not is_possible or len(shape) != len(strides):
        raise InputError(f"{path}: {name!r} has impossible sizes {numbers}")
    last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    end = start + last + 1
    if math.prod(shape) and end > storage.size:
        raise InputError(f"{path}: {name!r} reaches beyond its storage")
    dtype = np.dtype(_STORAGES[storage.dtype])

    def read_part(index: Index) -> np.ndarray:
        offset = storage.offset + start * dtype.itemsize
        flat = np.memmap(path, dtype, "r", offset, shape=(end - start,))
        steps = [stride * dtype.itemsize for stride in strides]
        view = np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False)
        # A copy: what is kept must not depend on the file.
        return np.array(view[index])

    return StoredArray(shape, dtype, read_part)
