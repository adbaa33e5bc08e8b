"""Layers that a scan walks through, and layers that are computed twice."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax import t5
from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import decode, walk
from spot_jax.t5.beam import beam_search

WAYS = {
    "scanned": {"scan_layers": True},
    "rematerialised": {"remat_policy": "full"},
    "products saved": {"remat_policy": "minimal"},
    "both": {"scan_layers": True, "remat_policy": "full"},
}
INPUTS = jnp.asarray([[5, 6, 7, 1], [8, 9, 1, 0], [3, 1, 0, 0]], jnp.int32)
TARGETS = jnp.asarray([[0, 4, 5], [0, 6, 1], [0, 9, 9]], jnp.int32)


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def other(config, request):
    return dataclasses.replace(config, **request.param)


@functools.partial(jax.jit, static_argnums=0)
def loss_and_gradient(config, params, prompt):
    def loss(prompt):
        bundle = PromptBundle(enc_input=prompt)
        logits = t5.T5(config).apply(
            walk.variables(config, params), INPUTS, TARGETS, prompt=bundle
        )
        return jnp.sum(jax.nn.log_softmax(logits)[..., 3]), logits

    return jax.value_and_grad(loss, has_aux=True)(prompt)


def test_logits_and_gradients_are_those_of_layers_apart(config, params, other):
    prompt = np.random.default_rng(1).standard_normal((2, config.d_model), np.float32)
    (_, expected), expected_gradient = loss_and_gradient(config, params, prompt)
    (_, found), gradient = loss_and_gradient(other, params, prompt)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-4)
    # The test can fail: other inputs have other logits.
    assert np.abs(expected[0] - expected[1]).max() > 0.1


def test_layers_with_position_biases_of_their_own_are_scanned_too(config):
    config = dataclasses.replace(config, relpos_in_every_layer=True)
    params = t5.initial_parameters(config, jax.random.key(0))
    prompt = np.zeros((1, config.d_model), np.float32)
    scanned = dataclasses.replace(config, scan_layers=True)
    (_, expected), _ = loss_and_gradient(config, params, prompt)
    (_, found), _ = loss_and_gradient(scanned, params, prompt)
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("search", [decode.greedy, beam_search], ids=["greedy", "beam"])
def test_the_same_text_is_written(config, params, search):
    write = jax.jit(
        decode.generate, static_argnums=0, static_argnames=["max_length", "search"]
    )
    search = functools.partial(search, beams=3) if search is beam_search else search
    options = {"max_length": 6, "search": search}
    scanned = dataclasses.replace(config, scan_layers=True)
    texts, scores = write(config, params, INPUTS, **options)
    same_texts, same_scores = write(scanned, params, INPUTS, **options)
    np.testing.assert_array_equal(same_texts, texts)
    np.testing.assert_allclose(same_scores, scores, atol=1e-4)


def test_dropout_of_scanned_layers_is_each_layers_own(config, params):
    config = dataclasses.replace(config, scan_layers=True, dropout_rate=0.5)

    @jax.jit
    def encoded(seed):
        return t5.T5(config).apply(
            walk.variables(config, params),
            INPUTS,
            method=t5.T5.encode,
            deterministic=False,
            rngs={"dropout": jax.random.key(seed)},
        )[0]

    assert np.array_equal(encoded(0), encoded(0))
    assert not np.allclose(encoded(0), encoded(1))


def test_rematerialised_layers_drop_the_same_again(config, params):
    """Were they to draw anew, gradients would be of another function."""

    @functools.partial(jax.jit, static_argnums=0)
    def gradient(config, prompt):
        def loss(prompt):
            logits = t5.T5(config).apply(
                walk.variables(config, params),
                INPUTS,
                TARGETS,
                prompt=PromptBundle(enc_input=prompt),
                deterministic=False,
                rngs={"dropout": jax.random.key(0)},
            )
            return logits.sum()

        return jax.grad(loss)(prompt)

    prompt = np.ones((2, config.d_model), np.float32)
    config = dataclasses.replace(config, dropout_rate=0.5)
    again = dataclasses.replace(config, remat_policy="full")
    expected = gradient(config, prompt)
    np.testing.assert_allclose(gradient(again, prompt), expected, rtol=1e-3, atol=1e-4)


def test_stacked_parameters_are_walked_as_they_are(config, params):
    config = dataclasses.replace(config, scan_layers=True)
    together = walk.stacked(params, jnp.stack)
    assert walk.variables(config, together)["params"] is together
    kernel = together["encoder"]["layers"]["mlp"]["wo"]["kernel"]
    assert kernel.shape == (2, config.d_mlp, config.d_model)
    one = params["encoder"]["layers_1"]["mlp"]["wo"]["kernel"]
    np.testing.assert_array_equal(kernel[1], one)
    assert together["token_embedder"] is params["token_embedder"]


def test_more_than_ten_layers_keep_their_order():
    layers = {f"layers_{i}": {"kernel": np.float32(i)} for i in range(12)}
    params = {"encoder": {**layers, "norm": 0}, "decoder": {**layers}}
    together = walk.stacked(params, np.stack)
    assert together["encoder"]["layers"]["kernel"].tolist() == list(range(12))
    assert together["encoder"]["norm"] == 0
