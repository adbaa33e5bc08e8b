"""What we write is a T5X checkpoint that we, and T5X, read back."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore as ts
from flax import serialization
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from spot_jax import pretrained
from spot_jax.errors import InputError
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


def test_the_index_has_a_key_more_that_t5x_passes_over(tmp_path):
    """T5X looks at "version" and "optimizer"; leaves that are no specs it passes on."""
    save_t5x(str(tmp_path / "c"), {"a": {"w": np.ones(2, np.float32)}}, step=0)
    tree = serialization.msgpack_restore((tmp_path / "c" / "checkpoint").read_bytes())
    assert tree.keys() == {"version", "optimizer", "spot_jax_sums"}
    assert tree["spot_jax_sums"].keys() == {"a/w", "state/step"}
    assert all(isinstance(digits, str) for digits in tree["spot_jax_sums"].values())


@pytest.fixture
def two_alike(tmp_path):
    """A checkpoint with two arrays of one shape, and what to load."""
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal((4, 6)).astype(np.float32) for name in "ab"}
    save_t5x(str(tmp_path / "c"), params, step=0)
    leaf = jax.ShapeDtypeStruct((4, 6), np.float32)
    return tmp_path / "c", {"a": leaf, "b": leaf}


def test_exchanged_arrays_are_found_by_their_sums(two_alike):
    folder, expected = two_alike
    (folder / "target.a").rename(folder / "aside")
    (folder / "target.b").rename(folder / "target.a")
    (folder / "aside").rename(folder / "target.b")
    with pytest.raises(InputError, match="2 of 2 arrays in .* not what was written"):
        pretrained.load(str(folder), expected)


def test_an_array_of_another_checkpoint_is_found_by_its_sum(two_alike, tmp_path):
    folder, expected = two_alike
    other = {"a": np.ones((4, 6), np.float32), "b": np.ones((4, 6), np.float32)}
    save_t5x(str(tmp_path / "other"), other, step=0)
    os.replace(tmp_path / "other/target.b/0.0", folder / "target.b/0.0")
    with pytest.raises(InputError, match="1 of 2 arrays .* the first b"):
        pretrained.load(str(folder), expected)


def test_a_flipped_byte_of_a_chunk_is_found_by_gzip(two_alike):
    folder, expected = two_alike
    chunk = folder / "target.a/0.0"
    whole = chunk.read_bytes()
    for place in range(10, len(whole)):  # past gzip's own header
        flipped = bytearray(whole)
        flipped[place] ^= 1
        chunk.write_bytes(flipped)
        with pytest.raises(InputError, match="cannot read a"):
            pretrained.load(str(folder), expected)


def change_index(folder, change):
    tree = serialization.msgpack_restore((folder / "checkpoint").read_bytes())
    change(tree)
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(tree))


def test_a_changed_step_is_found(two_alike):
    folder, expected = two_alike
    change_index(folder, lambda tree: tree["optimizer"]["state"].update(step=64))
    with pytest.raises(InputError, match="has two steps, one is 64"):
        pretrained.load(str(folder), expected)


@pytest.mark.parametrize("sums", [3, ["a"], {"a": 3}, {"a": "no number"}, {"a": None}])
def test_damaged_sums_are_one_message(two_alike, sums):
    folder, expected = two_alike
    change_index(folder, lambda tree: tree.update(spot_jax_sums=sums))
    with pytest.raises(InputError, match="the sums of the arrays in .* are damaged"):
        pretrained.load(str(folder), expected)


def test_a_checkpoint_of_an_earlier_version_has_no_sums(two_alike):
    folder, expected = two_alike
    change_index(folder, lambda tree: tree.pop("spot_jax_sums"))
    assert pretrained.load(str(folder), expected).step == 0


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
    with pytest.raises(ValueError, match="s3://bucket/c: give a folder of this machi"):
        save_t5x("s3://bucket/c", {}, step=0)


def test_a_checkpoint_in_a_bucket_is_there_when_its_index_is(
    store, t5_tree, random_params, assert_same
):
    tree, url = t5_tree(), "gs://bucket/run/checkpoint_5"
    params = random_params(tree)
    # What a process left that was killed.
    store.put(f"{url}/target.gone/.zarray", b"{}")
    save_t5x(url, params, step=5)
    assert "target.gone/.zarray" not in store.names(url)
    loaded = pretrained.load(url, tree)
    assert_same(loaded.params, params)
    assert (loaded.step, loaded.source) == (5, url)
    with pytest.raises(ValueError, match=f"{url} exists: choose another path"):
        save_t5x(url, params, step=5)


def test_nothing_is_left_when_writing_fails(tmp_path):
    params = {"a": np.ones(2, np.float32), "b": np.array(["no number"])}
    with pytest.raises(ValueError, match="dtype"):
        save_t5x(str(tmp_path / "c"), params, step=0)
    assert not list(tmp_path.iterdir())
