"""T5X native checkpoints of every age read to the same weights."""

import jax
import ml_dtypes
import numpy as np
import pytest
import tensorstore as ts
from flax import serialization, traverse_util

from spot_jax import pretrained


def write_array(folder, name, array, chunks=None):
    zarr = {
        "driver": "zarr",
        "dtype": array.dtype.name,
        "kvstore": {"driver": "file", "path": f"{folder}/target.{name}/"},
        "metadata": {
            "shape": list(array.shape),
            "chunks": list(chunks or array.shape),
            "compressor": {"id": "gzip", "level": 1},
        },
    }
    ts.open(zarr, create=True).result().write(array).result()


def zarr_metadata(array):
    return {"chunks": [1], "compressor": {"id": "gzip"}, "shape": list(array.shape)}


def new_spec(name, array):
    return {
        "driver": "zarr",
        "dtype": array.dtype.name,
        "kvstore": {"driver": "file", "path": f"target.{name}/"},
        "metadata": zarr_metadata(array),
    }


def gfile_spec(name, array):
    metadata = zarr_metadata(array) | {"dtype": "<f4"}
    store = {"driver": "gfile", "path": f"target.{name}"}
    return {"driver": "zarr", "kvstore": store, "metadata": metadata}


def gcs_spec(name, array):
    store = {"driver": "gcs", "bucket": "t5x-dummy-bucket", "path": f"target.{name}/"}
    return new_spec(name, array) | {"kvstore": store}


def top_level_path_spec(name, array):
    store = {"driver": "gcs", "bucket": "t5x-dummy-bucket"}
    return new_spec(name, array) | {"kvstore": store, "path": f"target.{name}"}


def placeholder(name, array):
    return f"PLACEHOLDER://target.{name}"


def write_index(folder, target, step=3, version=3, wrap="optimizer", **beside):
    state = {"target": target, "state": {"step": step, "param_states": {"a": None}}}
    tree = {"version": version, wrap: state | beside} if wrap else state
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(tree))


