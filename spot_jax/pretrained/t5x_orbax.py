"""T5X's orbax checkpoints: zarr arrays named by the path of each parameter.

They lie in folders (`target.encoder.encoder_norm.scale/`), or as keys of that form in
an OCDBT store.
"""

import re

import tensorstore as ts

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Checkpoint
from spot_jax.pretrained.folder import Folder
from spot_jax.pretrained.t5x_native import whole_step
from spot_jax.pretrained.zarr import inside, open_arrays, orbax_store

_ZARRAY = "/.zarray"
_STEP = re.compile(r"(_optimizer\.)?state\.step")
_TARGET = re.compile(r"(_optimizer\.)?target\.(.+)")


def read(folder: Folder) -> Checkpoint:
    """Reads which arrays an orbax checkpoint has.

    Args:
        folder: The folder `state` of the checkpoint.

    Returns:
        The `target` arrays and the step.

    Raises:
        InputError: if the store or an array in it does not open.
    """
    store = orbax_store(folder)
    try:
        keys = [key.decode() for key in ts.KvStore.open(store).result().list().result()]
    except ValueError as error:
        raise InputError(f"cannot list the arrays of {folder.url}: {error}") from error
    names = [key.removesuffix(_ZARRAY) for key in keys if key.endswith(_ZARRAY)]
    targets = {
        match[2].replace(".", "/"): inside(store, name)
        for name in names
        if (match := _TARGET.fullmatch(name))
    }
    steps = {name: inside(store, name) for name in names if _STEP.fullmatch(name)}
    read_steps = [array.read(()) for array in open_arrays(steps).values()]
    step = whole_step(read_steps[0]) if read_steps else None
    return Checkpoint(open_arrays(targets), step)
