"""Weights arrive in the sharding and dtype asked for, one array at a time."""

import json
import os
import subprocess
import sys
import textwrap
import time

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from safetensors.numpy import save_file

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.pretrained import stream
from spot_jax.pretrained.arrays import StoredArray
from spot_jax.pretrained.fingerprint import sum_of
from spot_jax.pretrained.save import save_t5x


@pytest.fixture
def saved(tmp_path, t5_tree, random_params):
    params = random_params(t5_tree())
    path = str(tmp_path / "checkpoint_4")
    save_t5x(path, params, step=4)
    return path, params


def sharded(tree, mesh, dtype=np.float32):
    """Gives matrices a sharding over the model axis in their last dimension."""

    def leaf(array):
        spec = P(None, "model") if array.shape[-1] % 4 == 0 and array.ndim == 2 else P()
        return jax.ShapeDtypeStruct(
            array.shape, dtype, sharding=NamedSharding(mesh, spec)
        )

    return jax.tree.map(leaf, tree)


@pytest.fixture
def mesh():
    devices = jax.devices()
    if len(devices) < 8:
        pytest.skip("needs eight devices, and another test took fewer")
    return Mesh(np.array(devices[:8]).reshape(2, 4), ("data", "model"))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_arrays_arrive_in_their_sharding_and_dtype(
    dtype, saved, mesh, t5_tree, assert_same
):
    path, params = saved
    expected = sharded(t5_tree(), mesh, dtype)
    loaded = pretrained.load(path, expected)
    assert_same(loaded.params, params, dtype=dtype)
    shardings = jax.tree.map(lambda array: array.sharding, loaded.params)
    assert shardings == jax.tree.map(lambda leaf: leaf.sharding, expected)
    assert any(not s.is_fully_replicated for s in jax.tree.leaves(shardings))


def test_without_a_sharding_arrays_go_to_the_default_device(saved, t5_tree):
    path, _ = saved
    loaded = pretrained.load(path, t5_tree())
    devices = {d for array in jax.tree.leaves(loaded.params) for d in array.devices()}
    assert devices == {jnp.zeros(()).device}


@pytest.mark.parametrize(
    ("spec", "box"),
    [
        (P("data", "model"), [[4, 8], [0, 8]]),
        (P("model"), [[0, 8], [0, 8]]),
        (P(None, "data"), [[0, 8], [4, 8]]),
        (P(), [[0, 8], [0, 8]]),
    ],
)
def test_a_process_reads_only_what_covers_its_shards(spec, box, mesh):
    class SecondOfTwoProcesses:
        """Has the second row of the mesh."""

        def addressable_devices_indices_map(self, shape):
            indices = NamedSharding(mesh, spec).devices_indices_map(shape)
            return {device: indices[device] for device in mesh.devices[1]}

    found = stream.box_of_process((8, 8), SecondOfTwoProcesses())
    assert [[part.start, part.stop] for part in found] == box


def test_all_shards_of_an_array_come_from_one_read(mesh):
    reads = []

    def read(index):
        reads.append(index)
        return np.arange(64, dtype=np.float32).reshape(8, 8)[index]

    array = StoredArray((8, 8), np.dtype(np.float32), read)
    sharding = NamedSharding(mesh, P("model", "data"))
    wanted = {"w": jax.ShapeDtypeStruct((8, 8), jnp.bfloat16, sharding=sharding)}
    placed, sums = stream.read_all({"w": array}, wanted, "here")
    np.testing.assert_array_equal(placed["w"], np.arange(64).reshape(8, 8))
    assert sums == {"w": sum_of(np.arange(64, dtype=np.float32).reshape(8, 8))}
    assert reads == [(slice(0, 8), slice(0, 8))]


