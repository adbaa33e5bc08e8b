"""Two processes train one prompt, with T5X's own flags."""

import numpy as np
import pytest

from spot_jax.prompts import files

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

BASE = 7
# All examples that there are in every step: T5X gives each process half of them.
ALL = {
    "MIXTURE_OR_TASK_NAME": "demo_film",
    "BATCH_SIZE": 32,
    "PACK": False,
    "train/utils.DatasetConfig.shuffle": False,
}


def prompt_of(folder, kind: str) -> files.SavedPrompt:
    return files.read(folder / f"prompts/demo_film-seed0/{kind}.safetensors")


def test_two_processes_learn_what_one_does(train, tmp_path):
    two, one = tmp_path / "two", tmp_path / "one"
    start = "gin/t5x/class_labels.gin"
    values = ALL | {"EMBEDDING_STEP": 3}
    train(two, BASE + 4, values, start, each=({}, {}))
    log = train(two, BASE + 8, values, start, each=({}, {}))
    assert f"Restoring from checkpoint: {two}/checkpoint_{BASE + 4}" in log
    train(one, BASE + 8, values, start)
    for kind, steps in (("embedding", 3), ("last", 8)):
        found, wanted = prompt_of(two, kind), prompt_of(one, kind)
        assert (found.story["step"], wanted.story["step"]) == (steps, steps)
        vectors = found.bundle.enc_input, wanted.bundle.enc_input
        np.testing.assert_allclose(*vectors, atol=2e-2, rtol=0)
    assert prompt_of(two, "best").story["results"].keys() == {"demo_film"}


def test_processes_that_are_told_other_things_all_say_so(train, tmp_path):
    each = ({"LEARNING_RATE": 0.3}, {"LEARNING_RATE": 0.1})
    told = train(tmp_path, BASE + 4, ALL, fails=True, each=each)
    for place in (0, 1):
        about = f"spot_jax: process {place}: The configuration of process 1 is another"
        assert about in told
