"""Attention in one kernel is what plain products compute."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.prompts.base import PromptBundle, sites
from spot_jax.t5 import fused, walk
from tests.bundles import everywhere

INPUTS = jnp.asarray([[5, 6, 7, 1, 9, 1], [8, 9, 1, 2, 1, 0]], jnp.int32)
SEGMENTS = jnp.asarray([[1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 0]], jnp.int32)
TARGETS = jnp.asarray([[0, 4, 5], [0, 6, 1]], jnp.int32)

WAYS = {
    "packed": {},
    "scanned": {"scan_layers": True},
    "rematerialised": {"remat_policy": "minimal", "scan_layers": True},
    "each layer its own bias": {"relpos_in_every_layer": True},
    "dropping out": {"dropout_rate": 0.4},
    "in bfloat16": {"dtype": "bfloat16"},
}


@functools.partial(jax.jit, static_argnums=0)
def read(config, params, prompt, key=None):
    model, variables = t5.T5(config), walk.variables(config, params)
    drops = {} if key is None else {"rngs": {"dropout": key}}
    read, _ = model.apply(
        variables,
        INPUTS,
        prompt=prompt,
        segment_ids=SEGMENTS if prompt is None or prompt.enc_input is None else None,
        deterministic=key is None,
        method="encode",
        **drops,
    )
    return read


def both(config):
    return config, dataclasses.replace(config, attention="fused")


def drawn(config):
    params = t5.initial_parameters(config, jax.random.key(1))
    # Position biases that matter; T5 begins with small ones.
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: 5 * leaf if path[-1].key == "rel_embedding" else leaf, params
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_read_as_by_plain_products(way, config):
    config = dataclasses.replace(config, **WAYS[way])
    params = drawn(config)
    key = jax.random.key(3) if config.dropout_rate and way == "dropping out" else None
    # JAX's own function is not strict where it computes with plain products.
    with jax.numpy_dtype_promotion("standard"):
        plain, found = (
            np.asarray(read(each, params, None, key), np.float32)
            for each in both(config)
        )
    np.testing.assert_allclose(found, plain, atol=2e-6 if way != "in bfloat16" else 0.1)
    # A control: what is read depends on the mask and on what drops out.
    assert np.abs(plain).max() > 0.1


@pytest.mark.parametrize("bias", ["zero", "contiguous"])
@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("drops", [0.0, 0.4])
def test_a_prompts_keys_and_values_are_read_the_same(drops, is_masked, bias, config):
    config = dataclasses.replace(config, dropout_rate=drops)
    params = drawn(config)
    key = jax.random.key(3) if drops else None
    own = sites(everywhere(3, model=config))
    prompt = PromptBundle(
        enc_self=own["enc_self"],
        enc_hidden=own["enc_hidden"],
        enc_input=own["enc_input"],
        bias_mode=bias,
        mask=np.asarray([1, 0, 1]) if is_masked else None,
    )
    plain, found = (read(each, params, prompt, key) for each in both(config))
    np.testing.assert_allclose(found, plain, atol=2e-6)
    hidden = read(config, params, prompt.replace(mask=np.asarray([1, 1, 0])), key)
    assert np.abs(hidden - plain).max() > 1e-3


@pytest.fixture
def gpu(monkeypatch):
    """Has kernels looked for as on a GPU."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    fused.kernel.cache_clear()
    with jax.numpy_dtype_promotion("standard"):
        yield monkeypatch
    fused.kernel.cache_clear()


def test_a_kernel_that_is_not_there_is_not_used(gpu, caplog):
    caplog.set_level("INFO")
    assert fused.kernel() == "xla"
    assert "Attention is not fused: " in caplog.text


@pytest.mark.parametrize(
    ("fault", "kernel"),
    [
        (lambda given: given, "cudnn"),
        (lambda given: given | {"bias": None}, "xla"),
        (lambda given: given | {"bias": jnp.maximum(given["bias"], -3)}, "xla"),
        (lambda given: given | {"scale": 1.1}, "xla"),
        (lambda given: given | {"bias": given["bias"] * jnp.nan}, "xla"),
    ],
    ids=["right", "no bias", "a mask that shows", "another scale", "no number"],
)
def test_a_kernel_that_computes_something_else_is_not_used(fault, kernel, gpu):
    own = jax.nn.dot_product_attention

    def with_fault(*rows, implementation, **given):
        given = fault(given) if implementation == "cudnn" else given
        return own(*rows, implementation="xla", **given)

    gpu.setattr(jax.nn, "dot_product_attention", with_fault)
    assert fused.kernel() == kernel
    # Also while a step is traced.
    fused.kernel.cache_clear()
    jax.eval_shape(lambda x: x if fused.kernel() == kernel else 1 / 0, 1.0)


def test_a_kernel_without_gradients_is_not_used(gpu):
    own = jax.nn.dot_product_attention

    @jax.custom_vjp
    def broken(results, row):
        return results

    broken.defvjp(
        lambda results, row: (results, row), lambda row, _: (row, row * jnp.nan)
    )

    def with_fault(row, *rows, implementation, **given):
        results = own(row, *rows, implementation="xla", **given)
        return results if implementation == "xla" else broken(results, row)

    gpu.setattr(jax.nn, "dot_product_attention", with_fault)
    assert fused.kernel() == "xla"


def test_a_bank_of_keys_and_values_is_read_the_same(config):
    params = drawn(config)
    banks = [everywhere(3, seed, config).enc_self for seed in (0, 1)]
    prompt = PromptBundle(enc_self=np.stack(banks, axis=2))
    plain, found = (read(each, params, prompt) for each in both(config))
    np.testing.assert_allclose(found, plain, atol=2e-6)


@pytest.mark.parametrize("drops", [0.0, 0.4])
def test_a_prompts_gradients_are_the_same(drops, config):
    config = dataclasses.replace(config, dropout_rate=drops)
    params = drawn(config)
    prompt = everywhere(3, model=config)
    prompt = prompt.replace(dec_self=None, cross=None, hidden_mode="add")

    def total(config, prompt):
        key = jax.random.key(3) if drops else None
        states = read(config, params, prompt, key)
        return (states * jax.random.normal(jax.random.key(5), states.shape)).sum()

    plain, found = (jax.grad(total, 1)(each, prompt) for each in both(config))
    for site, gradient in sites(plain).items():
        np.testing.assert_allclose(sites(found)[site], gradient, rtol=1e-4, atol=1e-4)
        assert np.abs(gradient).max() > 1e-3
