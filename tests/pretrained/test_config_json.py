"""Every key of config.json that changes an answer is compared, or refused by name."""

import json

import numpy as np
import pytest

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.pretrained import config_json
from spot_jax.pretrained.arrays import Checkpoint, StoredArray
from spot_jax.pretrained.check import check

# Of T5 1.1 small, as transformers 5.24 writes it, without what changes no answer.
SMALL = {
    "model_type": "t5",
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "num_heads": 6,
    "d_ff": 1024,
    "num_layers": 8,
    "num_decoder_layers": 8,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-06,
    "feed_forward_proj": "gated-gelu",
    "dense_act_fn": "gelu_new",
    "is_gated_act": True,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "is_encoder_decoder": True,
    "tie_word_embeddings": True,
    "scale_decoder_outputs": False,
    "transformers_version": "5.24.0",
}
# And the T5Config of gin/models/t5_1_1_small.gin, without what changes no answer.
OURS = {
    "vocab_size": 32128,
    "d_model": 512,
    "heads": 6,
    "d_head": 64,
    "d_mlp": 1024,
    "encoder_layers": 8,
    "decoder_layers": 8,
    "mlp_activations": ("gelu", "linear"),
    "relpos_buckets": 32,
    "relpos_max_distance": 128,
    "relpos_in_every_layer": False,
    "norm_epsilon": 1e-06,
    "logits_via_embedding": False,
}


def parse(config):
    return config_json.parse(json.dumps(config).encode(), "/t5/config.json")


def unread(shape):
    def unreadable(index):
        raise AssertionError("an array was read")

    return StoredArray(shape, np.dtype(np.float32), unreadable)


def without(*keys):
    return {key: value for key, value in SMALL.items() if key not in keys}


def test_a_t5_1_1_is_described_in_our_names():
    assert config_json.settings(parse(SMALL), is_tied=False) == OURS


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"relative_attention_max_distance": 64}, {"relpos_max_distance": 64}),
        ({"relative_attention_num_buckets": 16}, {"relpos_buckets": 16}),
        # Two with one product have arrays of the same shapes.
        ({"d_kv": 48, "num_heads": 8}, {"d_head": 48, "heads": 8}),
        ({"head_dim": 48}, {"d_head": 48}),
        ({"num_attention_heads": 12}, {"heads": 12}),
        ({"num_decoder_layers": 4}, {"decoder_layers": 4}),
        ({"num_decoder_layers": None}, {}),
        ({"num_hidden_layers": 4}, {"encoder_layers": 4}),
        ({"hidden_size": 256}, {"d_model": 256}),
        ({"d_ff": 2048}, {"d_mlp": 2048}),
        ({"vocab_size": 32100}, {"vocab_size": 32100}),
        ({"dense_act_fn": "relu"}, {"mlp_activations": ("relu", "linear")}),
        ({"dense_act_fn": "gelu_pytorch_tanh"}, {}),
        ({"dense_act_fn": "silu"}, {"mlp_activations": ("silu", "linear")}),
        ({"layer_norm_epsilon": 1e-5}, {"norm_epsilon": 1e-5}),
        ({"model_type": "umt5"}, {"relpos_in_every_layer": True}),
        ({"is_gated_act": False}, {"mlp_activations": ("gelu",)}),
        # transformers follows the two keys where they are, and else this one.
        ({"feed_forward_proj": "relu"}, {}),
        (
            {
                "feed_forward_proj": "relu",
                "dense_act_fn": None,
                "is_gated_act": None,
            },
            {"mlp_activations": ("relu",)},
        ),
    ],
)
def test_every_key_has_its_setting(config, setting):
    assert config_json.settings(parse(SMALL | config), is_tied=False) == OURS | setting


@pytest.mark.parametrize("key", OURS)
def test_every_setting_is_compared_and_the_flag_named(key):
    other = {"mlp_activations": ("relu",), "logits_via_embedding": True}
    value = other.get(key, 7)
    kernel = {"decoder/logits_dense/kernel": unread((2, 2))}
    arrays = {} if key == "logits_via_embedding" else kernel
    theirs = Checkpoint(arrays, step=None, settings=OURS | {key: value})
    with pytest.raises(InputError) as error:
        check(theirs, kernel, "here", OURS)
    quoted = "\"('relu',)\"" if key == "mlp_activations" else value
    assert f"{key} {value} (not {OURS[key]})" in str(error.value)
    assert f"set --gin.T5Config.{key}={quoted}" in str(error.value)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"feed_forward_proj": "gated-mish"},
            "feed_forward_proj 'gated-mish'; computed here is gelu_new or",
        ),
        ({"feed_forward_proj": "gelu"}, "feed_forward_proj 'gelu'"),
        ({"feed_forward_proj": "gated"}, "feed_forward_proj 'gated'"),
        ({"feed_forward_proj": ""}, "feed_forward_proj ''"),
        ({"dense_act_fn": "mish"}, "dense_act_fn 'mish'; computed here is"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon 0.0; .* is one above 0"),
        ({"pad_token_id": 3}, "pad_token_id 3; computed here is 0"),
        ({"decoder_start_token_id": 2}, "decoder_start_token_id 2; .* is 0"),
        ({"eos_token_id": [1, 2]}, r"eos_token_id \[1, 2\]; computed here is 1"),
        ({"is_encoder_decoder": False}, "is_encoder_decoder False"),
        *(
            ({"model_type": kind}, f"of type '{kind}'.*of type t5, mt5, umt5")
            for kind in ("bert", "llama", "switch_transformers", "longt5", "pop2piano")
        ),
    ],
)
def test_what_is_not_computed_here_is_refused_by_name(config, told):
    kept = without("dense_act_fn", "is_gated_act")
    with pytest.raises(InputError, match=f"/t5/config.json .*{told}"):
        parse(kept | config)