def test_the_first_array_that_cannot_be_read_is_named_and_the_rest_left():
    reads = []

    def stored(name):
        def read(index):
            reads.append(name)
            if name == "b":
                raise ValueError("the disk is gone")
            time.sleep(0.01)
            return np.zeros(3, np.float32)

        return StoredArray((3,), np.dtype(np.float32), read)

    names = ["a", "b", *(f"c{i}" for i in range(100))]
    wanted = dict.fromkeys(names, jax.ShapeDtypeStruct((3,), np.float32))
    with pytest.raises(ValueError, match="cannot read b from here: the disk is gone"):
        stream.read_all({name: stored(name) for name in names}, wanted, "here")
    assert len(reads) < len(names)


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (np.nan, np.float32),
        (np.inf, np.float32),
        (-np.inf, ml_dtypes.bfloat16),
        # More than the dtype it is held in can have.
        (1e300, np.float32),
        (3.4e38, ml_dtypes.bfloat16),
    ],
)
@pytest.mark.parametrize("is_sharded", [False, True])
def test_an_array_with_nan_or_infinity_is_refused_by_name(
    value, held, is_sharded, request
):
    values = np.zeros((8, 8))
    values[5, 3] = value
    array = StoredArray((8, 8), np.dtype(np.float64), lambda index: values[index])
    sharding = None
    if is_sharded:
        sharding = NamedSharding(request.getfixturevalue("mesh"), P("model", "data"))
    leaf = jax.ShapeDtypeStruct((8, 8), held, sharding=sharding)
    with pytest.raises(InputError) as error:
        stream.read_all({"layer/w": array}, {"layer/w": leaf}, "/the/folder")
    assert "cannot read layer/w from /the/folder: 1 of its values" in str(error.value)
    assert "NaN or infinite" in str(error.value) and "[5, 3]" in str(error.value)


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b"])
def test_a_path_that_cannot_be_one_is_not_there(path, t5_tree):
    with pytest.raises(InputError, match="no pretrained weights at"):
        pretrained.load(path, t5_tree())


def test_the_checkpoint_to_read_has_to_be_named(tmp_path, t5_tree, random_params):
    params = random_params(t5_tree())
    save_t5x(str(tmp_path / "checkpoint_900"), params, step=900)
    with pytest.raises(ValueError, match=f"for example {tmp_path}/checkpoint_900"):
        pretrained.load(str(tmp_path), t5_tree())
    save_t5x(str(tmp_path / "checkpoint_1000"), params, step=1000)
    with pytest.raises(
        ValueError, match="checkpoint_900, checkpoint_1000 in it.*_1000"
    ):
        pretrained.load(str(tmp_path), t5_tree())


def test_t5xs_tiny_t5_has_no_weights_in_its_checkpoint(fixture_folder, t5_tree):
    folder = fixture_folder("t5x_testdata/tiny_t5")
    with pytest.raises(ValueError, match=f"for example {folder}/checkpoint_1"):
        pretrained.load(str(folder), t5_tree())
    with pytest.raises(ValueError, match=r"5\d arrays missing from the checkpoint"):
        pretrained.load(f"{folder}/checkpoint_1", t5_tree())


@pytest.mark.parametrize("names", [(), ("model.ckpt-1.index", "graph.pbtxt")])
def test_a_folder_without_a_checkpoint_says_what_is_there(names, tmp_path, t5_tree):
    for name in names:
        (tmp_path / name).write_text("")
    there = "nothing" if not names else "graph.pbtxt, model.ckpt-1.index"
    with pytest.raises(ValueError, match=f"there is {there}. Readable are"):
        pretrained.load(str(tmp_path), t5_tree())


MEASURE = """
    import json, sys
    import jax, numpy as np
    import ml_dtypes
    from spot_jax import pretrained

    def status(key):
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith(key))
        return int(line.split()[1]) / 1024

    def load(path, count, side):
        leaf = jax.ShapeDtypeStruct((side, side), ml_dtypes.bfloat16)
        return pretrained.load(path, {f"w{i:02}": leaf for i in range(count)})

    small, large, count, side = sys.argv[1:]
    load(small, 2, 8)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is counted from here
    before = status("VmRSS")
    loaded = load(large, int(count), int(side))
    assert len(loaded.params) == int(count)
    print(json.dumps({"peak": status("VmHWM") - before}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("form", ["t5x", "safetensors"])
def test_peak_memory_is_that_of_a_few_arrays(form, tmp_path):
    # 24 arrays of 16 MB in float32: 384 MB on disk, 192 MB held in bfloat16.
    count, side = 24, 2048

    def write(name, count, side):
        path = tmp_path / name
        array = np.ones((side, side), np.float32)
        params = {f"w{i:02}": array for i in range(count)}
        if form == "t5x":
            save_t5x(str(path), params, step=0)
        else:
            path.mkdir()
            (path / "config.json").write_text('{"scale_decoder_outputs": true}')
            save_file(params, path / "model.safetensors")
        return str(path)

    small, large = write("small", 2, 8), write("large", count, side)
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), small, large]
    # By default glibc keeps what is freed in pieces of up to 32 MB for later, which
    # would be measured too: here about 200 MB however many arrays are read.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
    result = subprocess.run(
        [*command, str(count), str(side)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=300,
    )
    peak = json.loads(result.stdout.splitlines()[-1])["peak"]
    held = count * side * side * 2 / 2**20
    array = side * side * 4 / 2**20
    print(f"{form}: peak {peak:.0f} MB, held {held:.0f} MB, array {array:.0f} MB")
    assert held * 0.9 < peak < held + 6 * array