def write(folder, params, spec, inline=(), stored=lambda array: array, **index):
    leaves = {}
    for name, array in traverse_util.flatten_dict(params, sep="/").items():
        array = stored(array)
        if array.ndim in inline:
            leaves[name] = array
        else:
            dotted = name.replace("/", ".")
            # Chunks that do not divide the shape: the last one is ragged.
            chunks = [max(1, size * 2 // 3) for size in array.shape]
            write_array(folder, dotted, array, chunks)
            leaves[name] = spec(dotted, array)
    write_index(folder, traverse_util.unflatten_dict(leaves, sep="/"), **index)


@pytest.mark.parametrize(
    "spec", [new_spec, gfile_spec, gcs_spec, top_level_path_spec, placeholder]
)
def test_zarr_arrays_are_found_beside_the_index(
    spec, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree()
    params = random_params(tree)
    write(tmp_path / "c", params, spec, step=np.int32(1_100_000))
    loaded = pretrained.load(str(tmp_path / "c"), tree)
    assert_same(loaded.params, params)
    assert loaded.step == 1_100_000
    assert loaded.source == str(tmp_path / "c")


@pytest.mark.parametrize(
    "index",
    [
        {"step": np.asarray(7, np.int32)},
        {"step": np.float32(7)},
        {"step": 7},
        {"step": np.int32(7), "version": 2},
        {"step": np.int32(7), "wrap": ""},
        {"step": np.int32(7), "wrap": "_optimizer"},
        {"step": np.int32(7), "flax_mutables": {"cache": np.zeros(3, np.float32)}},
    ],
    ids=["int array", "float", "int", "v2", "flat", "_optimizer", "mutables"],
)
def test_every_form_of_index_has_its_step_and_arrays(
    index, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree()
    params = random_params(tree)
    write(tmp_path, params, gfile_spec, inline=(1,), **index)
    loaded = pretrained.load(str(tmp_path), tree)
    assert_same(loaded.params, params)
    assert loaded.step == 7


def test_a_step_stored_as_an_array_is_read(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    write_array(tmp_path, "step", np.asarray(5, np.int32))
    step = gfile_spec("step", np.asarray(5, np.int32))
    write(tmp_path, random_params(tree), new_spec, step=step)
    assert pretrained.load(str(tmp_path), tree).step == 5


def test_a_version_may_be_a_number_of_numpy(tmp_path):
    params = {"w": np.zeros(2, np.float32)}
    write_index(tmp_path, params, version=np.int64(3))
    leaf = jax.ShapeDtypeStruct((2,), np.float32)
    assert pretrained.load(str(tmp_path), {"w": leaf}).step == 3


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("inline", [(), (1, 2)], ids=["zarr", "inline"])
def test_bfloat16_was_stored_as_uint16_before_version_3(
    version, inline, tmp_path, t5_tree, random_params, assert_same
):
    tree = t5_tree(dtype=ml_dtypes.bfloat16)

    def stored(array):
        array = array.astype(ml_dtypes.bfloat16)
        return array.view(np.uint16) if version < 3 else array

    params = random_params(tree)
    write(tmp_path, params, new_spec, inline, stored, version=version)
    loaded = pretrained.load(str(tmp_path), tree)
    assert_same(loaded.params, params, dtype=ml_dtypes.bfloat16)


def test_whole_numbers_in_version_3_are_refused(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    write(tmp_path, random_params(tree), new_spec, stored=lambda a: a.astype(np.uint16))
    with pytest.raises(ValueError, match="not in floating point.*uint16"):
        pretrained.load(str(tmp_path), tree)


def test_arrays_cut_up_inside_the_index_are_joined(
    tmp_path, t5_tree, random_params, assert_same, monkeypatch
):
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 100)
    tree = t5_tree()
    params = random_params(tree)
    write(tmp_path, params, new_spec, inline=(1, 2))
    assert b"__msgpack_chunked_array__" in (tmp_path / "checkpoint").read_bytes()
    assert_same(pretrained.load(str(tmp_path), tree).params, params)


def test_an_array_recorded_as_none_is_missing(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    params = random_params(tree)
    params["encoder"]["encoder_norm"]["scale"] = None
    write_index(tmp_path, params)
    with pytest.raises(ValueError, match=r"missing.*encoder/encoder_norm/scale \[16\]"):
        pretrained.load(str(tmp_path), tree)


def test_a_lost_chunk_is_an_error_and_not_zeros(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    write(tmp_path, random_params(tree), new_spec)
    (tmp_path / "target.token_embedder.embedding" / "1.0").unlink()
    with pytest.raises(ValueError, match="token_embedder/embedding.*missing"):
        pretrained.load(str(tmp_path), tree)


def test_lost_arrays_are_counted_and_the_first_named(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    write(tmp_path, random_params(tree), new_spec)
    for layer in (0, 1):
        (tmp_path / f"target.encoder.layers_{layer}.mlp.wo.kernel/.zarray").unlink()
    with pytest.raises(ValueError, match=r"2 of \d+ arrays .*layers_0/mlp/wo/kernel"):
        pretrained.load(str(tmp_path), tree)


def test_prompt_tunings_tiny_t5_has_the_bits_of_its_files(
    fixture_folder, t5_tree, assert_same
):
    folder = fixture_folder("prompt_tuning_test_data/test_t5_1_1_tiny/checkpoint_3")
    sizes = dict(d_model=4, heads=2, d_head=2, mlp=8, vocab=32128, buckets=4)
    loaded = pretrained.load(str(folder), t5_tree(**sizes))
    index = serialization.msgpack_restore((folder / "checkpoint").read_bytes())

    def values(tree, path="target"):
        if isinstance(tree, dict) and "driver" not in tree:
            return {key: values(tree[key], f"{path}.{key}") for key in tree}
        if isinstance(tree, dict):
            store = {"driver": "file", "path": f"{folder}/{path}/"}
            opened = ts.open({"driver": "zarr", "kvstore": store}).result()
            return opened.read().result()
        return tree

    assert_same(loaded.params, values(index["optimizer"]["target"]))
    assert loaded.step == 3


def test_t5xs_one_file_checkpoint_is_read_by_its_path(
    fixture_folder, t5_tree, assert_same
):
    file = fixture_folder("t5x_testdata/test_t5_tiny.checkpoint_0")
    sizes = dict(d_model=8, heads=4, d_head=3, mlp=16, vocab=32128, buckets=32)
    loaded = pretrained.load(str(file), t5_tree(**sizes))
    target = serialization.msgpack_restore(file.read_bytes())["optimizer"]["target"]
    assert_same(loaded.params, target)
    assert loaded.step == 0
