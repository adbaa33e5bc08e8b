"""A model is read with all that is configured of it, and tells who it is."""

import dataclasses

import pytest

from spot_jax import pretrained
from spot_jax.errors import InputError
from spot_jax.model import weights
from spot_jax.settings import Model
from spot_jax.t5 import T5Config
from tests.pretrained import their_folders

# The sizes of tests/pretrained's trees.
SIZES = dict(d_model=16, heads=3, d_head=4, d_mlp=24, vocab_size=96)
SHAPE = T5Config(**SIZES, encoder_layers=2, decoder_layers=2, relpos_buckets=8)


@pytest.fixture(scope="module")
def drawn():
    return weights.draw(Model(SHAPE, checkpoint=None), seed=0)


def load(folder, drawn, shape=SHAPE, **config):
    written = their_folders.their_weights(drawn.params)
    config = their_folders.UNTIED | config
    path = their_folders.write(folder, written, **config)
    return weights.load(Model(shape, checkpoint=path))


def test_a_model_tells_both_of_its_fingerprints(drawn, tmp_path):
    loaded = load(tmp_path, drawn)
    told = {
        "fingerprint": pretrained.fingerprint(drawn.params),
        "earlier_fingerprint": pretrained.earlier_fingerprint(drawn.params),
    }
    assert loaded.story() == told | {"source": str(tmp_path)}
    assert drawn.story() == told | {"source": "random"}


def test_numbers_that_shapes_do_not_show_are_compared(drawn, tmp_path):
    with pytest.raises(InputError, match=r"relpos_max_distance 64 \(not 128\)"):
        load(tmp_path, drawn, relative_attention_max_distance=64)
    # The advice is what has to be set.
    shape = dataclasses.replace(SHAPE, relpos_max_distance=64)
    load(tmp_path, drawn, shape, relative_attention_max_distance=64)
