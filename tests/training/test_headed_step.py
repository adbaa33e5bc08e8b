"""The invariants of training hold for prompts with heads."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spot_jax.model import objective, sharding
from spot_jax.prompts import algebra
from spot_jax.prompts.base import sites
from spot_jax.t5 import initial_parameters, parameter_shapes
from tests.training.headed import OPTIONS, Bank, run, some_examples

# As in test_step.py: Adafactor divides by a gradient's own size.
TOLERANCE = 1e-4
KINDS = {"cls": [2, 3], "token": [2, 3], "span": [2, 2]}


def assert_close(found, wanted, atol):
    """Compares two prompts with their heads."""
    pairs = [(sites(found), sites(wanted))]
    pairs += [(vars(found.head), vars(wanted.head))]
    for one, other in pairs:
        assert one.keys() == other.keys()
        for name, array in other.items():
            if name == "bias" and wanted.head.kind == "span":
                # A softmax over places does not see it: what moves it is rounding.
                continue
            if isinstance(array, np.ndarray):
                np.testing.assert_allclose(one[name], array, atol=atol, err_msg=name)
            else:
                assert one[name] == array


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        ("cls", "soft"),
        ("token", "keys and values"),
        pytest.param("cls", "keys and values", marks=pytest.mark.slow),
        pytest.param("token", "soft", marks=pytest.mark.slow),
        pytest.param("span", "keys and values", marks=pytest.mark.slow),
    ],
)
def test_a_bank_of_heads_of_several_numbers_of_classes_equals_single_runs(
    kind, prompt, tiny_config, tiny_params
):
    counts = KINDS[kind]
    bank = Bank(tiny_config, kind, counts, prompt)
    batches = [some_examples(kind, counts, 4, seed) for seed in range(2)]
    together, history = run(bank, tiny_params, [bank.rows(b) for b in batches])
    start, found = (bank.bundle(t) for t in (bank.trained, together))
    for number, count in enumerate(counts):
        alone = bank.alone(number, count, prompt)
        own = [
            [e._replace(prompt=0) for e in batch if e.prompt == number]
            for batch in batches
        ]
        trained, own_history = run(alone, tiny_params, [alone.rows(b) for b in own])
        wanted = algebra.take(alone.bundle(trained), 0)
        assert_close(algebra.take(found, number), wanted, 1e-5)
        moved = np.abs(wanted.head.kernel - algebra.take(start, number).head.kernel)
        assert moved.max() > 1e-3
        for mine, theirs in zip(own_history, history, strict=True):
            for name in mine:
                np.testing.assert_allclose(
                    mine[name][0], theirs[name][number], atol=1e-5, err_msg=name
                )


@pytest.mark.parametrize("prompt", ["soft", "keys and values"])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_equals_unpacked_in_loss_and_gradient(
    kind, prompt, tiny_config, tiny_params
):
    counts = KINDS[kind]
    bank = Bank(tiny_config, kind, counts, prompt)
    examples = some_examples(kind, counts, 6)
    loss = objective.make_loss(tiny_config, bank.binding, OPTIONS, target_length=4)
    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    packed, alone = bank.rows(examples), bank.rows(examples, pack=False)
    assert len(packed["row_prompts"]) < len(alone["row_prompts"])
    (one, one_metrics), ones = gradient(bank.trained, tiny_params, packed, None)
    (two, two_metrics), twos = gradient(bank.trained, tiny_params, alone, None)
    assert abs(one - two) < 1e-5
    for name in one_metrics:
        np.testing.assert_allclose(one_metrics[name], two_metrics[name], atol=1e-5)
    for x, y in zip(jax.tree.leaves(ones), jax.tree.leaves(twos), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
    assert max(float(jnp.abs(x).max()) for x in jax.tree.leaves(ones)) > 1e-3


def test_microbatches_sum_to_the_whole(tiny_config, tiny_params):
    counts = [2, 3]
    bank = Bank(tiny_config, "token", counts)
    batches = [
        bank.rows(some_examples("token", counts, 8, seed), pack=False, multiple=4)
        for seed in range(2)
    ]
    whole, one = run(bank, tiny_params, batches)
    parts, two = run(bank, tiny_params, batches, microbatches=4)
    for x, y in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    for mine, theirs in zip(one, two, strict=True):
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], atol=1e-4)


@pytest.mark.parametrize(
    ("model", "kind"),
    [(1, "token"), pytest.param(2, "cls", marks=pytest.mark.slow)],
    ids=["8x1", "4x2"],
)
def test_a_mesh_gives_what_one_device_gives(model, kind, tiny_config):
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices; conftest asks for them unless jax has begun")
    config = dataclasses.replace(tiny_config, heads=4)
    params = dict(initial_parameters(config, jax.random.key(0)))
    counts = [2, 3]
    bank = Bank(config, kind, counts)
    batches = [
        bank.rows(some_examples(kind, counts, 8, seed), multiple=8) for seed in (0, 1)
    ]
    one, one_history = run(bank, params, batches)
    mesh = sharding.make_mesh(model)
    assert dict(mesh.shape) == {"data": 8 // model, "model": model}
    shapes, axes = parameter_shapes(config)
    placed = jax.device_put(params, sharding.parameter_shardings(shapes, axes, mesh))
    many, many_history = run(bank, placed, batches, mesh=mesh)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(x, y, atol=TOLERANCE)
    for mine, theirs in zip(one_history, many_history, strict=True):
        np.testing.assert_allclose(mine["loss"], theirs["loss"], atol=1e-5)


@pytest.mark.parametrize("kind", ["cls", "token"])
def test_what_diverges_in_one_prompt_stays_its_own(kind, tiny_config, tiny_params):
    counts = [3, 2]
    bank = Bank(tiny_config, kind, counts)
    batch = bank.rows(some_examples(kind, counts, 6))
    healthy, _ = run(bank, tiny_params, [batch])
    bank.starts[0] = jax.tree.map(lambda x: np.full_like(x, np.nan), bank.starts[0])
    trained, (metrics,) = run(bank, tiny_params, [batch])
    assert np.isnan(metrics["loss"][0]) and np.isfinite(metrics["loss"][1])
    found, wanted = (bank.bundle(t) for t in (trained, healthy))
    assert_close(algebra.take(found, 1), algebra.take(wanted, 1), 1e-6)
    assert np.isnan(algebra.take(found, 0).head.kernel).all()


def test_training_lowers_the_loss_of_each_head(tiny_config, tiny_params):
    counts = [2, 3]
    bank = Bank(tiny_config, "token", counts)
    batch = bank.rows(some_examples("token", counts, 4))
    _, history = run(bank, tiny_params, [batch] * 20)
    assert np.all(history[-1]["loss"] < history[0]["loss"] - 0.2)
    assert np.all(history[-1]["correct"] > history[0]["correct"])
