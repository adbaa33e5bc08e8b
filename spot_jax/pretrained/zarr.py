"""Zarr arrays through tensorstore."""

from collections.abc import Mapping
from typing import Any

import tensorstore as ts

from spot_jax.pretrained.arrays import Index, StoredArray


def open_arrays(
    kvstores: Mapping[str, Mapping[str, Any]], driver: str = "zarr"
) -> dict[str, StoredArray]:
    """Opens arrays, all at once; only their metadata are read.

    Args:
        kvstores: From the name of each array to the key-value spec of its folder.
        driver: Tensorstore's driver, zarr (version 2) or zarr3.

    Returns:
        The arrays under their names.

    Raises:
        ValueError: if one cannot be opened; the message names it.
    """
    context = ts.Context()
    futures = {
        name: ts.open(
            {
                "driver": driver,
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
    return {name: _stored(name, future) for name, future in futures.items()}


def _stored(name: str, future: ts.Future) -> StoredArray:
    try:
        store = future.result()
    except ValueError as error:
        raise ValueError(f"cannot open the array {name}: {error}") from error

    def read(index: Index):
        return store[index].read().result()

    return StoredArray(tuple(store.shape), store.dtype.numpy_dtype, read)
