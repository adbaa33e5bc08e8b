"""Random T5s of the transformers library, and the same weights as our parameters."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from spot_jax.t5 import T5Config

SMALL = dict(d_model=512, d_head=64)
CONFIGS = {
    # T5 1.1 small: its heads together are narrower than the model.
    "1.1 untied": T5Config(
        heads=6, d_mlp=1024, encoder_layers=8, decoder_layers=8, **SMALL
    ),
    "1.0 tied": T5Config(
        heads=8,
        d_mlp=2048,
        encoder_layers=6,
        decoder_layers=6,
        mlp_activations=("relu",),
        logits_via_embedding=True,
        **SMALL,
    ),
}


class Pair(NamedTuple):
    """A T5ForConditionalGeneration and the same T5 here."""

    theirs: Any
    config: T5Config
    params: dict


@pytest.fixture(scope="session")
def make_pair():
    """("1.1 untied" or "1.0 tied") -> a Pair, made once."""
    made = {}

    def make(version):
        if version not in made:
            config = CONFIGS[version]
            theirs = their_model(config)
            made[version] = Pair(theirs, config, our_parameters(theirs))
        return made[version]

    return make


def their_model(config):
    """A model of these sizes with weights in which no detail is too small to miss."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    is_tied = config.logits_via_embedding
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=config.vocab_size,
            d_model=config.d_model,
            d_kv=config.d_head,
            num_heads=config.heads,
            d_ff=config.d_mlp,
            num_layers=config.encoder_layers,
            num_decoder_layers=config.decoder_layers,
            feed_forward_proj="relu" if is_tied else "gated-gelu",
            tie_word_embeddings=is_tied,
            decoder_start_token_id=0,
        )
    ).eval()
    if not is_tied:
        # transformers 5 ties the output of every new T5, whatever its configuration.
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            draw(name.split(".")[-2], weight, config)
        # EOS is scored high at times, so that some texts end early.
        model.lm_head.weight[1] *= 4
    return model


def draw(kind, weight, config):
    """Draws weights as the library does, in an order that no version changes.

    But its norms are 1, its position biases about 0.04 and its untied logits about 22,
    and with tied embeddings every token calls for itself: here norms differ from 1,
    biases and logits vary by about 1, and the tied embeddings are small.
    """
    is_tied = config.logits_via_embedding
    if kind.endswith("layer_norm"):
        weight.uniform_(0.5, 1.5)
        if is_tied and kind == "final_layer_norm":
            weight *= 5
    elif kind in ("shared", "relative_attention_bias"):
        weight.normal_(std=0.2 if is_tied and kind == "shared" else 1.0)
    else:
        weight.normal_(std=weight.shape[1] ** -0.5)
        if kind == "q":
            weight *= config.d_head**-0.5


def our_parameters(model):
    """Transfers weights by hand; spot_jax.pretrained has a mapping of its own."""
    weights = {name: w.detach().numpy() for name, w in model.named_parameters()}
    if model.lm_head.weight is model.shared.weight:
        assert "lm_head.weight" not in weights
    named = dict(ours(name, weight) for name, weight in weights.items())
    assert len(named) == len(weights)
    named = {name: jnp.asarray(weight) for name, weight in named.items()}
    return traverse_util.unflatten_dict(named, sep="/")


ATTENTION = {"q": "query", "k": "key", "v": "value", "o": "out"}
MODULES = {
    "encoder": ["attention", "mlp"],
    "decoder": ["self_attention", "encoder_decoder_attention", "mlp"],
}
NORMS = {
    "encoder": ["attention", "mlp"],
    "decoder": ["self_attention", "cross_attention", "mlp"],
}


def ours(name, weight):
    """Our name and layout of one of their weights, which are [outputs, inputs]."""
    if name == "shared.weight":
        return "token_embedder/embedding", weight
    if name == "lm_head.weight":
        return "decoder/logits_dense/kernel", weight.T
    stack, *path, kind, _ = name.split(".")
    if kind == "final_layer_norm":
        return f"{stack}/{stack}_norm/scale", weight
    if kind == "relative_attention_bias":
        return f"{stack}/relpos_bias/rel_embedding", weight.T
    _, layer, _, sublayer, *_ = path
    if kind == "layer_norm":
        norm = NORMS[stack][int(sublayer)]
        return f"{stack}/layers_{layer}/pre_{norm}_layer_norm/scale", weight
    module = MODULES[stack][int(sublayer)]
    kernel = ATTENTION.get(kind, kind)
    return f"{stack}/layers_{layer}/{module}/{kernel}/kernel", np.ascontiguousarray(
        weight.T
    )
