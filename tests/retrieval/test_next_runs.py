"""The commands that a transfer prints go on from what it wrote."""

import json
import shlex
import unittest.mock

import jax
import numpy as np
import pytest

from spot_jax import config, settings, transfer
from spot_jax.model import weights
from spot_jax.prompts import files
from spot_jax.prompts.init import Surroundings
from spot_jax.prompts.library import Library
from spot_jax.train import train
from tests import runs
from tests.library_on_disk import RNG, entry, write_target


@pytest.fixture
def continued(demo_model, tmp_path):
    """Runs a transfer from demo_food and demo_topic to demo_film; returns commands.

    The prompts are noise, but their files tell of a real model and configuration.
    """
    short = {"TRAIN_STEPS": 4, "EMBEDDING_STEP": 2, "PACK": False}
    config.parse(runs.FILES, runs.bindings(tmp_path / "run", demo_model, short))
    model = weights.load(config.configured(settings.Model)()).story()
    about = {"configuration": config.text(), "model": model}
    library = Library(tmp_path / "library")
    for task in ("demo_food", "demo_topic"):
        noise = RNG.standard_normal((5, 64)).astype(np.float32)
        made = entry(f"{task}-seed0", task, prompt=noise, embedding=noise, **about)
        library.add(made)
    noise = RNG.standard_normal((5, 64))
    film = {"name": "demo_film-seed0", "task": "demo_film", "seed": 0}
    target = write_target(tmp_path / "embedding.safetensors", noise, **about | film)

    def call(method) -> list[list[str]]:
        out = tmp_path / "out"
        flags = ["--target", str(target), "--method", method, "--k", "2"]
        transfer.main([str(library.folder), *flags, "--out", str(out)])
        (told,) = json.loads((out / "ranking.json").read_text())["targets"]
        # As a shell reads it; shlex keeps the newlines.
        return [shlex.split(line.replace("\\\n", "")) for line in told["commands"]]

    return call


def begin(start, saved) -> np.ndarray:
    """Returns where a prompt begins over the model that a saved one is of."""
    unused = dict.fromkeys(("rng", "embed", "encode", "labels", "vocab_size"))
    model = saved.story["model"]["fingerprint"]
    return start(Surroundings(length=5, d_model=64, model=model, **unused))


def test_the_command_for_the_best_makes_one_bank_of_all(continued, tmp_path):
    ((program, name, *flags),) = continued("best")
    assert (program, name) == ("spot_jax", "train")
    config.parse_flags("train", flags)
    made = config.configured(settings.Prompts)()
    assert made.seeds == (0,) and len(made.starts) == 2
    for number, start in enumerate(made.starts, 1):
        written = files.read(tmp_path / "out" / f"start-{number}.safetensors")
        np.testing.assert_array_equal(begin(start, written), written.bundle.enc_input)


def test_the_commands_for_a_mixture_train_it_and_then_the_target(continued, tmp_path):
    (_, _, *first), (_, _, *second) = continued("mixture")
    config.parse_flags("train", first)
    one = jax.devices()[:1]
    with unittest.mock.patch.object(jax, "devices", lambda: one):
        (name,) = config.configured(train)()
    assert name == "demo_film_top2-seed0"
    text = (tmp_path / "out" / "mixture" / "config.gin").read_text()
    assert "TRAIN_STEPS = 4" in text and "PACK = False" in text
    config.parse_flags("train", second)
    (start,) = config.configured(settings.Prompts)().starts
    path = tmp_path / "out" / "mixture" / "prompts" / name / "last.safetensors"
    last = files.read(path)
    assert last.story["step"] == 4
    np.testing.assert_array_equal(begin(start, last), last.bundle.enc_input)
    assert config.configured(settings.Data)().names == ("demo_film",)
