"""A checkpoint of another model is refused before anything is read, with the cure."""

import pathlib

import jax
import numpy as np
import pytest
from flax import traverse_util

from spot_jax.errors import InputError
from spot_jax.pretrained.arrays import Checkpoint, StoredArray
from spot_jax.pretrained.check import check, recognise

GIN_MODELS = pathlib.Path(__file__).resolve().parents[2] / "gin" / "models"
SIZES_1_1 = {
    "t5_1_1_tiny": dict(layers=2, d_model=128, heads=4, d_head=32, mlp=256),
    "spot_tiny": dict(layers=3, d_model=128, heads=4, d_head=32, mlp=256),
    "t5_1_1_small": dict(layers=8, d_model=512, heads=6, d_head=64, mlp=1024),
    "t5_1_1_base": dict(layers=12, d_model=768, heads=12, d_head=64, mlp=2048),
    "t5_1_1_large": dict(layers=24, d_model=1024, heads=16, d_head=64, mlp=2816),
    "t5_1_1_xl": dict(layers=24, d_model=2048, heads=32, d_head=64, mlp=5120),
    "t5_1_1_xxl": dict(layers=24, d_model=4096, heads=64, d_head=64, mlp=10240),
}
SIZES_1_0 = {
    "t5_1_0_tiny": dict(layers=2, d_model=128, heads=4, d_head=32, mlp=256),
    "t5_1_0_small": dict(layers=6, d_model=512, heads=8, d_head=64, mlp=2048),
    "t5_1_0_base": dict(layers=12, d_model=768, heads=12, d_head=64, mlp=3072),
    "t5_1_0_large": dict(layers=24, d_model=1024, heads=16, d_head=64, mlp=4096),
    "t5_1_0_3b": dict(layers=24, d_model=1024, heads=32, d_head=128, mlp=16384),
    "t5_1_0_11b": dict(layers=24, d_model=1024, heads=128, d_head=128, mlp=65536),
}


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


def unreadable(index):
    raise AssertionError("an array was read before the checkpoint was known to fit")


def checkpoint(tree, **changes):
    shapes = {name: leaf.shape for name, leaf in flat(tree).items()} | changes
    arrays = {
        name: StoredArray(shape, np.dtype(np.float32), unreadable)
        for name, shape in shapes.items()
        if shape is not None
    }
    return Checkpoint(arrays, step=None)


def test_what_fits_is_accepted(t5_tree):
    check(checkpoint(t5_tree()), flat(t5_tree()), "here")


def test_everything_that_is_wrong_is_said_at_once(t5_tree):
    changes = {
        "encoder/encoder_norm/scale": None,
        "encoder/prompt/prompt/prompt": (5, 16),
        "decoder/logits_dense/kernel": (16, 95),
    }
    with pytest.raises(ValueError) as error:
        check(checkpoint(t5_tree(), **changes), flat(t5_tree()), "/the/folder")
    assert str(error.value).splitlines() == [
        "the weights in /the/folder are not those of the model:",
        "  1 array missing from the checkpoint: encoder/encoder_norm/scale [16]",
        "  1 array without a place in the model: encoder/prompt/prompt/prompt [5, 16]",
        "  1 array of another shape: decoder/logits_dense/kernel (the model's is "
        "[16, 96], the checkpoint's [16, 95])",
    ]


def test_the_first_five_are_named_and_the_others_counted(t5_tree):
    with pytest.raises(ValueError, match="layers_2") as error:
        check(checkpoint(t5_tree(layers=2)), flat(t5_tree(layers=3)), "here")
    missing = flat(t5_tree(layers=3)).keys() - flat(t5_tree(layers=2)).keys()
    assert f"{len(missing)} arrays missing" in str(error.value)
    assert f"and {len(missing) - 5} more" in str(error.value)
    assert str(error.value).count("layers_2") == 5


@pytest.mark.parametrize("name", SIZES_1_1 | SIZES_1_0)
def test_another_published_size_is_named_with_its_gin_file(name, t5_tree):
    sizes = (SIZES_1_1 | SIZES_1_0)[name] | dict(vocab=32128, buckets=32)
    other = t5_tree(**sizes, v1_0=name in SIZES_1_0)
    assert recognise(flat(other)) == name
    assert (GIN_MODELS / f"{name}.gin").exists()
    with pytest.raises(ValueError, match=f"choose gin/models/{name}.gin"):
        check(checkpoint(other), flat(t5_tree()), "here")


def test_no_gin_file_is_named_when_the_size_is_right(t5_tree):
    sizes = SIZES_1_1["t5_1_1_small"]
    lacking = checkpoint(t5_tree(**sizes), **{"encoder/encoder_norm/scale": None})
    with pytest.raises(ValueError) as error:
        check(lacking, flat(t5_tree(**sizes)), "here")
    assert "gin" not in str(error.value)


def test_a_tree_that_is_no_t5_is_not_recognised():
    assert recognise({"w": jax.ShapeDtypeStruct((2, 2), np.float32)}) is None
    assert recognise({}) is None


def test_a_larger_embedding_names_its_setting(t5_tree):
    """Of a T5X checkpoint as well, which says of itself no more than shapes."""
    with pytest.raises(InputError) as error:
        check(checkpoint(t5_tree(vocab=128)), flat(t5_tree(vocab=96)), "here")
    assert "vocab_size 128 (not 96): set --gin.T5Config.vocab_size=128" in str(
        error.value
    )


def test_shapes_that_are_another_size_name_their_settings(t5_tree):
    theirs = checkpoint(t5_tree(heads=2, d_head=6, buckets=4, layers=1))
    with pytest.raises(InputError) as error:
        check(theirs, flat(t5_tree(heads=3, d_head=4, buckets=8, layers=2)), "here")
    assert str(error.value).endswith(
        "it is of a model with heads 2 (not 3), relpos_buckets 4 (not 8), "
        "encoder_layers 1 (not 2), decoder_layers 1 (not 2), d_head 6 (not 4): "
        "set --gin.T5Config.heads=2 --gin.T5Config.relpos_buckets=4 "
        "--gin.T5Config.encoder_layers=1 --gin.T5Config.decoder_layers=1 "
        "--gin.T5Config.d_head=6, or leave the gin/models file out, for the checkpoint "
        "tells its shape, or choose another checkpoint"
    )
