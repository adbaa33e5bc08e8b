"""What is decided where nothing sets it."""

import dataclasses

import pytest

from spot_jax.errors import InputError
from spot_jax.model.automatic import (
    Place,
    partitions_that_divide,
    settled,
    tell,
)
from spot_jax.settings import Model
from spot_jax.t5 import T5Config, fused

GIB = 2**30
CPU, GPU = Place("cpu", 1, 64 * GIB), Place("gpu", 8, 80 * GIB)
ONE_GPU = Place("gpu", 1, 80 * GIB)
V5E = Place("tpu", 16, 16 * GIB)
L4 = Place("gpu", 4, 24 * GIB, "L4")


def sized(layers, heads, d_model, d_mlp):
    return T5Config(
        d_model=d_model,
        heads=heads,
        d_mlp=d_mlp,
        encoder_layers=layers,
        decoder_layers=layers,
    )


SIZES = {
    "small": sized(8, 6, 512, 1024),
    "base": sized(12, 12, 768, 2048),
    "large": sized(24, 16, 1024, 2816),
    "xl": sized(24, 32, 2048, 5120),
    "xxl": sized(24, 64, 4096, 10240),
}


def on(place, size, is_tuned=False, **given):
    return settled(Model(SIZES[size], None, **given), place, is_tuned=is_tuned)


@pytest.mark.parametrize(
    ("size", "is_scanned", "policy"),
    [
        ("small", False, "none"),
        ("base", False, "none"),
        ("large", False, "none"),
        ("xl", True, "minimal"),
        ("xxl", True, "minimal"),
    ],
)
def test_deep_models_are_scanned_and_large_ones_rematerialised(
    size, is_scanned, policy
):
    config = on(CPU, size).config
    assert (config.scan_layers, config.remat_policy) == (is_scanned, policy)


@pytest.mark.parametrize(
    ("place", "is_tuned", "dtypes"),
    [
        (CPU, False, ("float32", "float32")),
        (CPU, True, ("float32", "float32")),
        (GPU, False, ("bfloat16", "bfloat16")),
        (V5E, False, ("bfloat16", "bfloat16")),
        # Late updates would be rounded away.
        (GPU, True, ("float32", "bfloat16")),
    ],
)
def test_accelerators_compute_in_bfloat16(place, is_tuned, dtypes):
    model = on(place, "small", is_tuned)
    assert (model.weights_dtype, model.config.dtype) == dtypes


@pytest.mark.parametrize(
    ("place", "size", "is_tuned", "partitions"),
    [
        (CPU, "xl", False, 1),
        (V5E, "large", False, 1),
        (V5E, "xl", False, 1),
        (V5E, "xxl", False, 4),
        (V5E, "xxl", True, 16),
        (GPU, "xxl", False, 1),
        # Nobody knows how much there is.
        (Place("gpu", 8, 0), "xxl", False, 1),
    ],
)
def test_weights_are_split_over_as_few_devices_as_they_fit_on(
    place, size, is_tuned, partitions
):
    assert on(place, size, is_tuned).num_partitions == partitions


@pytest.mark.parametrize(
    ("place", "given", "attention"),
    [
        (ONE_GPU, {}, "fused"),
        (ONE_GPU, {"attention": "plain"}, "plain"),
        (ONE_GPU, {"dtype": "float32"}, "plain"),
        (GPU, {}, "plain"),
        (GPU, {"attention": "fused"}, "fused"),
        (CPU, {}, "plain"),
        (V5E, {}, "plain"),
    ],
)
def test_attention_is_fused_where_a_kernel_of_it_is(
    place, given, attention, monkeypatch
):
    monkeypatch.setattr(fused, "kernel", lambda: "cudnn")
    assert on(place, "small", **given).config.attention == attention
    monkeypatch.setattr(fused, "kernel", lambda: "xla")
    if not given:
        assert on(place, "small").config.attention == "plain"


def test_attention_of_a_model_that_is_tuned_is_plain(monkeypatch):
    monkeypatch.setattr(fused, "kernel", lambda: "cudnn")
    assert on(ONE_GPU, "small", is_tuned=True).config.attention == "plain"
    with pytest.raises(InputError, match="'fused', which gives no gradient"):
        on(ONE_GPU, "small", is_tuned=True, attention="fused")


def test_what_is_given_stays():
    given = dict(num_partitions=8, weights_dtype="float32", dtype="float32")
    given |= dict(scan_layers=False, remat_policy="minimal")
    model = on(V5E, "xxl", **given)
    config = model.config
    assert (model.num_partitions, model.weights_dtype, config.dtype) == (
        *(8, "float32", "float32"),
    )
    assert (config.scan_layers, config.remat_policy) == (False, "minimal")
    shape = dataclasses.replace(SIZES["small"], dtype="bfloat16")
    assert settled(Model(shape, None), CPU).config.dtype == "bfloat16"


def test_what_another_machine_would_decide_otherwise_is_said(caplog):
    caplog.set_level("INFO")
    asked = Model(SIZES["xxl"], None, weights_dtype="bfloat16")
    tell(asked, settled(asked, CPU))
    assert not caplog.messages
    tell(asked, settled(asked, V5E))
    assert caplog.messages == [
        "NUM_PARTITIONS is 4 here, as nothing sets it.",
        "ACTIVATION_DTYPE is bfloat16 here, as nothing sets it.",
    ]


def test_weights_that_fit_nowhere_are_refused_before_they_are_read():
    with pytest.raises(InputError, match="20.7 GiB on each device.*Take more devices"):
        on(Place("tpu", 1, 16 * GIB, "v5e"), "xxl")
    with pytest.raises(InputError) as error:
        on(L4, "xxl", num_partitions=1, weights_dtype="float32")
    said = str(error.value)
    assert "L4 has 24.0. Set --gin.NUM_PARTITIONS to one of 2, 4, or" in said
    with pytest.raises(InputError) as error:
        on(V5E, "xxl", num_partitions=1, weights_dtype="float32")
    said = str(error.value)
    assert (
        "41.5 GiB" in said and "it has 16.0" in said and "one of 4, 8, 16, or" in said
    )
    assert "one of 2, 4, 8, 16 with --gin.WEIGHTS_DTYPE=bfloat16" in said
    on(V5E, "xxl", num_partitions=4, weights_dtype="float32")
    # Over both axes every device has a part.
    both = {"num_partitions": 1, "parameter_partitioning_dims": 2}
    on(L4, "xxl", weights_dtype="float32", **both)


def test_a_number_that_does_not_divide_the_weights_is_refused_with_those_that_do():
    with pytest.raises(InputError, match="is 5: .* one of 1, 2, 4, 8"):
        on(Place("gpu", 40, 80 * GIB), "xxl", num_partitions=5, weights_dtype="float32")
    # Six heads of 64 are 384 columns.
    assert on(GPU, "small", num_partitions=4).num_partitions == 4


@pytest.mark.parametrize(
    ("count", "partitions"), [(16, [1, 2, 4, 8, 16]), (12, [1, 2, 4]), (1, [1])]
)
def test_partitions_divide_devices_heads_mlp_and_vocabulary(count, partitions):
    assert partitions_that_divide(SIZES["xxl"], count) == partitions


def test_what_both_axes_share_needs_no_more_of_the_model_axis():
    tuned = dict(is_tuned=True, parameter_partitioning_dims=2)
    place = Place("tpu", 64, 16 * GIB)
    assert on(place, "xxl", **tuned).num_partitions == 1
    assert on(place, "xxl", is_tuned=True).num_partitions == 16
