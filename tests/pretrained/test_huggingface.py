"""Hugging Face folders read to the arrays that transformers computes with."""

import json
import re

import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util
from safetensors.numpy import save_file

from spot_jax import pretrained

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
        array = array if kept else np.ascontiguousarray(array.T)
        weights[their_name(name)] = array.astype(dtype)
    return weights


def write_config(folder, **config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


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


@pytest.fixture
def untied(t5_tree, random_params):
    tree = t5_tree()
    return tree, random_params(tree)


@pytest.fixture
def tied(t5_tree, random_params):
    tree = t5_tree(v1_0=True)
    return tree, random_params(tree)


@pytest.mark.parametrize("write_folder", [write, write_parts])
def test_an_untied_t5_is_read(write_folder, untied, tmp_path, assert_same):
    tree, params = untied
    path = write_folder(tmp_path, their_weights(params), tie_word_embeddings=False)
    loaded = pretrained.load(path, tree)
    assert_same(loaded.params, params)
    assert loaded.step is None


def test_a_tied_t5_is_read_and_its_copies_of_the_embedding_left(
    tied, tmp_path, assert_same
):
    tree, params = tied
    weights = their_weights(params)
    for name in ("encoder.embed_tokens", "decoder.embed_tokens", "lm_head"):
        weights[f"{name}.weight"] = weights["shared.weight"].copy()
    unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    weights[unused] = np.zeros((8, 3), np.float32)
    assert_same(pretrained.load(write(tmp_path, weights), tree).params, params)


@pytest.mark.parametrize("name", ["shared", "encoder.embed_tokens", "lm_head"])
def test_the_embedding_is_found_under_any_of_its_names(
    name, tied, tmp_path, assert_same
):
    tree, params = tied
    weights = their_weights(params)
    weights[f"{name}.weight"] = weights.pop("shared.weight")
    assert_same(pretrained.load(write(tmp_path, weights), tree).params, params)


@pytest.mark.parametrize("name", ["encoder.embed_tokens", "lm_head"])
def test_a_copy_that_differs_is_refused(name, tied, tmp_path):
    tree, params = tied
    weights = their_weights(params)
    copy = weights["shared.weight"].copy()
    copy[-1, -1] += 1e-3
    weights[f"{name}.weight"] = copy
    with pytest.raises(ValueError, match=rf"{re.escape(name)}\.weight .* differs"):
        pretrained.load(write(tmp_path, weights), tree)


def test_bfloat16_is_read_bit_for_bit(t5_tree, random_params, tmp_path, assert_same):
    tree = t5_tree(dtype=ml_dtypes.bfloat16)
    params = random_params(tree)
    weights = their_weights(params, ml_dtypes.bfloat16)
    loaded = pretrained.load(write(tmp_path, weights, tie_word_embeddings=False), tree)
    assert_same(loaded.params, params, dtype=ml_dtypes.bfloat16)


@pytest.mark.parametrize(
    ("config", "model", "message"),
    [
        ({}, "untied", "has a tied output layer and the model has its own.*t5_1_0"),
        ({"tie_word_embeddings": False}, "tied", "its own output layer.*t5_1_1"),
        # What transformers 5 writes for a T5 1.1.
        (
            {"tie_word_embeddings": True, "scale_decoder_outputs": False},
            "tied",
            "its own output layer.*t5_1_1",
        ),
    ],
)
def test_a_config_that_scales_other_outputs_is_refused(
    config, model, message, tmp_path, request
):
    tree, params = request.getfixturevalue(model)
    with pytest.raises(ValueError, match=message):
        pretrained.load(write(tmp_path, their_weights(params), **config), tree)


def test_arrays_without_a_place_keep_their_name(untied, tmp_path):
    tree, params = untied
    weights = their_weights(params)
    weights["classification_head.dense.weight"] = np.zeros((2, 2), np.float32)
    weights["encoder.block.1.layer.0.SelfAttention.q.lora_A.weight"] = np.zeros(2)
    path = write(tmp_path, weights, tie_word_embeddings=False)
    with pytest.raises(ValueError) as error:
        pretrained.load(path, tree)
    assert "classification_head.dense.weight [2, 2]" in str(error.value)
    assert "SelfAttention.q.lora_A.weight [2]" in str(error.value)


def test_quantised_weights_are_refused(untied, tmp_path):
    tree, params = untied
    weights = their_weights(params)
    name = "encoder.block.0.layer.0.SelfAttention.q.weight"
    weights[name] = weights[name].astype(np.int8)
    with pytest.raises(ValueError, match="layers_0/attention/query/kernel int8"):
        pretrained.load(write(tmp_path, weights, tie_word_embeddings=False), tree)


def test_a_lost_part_is_named(untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), tie_word_embeddings=False)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match="lacks model-00002-of-00003.safetensors"):
        pretrained.load(path, tree)


