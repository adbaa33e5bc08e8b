"""The file of a prompt: one .safetensors whose header tells the prompt's story.

It holds one array for each site, under the site's name (see `base.PromptBundle`), those
of its head, if it has one, and the header says how they enter where there are several
ways. Also read: what T5X and prompt-tuning write (numpy, usually without a suffix),
several such arrays in a .npz, and what PEFT writes (adapter_model.safetensors beside
adapter_config.json).
"""

import dataclasses
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from spot_jax import buckets
from spot_jax.errors import InputError
from spot_jax.model_dir import at_hand
from spot_jax.model_dir.storage import replace_file
from spot_jax.prompts import foreign, header, heads, peft
from spot_jax.prompts.base import (
    KEYS_VALUES,
    SITES,
    PromptBundle,
    check_single,
    described,
    modes,
    sites,
)
from spot_jax.prompts.header import FORMAT, MODES
from spot_jax.prompts.heads import Head
from spot_jax.reading import path_of, printable

__all__ = ["FORMAT", "SavedPrompt", "read", "read_all", "write", "write_numpy"]

# As in pretrained/arrays.py.
_DTYPES = {
    np.dtype(kind) for kind in (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
}
_CHECKSUM = "checksum"
# The arrays of a head, by their names in files.
_OF_HEAD = {"head/kernel": "kernel", "head/bias": "bias"}
# How many names of arrays a message shows.
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class SavedPrompt:
    """One prompt as read from a file.

    Attributes:
        bundle: its arrays, numpy, float32, without a bank axis.
        story: what the file says of itself, see `header.Story`, and other words that
            its header has; empty for numpy and PEFT files, which say nothing.
        path: where it was read.
        array: its name in a .npz, else "".
    """

    bundle: PromptBundle
    story: dict[str, Any]
    path: str
    array: str = ""


def write(path: str | os.PathLike, bundle: PromptBundle, story: Mapping) -> None:
    """Writes a prompt; whoever reads sees the old file or the new one, never half.

    The same prompt and story are the same bytes.

    Args:
        path: the file, ending in .safetensors; its folder is made.
        bundle: one prompt, without a bank axis.
        story: what the header says; values are kept as JSON.
    """
    every, about = sites(bundle), modes(bundle)
    if bundle.head is not None:
        every |= {name: getattr(bundle.head, of) for name, of in _OF_HEAD.items()}
        (classes,) = bundle.head.names
        about["head"] = {"kind": bundle.head.kind, "classes": list(classes)}
    arrays = {
        name: np.ascontiguousarray(array, np.float32) for name, array in every.items()
    }
    check_single(bundle)
    said = header.written(dict(story) | about)
    said[_CHECKSUM] = _checksum(arrays, said)
    replace_file(path_of(path), _in_order(safetensors.numpy.save(arrays, said)))


def _checksum(arrays: Mapping[str, np.ndarray], said: Mapping[str, str]) -> str:
    """Returns the checksum of a prompt and its story, without the checksum itself."""
    words = sorted((key, text) for key, text in said.items() if key != _CHECKSUM)
    found = hashlib.sha256(json.dumps(words).encode("utf-8"))
    for site, array in sorted(arrays.items()):
        found.update(f"{site} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _in_order(data: bytes) -> bytes:
    """Sorts the header of a safetensors file, which keeps its words in a hash map."""
    # Eight bytes say how long the header is, and the arrays follow it, aligned to 8.
    arrays_at = 8 + int.from_bytes(data[:8], "little")
    text = json.dumps(json.loads(data[8:arrays_at]), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[arrays_at:]


def write_numpy(path: str | os.PathLike, bundle: PromptBundle) -> None:
    """Writes a prompt as T5X's prompt-tuning reads it: one float32 array, no story.

    Args:
        path: the file, under exactly this name; its folder is made.
        bundle: enc_input [prompt, d_model], and nothing else.

    Raises:
        InputError: when the prompt enters elsewhere, which such a file cannot hold.
    """
    data = io.BytesIO()
    np.save(data, np.ascontiguousarray(only_input(bundle, "a numpy file"), np.float32))
    replace_file(path_of(path), data.getvalue())


def only_input(bundle: PromptBundle, wanted_for: str) -> np.ndarray:
    """Returns enc_input [prompt, d_model] of a prompt that is nothing else.

    Args:
        bundle: one prompt.
        wanted_for: what cannot do with other sites, for the message.

    Raises:
        InputError: when it has other sites.
    """
    if set(sites(bundle)) != {"enc_input"} or bundle.head is not None:
        head = f" with {heads.told(bundle.head)}" if bundle.head is not None else ""
        raise InputError(
            f"This prompt is {described(bundle)}{head}, and {wanted_for} can do with "
            "vectors in front of the input alone (enc_input)."
        )
    return np.asarray(bundle.enc_input)


def read(path: str | os.PathLike) -> SavedPrompt:
    """Reads a prompt of spot_jax, T5X / prompt-tuning or PEFT.

    Args:
        path: the file, or the folder PEFT wrote.

    Raises:
        InputError: when there is no such file, or it holds no usable prompt.
    """
    found = read_all(path)
    if len(found) > 1:
        raise InputError(
            f"{path} holds {len(found)} prompts: {_listed([s.array for s in found])}. "
            "Put them into a library (`spot_jax library add DIR FILE.npz --model "
            "NAME`), or save the one you want: numpy.save('prompt.npy', arrays[NAME])."
        )
    return found[0]


def read_all(path: str | os.PathLike) -> list[SavedPrompt]:
    """Reads every prompt of a file: all arrays of a .npz, of other files the one.

    Raises:
        InputError: see `read`.
    """
    if not os.fspath(path):
        raise InputError("The path of a prompt is empty. Give that of its file.")
    file = _file(path_of(path))
    try:
        start = _start(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror or error}). Give a file that you "
            "may read."
        ) from error
    if foreign.is_npz(file, start):
        named = foreign.read_npz(file)
        return [
            _saved(f"{file}:{printable(name)}", {"enc_input": array}, {}, name)
            for name, array in named
        ]
    if foreign.is_npy(start):
        return [_saved(str(file), {"enc_input": foreign.read_npy(file)}, {})]
    foreign.refuse(file, start)
    return [_saved(str(file), *_read_safetensors(file))]


def _start(file: pathlib.Path) -> bytes:
    """Returns as much of a file as tells what it is; it may be one of gigabytes."""
    if buckets.is_inside(file):
        return file.read_bytes(foreign.START)
    with open(file, "rb") as opened:
        return opened.read(foreign.START)


def _file(path: pathlib.Path) -> pathlib.Path:
    if path.is_dir() and not (path / peft.MODEL_FILE).is_file():
        if (path / peft.CONFIG_FILE).is_file():
            raise InputError(
                f"{path} is a PEFT adapter without {peft.MODEL_FILE}; older versions "
                "of PEFT wrote adapter_model.bin. Load it with PEFT and save it again: "
                "save_pretrained(folder, safe_serialization=True)."
            )
        there = next(iter(sorted(path.glob("*.safetensors"))), None)
        raise InputError(
            f"{path} is a folder, and no PEFT adapter. Give a file"
            f"{f': {there}, say' if there else ' in it'}."
        )
    path = path / peft.MODEL_FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"There is no prompt file {path}. Give a .safetensors file of spot_jax, a "
            "numpy file of T5X's prompt-tuning, or the folder of a PEFT adapter."
        )
    return path


