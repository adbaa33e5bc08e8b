"""Frozen matrices in 8 bits, a scale for each column (qwix; `pip install .[int8]`).

A quarter of float32, half of bfloat16. Activations and all that is computed stay as
they are: a matrix is widened where it is used. What is lost by it is at most a 255th of
the largest number of a column.
"""

import importlib
from typing import Any

import jax
import jax.numpy as jnp

from spot_jax.errors import InputError
from spot_jax.reading import is_installed


def check_installed() -> None:
    """Raises InputError where qwix, which makes the numbers, is missing."""
    if not is_installed("qwix"):
        raise InputError(
            "WEIGHTS_DTYPE is 'int8', and qwix, which makes such weights, is not "
            "installed: pip install qwix, or spot_jax with its extra int8."
        )


def quantized(params: dict) -> dict:
    """Returns a T5 whose matrices are in 8 bits; those before are given up.

    Norms, position biases and the scales stay as they are held.

    Args:
        params: on the mesh, layers apart or together ([layers, inputs, outputs]).
    """
    check_installed()
    qwix = importlib.import_module("qwix")

    def small(path: tuple, leaf: jax.Array) -> Any:
        name = path[-1].key
        if name not in ("kernel", "embedding"):
            return leaf
        # Each column of a product has a scale, each row of the embedding; a layer's
        # matrices are its own.
        own = {leaf.ndim - 1} if name == "kernel" else {leaf.ndim - 2}
        own |= set(range(leaf.ndim - 2))
        make = jax.jit(
            lambda array: qwix.quantize(
                array.astype(jnp.float32), "int8", channelwise_axes=sorted(own)
            )
        )
        made = make(leaf)
        jax.block_until_ready(made)
        # Or a model would be in memory twice before it is used once.
        leaf.delete()
        return made

    return jax.tree_util.tree_map_with_path(small, params)
