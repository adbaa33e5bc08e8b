"""A tiny T5 1.1 for all of these tests, and one compiled function that runs it."""

import functools

import jax
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
def params(config):
    """Random parameters, layer norms included, whose logits vary by about 1."""
    drawn = jax.jit(t5.initial_parameters, static_argnums=0)(config, jax.random.key(0))
    rng = np.random.default_rng(0)

    def not_one(path, leaf):
        is_scale = path[-1].key == "scale"
        return leaf * rng.uniform(0.5, 1.5, leaf.shape).astype("f4") ** is_scale

    return jax.tree_util.tree_map_with_path(not_one, drawn)


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
