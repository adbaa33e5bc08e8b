"""A damaged index of a native checkpoint is one message that names it."""

import jax
import numpy as np
import pytest

from spot_jax import pretrained
from spot_jax.errors import InputError
from tests.pretrained.test_t5x_native import (
    gfile_spec,
    new_spec,
    placeholder,
    top_level_path_spec,
    write_array,
    write_index,
)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (np.float32(0.5), r"step is 0\.5"),
        (-5, "step is -5"),
        (np.int32(-5), "step is -5"),
        (float("nan"), "step is nan"),
        (np.float32("inf"), "step is inf"),
        (2**31, "step is 2147483648"),
        (2**63, "step is 9223372036854775808"),
        (True, "step is True"),
        ([1, 2], r"step is \[1, 2\]"),
        (np.zeros(2, np.int32), "step is"),
        ("three", "says of step only 'three'"),
        ("PLACEHOLDER://..", "says of step only 'PLACEHOLDER://..'"),
        (new_spec("w", np.zeros(2)), "cannot be opened"),
        ({"driver": "zarr", "kvstore": 3}, "says of step only"),
        ({"driver": "n5", "kvstore": {"path": "target.w"}}, "says of step only"),
    ],
)
def test_a_step_that_is_none_is_refused(step, told, tmp_path):
    write_index(tmp_path, {"w": np.zeros(2, np.float32)}, step=step)
    leaf = jax.ShapeDtypeStruct((2,), np.float32)
    with pytest.raises(InputError, match=told):
        pretrained.load(str(tmp_path), {"w": leaf})


@pytest.mark.parametrize("values", [np.zeros(2, np.int32), np.asarray(-5)])
def test_a_step_beside_the_index_that_is_none_is_refused(values, tmp_path):
    write_array(tmp_path, "step", values)
    target = {"w": np.zeros(2, np.float32)}
    write_index(tmp_path, target, step=new_spec("step", values))
    with pytest.raises(InputError, match="step is"):
        pretrained.load(str(tmp_path), {"w": jax.ShapeDtypeStruct((2,), np.float32)})


@pytest.mark.parametrize("version", [99, 4, -1, 2.5, "3", None, True, [3]])
def test_another_version_is_refused(version, tmp_path):
    write_index(tmp_path, {"w": np.zeros(2, np.float32)}, version=version)
    with pytest.raises(InputError, match="is of version .*read are those up to 3"):
        pretrained.load(str(tmp_path), {"w": jax.ShapeDtypeStruct((2,), np.float32)})


@pytest.mark.parametrize("spec", [new_spec, gfile_spec, top_level_path_spec])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("b", "says that a lies in 'target.b', the place of another array"),
        # Whatever stands before it, it is looked for in the checkpoint.
        ("a/../elsewhere/target.b", "says that a lies in 'target.b'"),
        ("b/..", "says of a only"),
    ],
)
def test_an_index_that_points_to_another_array_of_that_shape_is_refused(
    spec, place, told, tmp_path
):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for name in "ab":
        write_array(tmp_path, name, values)
    write_index(tmp_path, {"a": spec(place, values), "b": spec("b", values)})
    leaf = jax.ShapeDtypeStruct((2, 3), np.float32)
    with pytest.raises(InputError, match=told):
        pretrained.load(str(tmp_path), {"a": leaf, "b": leaf})


def test_a_placeholder_of_another_array_is_refused(tmp_path):
    values = np.zeros((2, 3), np.float32)
    write_array(tmp_path, "b", values)
    write_index(tmp_path, {"a": placeholder("b", values), "b": placeholder("b", 0)})
    leaf = jax.ShapeDtypeStruct((2, 3), np.float32)
    with pytest.raises(InputError, match="says that a lies in 'target.b'"):
        pretrained.load(str(tmp_path), {"a": leaf, "b": leaf})


def test_an_index_with_another_shape_than_its_array_is_refused(tmp_path):
    values = np.zeros((2, 3), np.float32)
    write_array(tmp_path, "a", values)
    write_index(tmp_path, {"a": new_spec("a", np.zeros((3, 2)))})
    leaf = jax.ShapeDtypeStruct((2, 3), np.float32)
    with pytest.raises(InputError, match=r"a is \[3, 2\], and its folder holds \[2, 3"):
        pretrained.load(str(tmp_path), {"a": leaf})


def deep(levels):
    """A map in a map in a map."""
    return b"\x81\xa1a" * levels + b"\xc0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no T5X checkpoint index"),
        (b"\x93\x01\x02\x03", "holds no tree"),
        (b"junk that is no msgpack", "no T5X checkpoint index"),
        (b'model_checkpoint_path: "model.ckpt-1"', "Mesh TensorFlow"),
        (deep(100), "more than 50 trees"),
        (deep(20_000), "more than 50 trees"),
        (b"\x91" * 20_000 + b"\xc0", "no T5X checkpoint index"),
        # Lengths that the file does not have.
        (b"\x81\xa1a\xdd\x7f\xff\xff\xff", "exceeds max_array_len"),
        (b"\xdf\x7f\xff\xff\xff", "no T5X checkpoint index"),
        # A map as a key, a key twice, a text that is none.
        (b"\x81\x81\x01\x01\x01", "unhashable"),
        (b"\x82\xa1a\x01\xa1a\x02", "has 'a' twice"),
        (b"\x81\xa1\xff\x01", "utf-8"),
        (b"\x81\xa6target\x93\x01\x02\x03", "its target is no tree"),
        (b"\x82\xa6target\x80\xa5state\x01", "its state is no tree"),
        (b"\x81\xa9optimizer\x01", "its target is no tree"),
        # An extension of flax's that holds no array.
        (b"\x81\xa6target\x81\xa1w\xd4\x01\x00", "has a damaged array"),
    ],
)
def test_an_unreadable_index_is_named(content, message, tmp_path, t5_tree):
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path}/checkpoint .*{message}"):
        pretrained.load(str(tmp_path), t5_tree())


def test_a_cut_off_index_is_named(tmp_path, t5_tree, random_params):
    tree = t5_tree()
    write_index(tmp_path, random_params(tree))
    content = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="no T5X checkpoint index"):
        pretrained.load(str(tmp_path), tree)
