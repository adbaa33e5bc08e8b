"""The shape of a run's model is its checkpoint's, and gin may only agree."""

import dataclasses
import functools
import logging

import numpy as np
import pytest

from spot_jax import config, pretrained
from spot_jax.errors import InputError
from spot_jax.model import architecture, weights
from spot_jax.pretrained.save import save_t5x
from spot_jax.settings import Model
from spot_jax.t5 import T5Config
from tests.pretrained import their_folders

SHAPE = T5Config(
    *(16, 3, 24, 2, 2), d_head=4, vocab_size=96, relpos_buckets=8, dropout_rate=0.1
)
PUBLISHED = T5Config(768, 12, 2048, 12, 12)


@pytest.fixture(scope="module")
def params():
    return weights.draw(Model(SHAPE, checkpoint=None), seed=0).params


@pytest.fixture(scope="module")
def folder(params, tmp_path_factory):
    config = their_folders.UNTIED | {"dropout_rate": 0.25}
    path = tmp_path_factory.mktemp("their_folder")
    return their_folders.write(path, their_folders.their_weights(params), **config)


@pytest.fixture(scope="module")
def t5x(params, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("t5x") / "checkpoint_7")
    save_t5x(path, params, 7)
    return path


def test_a_folder_alone_is_the_whole_model(folder, params):
    found = architecture.resolved(Model(checkpoint=folder)).config
    assert found == dataclasses.replace(SHAPE, dropout_rate=0.25)
    loaded = weights.load(Model(checkpoint=folder))
    assert loaded.config == found
    assert loaded.fingerprint == pretrained.fingerprint(params)


def test_so_is_a_t5x_checkpoint_and_what_is_assumed_is_said(t5x, caplog):
    caplog.set_level(logging.INFO)
    assert architecture.resolved(Model(checkpoint=t5x)).config == SHAPE
    assert "tells its mlp_activations: it is taken to be ('gelu', 'linear')" in (
        caplog.text
    )


@pytest.mark.parametrize("name", ["spot_tiny", "t5_1_1_lm100k_base"])
def test_so_is_a_name(name, monkeypatch):
    found = architecture.resolved(Model(checkpoint=name)).config
    assert (found == PUBLISHED) == (name != "spot_tiny")
    assert found.vocab_size == (1344 if name == "spot_tiny" else 32128)


@pytest.mark.parametrize("config", [None, SHAPE])
def test_dropout_and_dtype_are_set_with_and_without_a_shape(folder, config):
    make = functools.partial(Model, config, checkpoint=folder)
    given = architecture.resolved(make(dropout_rate=0.0, dtype="bfloat16")).config
    assert (given.dropout_rate, given.dtype) == (0.0, "bfloat16")
    own = architecture.resolved(make()).config
    assert (own.dropout_rate, own.dtype) == (0.1 if config else 0.25, "float32")


@pytest.fixture
def unreadable(monkeypatch):
    def fail(array):
        raise AssertionError("an array was read")

    monkeypatch.setattr(pretrained.arrays.StoredArray, "whole", fail)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"d_mlp": 32}, r"d_mlp 24 \(not 32\)"),
        ({"heads": 2}, r"heads 3 \(not 2\)"),
        ({"encoder_layers": 3}, r"encoder_layers 2 \(not 3\)"),
        ({"vocab_size": 128}, r"vocab_size 96 \(not 128\)"),
        ({"logits_via_embedding": True}, r"logits_via_embedding False \(not True\)"),
        ({"relpos_in_every_layer": True}, r"relpos_in_every_layer False \(not True\)"),
    ],
)
@pytest.mark.parametrize("place", ["folder", "t5x"])
def test_gin_that_says_otherwise_is_refused_before_an_array_is_read(
    setting, told, place, request, unreadable
):
    other = Model(
        dataclasses.replace(SHAPE, **setting),
        checkpoint=request.getfixturevalue(place),
    )
    with pytest.raises(InputError, match=f"{told}.*leave the gin/models file out"):
        architecture.resolved(other)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"norm_epsilon": 1e-5}, r"norm_epsilon 1e-06 \(not 1e-05\)"),
        ({"relpos_max_distance": 64}, r"relpos_max_distance 128 \(not 64\)"),
        ({"mlp_activations": ("silu", "linear")}, r"not \('silu', 'linear'\)"),
    ],
)
def test_what_only_config_json_tells_is_compared(setting, told, folder, unreadable):
    other = dataclasses.replace(SHAPE, **setting)
    with pytest.raises(InputError, match=told):
        architecture.resolved(Model(other, checkpoint=folder))