def _saved(
    path: str, arrays: dict[str, np.ndarray], story: dict[str, Any], name: str = ""
) -> SavedPrompt:
    for site, array in arrays.items():
        _check(path, site, array)
    found = {name: array.astype(np.float32) for name, array in arrays.items()}
    head = _head(path, found, story.pop("head", None))
    entered = {mode: story.pop(mode) for mode in MODES if mode in story}
    return SavedPrompt(PromptBundle(**found, **entered, head=head), story, path, name)


def _head(
    path: str, arrays: dict[str, np.ndarray], told: Mapping[str, Any] | None
) -> Head | None:
    """Takes the head's arrays out, and returns the head."""
    own = {of: arrays.pop(name, None) for name, of in _OF_HEAD.items()}
    if told is None and all(array is None for array in own.values()):
        return None
    classes = tuple(told["classes"]) if told else ()
    shapes = [() if array is None else array.shape for array in own.values()]
    is_known = told is not None and heads.are_classes(told["kind"], classes)
    if not is_known or shapes != [(*shapes[0][:1], len(classes)), (len(classes),)]:
        raise InputError(
            f"{path} has a head of the shapes {shapes} and its header tells of "
            f"{printable(str(told))}: they do not belong together. Copy it again from "
            "where it was written, or train it again."
        )
    return Head(**own, kind=told["kind"], names=(classes,))


def _read_safetensors(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict]:
    try:
        with (
            at_hand.one(path) as here,
            safetensors.safe_open(here, framework="numpy") as file,
        ):
            metadata, names = dict(file.metadata() or {}), set(file.keys())
            if names & set(SITES) and names <= {*SITES, *_OF_HEAD}:
                arrays = {site: file.get_tensor(site) for site in sorted(names)}
                _compare(path, arrays, metadata)
                return arrays, header.read(metadata, str(path))
            peft.check_kind(path)
            if peft.ARRAY in names:
                rows = file.get_tensor(peft.ARRAY)
                return {"enc_input": peft.select_prompt(path, rows)}, {}
    # TypeError: of an array of a type that numpy does not have.
    except (safetensors.SafetensorError, OSError, TypeError) as error:
        raise foreign.damaged(path, error) from error
    raise InputError(
        f"{path} holds {_listed(sorted(names)) or 'nothing'}; a prompt of spot_jax "
        f"has 'enc_input' or other sites, one of PEFT '{peft.ARRAY}'."
    )


def _compare(
    path: pathlib.Path, arrays: Mapping[str, np.ndarray], metadata: dict[str, str]
) -> None:
    """Refuses what has changed since it was written; earlier versions did not say."""
    wanted = metadata.pop(_CHECKSUM, None)
    is_ours = metadata.get("format") == FORMAT
    if is_ours and wanted is not None and wanted != _checksum(arrays, metadata):
        raise InputError(
            f"{path} is not what was written, by its checksum. Copy it again from "
            "where it was written."
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(printable(name, 60) for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


# Of each site: its axes, of which "prompt" and the last are never empty.
_AXES = {
    "enc_input": "prompt, d_model",
    "enc_hidden": "layers, prompt, d_model",
    **dict.fromkeys(KEYS_VALUES, "layers, 2, prompt, width"),
    "head/kernel": "d_model, classes",
    "head/bias": "classes",
}


def _check(path: str, site: str, array: np.ndarray) -> None:
    axes = _AXES[site]
    if (
        array.ndim != axes.count(",") + 1
        or not array.size
        or (array.ndim == 4 and array.shape[1] != 2)
        or array.dtype not in _DTYPES
    ):
        raise InputError(
            f"{path} holds an array of shape {array.shape} and type "
            f"{array.dtype}; a prompt's {site} is [{axes}], at least one "
            "vector of floating point numbers."
        )
    # What float32 cannot hold is infinite there.
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(array.astype(np.float32)).all()
    if not is_finite:
        raise InputError(
            f"{path} holds values that are not finite: its training diverged. Take an "
            "earlier prompt of that run, or train it again with a smaller rate."
        )
