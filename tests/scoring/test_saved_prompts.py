"""Prompts are read and checked without their model, and named for files."""

import types

import numpy as np
import pytest

from spot_jax.prompts import files
from spot_jax.prompts.base import PromptBundle
from spot_jax.scoring import saved_prompts
from tests.bundles import MODEL, soft


def written(folder, file, bundle=None, **story):
    files.write(
        folder / file, soft(np.ones((2, 4))) if bundle is None else bundle, story
    )
    return str(folder / file)


def made_for(fingerprint):
    return {"fingerprint": fingerprint * 16, "source": "somewhere"}


def test_what_cannot_be_right_is_found_without_the_model(tmp_path):
    fits = written(tmp_path, "a.safetensors", model=made_for("0"))
    other = written(tmp_path, "b.safetensors", model=made_for("1"))
    wide = written(tmp_path, "c.safetensors", soft(np.ones((2, 5))))
    keys = PromptBundle(cross=np.ones((5, 2, 1, 7), np.float32))
    narrow = written(tmp_path, "d.safetensors", keys)
    for paths, words in (
        ([fits, "nowhere"], "no prompt file nowhere"),
        ([fits, wide], r"c.safetensors does not fit.*\[2, 5\]"),
        ([narrow], r"d.safetensors does not fit: its cross is \[5, 2, 1, 7\]"),
        ([fits, other], "a.safetensors was .* 0000.*, .*b.safetensors was .* 1111"),
    ):
        with pytest.raises(ValueError, match=words):
            saved_prompts.read(paths, MODEL)


def test_a_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "a.safetensors")
    (found,) = saved_prompts.read(["~/a.safetensors"], MODEL)
    assert found.path == str(tmp_path / "a.safetensors")


def test_names_that_repeat_are_numbered(tmp_path):
    path = written(tmp_path, "a.safetensors", name="rte")
    saved = [files.read(path)] * 3
    assert saved_prompts.names_of(saved) == ["rte", "rte-1", "rte-2"]
    assert saved_prompts.names_of([]) == ["model"]
    assert list(saved_prompts.vectors_of(saved)) == ["rte", "rte-1", "rte-2"]


def test_a_range_is_of_the_stack_that_a_prompt_enters(tmp_path):
    deep = types.SimpleNamespace(**vars(MODEL) | {"encoder_layers": 9})
    keys = np.ones((9, 2, 1, 6), np.float32)
    path = written(tmp_path, "a.safetensors", PromptBundle(enc_self=keys, layers="8:"))
    (read,) = saved_prompts.read([path], deep)
    assert read.bundle.layers == "8:"
    none = written(tmp_path, "b.safetensors", PromptBundle(enc_self=keys, layers="9:"))
    with pytest.raises(ValueError, match="none of the 9"):
        saved_prompts.read([none], deep)
