"""What the frozen T5 makes of a text, layer by layer: where deep prompts may start."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from spot_jax.model import sharding
from spot_jax.model.weights import LoadedModel
from spot_jax.prompts.base import PromptBundle
from spot_jax.t5 import T5Config, masks
from spot_jax.t5.attention import KeysValues
from spot_jax.t5.blocks import DecoderLayer, EncoderLayer, norm_of
from spot_jax.t5.layers import Embedding
from spot_jax.t5.relpos import RelativePositionBias


def reader(model: LoadedModel) -> Callable[[Sequence[int]], PromptBundle]:
    """Returns what reads a text: ids [n] -> its activations, a prompt of n positions.

    The encoder reads the text, and the decoder writes it, as if it stood before what
    comes. The prompt has, on the host, float32:

        enc_hidden [layers, n, d_model]          what enters each layer of the encoder
        enc_self, dec_self, cross                keys and values of each attention
            [layers, 2, n, heads * d_head]

    Args:
        model: the frozen model; its layers may stand together or apart.
    """
    # One layer after the other, each compiled once: in a scan nobody could look inside.
    apart = dataclasses.replace(
        model.config, scan_layers=False, remat_policy="none", dropout_rate=0.0
    )
    parts = (_embedded, _encoder_layer, _encoded, _decoder_layer)
    embed, encode, finish, decode = (
        # Where a mesh is in reach, only what is compiled may be split over it.
        jax.jit(functools.partial(part, apart))
        for part in parts
    )
    bias_of = jax.jit(functools.partial(_bias, apart), static_argnums=0)

    def read(ids: Sequence[int]) -> PromptBundle:
        encoder, decoder = model.params["encoder"], model.params["decoder"]
        tokens = np.asarray(ids, np.int32)[None]
        embedded = embed(model.params["token_embedder"], tokens)
        hidden, enc_self, dec_self, cross = [], [], [], []
        x, bias = embedded, bias_of(True, encoder.get("relpos_bias"), tokens)
        for number in range(apart.encoder_layers):
            hidden.append(x)
            x, own = encode(_layer(encoder, number), x, bias)
            enc_self.append(own)
        encoded = finish(encoder["encoder_norm"], x)
        x, bias = embedded, bias_of(False, decoder.get("relpos_bias"), tokens)
        for number in range(apart.decoder_layers):
            x, own, across = decode(_layer(decoder, number), x, bias, encoded)
            dec_self.append(own)
            cross.append(across)
        return _prompt(hidden, enc_self=enc_self, dec_self=dec_self, cross=cross)

    return read


def _prompt(hidden: Sequence[jax.Array], **pairs: Sequence[KeysValues]) -> PromptBundle:
    """Returns what was read of every layer, on the host."""
    joined = {site: np.stack(list(map(_joined, each))) for site, each in pairs.items()}
    return PromptBundle(enc_hidden=np.stack([_host(x)[0] for x in hidden]), **joined)


def _embedded(config: T5Config, params: PyTree, tokens: jax.Array) -> jax.Array:
    return Embedding(config).apply({"params": params}, tokens)


def _encoded(config: T5Config, params: PyTree, x: jax.Array) -> jax.Array:
    return norm_of(config).apply({"params": params}, x)


def _encoder_layer(
    config: T5Config, params: PyTree, x: jax.Array, bias: jax.Array | None
) -> tuple[jax.Array, KeysValues]:
    """Returns what leaves a layer, and its keys and values of what enters it."""

    def look(layer: EncoderLayer, x: jax.Array) -> tuple[jax.Array, KeysValues]:
        own = layer.attention.keys_values(layer.pre_attention_layer_norm(x))
        every = jnp.ones((1, 1, x.shape[1], x.shape[1]), bool)
        new, _ = layer(x, None, None, every, bias, True)
        return new, own

    return EncoderLayer(config).apply({"params": params}, x, method=look)


def _decoder_layer(
    config: T5Config,
    params: PyTree,
    x: jax.Array,
    bias: jax.Array | None,
    encoded: jax.Array,
) -> tuple[jax.Array, KeysValues, KeysValues]:
    """Returns what leaves a layer, and the keys and values of both its attentions."""

    def look(layer: DecoderLayer, x: jax.Array) -> tuple:
        normed = layer.pre_self_attention_layer_norm(x)
        own = layer.self_attention.keys_values(normed)
        _, across = layer.cross_keys_values((), None, encoded)
        causal = masks.causal(x.shape[1])
        every = jnp.ones((1, 1, 1, encoded.shape[1]), bool)
        new, _ = layer(x, (across, None), None, None, causal, every, bias, True)
        return new, own, across

    return DecoderLayer(config).apply({"params": params}, x, method=look)


def _bias(
    config: T5Config, both_ways: bool, params: PyTree | None, tokens: jax.Array
) -> jax.Array | None:
    """Returns the position bias that layers share; None where each has its own."""
    if params is None:
        return None
    places = jnp.arange(tokens.shape[1])
    module = RelativePositionBias(config, bidirectional=both_ways)
    return module.apply({"params": params}, places, places)


def _layer(stack: Mapping[str, Any], number: int) -> PyTree:
    """Returns the parameters of a layer, which may stand in one array with others."""
    if "layers" in stack:
        return _taken(stack["layers"], number)
    return stack[f"layers_{number}"]


@jax.jit
def _taken(layers: PyTree, number: int) -> PyTree:
    return jax.tree.map(lambda array: array[number], layers)


def _joined(pair: KeysValues) -> np.ndarray:
    """Returns keys and values [1, heads, n, d_head] as [2, n, heads * d_head]."""
    rows = [_host(array)[0].transpose(1, 0, 2) for array in pair]
    return np.stack([array.reshape(len(array), -1) for array in rows])


def _host(array: jax.Array) -> np.ndarray:
    return sharding.fetched(array.astype(jnp.float32))
