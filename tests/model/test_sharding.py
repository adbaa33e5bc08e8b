import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from spot_jax.model import sharding
from spot_jax.t5 import T5Config, parameter_shapes


def eight_devices():
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices; conftest asks for them unless jax has begun")


def test_a_mesh_needs_a_divisor():
    eight_devices()
    assert dict(sharding.make_mesh(4).shape) == {"data": 2, "model": 4}
    with pytest.raises(ValueError, match="NUM_PARTITIONS is 3"):
        sharding.make_mesh(3)


def test_the_rules_are_t5xs():
    eight_devices()
    config = T5Config(
        d_model=512, heads=6, d_mlp=1024, encoder_layers=1, decoder_layers=1
    )
    shapes, axes = parameter_shapes(config)
    made = sharding.parameter_shardings(shapes, axes, sharding.make_mesh(4))
    layer = made["encoder"]["layers_0"]
    assert layer["attention"]["query"]["kernel"].spec == PartitionSpec(None, "model")
    assert layer["attention"]["out"]["kernel"].spec == PartitionSpec("model", None)
    assert layer["mlp"]["wi_0"]["kernel"].spec == PartitionSpec(None, "model")
    assert layer["mlp"]["wo"]["kernel"].spec == PartitionSpec("model", None)
    assert made["token_embedder"]["embedding"].spec == PartitionSpec("model", None)
    # Six heads do not divide over four devices: the small table stays whole.
    assert made["encoder"]["relpos_bias"]["rel_embedding"].spec == PartitionSpec(
        None, None
    )


def test_rows_are_split_over_the_data_axis():
    eight_devices()
    mesh = sharding.make_mesh(2)
    rows = sharding.shard_rows({"x": np.arange(8).reshape(8, 1)}, mesh)["x"]
    assert rows.sharding.spec == PartitionSpec("data")
    assert rows.addressable_shards[0].data.shape == (2, 1)