@pytest.mark.parametrize(
    "config", [{"eos_token_id": [1]}, {"eos_token_id": None}, {"pad_token_id": None}]
)
def test_tokens_that_are_the_usual_ones_are_taken(config):
    assert config_json.settings(parse(SMALL | config), is_tied=False) == OURS


def test_absent_keys_are_the_librarys_defaults():
    """transformers.T5Config() and MT5Config() of 5.24."""
    t5 = config_json.settings(parse({}), is_tied=True)
    assert (t5["d_model"], t5["heads"], t5["d_mlp"]) == (512, 8, 2048)
    assert (t5["encoder_layers"], t5["decoder_layers"]) == (6, 6)
    assert t5["mlp_activations"] == ("relu",)
    mt5 = config_json.settings(parse({"model_type": "mt5"}), is_tied=False)
    assert mt5 == OURS | {"vocab_size": 250112}
    umt5 = config_json.settings(parse({"model_type": "umt5"}), is_tied=False)
    assert umt5 == mt5 | {"relpos_in_every_layer": True}


@pytest.mark.parametrize(
    ("config", "is_scaled", "is_new"),
    [
        # transformers 4: T5 1.0, T5 1.1.
        ({}, True, False),
        ({"tie_word_embeddings": False}, False, False),
        (
            {"tie_word_embeddings": False, "transformers_version": "4.57.6"},
            False,
            False,
        ),
        # transformers 5.
        (
            {"tie_word_embeddings": True, "scale_decoder_outputs": False},
            *(False, True),
        ),
        ({"tie_word_embeddings": True, "scale_decoder_outputs": True}, True, True),
        ({"model_type": "mt5", "transformers_version": "5.1.0"}, False, True),
        (
            {
                "model_type": "mt5",
                "transformers_version": "5.1.0",
                "tie_word_embeddings": True,
            },
            *(False, True),
        ),
        # Before it, an mT5 was scaled where it was tied, which is not the default.
        ({"model_type": "mt5"}, False, False),
        ({"model_type": "mt5", "tie_word_embeddings": True}, True, False),
        # A umT5 was and is as a T5.
        ({"model_type": "umt5"}, True, False),
        ({"model_type": "umt5", "tie_word_embeddings": False}, False, False),
        ({"transformers_version": "unknown"}, True, False),
    ],
)
def test_what_is_said_of_the_output(config, is_scaled, is_new):
    theirs = parse(config)
    assert (theirs.scales_outputs, theirs.is_of_version_5) == (is_scaled, is_new)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"3", b"null", b'"t5"', b"\xff\xfe{", b"[" * 100_000),
        *(b'{"d_model": "512"}', b'{"d_model": 1.5}', b'{"d_model": null}'),
        *(b'{"model_type": 3}', b'{"model_type": []}', b'{"eos_token_id": "</s>"}'),
        *(b'{"layer_norm_epsilon": NaN}', b'{"tie_word_embeddings": "no"}'),
    ],
)
def test_a_damaged_file_is_one_message(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json is .*Get the folder again"):
        pretrained.load(str(tmp_path), {})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"decoder_start_token_id": 5}, "decoder_start_token_id 5; computed here is 0"),
        ({"eos_token_id": [1, 9]}, r"eos_token_id \[1, 9\]"),
        ({"pad_token_id": "no"}, "is not what it should be"),
    ],
)
def test_tokens_that_a_folder_writes_with_are_t5s(content, told):
    usual = {"eos_token_id": 1, "pad_token_id": 0, "max_length": 20, "num_beams": 4}
    config_json.check_generation(json.dumps(usual).encode(), "generation_config.json")
    with pytest.raises(InputError, match=f"generation_config.json .*{told}"):
        config_json.check_generation(
            json.dumps(usual | content).encode(), "generation_config.json"
        )
