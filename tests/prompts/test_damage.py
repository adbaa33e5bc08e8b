"""Damaged prompts and libraries: one message, or exactly what was written.

Damages are drawn, with seeds; numpy's own file has no checksum, so there a change of
its numbers cannot be seen.
"""

import json
import random
import shutil

import numpy as np
import pytest
import safetensors.numpy

from spot_jax.prompts import files, peft
from spot_jax.prompts.entry import _digest
from spot_jax.prompts.library import Library
from tests import damage
from tests.bundles import assert_same, everywhere, soft
from tests.prompts.entries import entry

SEEDS = range(150)
PROMPT = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
STORY = {
    "name": "rte-seed0",
    "task": "rte",
    "seed": 0,
    "step": 10,
    "kind": "best",
    "results": {"rte": {"accuracy": 90.0}},
    "score": 90.0,
    "model": {"fingerprint": "0123456789abcdef", "source": "t5"},
    "configuration": "TRAIN_STEPS = 10\n",
}


@pytest.mark.parametrize("bundle", [soft(PROMPT), everywhere(5)], ids=["one", "all"])
def test_a_damaged_prompt_is_refused_or_whole(bundle, tmp_path):
    path = tmp_path / "prompt.safetensors"
    files.write(path, bundle, STORY)
    data = path.read_bytes()
    refused = 0
    for seed in SEEDS:
        path.write_bytes(damage.in_bytes(data, random.Random(seed)))
        if damage.refusal(lambda: files.read(path)):
            refused += 1
        else:
            assert_same(files.read(path).bundle, bundle)
            # A word of the header that nobody knows, a damaged "format", is kept.
            assert files.read(path).story.items() >= STORY.items()
    assert refused > 0.9 * len(SEEDS)


def test_a_header_of_odd_values_is_refused_or_read(tmp_path):
    path = tmp_path / "prompt.safetensors"
    for seed in SEEDS:
        story = damage.in_json(STORY, random.Random(seed))
        words = {key: json.dumps(value) for key, value in story.items()}
        words["format"] = files.FORMAT
        arrays = {"enc_input": PROMPT}
        path.write_bytes(safetensors.numpy.save(arrays, words))
        if not damage.refusal(lambda: files.read(path)):
            assert_same(files.read(path).bundle, soft(PROMPT))


@pytest.mark.parametrize("kind", ["npy", "npz", "peft"])
def test_a_damaged_file_of_others_is_refused_or_a_prompt(kind, tmp_path):
    path = tmp_path / f"prompt.{kind}"
    if kind == "npy":
        np.save(path, PROMPT)
    elif kind == "npz":
        np.savez_compressed(path, PROMPT)
    else:
        path = tmp_path / peft.MODEL_FILE
        for name, data in peft.contents(PROMPT).items():
            (tmp_path / name).write_bytes(data)
    victims = [path, *tmp_path.glob("*.json")]
    for victim in victims:
        data = victim.read_bytes()
        for seed in SEEDS:
            victim.write_bytes(damage.in_bytes(data, random.Random(seed)))
            if not damage.refusal(lambda: files.read(path)):
                found = files.read(path).bundle.enc_input
                assert found.ndim == 2 and np.isfinite(found).all()
                if kind == "npz":
                    np.testing.assert_array_equal(found, PROMPT)
        victim.write_bytes(data)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    library = Library(tmp_path_factory.mktemp("damage") / "library")
    for seed, name in enumerate(("sst2-seed0", "rte-seed1")):
        library.add(entry(name, seed=seed))
    return library.folder


@pytest.fixture
def library(kept, tmp_path):
    return Library(shutil.copytree(kept, tmp_path / "library"))


def test_a_damaged_library_is_refused_or_whole(library):
    paths = sorted(path for path in library.folder.rglob("*") if path.is_file())
    for seed in range(2 * len(SEEDS)):
        rng = random.Random(seed)
        path = rng.choice(paths)
        data = path.read_bytes()
        path.write_bytes(damage.in_bytes(data, rng))
        if damage.refusal(library.entries):
            assert library.verify()
        else:
            assert [e.name for e in library.entries()] == ["rte-seed1", "sst2-seed0"]
            assert library.read("sst2-seed0").is_same(entry())
        path.write_bytes(data)


def test_a_library_of_odd_values_is_refused_or_read_whatever_its_checksums(library):
    paths = [library.folder / "library.json", *library.folder.rglob("entry.json")]
    for seed in range(2 * len(SEEDS)):
        rng = random.Random(seed)
        path = rng.choice(paths)
        data = path.read_bytes()
        told = damage.in_json(json.loads(data), rng)
        if isinstance(told.get("checksums"), dict) and rng.random() < 0.8:
            story = {key: value for key, value in told.items() if key != "checksums"}
            told["checksums"]["entry.json"] = _digest(story)
        path.write_text(json.dumps(told))
        refused = damage.refusal(library.entries)
        assert bool(refused) == bool(library.verify())
        path.write_bytes(data)
