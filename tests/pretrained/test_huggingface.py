"""Hugging Face folders read to the arrays that transformers computes with."""

import re

import jax
import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util

from spot_jax import pretrained
from spot_jax.errors import InputError
from tests.pretrained.their_folders import (
    UNTIED,
    VERSION_5,
    their_weights,
    write,
    write_config,
    write_parts,
)


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
    path = write_folder(tmp_path, their_weights(params), **UNTIED)
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
    loaded = pretrained.load(write(tmp_path, weights, **UNTIED), tree)
    assert_same(loaded.params, params, dtype=ml_dtypes.bfloat16)


LOGITS = "decoder/logits_dense/kernel"


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


def nested(arrays):
    return traverse_util.unflatten_dict(arrays, sep="/")


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ({}, "tied"),
        (UNTIED, "untied"),
        # What transformers 5 writes for a T5 1.1 and an mT5.
        (VERSION_5 | {"scale_decoder_outputs": False}, "untied"),
        (VERSION_5 | {"model_type": "mt5"}, "untied"),
    ],
)
def test_the_same_arrays_are_read_whoever_wrote_them(
    config, model, tmp_path, request, assert_same
):
    tree, params = request.getfixturevalue(model)
    path = write(tmp_path, their_weights(params), **config)
    assert_same(pretrained.load(path, tree).params, params)


@pytest.mark.parametrize(
    ("config", "weights_of", "model", "told"),
    [
        ({}, "tied", "untied", "logits_via_embedding True"),
        (UNTIED, "untied", "tied", "logits_via_embedding False"),
        (
            VERSION_5 | {"scale_decoder_outputs": False},
            *("untied", "tied"),
            "logits_via_embedding False",
        ),
        (
            VERSION_5 | {"scale_decoder_outputs": False},
            *("tied", "tied"),
            "logits_via_embedding False",
        ),
        (
            VERSION_5 | {"scale_decoder_outputs": True},
            *("tied", "untied"),
            "logits_via_embedding True",
        ),
    ],
)
def test_another_output_layer_is_refused_with_the_setting_that_fits(
    config, weights_of, model, told, tmp_path, request, t5_tree
):
    """The advice works: what it says is then loaded."""
    _, params = request.getfixturevalue(weights_of)
    is_gated = weights_of == "untied"
    path = write(tmp_path, their_weights(params), **config)
    trees = {
        tied: {
            name: leaf
            for name, leaf in flat(t5_tree(v1_0=not is_gated)).items()
            if name != LOGITS
        }
        | ({} if tied else {LOGITS: jax.ShapeDtypeStruct((16, 96), np.float32)})
        for tied in (True, False)
    }
    with pytest.raises(InputError, match=told) as error:
        pretrained.load(path, nested(trees[model == "tied"]))
    advice = re.search(r"T5Config\.logits_via_embedding=(\w+)", str(error.value))
    pretrained.load(path, nested(trees[advice[1] == "True"]))


def test_a_tied_output_that_is_not_scaled_is_the_embedding_as_a_kernel(tied, tmp_path):
    """As transformers 5 makes a new T5 1.1: there is one matrix, and no scale."""
    tree, params = tied
    config = VERSION_5 | {"scale_decoder_outputs": False}
    path = write(tmp_path, their_weights(params), **config)
    tree["decoder"]["logits_dense"] = {"kernel": jax.ShapeDtypeStruct((16, 96), "f4")}
    found = pretrained.load(path, tree).params
    np.testing.assert_array_equal(
        found["decoder"]["logits_dense"]["kernel"],
        params["token_embedder"]["embedding"].T,
    )


def test_an_own_output_that_is_scaled_is_scaled_with_a_remark(untied, tmp_path, caplog):
    tree, params = untied
    config = VERSION_5 | {"scale_decoder_outputs": True}
    found = pretrained.load(write(tmp_path, their_weights(params), **config), tree)
    np.testing.assert_array_equal(
        found.params["decoder"]["logits_dense"]["kernel"],
        params["decoder"]["logits_dense"]["kernel"] / 4,
    )
    assert "scales what enters it" in caplog.text


def test_a_lost_output_layer_is_missed(untied, tmp_path):
    """transformers 4 wrote no T5 1.1 without one."""
    tree, params = untied
    weights = their_weights(params)
    del weights["lm_head.weight"]
    with pytest.raises(InputError, match="lm_head.weight is missing"):
        pretrained.load(write(tmp_path, weights, **UNTIED), tree)


def test_arrays_without_a_place_keep_their_name(untied, tmp_path):
    tree, params = untied
    weights = their_weights(params)
    weights["classification_head.dense.weight"] = np.zeros((2, 2), np.float32)
    weights["encoder.block.1.layer.0.SelfAttention.q.lora_A.weight"] = np.zeros(2)
    path = write(tmp_path, weights, **UNTIED)
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
        pretrained.load(write(tmp_path, weights, **UNTIED), tree)


def test_one_array_under_its_name_and_ours_is_refused(untied, tmp_path):
    tree, params = untied
    weights = their_weights(params)
    weights["encoder/encoder_norm/scale"] = np.ones(16, np.float32)
    with pytest.raises(InputError, match="weights of encoder/encoder_norm/scale twice"):
        pretrained.load(write(tmp_path, weights, **UNTIED), tree)


def test_a_git_lfs_pointer_is_explained(untied, tmp_path):
    write_config(tmp_path, **UNTIED)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (tmp_path / "model.safetensors").write_text(pointer)
    with pytest.raises(ValueError, match="no safetensors file.*git lfs pull"):
        pretrained.load(str(tmp_path), untied[0])


def test_a_folder_of_another_framework_is_explained(untied, tmp_path):
    write_config(tmp_path)
    (tmp_path / "tf_model.h5").write_bytes(b"")
    with pytest.raises(ValueError, match=r"tf_model\.h5.*model\.safetensors"):
        pretrained.load(str(tmp_path), untied[0])


def test_the_sizes_of_another_model_beside_the_weights_are_refused(untied, tmp_path):
    tree, params = untied
    path = write(tmp_path, their_weights(params), **UNTIED, num_layers=3)
    with pytest.raises(InputError, match="with encoder_layers 3, its weights.*with 2"):
        pretrained.load(path, tree)
