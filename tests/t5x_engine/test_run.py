"""What a run of T5X is about, and what is refused before anything is read."""

import json

import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import init
from spot_jax.settings import Data, Model, Prompts

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

ONE = Prompts(5, init.class_labels)
FITTING = {"inputs": 32, "targets": 8}


@pytest.fixture
def make(demo_model):
    """(data's settings, prompts, more) -> the run."""
    from spot_jax.t5x_engine.run import Run

    def run(names="demo_food", lengths=FITTING, prompts=ONE, checkpoint=..., **more):
        if checkpoint is ...:
            checkpoint = demo_model["INITIAL_CHECKPOINT_PATH"]
        vocabulary, modules = demo_model["VOCABULARY"], "tests.demo_tasks"
        data = Data(names, lengths, vocabulary, modules=modules)
        return Run(Model(checkpoint=checkpoint), data, prompts, **more)

    return run


def test_it_knows_what_the_checkpoint_says(make):
    run = make(trains=True)
    assert (run.base_step, run.slots, run.entry.name) == (7, 5, "demo_food-seed0")
    assert run.config.d_model == 64
    alone = make(prompts=None)
    assert (alone.source, alone.slots, alone.entry.name) == (None, 0, "model")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"prompts": Prompts([5, 6], init.class_labels)}, "bank of 2: demo_food-seed0"),
        ({"names": ("demo_food", "demo_film")}, "bank of 2"),
        ({"names": "demo_fod"}, "did you mean demo_food"),
        ({"checkpoint": None}, "every run begins from weights"),
        ({"checkpoint": "/nowhere"}, "/nowhere"),
        ({"lengths": {"inputs": 6, "targets": 8}, "trains": True}, "TRUNCATE"),
    ],
    ids=lambda value: json.dumps(value, default=repr)[:40],
)
def test_what_cannot_be_is_refused_with_the_cure(make, given, told):
    with pytest.raises(InputError, match=told):
        make(**given)
