import collections
import dataclasses
import functools
import json
import logging

import msgspec
import numpy as np
import pytest

from spot_jax.data import loading, set_up
from spot_jax.data.length_check import LengthCheck
from spot_jax.data.orders import (
    MemoryExamples,
    MixedExamples,
    Place,
    Position,
    StreamedExamples,
    next_examples,
)
from spot_jax.data.passes import TaskPass
from spot_jax.errors import InputError
from spot_jax.settings import Data
from tests import own_tasks

SET = [(np.asarray([i], np.int32), np.asarray([i, 1], np.int32)) for i in range(10)]


class PassOfSet:
    """A pass over SET, with marks at every third example where it is asked for them."""

    def __init__(self, seed, offset, is_marked):
        self._order = np.random.default_rng(seed).permutation(len(SET))
        self._is_marked, self.offset = is_marked, offset

    @property
    def mark(self):
        return {"offset": self.offset // 3 * 3} if self._is_marked else None

    def __next__(self):
        if self.offset == len(SET):
            raise StopIteration
        self.offset += 1
        return SET[self._order[self.offset - 1]]


def marked_stream(seed, position):
    def read_pass(seed, position):
        return PassOfSet(seed, (position.reader or {"offset": 0})["offset"], True)

    return StreamedExamples(read_pass, seed, position)


def stream(seed, position):
    def read_pass(seed, position):
        return PassOfSet(seed, 0, False)

    return StreamedExamples(read_pass, seed, position)


def memory(seed, position):
    return MemoryExamples(SET, seed, position)


def mixed(seed, position):
    """Half of a set of 10, in passes of 20, and half of a stream."""
    return MixedExamples([memory, stream], [10, 10], seed, position)


def of_two(rates, names=("a", "b"), members=(memory, stream)):
    """A mixture, from a seed and a position."""
    return functools.partial(MixedExamples, members, rates, names=names)


def numbers(taken):
    return [int(inputs[0]) for inputs, _ in taken]


@pytest.mark.parametrize("make", [memory, stream])
def test_a_pass_holds_every_example_once_in_an_order_of_its_own(make):
    examples = make(0, Position())
    first, second = numbers(examples.take(10)), numbers(examples.take(10))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def mixed_of_marked(seed, position):
    return MixedExamples([memory, marked_stream], [10, 10], seed, position)


ALL = [memory, stream, marked_stream, mixed, mixed_of_marked]


@pytest.mark.parametrize("reads_marks", [True, False])
@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("taken", [0, 3, 10, 17, 40])
def test_a_position_is_resumed_exactly(make, taken, reads_marks):
    whole = make(5, Position())
    whole.take(taken)
    rest = numbers(whole.take(25))
    again = make(5, Position())
    again.take(taken)
    # As a checkpoint has it; earlier ones have no marks.
    place = json.loads(json.dumps(dataclasses.asdict(again.position)))
    if not reads_marks:
        del place["reader"]
    assert msgspec.convert(place, Place) == place
    assert numbers(make(5, Position(**place)).take(25)) == rest


OTHERS = {
    "rates": of_two([300, 100]),
    "tasks": of_two([200, 200], ("b", "a"), (stream, memory)),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_mixture_that_is_another_now_goes_on_where_it_would_stand(other, caplog):
    caplog.set_level(logging.INFO)
    before = of_two([200, 200])(0, Position())
    before.take(390)
    position = Position(**json.loads(json.dumps(dataclasses.asdict(before.position))))
    as_ever = OTHERS[other](0, Position())
    as_ever.take(390)
    again = OTHERS[other](0, position)
    assert (
        "A mixture of 2: 390 examples are read again before the run goes on: it is "
        "drawn from other tasks or at other rates now." in caplog.text
    )
    # Into the next pass.
    assert numbers(again.take(30)) == numbers(as_ever.take(30))


def test_a_mixture_of_an_earlier_version_goes_on_slowly_and_says_so(caplog):
    caplog.set_level(logging.INFO)
    make = of_two([20, 20])
    whole = make(0, Position())
    whole.take(30)
    position = whole.position
    assert position.reader.keys() == {"members", "drawn", "names"}
    assert sum(position.reader["drawn"]) == 30
    rest = numbers(whole.take(20))
    assert numbers(make(0, position).take(20)) == rest and not caplog.text
    for gone in ("members", "drawn", "names"):
        reader = {key: told for key, told in position.reader.items() if key != gone}
        earlier = dataclasses.replace(position, reader=reader)
        caplog.clear()
        assert numbers(make(0, earlier).take(20)) == rest
        why = "the checkpoint does not say where its tasks stood."
        assert f"30 examples are read again before the run goes on: {why}" in (
            caplog.text
        )


@pytest.mark.parametrize("make", [memory, stream])
def test_data_that_shrank_is_told_from_the_runs_own(make):
    with pytest.raises(ValueError, match="after 11 examples .* only 10 now"):
        make(0, Position(passes=1, offset=11))


@pytest.mark.parametrize("make", [memory, stream, mixed])
def test_the_order_depends_on_the_seed_alone(make):
    one, two = make(1, Position()), make(1, Position())
    one_by_one = [numbers(one.take(1))[0] for _ in range(15)]
    assert numbers(two.take(15)) == one_by_one
    assert numbers(make(2, Position()).take(15)) != one_by_one


def test_a_mixture_draws_at_its_rates_and_repeats_what_is_small():
    small = [(np.asarray([i], np.int32), np.zeros(1, np.int32)) for i in (90, 91)]

    def little(seed, position):
        return MemoryExamples(small, seed, position)

    examples = MixedExamples([memory, little], [300, 100], 0, Position())
    taken = numbers(examples.take(400))
    assert examples.position == Position(0, 400)
    count = collections.Counter(taken)
    of_small = count[90] + count[91]
    assert 70 < of_small < 130
    assert abs(count[90] - count[91]) <= 1
    assert max(count[i] for i in range(10)) - min(count[i] for i in range(10)) <= 1
    assert numbers(examples.take(400)) != taken


def test_a_batch_has_as_many_examples_of_each_prompt():
    bank = [memory(0, Position()), memory(1, Position())]
    count = collections.Counter(e.prompt for e in next_examples(bank, 4))
    assert count == {0: 4, 1: 4}


def test_a_large_task_is_streamed_and_resumed(demo_model, monkeypatch):
    lengths = {"inputs": 32, "targets": 8}
    data = Data("demo_food", lengths, demo_model["VOCABULARY"])
    set_up.set_up_tasks(data)
    in_memory = loading.training_loader(data)("demo_food")
    monkeypatch.setattr(loading, "MAX_EXAMPLES_IN_MEMORY", 10)
    streamed = loading.training_loader(data)("demo_food")
    one = streamed(3, Position())
    taken = one.take(2100)
    assert one.position == Position(1, 100)
    texts = {tuple(inputs) for inputs, _ in taken[:2000]}
    expected = {tuple(i) for i, _ in in_memory(0, Position()).take(2000)}
    assert texts == expected
    after = [i.tolist() for i, _ in one.take(5)]
    again = streamed(3, Position(1, 100))
    assert [i.tolist() for i, _ in again.take(5)] == after


@pytest.mark.parametrize("most", [2**17, 0], ids=["in memory", "streamed"])
def test_hidden_labels_are_not_learned(most, demo_model, monkeypatch):
    name = own_tasks.add("own_half_hidden", ["good", "<unk>", "bad"])
    data = Data(name, {"inputs": 32, "targets": 8}, demo_model["VOCABULARY"])
    set_up.set_up_tasks(data)
    monkeypatch.setattr(loading, "MAX_EXAMPLES_IN_MEMORY", most)
    monkeypatch.setattr(loading, "_is_streamed", lambda task, data: most == 0)
    with pytest.raises(InputError, match="1 of 3 training .* hidden .* example 2"):
        loading.training_loader(data)(name)


@pytest.mark.parametrize("static", [True, False])
def test_examples_come_out_of_tensorflow_as_they_went_in(static):
    import tensorflow as tf

    rows = np.arange(1, 601, dtype=np.int32).reshape(150, 4)
    dataset = tf.data.Dataset.from_tensor_slices({"inputs": rows, "targets": rows})
    if not static:
        # Now TensorFlow does not know that all are of one length.
        dataset = dataset.map(
            lambda x: {key: tf.boolean_mask(row, row > 3) for key, row in x.items()}
        )
    check = LengthCheck("a task", {"inputs": 8, "targets": 8}, truncate=False)
    pairs = list(TaskPass(dataset, check))
    assert check.seen == len(pairs) == 150
    for (inputs, targets), row in zip(pairs, rows, strict=True):
        expected = row if static else row[row > 3]
        np.testing.assert_array_equal(inputs, expected)
        np.testing.assert_array_equal(targets, expected)
        assert inputs.dtype == np.int32
