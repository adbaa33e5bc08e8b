"""Files that are no .safetensors: numpy's are read, others are told by their kind.

Nothing here runs what a file holds: pickles, and what contains them, are refused.
"""

import io
import math
import pathlib
import tokenize
import zipfile
import zlib

import numpy as np

from spot_jax.errors import InputError
from spot_jax.prompts.header import printable

# How much of a file tells what it is.
START = 512
_NUMPY = b"\x93NUMPY"
_SUFFIX = ".npy"
# Of all arrays in a .npz: 600 prompts of the largest T5, 100 vectors each.
_MOST_BYTES = 2**30
_NO_PICKLES = "can run code when it is read, so nothing here reads it"
# By the first bytes: what the file is, and what helps.
_KINDS = {
    b"version https://git-lfs": (
        "the pointer that Git LFS leaves in place of a file",
        "Fetch the file: git lfs pull.",
    ),
    b"\x1f\x8b": ("compressed by gzip", "Unpack it: gunzip."),
    b"\x89HDF": (
        "an HDF5 file",
        "Save its vectors with numpy: numpy.save('prompt.npy', vectors).",
    ),
    b"<": ("a page of the web", "Download the file itself."),
}


def is_npy(start: bytes) -> bool:
    """Whether a file that begins so is numpy's, with one array."""
    return start.startswith(_NUMPY)


def is_npz(path: pathlib.Path, start: bytes) -> bool:
    """Whether a file is numpy's, with several arrays.

    Raises:
        InputError: when it is a zip archive of something else: PyTorch's, say.
    """
    if not start.startswith((b"PK\3\4", b"PK\5\6")):
        return False
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.namelist()
    except _DAMAGE as error:
        raise damaged(path, error) from error
    if any(member.endswith("data.pkl") for member in members):
        raise InputError(
            f"{path} is a file of PyTorch, with a pickle in it, which {_NO_PICKLES}. "
            "Load it with PyTorch and save the vectors: numpy.save('prompt.npy', "
            "prompt.float().numpy())."
        )
    if not members or not all(member.endswith(_SUFFIX) for member in members):
        raise InputError(
            f"{path} is a zip archive and no .npz of numpy's. Unpack it, and give the "
            "prompt in it."
        )
    return True


def read_npz(path: pathlib.Path) -> list[tuple[str, np.ndarray]]:
    """Returns the arrays of a .npz by their names, in the file's order.

    Raises:
        InputError: when it is damaged, holds Python objects, or more than prompts.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _MOST_BYTES:
                raise InputError(
                    f"{path} unpacks to {size:,} bytes, and prompts are at most "
                    f"{_MOST_BYTES:,} together. Save the vectors alone, in several "
                    "files if there are many: numpy.save('prompt.npy', vectors)."
                )
            contents = {m.filename: _unpacked(archive, m) for m in archive.infolist()}
    except InputError:
        raise
    except _DAMAGE as error:
        raise damaged(path, error) from error
    named = ((name.removesuffix(_SUFFIX), data) for name, data in contents.items())
    return [(name, _array(data, f"{path}:{printable(name)}")) for name, data in named]


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("numpy does not compress in this way")
    with archive.open(member) as file:
        # Told how much, it unpacks no more, whatever there is.
        return file.read(member.file_size)


def read_npy(path: pathlib.Path) -> np.ndarray:
    """Returns the array of a numpy file.

    Raises:
        InputError: when it is damaged, or holds Python objects.
    """
    return _array(path.read_bytes(), str(path))


def _array(data: bytes, where: str) -> np.ndarray:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        is_old = version == (1, 0)
        form = np.lib.format
        read = form.read_array_header_1_0 if is_old else form.read_array_header_2_0
        shape, _, dtype = read(file)
        if not dtype.hasobject:
            size = math.prod(shape) * dtype.itemsize
            if not 0 <= size <= len(data):
                raise EOFError(f"{len(data)} bytes are no array of shape {shape}")
            file.seek(0)
            return form.read_array(file, allow_pickle=False)
    except _DAMAGE as error:
        raise damaged(where, error) from error
    raise InputError(
        f"{where} holds Python objects, a pickle, which {_NO_PICKLES}. Load it where "
        "it was written, and save the vectors alone: numpy.save('prompt.npy', "
        "numpy.asarray(prompt, numpy.float32))."
    )


# What numpy and zipfile raise of damaged files: a shape beyond all memory, methods of
# compression that do not exist, encrypted members.
_DAMAGE = (
    *(ValueError, OSError, EOFError, MemoryError, OverflowError, TypeError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, KeyError),
    *(SyntaxError, tokenize.TokenError),
)


def refuse(path: pathlib.Path, start: bytes) -> None:
    """Refuses a file that cannot be a .safetensors, and says what it is.

    Raises:
        InputError: with the way from there to a file that can be read.
    """
    # Eight bytes of a length that is not astronomical, then JSON.
    if start[5:9] == b"\0\0\0{":
        return
    if start[:1] == b"\x80" and start[1:2] in b"\1\2\3\4\5":
        raise InputError(
            f"{path} is a pickle (of Python, or of an old PyTorch), which "
            f"{_NO_PICKLES}. Load it where it was written, and save the vectors: "
            "numpy.save('prompt.npy', prompt)."
        )
    for magic, (kind, cure) in _KINDS.items():
        if start.lstrip().startswith(magic):
            raise InputError(f"{path} is {kind}, and no prompt. {cure}")


def damaged(path: pathlib.Path | str, error: Exception) -> InputError:
    """Returns the error of a file that is neither numpy's nor safetensors'."""
    return InputError(
        f"{path} is neither a numpy nor a safetensors file, or it is damaged "
        f"({error}). Copy it again from where it was written."
    )
