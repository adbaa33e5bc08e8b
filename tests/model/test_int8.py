"""Frozen matrices in 8 bits: how near, how small, and what they do not do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.errors import InputError
from spot_jax.model import int8, weights
from spot_jax.settings import Model
from spot_jax.t5 import walk

pytest.importorskip("qwix", reason="qwix, of the extra int8, is not installed")

TOKENS = np.int32([[5, 9, 11, 1, 0], [7, 8, 3, 6, 1]])


def logits(config, params):
    model = t5.T5(config)
    variables = walk.variables(config, params)
    return jax.jit(lambda v: model.apply(v, TOKENS, TOKENS))(variables)


def leaves_of(tree):
    return jax.tree.leaves(tree, is_leaf=lambda leaf: hasattr(leaf, "qvalue"))


def copies(tree):
    return jax.tree.map(jnp.array, tree)


@pytest.mark.parametrize("is_tied", [False, True], ids=["T5 1.1", "T5 1.0"])
def test_logits_are_those_of_the_rounded_matrices(tiny_config, is_tied):
    config = dataclasses.replace(tiny_config, logits_via_embedding=is_tied)
    params = dict(t5.initial_parameters(config, jax.random.key(0)))
    small = int8.quantized(copies(params))

    def widened(path, leaf, exact):
        if not hasattr(leaf, "qvalue"):
            return leaf
        assert leaf.qvalue.dtype == jnp.int8
        wide = np.asarray(leaf.qvalue, np.float32) * np.asarray(leaf.scale)
        # Of each column, of each row of the embedding, in 255 steps.
        axis = 0 if path[-1].key == "kernel" else 1
        largest = np.abs(exact).max(axis, keepdims=True)
        assert (np.abs(wide - exact) <= largest / 255 * 1.001).all()
        return jnp.asarray(wide)

    wanted = jax.tree_util.tree_map_with_path(
        widened, small, params, is_leaf=lambda leaf: hasattr(leaf, "qvalue")
    )
    assert sum(hasattr(leaf, "qvalue") for leaf in leaves_of(small)) > 20
    found, expected = logits(config, small), logits(config, wanted)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    exact = logits(config, params)
    assert 0 < np.abs(found - exact).max() < 0.1 * np.abs(exact).max()


def test_layers_that_stand_together_have_scales_of_their_own(tiny_config):
    config = dataclasses.replace(tiny_config, scan_layers=True)
    params = dict(t5.initial_parameters(config, jax.random.key(0)))
    # One layer a hundred times as large as the others.
    large = params["encoder"]["layers_1"]["mlp"]["wo"]
    large["kernel"] = 100 * large["kernel"]
    apart = logits(tiny_config, int8.quantized(copies(params)))
    stacked = walk.stacked(params, jnp.stack)
    together = logits(config, int8.quantized(copies(stacked)))
    np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-4)


def test_a_model_is_loaded_small_and_says_so():
    one = jax.devices()[:1]
    whole, small = (
        weights.load(Model(checkpoint="spot_tiny", weights_dtype=dtype), one)
        for dtype in ("float32", "int8")
    )
    sizes = [
        sum(leaf.nbytes for leaf in jax.tree.leaves(model.params))
        for model in (whole, small)
    ]
    assert sizes[1] < 0.27 * sizes[0]
    assert small.dtypes()["WEIGHTS_DTYPE"] == "int8"
    # A prompt fits both, for the weights that were read are the same.
    assert small.fingerprint == whole.fingerprint
    ids = [3, 90, 4]
    rows = small.embedding(ids)
    assert rows.dtype == jnp.float32
    np.testing.assert_allclose(rows, whole.embedding(ids), atol=0.06)
    np.testing.assert_array_equal(rows, small.embedding()[np.asarray(ids)])


def test_a_model_that_is_tuned_is_not_held_so():
    with pytest.raises(InputError, match="cannot be tuned"):
        weights.load(Model(checkpoint="spot_tiny", weights_dtype="int8"), is_tuned=True)


def test_without_qwix_it_is_one_message(monkeypatch):
    monkeypatch.setattr(int8, "is_installed", lambda module: False)
    with pytest.raises(InputError, match="pip install qwix"):
        weights.load(Model(checkpoint="spot_tiny", weights_dtype="int8"))
