"""A T5's shape is checked where it is stated."""

import jax.numpy as jnp
import pytest

from spot_jax.t5 import T5Config

SIZES = dict(d_model=8, heads=3, d_mlp=16, encoder_layers=1, decoder_layers=1)


def test_heads_times_their_width_need_not_be_the_model_width():
    assert T5Config(**SIZES, d_head=4).d_joined == 12


def test_the_default_is_t5_1_1():
    config = T5Config(**SIZES)
    assert config.mlp_activations == ("gelu", "linear")
    assert not config.logits_via_embedding
    assert (config.vocab_size, config.d_head) == (32128, 64)
    assert (config.relpos_buckets, config.relpos_max_distance) == (32, 128)


def test_a_list_from_gin_makes_the_same_hashable_config():
    listed = T5Config(**SIZES, mlp_activations=["relu"])
    assert listed == T5Config(**SIZES, mlp_activations=("relu",))
    assert hash(listed) == hash(T5Config(**SIZES, mlp_activations=("relu",)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activations_are_float32_or_bfloat16(dtype):
    assert T5Config(**SIZES, dtype=dtype).compute_dtype == jnp.dtype(dtype)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dtype": "float16"}, "'float16'.*'bfloat16'.*ACTIVATION_DTYPE"),
        ({"mlp_activations": ("gelu", "swish")}, "swish.*'linear'.*'relu'"),
        ({"mlp_activations": ()}, r"mlp_activations is \(\)"),
        ({"norm_epsilon": 0.0}, "norm_epsilon is 0.0.*1e-6"),
        ({"norm_epsilon": float("nan")}, "norm_epsilon is nan"),
        ({"heads": 0}, "heads is 0; the least .* is 1"),
        ({"relpos_max_distance": -3}, "relpos_max_distance is -3"),
        ({"relpos_buckets": 2}, "relpos_buckets is 2; the least .* is 4"),
        ({"relpos_max_distance": 16}, "of 32 relpos_buckets none"),
        ({"dropout_rate": 1.0}, "dropout_rate is 1.0.*DROPOUT_RATE"),
    ],
)
def test_what_no_t5_has_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        T5Config(**SIZES | wrong)
