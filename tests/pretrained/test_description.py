"""What a checkpoint says of itself is told, or refused, before any array is read."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

from spot_jax import pretrained, spot_tiny
from spot_jax.errors import InputError
from spot_jax.pretrained import description as description_module
from spot_jax.pretrained.arrays import StoredArray
from spot_jax.pretrained.beside import Beside
from spot_jax.pretrained.published import PUBLISHED
from spot_jax.pretrained.save import save_t5x
from spot_jax.t5 import T5Config, initial_parameters
from tests.pretrained.their_folders import (
    UNTIED,
    VERSION_5,
    their_weights,
    write,
)

SHAPE = T5Config(
    *(16, 3, 24, 2, 2), d_head=4, vocab_size=96, relpos_buckets=8, dropout_rate=0.1
)
MODELS = {
    "1.1": SHAPE,
    "1.0": dataclasses.replace(
        SHAPE, mlp_activations=("relu",), logits_via_embedding=True
    ),
    "silu": dataclasses.replace(SHAPE, mlp_activations=("silu", "linear")),
    "every layer": dataclasses.replace(SHAPE, relpos_in_every_layer=True),
    "unlike": dataclasses.replace(
        SHAPE, decoder_layers=1, norm_epsilon=1e-5, relpos_max_distance=64
    ),
}
NOT_COMPARED = {"dropout_rate", "dtype"}


@pytest.fixture(scope="module")
def weights():
    made = {
        name: initial_parameters(c, jax.random.key(0)) for name, c in MODELS.items()
    }
    return {name: dict(params) for name, params in made.items()}


@pytest.fixture(autouse=True)
def unreadable(monkeypatch):
    """Arrays that fail when they are read."""

    def fail(array):
        raise AssertionError("an array was read")

    monkeypatch.setattr(StoredArray, "whole", fail)


def config_of(settings):
    return T5Config(**settings)


def shape_of(config):
    """What a description has to tell."""
    fields = dataclasses.asdict(config)
    return {key: value for key, value in fields.items() if key not in NOT_COMPARED}


@pytest.mark.parametrize("name", ["1.1", "1.0", "every layer"])
def test_the_arrays_of_t5x_tell_its_shape(name, weights, tmp_path):
    save_t5x(str(tmp_path / "c"), weights[name], 7)
    told = pretrained.describe(str(tmp_path / "c"))
    assert shape_of(config_of(told.settings)) == shape_of(MODELS[name])
    assert told.step == 7
    assert told.vocabulary is None
    # No shape tells an activation, and these are of no published size.
    assert set(told.assumed) == {"mlp_activations"}


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_of_ours_tells_what_shapes_do_not(name, weights, tmp_path):
    settings = dataclasses.asdict(MODELS[name])
    save_t5x(str(tmp_path / "c"), weights[name], 7, settings)
    told = pretrained.describe(str(tmp_path / "c"))
    assert config_of(told.settings) == MODELS[name]
    assert not told.assumed


FOLDERS = {
    "1.1": UNTIED,
    "1.0": {},
    "silu": UNTIED | {"feed_forward_proj": "gated-silu"},
    "unlike": UNTIED
    | {
        "num_decoder_layers": 1,
        "layer_norm_epsilon": 1e-5,
        "relative_attention_max_distance": 64,
    },
}


@pytest.mark.parametrize("name", FOLDERS)
def test_config_json_tells_the_shape_of_a_folder(name, weights, tmp_path):
    config = FOLDERS[name] | {"dropout_rate": 0.25}
    told = pretrained.describe(write(tmp_path, their_weights(weights[name]), **config))
    assert config_of(told.settings) == MODELS[name]
    assert told.training == {"dropout_rate": 0.25}
    assert (told.step, told.assumed, told.vocabulary) == (None, {}, None)


@pytest.mark.parametrize(
    ("sizes", "activations", "is_assumed"),
    [
        ((4096, 64, 10240, 24, 24), ("gelu", "linear"), False),
        ((4096, 16, 16384, 32, 32), ("silu", "linear"), True),
    ],
    ids=["T5 1.1 XXL", "UL2"],
)
def test_published_shapes_tell_their_activations(
    sizes, activations, is_assumed, tmp_path, monkeypatch
):
    from flax import traverse_util

    from spot_jax.pretrained.arrays import Checkpoint
    from spot_jax.t5 import parameter_shapes

    shapes, _ = parameter_shapes(T5Config(*sizes, d_head=256 if is_assumed else 64))
    arrays = traverse_util.flatten_dict(dict(shapes), sep="/")
    found = Checkpoint(arrays, step=3)
    monkeypatch.setattr(description_module, "open_checkpoint", lambda *_: found)
    told = pretrained.describe(str(tmp_path))
    assert told.settings["mlp_activations"] == activations
    assert bool(told.assumed) == is_assumed


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_name_is_its_gin_file_and_opens_nothing(name, monkeypatch):
    from spot_jax import config

    monkeypatch.setattr(description_module, "open_checkpoint", None)
    told = pretrained.describe(name)
    size = name.rpartition("_")[2]
    config.parse([f"gin/models/t5_1_1_{size}.gin"], ["X=%ARCHITECTURE"])
    assert config_of(told.settings) == config.configured(T5Config)()
    assert told.step == (1_100_000 if "lm100k" in name else 1_000_000)


def test_spot_tiny_tells_its_vocabulary_by_its_name():
    told = pretrained.describe("spot_tiny")
    assert told.vocabulary == Beside("spot_tiny", 0, ())
    assert (told.settings["d_model"], told.assumed) == (128, {})
    assert told.source == str(spot_tiny.FOLDER)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({}, None),
        ({"spiece.model": ""}, Beside("{}/spiece.model", None, ())),
        ({"tokenizer.json": "{}"}, Beside("{}/tokenizer.json", None, ())),
        (
            {"spiece.model": "", "tokenizer.json": "{}"},
            Beside("{}/spiece.model", None, ()),
        ),
        (
            {"spiece.model": "", "tokenizer_config.json": '{"extra_ids": 20}'},
            Beside("{}/spiece.model", 20, ()),
        ),
        (
            {
                "spiece.model": "",
                "added_tokens.json": '{"<extra_id_0>": 1, "<": 2, "</s>": 1}',
            },
            Beside("{}/spiece.model", None, ("<",)),
        ),
        (
            {"tokenizer_config.json": '{"tokenizer_class": "ByT5Tokenizer"}'},
            Beside("bytes", None, ()),
        ),
    ],
)
def test_the_vocabulary_beside_the_weights_is_found(files, wanted, weights, tmp_path):
    path = write(tmp_path, their_weights(weights["1.0"]))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if wanted:
        wanted = wanted._replace(path=wanted.path.format(tmp_path))
    assert pretrained.describe(path).vocabulary == wanted


def test_a_damaged_tokenizer_config_is_one_message(weights, tmp_path):
    path = write(tmp_path, their_weights(weights["1.0"]))
    (tmp_path / "tokenizer_config.json").write_text('{"extra_ids": "many"}')
    with pytest.raises(InputError, match="tokenizer_config.json is not what it should"):
        pretrained.describe(path)


def test_a_folder_of_two_models_is_refused(weights, tmp_path):
    path = write(tmp_path, their_weights(weights["1.0"]), d_ff=48, **VERSION_5)
    with pytest.raises(InputError, match="is not one model: .*d_mlp 48.*with 24"):
        pretrained.describe(path)


@pytest.mark.parametrize("kind", ["bert", "llama", "longt5", "switch_transformers"])
def test_what_is_no_t5_is_refused_by_its_type(kind, weights, tmp_path):
    path = write(tmp_path, their_weights(weights["1.0"]), model_type=kind)
    with pytest.raises(InputError, match=f"of type '{kind}'"):
        pretrained.describe(path)


def test_arrays_that_are_no_t5s_are_refused(tmp_path):
    save_t5x(str(tmp_path / "c"), {"dense": {"w": np.ones((2, 2), np.float32)}}, 0)
    with pytest.raises(InputError, match=r"holds no T5: .*vocab_size.*dense/w"):
        pretrained.describe(str(tmp_path / "c"))


@pytest.mark.parametrize("name", ["nothing", "notes.txt", "config.json"])
def test_a_folder_that_is_no_checkpoint_is_refused(name, tmp_path):
    if name != "nothing":
        (tmp_path / name).write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(InputError, match="no checkpoint that can be|no weights that"):
        pretrained.describe(str(tmp_path))
    with pytest.raises(InputError, match="no pretrained weights at"):
        pretrained.describe(str(pathlib.Path(tmp_path / "nowhere")))


def test_a_folder_that_writes_with_other_tokens_is_refused(weights, tmp_path):
    path = write(tmp_path, their_weights(weights["1.0"]))
    other = json.dumps({"decoder_start_token_id": 2})
    (tmp_path / "generation_config.json").write_text(other)
    with pytest.raises(InputError, match="generation_config.json has decoder_start"):
        pretrained.describe(path)


@pytest.mark.parametrize(
    "config",
    [{"relative_attention_max_distance": 0}, {"layer_norm_epsilon": -1.0}],
)
def test_numbers_that_no_t5_has_are_refused(config, weights, tmp_path):
    from spot_jax.model import architecture
    from spot_jax.settings import Model

    path = write(tmp_path, their_weights(weights["1.0"]), **config)
    with pytest.raises(InputError, match="relpos_max_distance is 0|layer_norm_epsilon"):
        architecture.resolved(Model(checkpoint=path))
