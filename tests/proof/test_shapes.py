"""The shapes that are compiled are those that a run has."""

import jax
import numpy as np
import pytest

from spot_jax.data.packing import Example, one_per_row
from spot_jax.model import sharding, weights
from spot_jax.prompts.init import random_uniform
from spot_jax.proof import shapes
from spot_jax.settings import Prompts
from spot_jax.training import moving, step
from spot_jax.training.bank import rate_numbers


def lowered(run, mesh, state, frozen, batch, key, binding) -> str:
    optimizer = run.optimizer(base_step=0)
    with sharding.on_mesh(mesh):
        train_step = step.make_train_step(
            run.config,
            binding,
            optimizer,
            run.loss,
            target_length=8,
            microbatches=run.training.microbatches,
            rates=rate_numbers(run.bank(), optimizer),
            places=sharding.places(state),
        )
        return train_step.lower(state, frozen, batch, key).as_text()


def as_trained(run) -> str:
    """The text of the step that `train` compiles, of real arrays."""
    model = weights.draw(run.model, 0)
    of_bank = run.bank(), run.prompts, lambda text: [3]
    parts = moving.parts_of(model, *of_bank, run.training.tuned)
    with sharding.on_mesh(model.mesh):
        optimizer = run.optimizer(base_step=0)
        state = moving.first_state(parts, optimizer, model.mesh)
        key = jax.device_put(step.dropout_key(0), sharding.replicated(model.mesh))
        ids = np.ones(24, np.int32)
        examples = [Example(ids, ids[:8])] * 16 * len(run.bank())
        # A multiple of 8.
        row_length = -(-(parts.slots + 24) // 8) * 8
        row = {"prompt_length": parts.slots, "row_length": row_length}
        batch = one_per_row(examples, **row, target_length=8)
        batch = sharding.shard_rows(batch, model.mesh)
    given = state, parts.frozen, [batch], key, parts.binding
    return lowered(run, model.mesh, *given)


def as_proved(run) -> str:
    """The same of shapes."""
    mesh = sharding.make_mesh(run.model.num_partitions)
    parts = shapes.parts_of(run, mesh, run.optimizer(base_step=0))
    rows = run.rows(parts.slots, 1, platform="cpu")
    batch = shapes.batch_of(rows, parts.slots, mesh)
    key = shapes.made_on(mesh, lambda: step.dropout_key(0))
    return lowered(run, mesh, parts.state, parts.frozen, [batch], key, parts.binding)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bank": 3},
        {"model": {"num_partitions": 4}, "training": {"microbatches": 2}},
        {"prompts": Prompts(length=[4, 6], starts=random_uniform)},
        {"prompts": None, "model": {"num_partitions": 4}, "training": {"tuned": 1}},
    ],
    ids=["one", "a bank", "a mesh", "lengths", "top layers"],
)
def test_the_step_that_is_compiled_is_the_one_that_train_runs(make_run, settings):
    run = make_run(**settings)
    assert as_proved(run) == as_trained(run)


def test_a_tuned_models_statistics_are_split_as_its_weights(make_run):
    run = make_run(prompts=None, model={"num_partitions": 4})
    optimizer = run.optimizer(base_step=0)
    mesh = sharding.make_mesh(4)
    parts = shapes.parts_of(run, mesh, optimizer)
    model = weights.draw(run.model, 0)
    real = moving.parts_of(model, run.bank(), None, encode=None)
    with sharding.on_mesh(model.mesh):
        state = moving.first_state(real, optimizer, model.mesh)

    def told(leaf):
        return leaf.shape, leaf.dtype, leaf.sharding

    assert jax.tree.map(told, parts.state) == jax.tree.map(told, state)
    assert parts.frozen == {}


def test_weights_are_counted_on_one_chip(make_run):
    whole = shapes.parts_of(make_run(), sharding.make_mesh(1), make_run().optimizer(0))
    run = make_run(model={"num_partitions": 4, "weights_dtype": "bfloat16"})
    part = shapes.parts_of(run, sharding.make_mesh(4), run.optimizer(0))
    # Norms and position biases are on every chip.
    assert whole.weights / 8 < part.weights < 1.1 * whole.weights / 8