def test_a_part_without_its_arrays_is_named(untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), tie_word_embeddings=False)
    save_file({}, tmp_path / "model-00002-of-00003.safetensors")
    with pytest.raises(ValueError, match=r"index\.json lists \d+ arrays that no part"):
        pretrained.load(path, tree)


def test_a_git_lfs_pointer_is_explained(untied, tmp_path):
    write_config(tmp_path, tie_word_embeddings=False)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "model.safetensors").write_text(pointer)
    with pytest.raises(ValueError, match="no safetensors file.*git lfs pull"):
        pretrained.load(str(tmp_path), untied[0])


def test_a_folder_of_another_framework_is_explained(untied, tmp_path):
    write_config(tmp_path)
    (tmp_path / "tf_model.h5").write_bytes(b"")
    with pytest.raises(ValueError, match=r"tf_model\.h5.*model\.safetensors"):
        pretrained.load(str(tmp_path), untied[0])


def test_a_broken_config_is_named(untied, tmp_path):
    tree, params = untied
    write(tmp_path, their_weights(params))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        pretrained.load(str(tmp_path), tree)


@pytest.mark.parity
@pytest.mark.parametrize("v1_0", [False, True], ids=["1.1 untied", "1.0 tied"])
@pytest.mark.parametrize("form", ["safetensors", "parts", "bin", "bin parts"])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_what_transformers_writes_is_read(
    v1_0, form, kind, tmp_path, t5_tree, assert_same
):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    dtype = np.float32 if kind == "float32" else ml_dtypes.bfloat16
    model = their_model(transformers, torch, v1_0).to(getattr(torch, kind))
    save_as(form, model, tmp_path, torch)
    tree = t5_tree(v1_0=v1_0, dtype=dtype, buckets=32)
    loaded = pretrained.load(str(tmp_path), tree)
    theirs = {
        name: w.detach().float().numpy() for name, w in model.state_dict().items()
    }
    wanted = {}
    for name in traverse_util.flatten_dict(tree, sep="/"):
        weight = theirs[their_name(name)]
        wanted[name] = weight if name == "token_embedder/embedding" else weight.T
    wanted = traverse_util.unflatten_dict(wanted, sep="/")
    assert_same(loaded.params, wanted, dtype=dtype)


def their_model(transformers, torch, v1_0):
    config = transformers.T5Config(
        vocab_size=96,
        d_model=16,
        d_kv=4,
        num_heads=3,
        d_ff=24,
        num_layers=2,
        feed_forward_proj="relu" if v1_0 else "gated-gelu",
        tie_word_embeddings=v1_0,
    )
    model = transformers.T5ForConditionalGeneration(config)
    assert model.lm_head.weight is model.shared.weight
    if not v1_0:
        # transformers 5 ties every new T5, and for 1.1 only remembers not to scale.
        logits = torch.randn_like(model.shared.weight)
        model.lm_head.weight = torch.nn.Parameter(logits)
    assert model.config.scale_decoder_outputs == v1_0
    return model


def save_as(form, model, folder, torch):
    """Saves a model in one of the forms of its folder."""
    if "bin" not in form:
        size = {"max_shard_size": "4KB"} if form == "parts" else {}
        model.save_pretrained(folder, **size)
        assert (folder / "model.safetensors.index.json").exists() == bool(size)
        return
    model.config.save_pretrained(folder)
    weights = model.state_dict()
    if form == "bin":
        torch.save(weights, folder / "pytorch_model.bin")
        return
    weight_map = {}
    for i in range(2):
        file = f"pytorch_model-{i + 1:05}-of-00002.bin"
        part = {name: weights[name] for name in sorted(weights)[i::2]}
        torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
