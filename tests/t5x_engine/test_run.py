"""What a run of T5X is about, and what is refused before anything is read."""

import json
import sys

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import files, init
from spot_jax.prompts.base import PromptBundle
from spot_jax.settings import Data, Model, Prompts

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

ONE = Prompts(5, init.class_labels)
FITTING = {"inputs": 32, "targets": 8}


@pytest.fixture
def make(demo_model):
    """({data's setting: value}, prompts, weights, more) -> the run."""
    from spot_jax.t5x_engine.run import Run

    def run(of_data=None, prompts=ONE, weights=..., attention=None, **more):
        if weights is ...:
            weights = demo_model["INITIAL_CHECKPOINT_PATH"]
        given = {"names": "demo_food", "lengths": FITTING} | (of_data or {})
        given = {"vocabulary": demo_model["VOCABULARY"]} | given
        data = Data(**given, modules="tests.demo_tasks")
        model = Model(checkpoint=weights, attention=attention)
        return Run(model, data, prompts, **more)

    return run


def test_it_knows_what_the_checkpoint_says(make):
    run = make(steps=10)
    assert (run.base_step, run.slots, run.entry.name) == (7, 5, "demo_food-seed0")
    assert run.steps == 3 and make(steps=7, relative_steps=4).steps == 4
    assert run.config.d_model == 64
    alone = make(prompts=None)
    assert (alone.source, alone.slots, alone.entry.name) == (None, 0, "model")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"prompts": Prompts([5, 6], init.class_labels)}, "bank of 2: demo_food-seed0"),
        ({"of_data": {"names": ("demo_food", "demo_film")}}, "bank of 2"),
        ({"prompts": Prompts(5, init.class_labels, head="cls")}, "HEAD is 'cls', and"),
        ({"prompts": Prompts(5, init.class_labels, steps=2)}, "PROMPT_STEPS is 2, and"),
        ({"prompts": None, "attention": "fused"}, "'fused', which gives no gradient"),
        ({"of_data": {"names": "demo_fod"}}, "did you mean demo_food"),
        ({"of_data": {"tokenized": "/tokens"}}, "without TensorFlow, which T5X cannot"),
        ({"weights": None}, "every run begins from weights"),
        ({"weights": "/nowhere"}, "/nowhere"),
        ({"of_data": {"lengths": {"inputs": 6, "targets": 8}}, "steps": 9}, "TRUNCATE"),
        ({"steps": 7}, "is 7: nothing would be trained. For 7 .* --gin.TRAIN_STEPS=14"),
        (
            {"steps": 10, "relative_steps": 0},
            "TRAIN_STEPS_RELATIVE is 0: nothing would be trained. Give at least 1",
        ),
        ({"steps": 10, "relative_steps": -3}, "TRAIN_STEPS_RELATIVE is -3"),
    ],
    ids=lambda value: json.dumps(value, default=repr)[:40],
)
def test_what_cannot_be_is_refused_with_the_cure(make, given, told):
    with pytest.raises(InputError, match=told):
        make(**given)


def test_a_macro_that_nothing_uses_is_refused(make, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--gin.MICROBATCHES=2"])
    with pytest.raises(InputError, match="no use for MICROBATCHES"):
        make()


@pytest.fixture
def rows(tmp_path):
    """{setting of the data: value} of forty rows of one's own."""
    lines = [f"the {a} is {b},{c}" for a in range(20) for b, c in (["good", "yes"],)]
    lines += [line.replace("good", "bad").replace("yes", "no") for line in lines]
    file = tmp_path / "mood.csv"
    file.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    told = {"files": {"train": str(file)}, "input": "mood: {text}"}
    return {"names": "mood", "rows": {"mood": told | {"target": "{label}"}}}


def test_rows_are_a_task_of_seqio(make, rows):
    import seqio

    run = make(rows, steps=9)
    task = seqio.get_mixture_or_task("mood")
    assert set(task.splits) == {"train", "validation"}
    (example,) = task.get_dataset(None, "train", shuffle=False).take(1)
    assert example["inputs_pretokenized"].numpy().startswith(b"mood: the ")
    assert example["inputs"].numpy()[-1] == run.vocabulary.eos_id
    assert run.vocabulary is task.output_features["inputs"].vocabulary
    recipe = run.rows["mood"]
    assert (recipe["labels"], recipe["lengths"]) == (("no", "yes"), FITTING)


def test_lengths_that_rows_need_are_told(make, rows):
    with pytest.raises(InputError, match="TASK_FEATURE_LENGTHS=.{'inputs': 32, 'targ"):
        make(rows | {"lengths": None}, steps=9)


def test_a_prompt_says_its_vocabulary_and_how_its_rows_were(
    make, rows, demo_model, tmp_path
):
    story = {
        "vocabulary": {"path": demo_model["VOCABULARY"], "extra_ids": 0},
        "rows": {"input": "review: {text}", "target": "{label}", "labels": ["yes"]},
    }
    file = tmp_path / "prompt.safetensors"
    vectors = np.ones((5, 64), np.float32)
    files.write(file, PromptBundle(enc_input=vectors), story)
    del rows["rows"]["mood"]["input"]
    rows["rows"]["mood"]["labels"] = ["yes", "no"]
    run = make(rows | {"vocabulary": None}, checkpoint=str(file))
    assert run.rows["mood"]["input"] == "review: {text}"
    assert run.vocabulary_story()["path"] == demo_model["VOCABULARY"]
