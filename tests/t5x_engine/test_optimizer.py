"""This project's optimizers under T5X's interface."""

import functools

import jax
import numpy as np
import pytest
from flax import serialization

from spot_jax import optim

pytest.importorskip("t5x", reason="T5X is not installed: make t5x T5X=FOLDER")
pytestmark = pytest.mark.t5x

BASE = 1_100_000
FROZEN = np.ones((2, 2), np.float32)


def draw(number: int) -> dict:
    vectors = np.random.default_rng(number).normal(size=(5, 16))
    return {"enc_input": vectors.astype(np.float32)}


@pytest.mark.parametrize("make", [optim.adafactor, optim.adamw])
def test_it_moves_the_prompt_as_the_optimizer_alone_does(make):
    from spot_jax.t5x_engine.optimizer import PromptOptimizer

    alone, wanted = make(learning_rate=0.3, base_step=BASE), draw(0)
    inner = alone.init(wanted)
    theirs = PromptOptimizer(make, BASE).create({"prompt": draw(0), "encoder": FROZEN})
    for number in range(1, 4):
        wanted, inner = alone.update(draw(number), inner, wanted)
        gradients = {"prompt": draw(number), "encoder": FROZEN}
        theirs = theirs.apply_gradient(gradients, learning_rate=0.3)
    found = theirs.target["prompt"]["enc_input"]
    np.testing.assert_array_equal(found, wanted["enc_input"])
    np.testing.assert_array_equal(theirs.target["encoder"], FROZEN)
    assert int(theirs.state.step) == 3


def test_its_state_has_no_empty_nodes_which_t5x_loses():
    from spot_jax.t5x_engine.optimizer import PromptOptimizer

    make = functools.partial(optim.adafactor, momentum=0.9)
    made = PromptOptimizer(make, BASE).create({"prompt": draw(0), "encoder": FROZEN})
    states = made.state_dict()["state"]["param_states"]
    assert states and all(hasattr(leaf, "shape") for leaf in states.values())
    again = serialization.from_state_dict(made.state, made.state_dict()["state"])
    assert jax.tree.structure(again) == jax.tree.structure(made.state)
