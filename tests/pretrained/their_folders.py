"""Folders as the transformers library writes them, made of our arrays."""

import json

import numpy as np
from flax import traverse_util
from safetensors.numpy import save_file

_PROJECTIONS = {"query": "q", "key": "k", "value": "v", "out": "o"}
_NORMS = {
    "pre_attention_layer_norm": "layer.0",
    "pre_self_attention_layer_norm": "layer.0",
    "pre_cross_attention_layer_norm": "layer.1",
    "encoder/pre_mlp_layer_norm": "layer.1",
    "decoder/pre_mlp_layer_norm": "layer.2",
}
_MODULES = {
    "attention": "layer.0.SelfAttention",
    "self_attention": "layer.0.SelfAttention",
    "encoder_decoder_attention": "layer.1.EncDecAttention",
    "encoder/mlp": "layer.1.DenseReluDense",
    "decoder/mlp": "layer.2.DenseReluDense",
}


def their_name(name):
    """The name of one of our arrays in transformers' T5."""
    whole = {
        "token_embedder/embedding": "shared",
        "decoder/logits_dense/kernel": "lm_head",
    }
    if name in whole:
        return f"{whole[name]}.weight"
    stack, layer, *rest = name.split("/")
    if layer == "relpos_bias":
        return f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    if layer == f"{stack}_norm":
        return f"{stack}.final_layer_norm.weight"
    block = f"{stack}.block.{layer.removeprefix('layers_')}"
    part = rest[0] if rest[0] in _NORMS | _MODULES else f"{stack}/{rest[0]}"
    if part in _NORMS:
        return f"{block}.{_NORMS[part]}.layer_norm.weight"
    return f"{block}.{_MODULES[part]}.{_PROJECTIONS.get(rest[1], rest[1])}.weight"


def their_weights(params, dtype=np.float32):
    """Our arrays under transformers' names and as [out, in]."""
    weights = {}
    for name, array in traverse_util.flatten_dict(params, sep="/").items():
        kept = name == "token_embedder/embedding" or array.ndim == 1
        array = np.asarray(array) if kept else np.ascontiguousarray(array.T)
        weights[their_name(name)] = array.astype(dtype)
    return weights


# What transformers 4 writes of a tied T5 with the sizes of `t5_tree`.
CONFIG = dict(
    model_type="t5",
    vocab_size=96,
    d_model=16,
    d_kv=4,
    num_heads=3,
    d_ff=24,
    num_layers=2,
    num_decoder_layers=2,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=128,
    layer_norm_epsilon=1e-6,
    feed_forward_proj="relu",
    pad_token_id=0,
    decoder_start_token_id=0,
    eos_token_id=1,
    is_encoder_decoder=True,
)
UNTIED = dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False)
# And what transformers 5 writes.
VERSION_5 = dict(tie_word_embeddings=True, transformers_version="5.24.0")


def write_config(folder, **config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))


def write(folder, weights, **config):
    write_config(folder, **config)
    save_file(weights, folder / "model.safetensors")
    return str(folder)


def write_parts(folder, weights, parts=3, **config):
    write_config(folder, **config)
    names = sorted(weights)
    weight_map = {}
    for i in range(parts):
        file = f"model-{i + 1:05}-of-{parts:05}.safetensors"
        save_file({n: weights[n] for n in names[i::parts]}, folder / file)
        weight_map |= dict.fromkeys(names[i::parts], file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return str(folder)
