"""Small T5 trees, random weights for them, and where the shared fixtures are."""

import contextlib
import os
import pathlib

import jax
import numpy as np
import pytest
from flax import traverse_util

SHARED = (pathlib.Path(__file__).resolve().parents[2] / "../shared").resolve()

# The sharded tests need eight devices, and skip if another test took fewer before.
if "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", 8)


def _stack_shapes(stack, layers, d_model, heads, d_head, mlp, buckets, gated):
    joined = heads * d_head
    attentions = {
        "encoder": {"attention": "pre_attention_layer_norm"},
        "decoder": {
            "self_attention": "pre_self_attention_layer_norm",
            "encoder_decoder_attention": "pre_cross_attention_layer_norm",
        },
    }[stack]
    shapes = {
        f"{stack}/relpos_bias/rel_embedding": (heads, buckets),
        f"{stack}/{stack}_norm/scale": (d_model,),
    }
    for i in range(layers):
        layer = f"{stack}/layers_{i}"
        for attention, norm in attentions.items():
            shapes[f"{layer}/{norm}/scale"] = (d_model,)
            for projection in ("query", "key", "value"):
                shapes[f"{layer}/{attention}/{projection}/kernel"] = (d_model, joined)
            shapes[f"{layer}/{attention}/out/kernel"] = (joined, d_model)
        shapes[f"{layer}/pre_mlp_layer_norm/scale"] = (d_model,)
        for wi in ("wi_0", "wi_1") if gated else ("wi",):
            shapes[f"{layer}/mlp/{wi}/kernel"] = (d_model, mlp)
        shapes[f"{layer}/mlp/wo/kernel"] = (mlp, d_model)
    return shapes


@pytest.fixture(scope="session")
def t5_tree():
    """Makes the expected tree of a T5 1.1 (gated, untied) or 1.0 (neither)."""

    def make(
        *,
        layers=2,
        d_model=16,
        heads=3,
        d_head=4,
        mlp=24,
        vocab=96,
        buckets=8,
        v1_0=False,
        dtype=np.float32,
    ):
        sizes = (layers, d_model, heads, d_head, mlp, buckets, not v1_0)
        shapes = {"token_embedder/embedding": (vocab, d_model)}
        shapes |= _stack_shapes("encoder", *sizes) | _stack_shapes("decoder", *sizes)
        if not v1_0:
            shapes["decoder/logits_dense/kernel"] = (d_model, vocab)
        leaves = {n: jax.ShapeDtypeStruct(s, dtype) for n, s in shapes.items()}
        return traverse_util.unflatten_dict(leaves, sep="/")

    return make


@pytest.fixture(scope="session")
def random_params():
    """Fills an expected tree with random float32 values."""

    def make(tree, seed=0):
        rng = np.random.default_rng(seed)
        return jax.tree.map(
            lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32), tree
        )

    return make


@pytest.fixture(scope="session")
def assert_same():
    """Asserts that two trees have the same structure, dtypes and bits."""

    def check(found, wanted, dtype=np.float32):
        flat = traverse_util.flatten_dict(found, sep="/")
        other = traverse_util.flatten_dict(wanted, sep="/")
        assert flat.keys() == other.keys()
        for name, array in flat.items():
            assert array.dtype == dtype, name
            values = np.asarray(array).astype(np.float32)
            expected = np.asarray(other[name]).astype(dtype).astype(np.float32)
            np.testing.assert_array_equal(values, expected, err_msg=name)

    return check


@pytest.fixture(scope="session")
def fixture_folder():
    """Finds one of the shared fixtures, and skips where they are absent."""

    def find(name):
        path = SHARED / "fixtures" / name
        if not path.exists():
            pytest.skip(f"the shared fixture {name} is not here")
        return path

    return find
