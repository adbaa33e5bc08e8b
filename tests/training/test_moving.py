"""What of a run moves, and where it lies on the mesh."""

import dataclasses
import logging

import jax
import pytest

from spot_jax import optim
from spot_jax.model import sharding
from spot_jax.model.binding import model_tuning
from spot_jax.prompts import init
from spot_jax.prompts.deep_kv import DeepKV
from spot_jax.settings import Model, Prompts
from spot_jax.t5 import initial_parameters, parameter_shapes
from spot_jax.training import moving
from spot_jax.training.bank import Entry


def state_of(config, optimizer, mesh):
    params = dict(initial_parameters(config, jax.random.key(0)))
    where = sharding.parameter_shardings(*parameter_shapes(config), mesh)
    parts = moving.Parts(model_tuning(), jax.device_put(params, where), {}, 0)
    return moving.first_state(parts, optimizer, mesh)


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
    ("sites", "head", "told"),
    [
        (["enc_self", "dec_self"], "token", "dec_self is never read"),
        (["enc_self", "dec_self", "cross"], "token", "dec_self and cross is never"),
        (["enc_self"], "token", None),
        (["enc_self", "dec_self"], "cls", None),
    ],
)
def test_sites_that_a_tagger_never_reads_are_told(
    sites, head, told, tiny_config, caplog
):
    def kind(length, model):
        return DeepKV(length, model, sites)

    entry = Entry("x", "x", 0, init.drawn, 3, classes=("O", "B-X"))
    prompts = Prompts(3, init.drawn, kind=kind, head=head)
    with caplog.at_level(logging.INFO):
        moving.check_starts([entry], prompts, Model(tiny_config, None), encode=list)
    said = [record.getMessage() for record in caplog.records]
    assert [told in line for line in said] == [True] * bool(told)
