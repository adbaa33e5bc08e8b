"""What is decided before the first step."""

import dataclasses
import logging

import jax
import pytest

from spot_jax import optim
from spot_jax.errors import InputError
from spot_jax.model import sharding
from spot_jax.model.binding import model_tuning
from spot_jax.prompts import init
from spot_jax.settings import Data, Prompts, Training
from spot_jax.t5 import initial_parameters, parameter_shapes
from spot_jax.training import prepare

PROMPTS = Prompts(5, init.random_uniform)


def state_of(config, optimizer, mesh):
    params = dict(initial_parameters(config, jax.random.key(0)))
    where = sharding.parameter_shardings(*parameter_shapes(config), mesh)
    parts = prepare.Parts(model_tuning(), jax.device_put(params, where), {}, 0)
    return prepare.first_state(parts, optimizer, mesh)


@pytest.fixture(scope="module")
def mesh():
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices; conftest asks for them unless jax has begun")
    return sharding.make_mesh(4)


@pytest.mark.parametrize(
    "optimizer", [optim.adamw(1e-3), optim.adafactor(1e-3, base_step=0)]
)
def test_a_statistic_is_split_as_its_array(tiny_config, optimizer, mesh):
    state = state_of(dataclasses.replace(tiny_config, heads=4), optimizer, mesh)
    attention = state.trained["encoder"]["layers_0"]["attention"]
    query, out = (attention[name]["kernel"] for name in ("query", "out"))
    assert query.shape == out.shape
    assert query.sharding.spec != out.sharding.spec
    flat = jax.tree_util.tree_leaves_with_path(state.optimizer)
    for name, array in (("query", query), ("out", out)):
        path = f"encoder/layers_0/attention/{name}/kernel"
        found = [
            leaf.sharding
            for keys, leaf in flat
            if jax.tree_util.keystr(keys, simple=True, separator="/").endswith(path)
            and leaf.shape == array.shape
        ]
        assert found and all(each == array.sharding for each in found)
    assert state.step.sharding.is_fully_replicated


def test_a_factored_statistic_is_on_every_device_whole(tiny_config, mesh):
    optimizer = optim.adafactor(
        1e-3, base_step=0, factored=True, min_dim_size_to_factor=16
    )
    state = state_of(dataclasses.replace(tiny_config, heads=4), optimizer, mesh)
    rows = [
        leaf
        for keys, leaf in jax.tree_util.tree_leaves_with_path(state.optimizer)
        if "v_row" in jax.tree_util.keystr(keys) and leaf.size > 1
    ]
    assert rows and all(row.sharding.is_fully_replicated for row in rows)


@pytest.mark.parametrize(
    ("step", "prompts", "is_told"),
    [(11, PROMPTS, True), (10, PROMPTS, False), (1, PROMPTS, False), (11, None, False)],
)
def test_a_run_without_an_early_prompt_is_told(step, prompts, is_told, caplog):
    caplog.set_level(logging.INFO)
    prepare.tell_of_embedding(prompts, Training(10, embedding_step=step))
    told = "EMBEDDING_STEP is 11, and the run ends at step 10"
    assert (told in caplog.text) == is_told
    assert ("--gin.EMBEDDING_STEP" in caplog.text) == is_told


LENGTHS = {"inputs": 8, "targets": 2}


@pytest.mark.parametrize(
    ("names", "prompts", "rates", "words"),
    [
        ("a", None, (0.1, 0.3), r"one LEARNING_RATE, not with \[0.1, 0.3\]"),
        (["a", "b"], None, (0.1,), "one task or mixture"),
        ("a", Prompts([5, 9], init.random_uniform), (), "PROMPT_LENGTH is 9"),
        ([], PROMPTS, (), "names no task"),
    ],
)
def test_a_bank_that_cannot_be_is_refused(names, prompts, rates, words):
    data = Data(names, LENGTHS, "v")
    with pytest.raises(InputError, match=words):
        prepare.bank_of(data, prompts, 0, rates)


def test_a_schedule_of_ones_own_has_no_rate():
    (entry,) = prepare.bank_of(Data("a", LENGTHS, "v"), PROMPTS, 0, ())
    assert (entry.name, entry.length, entry.rate) == ("a-seed0", 5, None)
    (model,) = prepare.bank_of(Data("a", LENGTHS, "v"), None, 3, (0.1,))
    assert (model.name, model.seed, model.rate) == ("model", 3, 0.1)