def test_what_nothing_tells_is_what_gin_says(t5x):
    silu = dataclasses.replace(SHAPE, mlp_activations=("silu", "linear"))
    assert architecture.resolved(Model(silu, checkpoint=t5x)).config == silu


def test_a_published_name_is_compared_without_being_opened():
    other = dataclasses.replace(PUBLISHED, encoder_layers=24)
    with pytest.raises(InputError, match=r"encoder_layers 12 \(not 24\)"):
        architecture.resolved(Model(other, checkpoint="t5_1_1_lm100k_base"))
    same = Model(PUBLISHED, checkpoint="t5_1_1_lm100k_base")
    assert architecture.resolved(same) == same


def test_a_folder_that_lacks_arrays_is_refused(params, tmp_path):
    kept = {
        name: array
        for name, array in their_folders.their_weights(params).items()
        if not name.startswith("decoder.block.1")
    }
    path = their_folders.write(tmp_path, kept, **their_folders.UNTIED)
    with pytest.raises(InputError, match="decoder_layers 2, its weights are of one"):
        architecture.resolved(Model(checkpoint=path))


def test_a_model_that_nothing_describes_is_refused():
    nothing = Model(checkpoint=None)
    with pytest.raises(InputError, match=r"Nothing says which T5.*--gin_file=gin/mod"):
        architecture.resolved(nothing)
    with pytest.raises(InputError, match="Nothing says which T5"):
        weights.draw(nothing, 0)
    with pytest.raises(InputError, match="INITIAL_CHECKPOINT_PATH is None"):
        weights.load(nothing)
    assert architecture.described(nothing) is None
    drawn = Model(SHAPE, checkpoint=None)
    assert architecture.resolved(drawn) is drawn


def test_a_checkpoint_is_still_asked_for():
    with pytest.raises(InputError, match="has no checkpoint"):
        Model(SHAPE)
    assert Model(SHAPE, "a") == Model(SHAPE, checkpoint="a")
    with pytest.raises(InputError, match="INITIAL_CHECKPOINT_PATH is not set"):
        config.parse(["gin/runs/nearest_pieces.gin"], ["PROMPT_FILES=[]"])


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan")])
def test_a_share_that_is_none_is_refused(rate):
    with pytest.raises(InputError, match="dropout_rate.*"):
        Model(SHAPE, checkpoint=None, dropout_rate=rate)


def test_half_precision_is_what_it_computes_in(folder):
    model = architecture.resolved(Model(checkpoint=folder, dtype="bfloat16"))
    assert model.config.compute_dtype == np.dtype("bfloat16")


OLD = """
from __gin__ import dynamic_registration

from spot_jax import settings
from spot_jax.t5 import config as t5

ACTIVATION_DTYPE = 'bfloat16'
ARCHITECTURE = @t5.T5Config()
DROPOUT_RATE = 0.0
settings.Model.checkpoint = None
settings.Model.config = %ARCHITECTURE
t5.T5Config.d_mlp = 24
t5.T5Config.d_model = 16
t5.T5Config.decoder_layers = 2
t5.T5Config.dropout_rate = %DROPOUT_RATE
t5.T5Config.dtype = %ACTIVATION_DTYPE
t5.T5Config.encoder_layers = 2
t5.T5Config.heads = 3
"""


def test_a_configuration_of_before_sets_dropout_in_the_shape(tmp_path):
    (tmp_path / "config.gin").write_text(OLD)
    config.parse([str(tmp_path / "config.gin")])
    made = config.configured(Model)()
    assert (made.config.dropout_rate, made.config.dtype) == (0.0, "bfloat16")


@pytest.mark.parametrize("files", [[], ["gin/models/t5_1_1_small.gin"]])
def test_gin_sets_dropout_with_and_without_a_file_of_the_model(files, folder):
    given = [f"INITIAL_CHECKPOINT_PATH={folder}", "PROMPT_FILE=/nowhere"]
    given += ["INFER_OUTPUT=/nowhere/x", "ACTIVATION_DTYPE=bfloat16"]
    given += ["MIXTURE_OR_TASK_NAME=sst2", "TASK_FEATURE_LENGTHS=None"]
    config.parse([*files, "gin/runs/infer.gin"], given)
    made = config.configured(Model)()
    if files:
        assert (made.config.dropout_rate, made.config.dtype) == (0.0, "bfloat16")
    else:
        assert made.config is None
        found = architecture.resolved(made).config
        assert (found.dropout_rate, found.dtype) == (0.0, "bfloat16")
