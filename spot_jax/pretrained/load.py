"""Reads a frozen T5 from anywhere, array by array."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from spot_jax.errors import InputError
from spot_jax.pretrained import huggingface, t5x_native, t5x_orbax
from spot_jax.pretrained.arrays import Checkpoint, StoredArray
from spot_jax.pretrained.check import check
from spot_jax.pretrained.fingerprint import fingerprint
from spot_jax.pretrained.folder import Folder, find
from spot_jax.pretrained.stream import read_all

_LOGITS = "decoder/logits_dense/kernel"
_COMPARED_VALUES = 2**22


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The weights of a T5 and where they are from.

    Attributes:
        params: Nested dict of jax.Array, of the structure asked for.
        step: The optimizer step saved with them (1,100,000 for the published LM-adapted
            T5), None where the format has none (Hugging Face).
        source: The folder, file or url they were read from, in full.
        fingerprint: `fingerprint(params)`.
    """

    params: dict[str, Any]
    step: int | None
    source: str
    fingerprint: str


def load(path: str, expected: Mapping[str, Any]) -> Pretrained:
    """Reads the weights of a T5.

    Args:
        path: A local folder, a gs:// url, or a name in PUBLISHED. What lies there shows
            the format: T5X native, T5X orbax, Hugging Face.
        expected: T5X's parameter tree without its leading `target`: a nested dict of
            jax.ShapeDtypeStruct with the shape, the dtype to hold the array in and,
            unless it goes whole to the default device, the sharding.

    Returns:
        The weights, in the structure of `expected`.

    Raises:
        InputError: if nothing readable is there, or if an array is missing, has no
            place in `expected` or has another shape; the message names it, and this is
            known before any array is read.
    """
    wanted = traverse_util.flatten_dict(dict(expected), sep="/")
    folder, file = find(path)
    source = f"{folder.url}/{file}" if file else folder.url
    checkpoint = _open(folder, file, tied=_LOGITS not in wanted)
    check(checkpoint, wanted, source)
    _compare_copies(checkpoint, source)
    params = traverse_util.unflatten_dict(
        read_all(checkpoint.arrays, wanted, source), sep="/"
    )
    return Pretrained(params, checkpoint.step, source, fingerprint(params))


def _open(folder: Folder, file: str | None, tied: bool) -> Checkpoint:
    """Opens a checkpoint with the reader of its format."""
    if file:
        return t5x_native.read(folder, file)
    for place in (folder, folder / "state"):
        # First what is published: a bucket that does not list its files may answer
        # with a refusal when asked for one that is not there.
        if place.has("checkpoint"):
            return t5x_native.read(place)
        if place.has("manifest.ocdbt") or place.has("_METADATA"):
            return t5x_orbax.read(place)
    if folder.has("config.json"):
        return huggingface.read(folder, tied)
    raise InputError(_nothing_readable(folder))


def _nothing_readable(folder: Folder) -> str:
    names = folder.names()
    matches = (re.fullmatch(r"checkpoint_(\d+)/", name) for name in names)
    if steps := sorted(int(match[1]) for match in matches if match):
        checkpoints = ", ".join(f"checkpoint_{step}" for step in steps)
        return (
            f"{folder.url} is a MODEL_DIR with {checkpoints} in it: name the one to "
            f"read, for example {folder.url}/checkpoint_{steps[-1]}"
        )
    return (
        f"{folder.url} holds no checkpoint that can be read: there is "
        f"{', '.join(names[:10]) or 'nothing'}. Readable are a T5X checkpoint (a file "
        "`checkpoint`, or `state/` written by orbax) and a Hugging Face folder "
        "(config.json with model.safetensors or pytorch_model.bin)"
    )


def _compare_copies(checkpoint: Checkpoint, source: str) -> None:
    for name, (copy, original) in checkpoint.copies.items():
        if not _equal(copy, original):
            raise InputError(
                f"{name} in {source} differs from the token embedding: the model has "
                "one embedding for encoder, decoder and, unless it is T5 1.1 "
                "(gin/models/t5_1_1_*.gin), output"
            )


def _equal(first: StoredArray, second: StoredArray) -> bool:
    if first.shape != second.shape:
        return False
    step = max(1, _COMPARED_VALUES // first.shape[-1])
    rest = first.whole()[1:]
    parts = [
        (slice(start, min(start + step, first.shape[0])), *rest)
        for start in range(0, first.shape[0], step)
    ]
    return all(np.array_equal(first.read(part), second.read(part)) for part in parts)
