"""What the transformers library writes is read bit for bit."""

import json

import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util

from spot_jax import pretrained
from tests.pretrained.their_folders import their_name


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
