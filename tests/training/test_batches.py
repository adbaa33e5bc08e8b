"""The batches of a run: rows of two shapes, planned anew where lengths drift."""

import dataclasses
import functools
import json
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
AT_FIRST = batches.Stands([Position()])


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
    laid = list(rows_of(pairs, Training(6, batch_size=8)).batches(AT_FIRST, 0))
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
    laid = next(rows_of(pairs, Training(1, batch_size=8)).batches(AT_FIRST, 0))
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
    laid = next(rows_of(pairs_of([20] * 7 + [60]), training).batches(AT_FIRST, 0))
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
    laid = list(rows_of(pairs, training).batches(AT_FIRST, 0))
    short, late = shapes(laid[0])[0], shapes(laid[-1])[0]
    assert late[1] >= SLOTS + 50 > short[1]
    # Those of step 21 are longer than the plan's rows; at 40 all of 20 steps were.
    assert all(shapes(one)[0] == short for one in laid[:40])
    assert len(shapes(laid[39])) == 2 and len(shapes(laid[-1])) == 1
    assert [m for m in caplog.messages if "for the examples have other lengths" in m]

    # At checkpoints, and where a signal stopped it.
    for stop in (20, 27, 40, 41):
        stands = laid[stop - 1].stands
        told = batches.stands_of(json.loads(json.dumps(stands)))
        resumed = rows_of(pairs, training).batches(told, stop)
        for again, before in zip(resumed, laid[stop:], strict=True):
            assert again.stands == before.stands
            for one, other in zip(again.rows, before.rows, strict=True):
                for name, rows in one.items():
                    np.testing.assert_array_equal(rows, other[name])


def test_where_nothing_drifts_the_rows_stay():
    training = Training(40, batch_size=8, checkpoint_period=20)
    make = lambda pairs, position: MemoryExamples(pairs, 0, position)  # noqa: E731
    laid = list(rows_of(pairs_of(range(10, 50)), training, make).batches(AT_FIRST, 0))
    assert len({str(one.stands["rows"]["usual"]) for one in laid}) == 1


@pytest.mark.parametrize("microbatches", [1, 3])
def test_unpacked_every_example_has_a_row(microbatches):
    training = Training(2, batch_size=8, pack=False, microbatches=microbatches)
    laid = list(rows_of(pairs_of([20, 30]), training).batches(AT_FIRST, 0))
    assert shapes(laid[0]) == [(-(-8 // microbatches) * microbatches, SLOTS + 60)]
    assert laid[0].stands["rows"] is None


def bank_of(lengths, training, make=InOrder):
    """Rows of a prompt for each of these lengths of examples."""
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    openers = [
        functools.partial(make, pairs_of([length] * 7, seed=length))
        for length in lengths
    ]
    return batches.Rows(openers, LENGTHS, training, SLOTS, mesh, cost)


def places_of(one) -> set[int]:
    """The prompts of which a step has examples."""
    ids = [np.unique(part["decoder_prompt_ids"]) for part in one.rows]
    return set(np.concatenate(ids).tolist()) - {0}


def numbers_of(one) -> list:
    """What a step reads of the second prompt."""
    found = []
    for part in one.rows:
        own = np.asarray(part["decoder_prompt_ids"]) == 2
        found += np.asarray(part["decoder_target_tokens"])[own].tolist()
    return sorted(found)


@pytest.mark.parametrize("pack", [True, False])
def test_who_has_left_gives_back_its_rows_where_they_may_change(pack):
    training = Training(12, batch_size=4, checkpoint_period=4, pack=pack)
    rows = bank_of([60, 20], training)
    usual = list(rows.batches(batches.Stands([Position()] * 2), 0))
    ahead = batches.Ahead(rows, batches.Stands([Position()] * 2), 0, [])
    laid = []
    for number, one in enumerate(ahead, 1):
        laid.append(one)
        # The first has left after the second step.
        ahead.leave(number, [0] if number >= 2 else [])
    assert len(laid) == 12
    assert [places_of(one) for one in laid] == [{1, 2}] * 4 + [{2}] * 8
    # The other has what it would have had.
    assert list(map(numbers_of, laid)) == list(map(numbers_of, usual))
    spent = [sum(np.prod(shape) for shape in shapes(one)) for one in laid]
    assert spent[:4] == [spent[0]] * 4 and spent[4:] == [spent[4]] * 8
    assert spent[4] <= spent[0] / 2
    assert laid[3].stands["gone"] == [] and laid[4].stands["gone"] == [0]
    for one in laid[4:]:
        assert one.stands["positions"][0] == laid[3].stands["positions"][0]

    # A run that resumes has the same: at a checkpoint, and where a signal stopped it.
    for stop in (2, 3, 4, 5, 8):
        told = json.loads(json.dumps(laid[stop - 1].stands))
        resumed = batches.Ahead(rows, batches.stands_of(told), stop, [0])
        for number, before in enumerate(laid[stop:], stop + 1):
            again = next(resumed)
            resumed.leave(number, [0])
            assert again.stands == before.stands
            for one, other in zip(again.rows, before.rows, strict=True):
                for name, each in one.items():
                    np.testing.assert_array_equal(each, other[name])


def test_the_rows_of_those_that_stay_fit_their_last_batches():
    training = Training(30, batch_size=4, checkpoint_period=25)
    rows = bank_of([60, 20], training)
    for batch in rows.batches(batches.Stands([Position()] * 2), 0):
        if batch.stands["positions"][0]["offset"] == 4 * 25:
            break
    later = next(rows.batches(batches.stands_of(batch.stands), 25, [0]))
    recent = later.stands["rows"]["recent"]
    assert {size.prompt for sizes in recent for size in sizes} == {1}
    assert {len(sizes) for sizes in recent} == {4} and len(recent) == 20
    # An example has 20 and a prompt.
    assert later.useful["positions"] == pytest.approx(1, abs=0.2)
