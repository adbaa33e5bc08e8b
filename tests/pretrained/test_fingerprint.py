"""The fingerprint is the model's: all values show in it; dtype and sharding do not."""

import itertools
import re

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from spot_jax.pretrained import earlier_fingerprint, fingerprint


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    shapes = {
        "long": (1000,),
        "rows": (512, 8),
        "columns": (8, 512),
        "deep": (8, 4, 16),
    }
    leaves = {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    return {"encoder": leaves, "scalar": np.float32(2) * np.ones(())}


BOTH = pytest.mark.parametrize("name_of", [fingerprint, earlier_fingerprint])


@BOTH
def test_it_is_sixteen_hexadecimal_characters(name_of, params):
    assert re.fullmatch("[0-9a-f]{16}", name_of(params))


@pytest.mark.parametrize(
    ("name_of", "name"),
    [(fingerprint, "78c586456e7f908b"), (earlier_fingerprint, "f4c597746c5b31f9")],
)
def test_it_never_changes(name_of, name):
    params = {"a": {"b": np.arange(600, dtype=np.float32).reshape(2, 300)}}
    assert name_of(params) == name


@BOTH
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_dtype_held_does_not_show(name_of, params, dtype):
    held = jax.tree.map(lambda array: jnp.asarray(array, dtype), params)
    assert name_of(held) == name_of(params)


@BOTH
@pytest.mark.parametrize(
    "spec", [P(), P("data"), P("model"), P(("data", "model")), P("model", "data")]
)
def test_the_sharding_does_not_show(name_of, params, spec):
    if len(jax.devices()) < 8:
        pytest.skip("needs eight devices, and another test took fewer")
    mesh = Mesh(np.array(jax.devices()[:8]).reshape(2, 4), ("data", "model"))

    def place(array):
        fitting = NamedSharding(mesh, P(*spec[: array.ndim]))
        return jax.device_put(array, fitting)

    assert name_of(jax.tree.map(place, params)) == name_of(params)


def test_every_bit_of_every_value_shows():
    bits = np.arange(40, dtype=np.uint16).reshape(2, 5, 4) * 999
    names = {fingerprint({"w": bits.view(ml_dtypes.bfloat16)})}
    for place, bit in itertools.product(range(bits.size), range(16)):
        flipped = bits.copy()
        flipped.flat[place] ^= 1 << bit
        names.add(fingerprint({"w": flipped.view(ml_dtypes.bfloat16)}))
    assert len(names) == 1 + 16 * bits.size


def test_the_sign_of_zero_shows():
    assert fingerprint({"w": np.zeros(3)}) != fingerprint({"w": -np.zeros(3)})


ROWS = np.random.default_rng(1).standard_normal((700, 700)).astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: np.where(np.arange(w.size).reshape(w.shape) < 256, w, 0),
        lambda w: -w,
        lambda w: w.T,
        lambda w: w[::-1],
        lambda w: w[:, ::-1],
        lambda w: w[[*range(698), 699, 698]],
        lambda w: w.reshape(350, 1400),
        lambda w: w * (1 + 2**-7),
    ],
)
def test_a_change_past_the_first_values_shows(change):
    # In blocks, of which there are two, as in the arrays of a real model.
    assert ROWS.size > 2**18
    assert fingerprint({"w": change(ROWS)}) != fingerprint({"w": ROWS})


def test_what_bfloat16_cannot_hold_does_not_show():

    near = ROWS.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert fingerprint({"w": near}) == fingerprint({"w": ROWS})


@pytest.mark.parametrize(
    ("name", "index"), [("long", 0), ("long", 255), ("rows", (31, 7)), ("columns", 255)]
)
@BOTH
def test_a_changed_value_shows(name_of, params, name, index):
    before = name_of(params)
    params["encoder"][name].flat[np.ravel(index)[-1]] += 1
    assert name_of(params) != before


@BOTH
def test_a_changed_name_or_shape_shows(name_of, params):
    before = name_of(params)
    renamed = {"decoder": params["encoder"], "scalar": params["scalar"]}
    assert name_of(renamed) != before
    longer = params["encoder"] | {"long": np.append(params["encoder"]["long"], 0)}
    assert name_of(params | {"encoder": longer}) != before


def test_equal_arrays_under_exchanged_names_show():
    one, other = ROWS[:3], ROWS[3:6]
    assert fingerprint({"a": one, "b": other}) != fingerprint({"a": other, "b": one})
