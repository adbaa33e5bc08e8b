"""Weights in parts are those that their index lists, and come from its folder."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from spot_jax import pretrained
from spot_jax.errors import InputError
from tests.pretrained.their_folders import UNTIED, their_weights, write_parts


@pytest.fixture
def untied(t5_tree, random_params):
    tree = t5_tree()
    return tree, random_params(tree)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("../elsewhere/model.safetensors", "is no file of its folder"),
        ("/etc/passwd", "is no file of its folder"),
        ("..", "lacks .."),
        ("", "is no file of its folder"),
        (3, "Expected `str`, got `int`"),
        (None, "Expected `str`, got `null`"),
    ],
)
def test_a_part_outside_of_the_folder_is_refused(file, told, untied, tmp_path):
    tree, params = untied
    folder = tmp_path / "model"
    path = write_parts(folder, their_weights(params), **UNTIED)
    (tmp_path / "elsewhere").mkdir()
    save_file({"a": np.zeros(2)}, tmp_path / "elsewhere/model.safetensors")
    change_index(folder, lambda index: index["weight_map"].update(a=file))
    with pytest.raises(InputError, match=re.escape(told)):
        pretrained.load(path, tree)


def change_index(folder, change):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


@pytest.mark.parametrize("weight_map", [3, [], "a", {}, None, {"a": {}}])
def test_a_weight_map_that_is_none_is_one_message(weight_map, untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), **UNTIED)
    change_index(tmp_path, lambda index: index.update(weight_map=weight_map))
    with pytest.raises(InputError, match=r"index\.json.*Get the folder again"):
        pretrained.load(path, tree)


@pytest.mark.parametrize("is_listed", [True, False])
def test_an_array_in_two_parts_is_refused(is_listed, untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), **UNTIED)
    name, part = "shared.weight", tmp_path / "model-00003-of-00003.safetensors"
    if not is_listed:
        change_index(tmp_path, lambda index: index["weight_map"].pop(name))
    assert name not in load_file(part)
    save_file(load_file(part) | {name: np.ones((96, 16), np.float32)}, part)
    with pytest.raises(InputError, match=rf"{name} is in .* the parts are of diff"):
        pretrained.load(path, tree)


def test_an_array_in_another_part_than_the_index_says_is_refused(untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), **UNTIED)
    moved = {"shared.weight": "model-00003-of-00003.safetensors"}
    change_index(tmp_path, lambda index: index["weight_map"].update(moved))
    with pytest.raises(InputError, match=r"shared\.weight is in .*1-of-0"):
        pretrained.load(path, tree)


def test_a_lost_part_is_named(untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), **UNTIED)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match="lacks model-00002-of-00003.safetensors"):
        pretrained.load(path, tree)


def test_a_part_without_its_arrays_is_named(untied, tmp_path):
    tree, params = untied
    path = write_parts(tmp_path, their_weights(params), **UNTIED)
    save_file({}, tmp_path / "model-00002-of-00003.safetensors")
    with pytest.raises(ValueError, match=r"index\.json lists \d+ arrays that no part"):
        pretrained.load(path, tree)
