"""The parameters of a T5: their shapes, their axes, and where training begins."""

import dataclasses
import functools

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from spot_jax.t5 import walk
from spot_jax.t5.config import T5Config
from spot_jax.t5.network import T5


def parameter_shapes(config: T5Config) -> tuple[dict, dict]:
    """Returns the parameter tree and its logical axes, without computing anything.

    Every layer stands apart, as in checkpoints, also where layers are scanned.

    Args:
        config: the T5.

    Returns:
        A tree of jax.ShapeDtypeStruct (float32) and, with the same nested keys, a
        tree of tuples of logical axis names, e.g. ("embed", "joined_kv").
    """
    layers = {"encoder": config.encoder_layers, "decoder": config.decoder_layers}
    # A deep T5 takes seconds to trace, and its layers are alike.
    shallow = dataclasses.replace(_apart(config), encoder_layers=1, decoder_layers=1)
    return tuple(walk.repeated(tree, layers) for tree in _of_one_layer(shallow))


# A start asks several times, for a sixth of a second each.
@functools.cache
def _of_one_layer(config: T5Config) -> tuple[dict, dict]:
    tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    variables = jax.eval_shape(T5(config).init, jax.random.key(0), tokens, tokens)
    axes = nn.partitioning.get_axis_names(variables["params_axes"])
    return variables["params"], jax.tree.map(tuple, flax.core.unfreeze(axes))


def initial_parameters(config: T5Config, key: Key[Array, ""]) -> dict:
    """Returns random float32 parameters, T5's own starting values, each layer apart."""
    tokens = jnp.zeros((1, 1), jnp.int32)
    return T5(_apart(config)).init(key, tokens, tokens)["params"]


def _apart(config: T5Config) -> T5Config:
    return dataclasses.replace(
        config, scan_layers=False, remat_policy="none", attention="plain"
    )
