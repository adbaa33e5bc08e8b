"""The batches of a run: rows of two shapes, planned anew where lengths drift."""

import dataclasses
import logging

import jax
import numpy as np
import pytest

from spot_jax import optim
from spot_jax.data.orders import MemoryExamples, Position
from spot_jax.data.packing import Example, one_per_row
from spot_jax.model import sharding
from spot_jax.model.binding import prompt_tuning
from spot_jax.model.objective import make_loss, scales_of
from spot_jax.prompts.soft import SoftPrompt
from spot_jax.settings import Loss, Training
from spot_jax.training import batches, step

SLOTS = 4
LENGTHS = {"inputs": 60, "targets": 4}


def cost(inputs, targets):
    return inputs * (1 + inputs / 50) + targets


def pairs_of(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(3, 99, n).astype(np.int32), rng.integers(3, 99, 2, np.int32))
        for n in lengths
    ]


class InOrder:
    """Examples as they come, over and over."""

    def __init__(self, pairs, position):
        self._pairs, self.position = pairs, position

    def take(self, count):
        start = self.position.offset
        self.position = Position(0, start + count)
        return [self._pairs[i % len(self._pairs)] for i in range(start, start + count)]


def rows_of(pairs, training, make=InOrder):
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    openers = [lambda position: make(pairs, position)]
    return batches.Rows(openers, LENGTHS, training, SLOTS, mesh, cost)


def shapes(laid):
    return [part["encoder_input_tokens"].shape for part in laid.rows]


def test_a_long_example_has_a_longer_row_and_only_when_it_comes(caplog):
    caplog.set_level(logging.INFO)
    pairs = pairs_of([20] * 47 + [60])
    laid = list(rows_of(pairs, Training(6, batch_size=8)).batches([Position()], 0))
    assert [len(shapes(one)) for one in laid] == [1, 1, 1, 1, 1, 2]
    assert {shapes(one)[0] for one in laid} == {shapes(laid[0])[0]}
    assert shapes(laid[-1])[1][1] == SLOTS + 60
    (said,) = [m for m in caplog.messages if m.startswith("A step has")]
    assert said.startswith(f"A step has {shapes(laid[0])[0][0]} rows of ")
    for one in laid:
        assert 0 < one.useful["flops"] <= 1 and 0 < one.useful["positions"] <= 1


def test_two_shapes_give_the_losses_and_gradients_of_rows_of_their_own(
    tiny_config, tiny_params
):
    pairs = pairs_of([20] * 7 + [60])
    laid = next(rows_of(pairs, Training(1, batch_size=8)).batches([Position()], 0))
    assert len(laid.rows) == 2
    alone = one_per_row(
        [Example(*pair) for pair in pairs],
        prompt_length=SLOTS,
        row_length=SLOTS + 60,
        target_length=4,
    )
    binding = prompt_tuning(SoftPrompt(SLOTS, tiny_config), 1)
    loss = make_loss(tiny_config, binding, Loss(), target_length=4)
    trained = {"enc_input": jax.random.normal(jax.random.key(0), (1, SLOTS, 32))}

    def found(parts):
        scales = scales_of(parts, binding, Loss(), 4)
        gradient = jax.jit(jax.grad(loss, has_aux=True))
        each = [
            gradient(trained, tiny_params, part, None, own)
            for part, own in zip(parts, scales, strict=True)
        ]
        return jax.tree.map(lambda *values: sum(values), *each)

    (one, of_one), (two, of_two) = found([alone]), found(laid.rows)
    np.testing.assert_allclose(two["enc_input"], one["enc_input"], atol=1e-5)
    np.testing.assert_allclose(of_two["loss"], of_one["loss"], rtol=1e-5)
    assert of_two["weight_sum"] == of_one["weight_sum"] == 16


@pytest.mark.parametrize("microbatches", [1, 2])
def test_rows_of_two_shapes_drop_out_each_in_its_own_way(
    microbatches, tiny_config, tiny_params
):
    config = dataclasses.replace(tiny_config, dropout_rate=0.1)
    training = Training(1, batch_size=8, microbatches=microbatches)
    laid = next(rows_of(pairs_of([20] * 7 + [60]), training).batches([Position()], 0))
    assert len(laid.rows) == 2
    binding = prompt_tuning(SoftPrompt(SLOTS, config), 1)
    optimizer = optim.adafactor(0.3, base_step=0)
    train_step = step.make_train_step(
        config, binding, optimizer, Loss(), target_length=4, microbatches=microbatches
    )
    trained = {"enc_input": jax.random.normal(jax.random.key(0), (1, SLOTS, 32))}
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    losses = []
    with sharding.on_mesh(mesh):
        for seed in (0, 0, 1):
            state = step.initial_state(
                jax.tree.map(jax.numpy.array, trained), optimizer, binding
            )
            key = step.dropout_key(seed)
            _, metrics = train_step(state, tiny_params, laid.rows, key)
            losses.append(float(metrics["loss"][0]))
    assert losses[0] == losses[1] != losses[2]


def test_rows_are_planned_anew_at_a_checkpoint_where_lengths_drift(caplog):
    caplog.set_level(logging.INFO)
    training = Training(60, batch_size=8, checkpoint_period=20)
    # Short for 20 steps, long from then on.
    pairs = pairs_of([10] * 160 + [50] * 320)
    laid = list(rows_of(pairs, training).batches([Position()], 0))
    short, late = shapes(laid[0])[0], shapes(laid[-1])[0]
    assert late[1] >= SLOTS + 50 > short[1]
    # Those of step 21 are longer than the plan's rows; at 40 all of 20 steps were.
    assert all(shapes(one)[0] == short for one in laid[:40])
    assert len(shapes(laid[39])) == 2 and len(shapes(laid[-1])) == 1
    assert [m for m in caplog.messages if "for the examples have other lengths" in m]

    # At checkpoints, and where a signal stopped it.
    for stop in (20, 27, 40, 41):
        stands = laid[stop - 1].stands
        positions = [Position(**place) for place in stands["positions"]]
        resumed = rows_of(pairs, training).batches(positions, stop, stands["rows"])
        for again, before in zip(resumed, laid[stop:], strict=True):
            assert again.stands == before.stands
            for one, other in zip(again.rows, before.rows, strict=True):
                for name, rows in one.items():
                    np.testing.assert_array_equal(rows, other[name])


def test_where_nothing_drifts_the_rows_stay():
    training = Training(40, batch_size=8, checkpoint_period=20)
    make = lambda pairs, position: MemoryExamples(pairs, 0, position)  # noqa: E731
    laid = list(
        rows_of(pairs_of(range(10, 50)), training, make).batches([Position()], 0)
    )
    assert len({str(one.stands["rows"]["usual"]) for one in laid}) == 1


@pytest.mark.parametrize("microbatches", [1, 3])
def test_unpacked_every_example_has_a_row(microbatches):
    training = Training(2, batch_size=8, pack=False, microbatches=microbatches)
    laid = list(rows_of(pairs_of([20, 30]), training).batches([Position()], 0))
    assert shapes(laid[0]) == [(-(-8 // microbatches) * microbatches, SLOTS + 60)]
    assert laid[0].stands["rows"] is None
