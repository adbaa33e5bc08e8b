"""Reads a frozen T5 from anywhere, array by array."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from flax import traverse_util

from spot_jax.errors import InputError
from spot_jax.pretrained import huggingface, t5x_native, t5x_orbax
from spot_jax.pretrained.arrays import Checkpoint, equal
from spot_jax.pretrained.check import check
from spot_jax.pretrained.earlier import earlier_fingerprint
from spot_jax.pretrained.fingerprint import from_sums, sums_of_all_processes
from spot_jax.pretrained.folder import Folder, find
from spot_jax.pretrained.stream import read_all


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """The weights of a T5 and where they are from.

    Attributes:
        params: Nested dict of jax.Array, of the structure asked for.
        step: The optimizer step saved with them (1,100,000 for the published LM-adapted
            T5), None where the format has none (Hugging Face).
        source: The folder, file or url they were read from, in full.
        fingerprint: `fingerprint(params)`.
        earlier_fingerprint: `earlier_fingerprint(params)`.
    """

    params: dict[str, Any]
    step: int | None
    source: str
    fingerprint: str
    earlier_fingerprint: str


def load(
    path: str, expected: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> Pretrained:
    """Reads the weights of a T5.

    Args:
        path: A local folder, a gs:// url, or a name in PUBLISHED. What lies there shows
            the format: T5X native, T5X orbax, Hugging Face.
        expected: T5X's parameter tree without its leading `target`: a nested dict of
            jax.ShapeDtypeStruct with the shape, the dtype to hold the array in and,
            unless it goes whole to the default device, the sharding.
        settings: The model's T5Config as a dict, which is compared with what the
            checkpoint says beside its shapes; None compares the shapes alone.

    Returns:
        The weights, in the structure of `expected`.

    Raises:
        InputError: if nothing readable is there, or if an array is missing, has no
            place in `expected` or has another shape, or a setting is another; the
            message names it, and this is known before any array is read. Also if an
            array holds NaN or infinity, or other values than were written there.
    """
    wanted = traverse_util.flatten_dict(dict(expected), sep="/")
    folder, file = find(path)
    source = f"{folder.url}/{file}" if file else folder.url
    checkpoint = open_checkpoint(folder, file)
    check(checkpoint, wanted, source, settings)
    _compare_copies(checkpoint, source)
    flat, own_sums = read_all(checkpoint.arrays, wanted, source)
    sums = sums_of_all_processes(own_sums)
    _compare_sums(checkpoint, sums, source)
    params = traverse_util.unflatten_dict(flat, sep="/")
    return Pretrained(
        params,
        checkpoint.step,
        source,
        from_sums(flat, sums),
        earlier_fingerprint(params),
    )


def open_checkpoint(folder: Folder, file: str | None) -> Checkpoint:
    """Opens a checkpoint with the reader of its format; no array is read.

    Args:
        folder: Where it lies.
        file: The one file that it is, if a path named it.

    Raises:
        InputError: if nothing readable is there.
    """
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
        return huggingface.read(folder)
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
        if not equal(copy, original):
            raise InputError(
                f"{name} in {source} differs from the token embedding: a T5 has one "
                "embedding for encoder and decoder. Get the folder again"
            )


def _compare_sums(checkpoint: Checkpoint, sums: Mapping[str, int], source: str) -> None:
    """Finds arrays that are not those that were written with the checkpoint."""
    written = checkpoint.sums
    other = [name for name in sums if written.get(name, sums[name]) != sums[name]]
    if other:
        raise InputError(
            f"{len(other)} of {len(sums)} arrays in {source} are not what was written "
            f"there, the first {other[0]}: its files were damaged, or mixed with those "
            "of another checkpoint. Copy the folder again, or make it anew"
        )
