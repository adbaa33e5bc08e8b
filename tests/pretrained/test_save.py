"""What we write is a T5X checkpoint that we, and T5X, read back."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore as ts
from flax import serialization
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from spot_jax import pretrained
from spot_jax.pretrained.save import chunks_of, save_t5x


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_saved_weights_are_loaded_bit_for_bit(
    dtype, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree(dtype=dtype)
    params = jax.tree.map(lambda a: jnp.asarray(a, dtype), random_params(tree))
    path = str(tmp_path / "run" / "checkpoint_12")
    save_t5x(path, params, step=12)
    loaded = pretrained.load(path, tree)
    assert_same(loaded.params, params, dtype=dtype)
    assert loaded.step == 12
    assert loaded.fingerprint == pretrained.fingerprint(params)


def test_the_index_is_that_of_t5x(tmp_path):
    params = {"encoder": {"encoder_norm": {"scale": jnp.ones(6, jnp.bfloat16)}}}
    save_t5x(str(tmp_path / "checkpoint_1"), params, step=1)
    index = (tmp_path / "checkpoint_1" / "checkpoint").read_bytes()
    tree = serialization.msgpack_restore(index)
    assert tree["version"] == 3
    assert tree["optimizer"]["state"]["step"].dtype == np.int32
    assert tree["optimizer"]["target"]["encoder"]["encoder_norm"]["scale"] == {
        "driver": "zarr",
        "dtype": "bfloat16",
        "kvstore": {"driver": "file", "path": "target.encoder.encoder_norm.scale/"},
        "metadata": {
            "chunks": [6],
            "compressor": {"id": "gzip", "level": 1},
            "shape": [6],
        },
    }
    folder = tmp_path / "checkpoint_1" / "target.encoder.encoder_norm.scale"
    zarray = json.loads((folder / ".zarray").read_text())
    assert (zarray["zarr_format"], zarray["dtype"]) == (2, "bfloat16")
    # The spec in the index opens the array, as T5X opens it.
    spec = tree["optimizer"]["target"]["encoder"]["encoder_norm"]["scale"]
    spec["kvstore"]["path"] = f"{folder}/"
    assert ts.open(spec).result().shape == (6,)


def test_sharded_arrays_are_written_shard_by_shard(tmp_path):
    if len(jax.devices()) < 8:
        pytest.skip("needs eight devices, and another test took fewer")
    mesh = Mesh(np.array(jax.devices()[:8]).reshape(2, 4), ("data", "model"))
    values = np.arange(96, dtype=np.float32).reshape(8, 12)
    array = jax.device_put(values, NamedSharding(mesh, P("data", "model")))
    save_t5x(str(tmp_path / "c"), {"w": array}, step=0)
    chunks = {p.name for p in (tmp_path / "c" / "target.w").iterdir()}
    assert chunks == {".zarray", *(f"{i}.{j}" for i in range(2) for j in range(4))}
    leaf = jax.ShapeDtypeStruct((8, 12), np.float32)
    loaded = pretrained.load(str(tmp_path / "c"), {"w": leaf})
    np.testing.assert_array_equal(loaded.params["w"], values)


@pytest.mark.parametrize(
    ("shape", "chunks"), [((8, 4), [8, 4]), ((30, 4), [15, 4]), ((7, 100), [1, 100])]
)
def test_chunks_divide_their_shard(shape, chunks):
    assert chunks_of(np.zeros(shape, np.float32), most_bytes=320) == chunks


def test_an_existing_path_is_left_alone(tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="exists: choose another path"):
        save_t5x(str(tmp_path / "c"), {"w": np.ones(2, np.float32)}, step=0)
    assert list(tmp_path.iterdir()) == [tmp_path / "c"]


def test_a_url_is_refused():
    with pytest.raises(ValueError, match="gs://bucket/c.*Give a local path"):
        save_t5x("gs://bucket/c", {}, step=0)


def test_nothing_is_left_when_writing_fails(tmp_path):
    params = {"a": np.ones(2, np.float32), "b": np.array(["no number"])}
    with pytest.raises(ValueError, match="dtype"):
        save_t5x(str(tmp_path / "c"), params, step=0)
    assert not list(tmp_path.iterdir())
