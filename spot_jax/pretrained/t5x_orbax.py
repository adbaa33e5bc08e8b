"""T5X's orbax checkpoints: zarr arrays named by the path of each parameter.

They lie in folders (`target.encoder.encoder_norm.scale/`), or as keys of that form in
an OCDBT store.
"""

import re

import tensorstore as ts

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Checkpoint
from spot_jax.pretrained.folder import Folder
from spot_jax.pretrained.t5x_native import step_of
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
    targets = {}
    for match in filter(None, map(_TARGET.fullmatch, sorted(names))):
        name = match[2].replace(".", "/")
        if name in targets:
            raise InputError(f"{folder.url} has the array {name} twice")
        targets[name] = inside(store, match[0])
    steps = {name: inside(store, name) for name in names if _STEP.fullmatch(name)}
    read_steps = {step_of(array) for array in open_arrays(steps).values()}
    if len(read_steps) > 1:
        raise InputError(f"{folder.url} says that it is of steps {sorted(read_steps)}")
    return Checkpoint(open_arrays(targets), next(iter(read_steps), None))
