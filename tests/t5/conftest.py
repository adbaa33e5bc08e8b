"""A tiny T5 1.1 for all of these tests, and one compiled function that runs it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5


@pytest.fixture(scope="session")
def config():
    """Two layers a stack; no two dimensions are equal, heads x d_head above all."""
    return t5.T5Config(
        d_model=12,
        heads=2,
        d_head=5,
        d_mlp=16,
        encoder_layers=2,
        decoder_layers=2,
        vocab_size=30,
        relpos_buckets=8,
        relpos_max_distance=16,
    )


@pytest.fixture(scope="session")
def shallow(config):
    """The same T5 with one layer of its encoder, which compiles sooner."""
    return dataclasses.replace(config, encoder_layers=1)


@pytest.fixture(scope="session")
def params(config):
    """Random parameters, layer norms included, whose logits vary by about 1."""
    shapes, _ = t5.parameter_shapes(config)
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = path[-1].key
        if name == "scale":
            return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), jnp.float32)
        spread = leaf.shape[0] ** -0.5 if name == "kernel" else 1.0
        return jnp.asarray(spread * rng.standard_normal(leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


@pytest.fixture(scope="session")
def logits():
    """(config, params, inputs, targets, **T5's arguments) -> [batch, target, vocab]."""

    @functools.partial(jax.jit, static_argnums=0)
    def run(config, params, inputs, targets, **arguments):
        return t5.T5(config).apply({"params": params}, inputs, targets, **arguments)

    return run


@pytest.fixture(scope="session")
def encode():
    """(config, params, inputs, **T5.encode's) -> [batch, length, d_model], segments."""

    @functools.partial(jax.jit, static_argnums=0)
    def run(config, params, inputs, **arguments):
        return t5.T5(config).apply(
            {"params": params}, inputs, method=t5.T5.encode, **arguments
        )

    return run
