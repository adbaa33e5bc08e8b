"""The commands that a transfer prints go on from what it wrote."""

import json
import shlex
import types

import jax
import numpy as np
import pytest

from spot_jax import config, settings, transfer
from spot_jax.model import weights
from spot_jax.model_dir.described import described
from spot_jax.prompts import files
from spot_jax.prompts.base import PromptBundle
from spot_jax.prompts.init import Surroundings
from spot_jax.prompts.library import Library
from spot_jax.retrieval import next_runs
from spot_jax.retrieval.candidates import Source, Target
from spot_jax.train import train
from tests import runs
from tests.bundles import MODEL, assert_same, everywhere, soft
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
        noise = soft(RNG.standard_normal((5, 64)))
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
        commands = [line.replace("\\\n", "") for line in told["commands"]]
        # Their tasks are those of a module of the tests, which no header brings in.
        given = [line.replace(next_runs.CODE, "tests/demo.gin") for line in commands]
        assert given != commands and "import demo_tasks" in " ".join(told["notes"])
        return [shlex.split(line) for line in given]

    return call


def begin(start, saved) -> PromptBundle:
    """Returns where a prompt begins over the model that a saved one is of."""
    return start(
        Surroundings(
            length=5,
            model=types.SimpleNamespace(**vars(MODEL) | {"d_model": 64}),
            vocab_size=0,
            rng=np.random.default_rng(0),
            embed=lambda ids: np.zeros((len(ids), 64)),
            encode=lambda text: [],
            labels=(),
            identity=saved.story["model"],
        )
    )


def test_the_command_for_the_best_makes_one_bank_of_all(continued, tmp_path):
    ((program, name, *flags),) = continued("best")
    assert (program, name) == ("spot_jax", "train")
    config.parse_flags("train", flags)
    made = config.configured(settings.Prompts)()
    assert made.seeds == (0,) and len(made.starts) == 2
    for number, start in enumerate(made.starts, 1):
        written = files.read(tmp_path / "out" / f"start-{number}.safetensors")
        assert_same(begin(start, written), written.bundle)


def test_the_commands_for_a_mixture_train_it_and_then_the_target(continued, tmp_path):
    (_, _, *first), (_, _, *second) = continued("mixture")
    config.parse_flags("train", first)
    run = config.configured(train)
    # As the command does, on one device.
    (name,) = run(configuration=config.text(), devices=jax.devices()[:1])
    assert name == "demo_film_top2-seed0"
    text = (tmp_path / "out" / "mixture" / "config.gin").read_text()
    assert "TRAIN_STEPS = 4" in text and "PACK = False" in text
    config.parse_flags("train", second)
    (start,) = config.configured(settings.Prompts)().starts
    path = tmp_path / "out" / "mixture" / "prompts" / name / "last.safetensors"
    last = files.read(path)
    assert last.story["step"] == 4
    assert_same(begin(start, last), last.bundle)
    assert config.configured(settings.Data)().names == ("demo_film",)


NOISE = everywhere(3)


@pytest.mark.parametrize(
    ("prompt", "kind", "start"),
    [
        (soft(NOISE.enc_input), "", "sampled_vocabulary"),
        (soft(NOISE.enc_input), "PROMPT = @soft.SoftPrompt", "sampled_vocabulary"),
        (soft(NOISE.enc_input), "PROMPT = @p_tuning.PTuning", "drawn"),
        (PromptBundle(enc_hidden=NOISE.enc_hidden), "", "drawn"),
        (PromptBundle(dec_self=NOISE.dec_self), "PROMPT = @deep_kv.DeepKV", "drawn"),
    ],
)
def test_the_prompt_of_a_mixture_begins_as_its_kind_does(prompt, kind, start):
    text = f"TRAIN_STEPS = 3\n{kind}\n"
    made = entry("a-seed0", "a", prompt=prompt, embedding=prompt, configuration=text)
    target = Target("rte-seed0", "e", "rte", 0, 1, prompt, {}, text)
    command = next_runs.mixture_run([Source(made)], target, "out")
    assert f"gin/prompts/{start}.gin" in command


def test_a_run_that_was_begun_from_python_is_no_gin_to_go_on_with():
    given = described(settings.Training(3), seed=0)
    target = Target("rte-seed0", "e", "rte", 0, 1, soft(np.ones((2, 4))), {}, given)
    assert next_runs.target_files(target) == {}
    command = next_runs.target_run(
        target, task="rte", starts=["s"], length=2, folder="out", model={}
    )
    assert "gin/models/MODEL.gin" in command and "target.gin" not in command
