"""The fingerprint is the model's: neither dtype, format nor sharding shows in it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from spot_jax.pretrained import fingerprint


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


def test_it_is_sixteen_hexadecimal_characters(params):
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(params))


def test_it_never_changes():
    params = {"a": {"b": np.arange(600, dtype=np.float32).reshape(2, 300)}}
    assert fingerprint(params) == "f4c597746c5b31f9"


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_dtype_held_does_not_show(params, dtype):
    held = jax.tree.map(lambda array: jnp.asarray(array, dtype), params)
    assert fingerprint(held) == fingerprint(params)


@pytest.mark.parametrize(
    "spec", [P(), P("data"), P("model"), P(("data", "model")), P("model", "data")]
)
def test_the_sharding_does_not_show(params, spec):
    if len(jax.devices()) < 8:
        pytest.skip("needs eight devices, and another test took fewer")
    mesh = Mesh(np.array(jax.devices()[:8]).reshape(2, 4), ("data", "model"))

    def place(array):
        fitting = NamedSharding(mesh, P(*spec[: array.ndim]))
        return jax.device_put(array, fitting)

    assert fingerprint(jax.tree.map(place, params)) == fingerprint(params)


@pytest.mark.parametrize(
    ("name", "index"), [("long", 0), ("long", 255), ("rows", (31, 7)), ("columns", 255)]
)
def test_a_changed_value_shows(params, name, index):
    before = fingerprint(params)
    params["encoder"][name].flat[np.ravel(index)[-1]] += 1
    assert fingerprint(params) != before


def test_a_changed_name_or_shape_shows(params):
    before = fingerprint(params)
    renamed = {"decoder": params["encoder"], "scalar": params["scalar"]}
    assert fingerprint(renamed) != before
    longer = params["encoder"] | {"long": np.append(params["encoder"]["long"], 0)}
    assert fingerprint(params | {"encoder": longer}) != before
