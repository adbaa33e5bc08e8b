"""Zarr arrays through tensorstore."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorstore as ts

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Index, StoredArray
from spot_jax.pretrained.folder import Folder


def open_arrays(kvstores: Mapping[str, Mapping[str, Any]]) -> dict[str, StoredArray]:
    """Opens arrays, all at once; only their metadata are read.

    Args:
        kvstores: From the name of each array to the key-value spec of its folder.

    Returns:
        The arrays under their names.

    Raises:
        InputError: if one cannot be opened; the message names the first and counts
            the others.
    """
    context = ts.Context()
    futures = {
        name: ts.open(
            {
                "driver": "zarr",
                "kvstore": dict(kvstore),
                # A chunk lost in copying would otherwise be read as zeros.
                "fill_missing_data_reads": False,
            },
            read=True,
            open=True,
            context=context,
        )
        for name, kvstore in kvstores.items()
    }
    failed = {name: future for name, future in futures.items() if future.exception()}
    if failed:
        name, error = next((name, f.exception()) for name, f in failed.items())
        raise InputError(
            f"{len(failed)} of {len(futures)} arrays cannot be opened (was the folder "
            f"copied as a whole?), the first {name}: {error}"
        ) from error
    return {name: _stored(future.result()) for name, future in futures.items()}


def orbax_store(folder: Folder) -> dict[str, Any]:
    """Returns the key-value spec of the store that orbax put a folder's arrays in.

    Raises:
        InputError: if the folder does not answer.
    """
    if folder.has("manifest.ocdbt"):
        return {"driver": "ocdbt", "base": folder.kvstore()}
    return folder.kvstore()


def inside(store: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the key-value spec of a folder in a store."""
    return dict(store) | {"path": f"{store.get('path', '')}{name}/"}


def _stored(store: ts.TensorStore) -> StoredArray:
    def read(index: Index) -> np.ndarray:
        return store[index].read().result()

    return StoredArray(tuple(store.shape), store.dtype.numpy_dtype, read)
