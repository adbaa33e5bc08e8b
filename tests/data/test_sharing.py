"""Prompts of one seed share what is read."""

import gc

import numpy as np

from spot_jax.data.orders import MemoryExamples, Position
from spot_jax.data.sharing import shared

SET = [(np.asarray([i]), np.asarray([i, 1])) for i in range(10)]


class Counted(MemoryExamples):
    """Examples that tell how many were taken of all orders together."""

    taken = 0

    def take(self, count):
        Counted.taken += count
        return super().take(count)


def reader(seed, position):
    return Counted(SET, seed, position)


def numbers(taken):
    return [int(inputs[0]) for inputs, _ in taken]


def alone(seed, *position):
    return MemoryExamples(SET, seed, Position(*position))


def test_prompts_of_one_seed_read_its_order_once():
    Counted.taken, read = 0, shared(reader)
    bank = [read(seed, Position(1, 2)) for seed in (5, 5, 6, 5)]
    by_themselves = [alone(seed, 1, 2) for seed in (5, 5, 6, 5)]
    for _ in range(7):
        for one, expected in zip(bank, by_themselves, strict=True):
            assert numbers(one.take(4)) == numbers(expected.take(4))
            assert one.position == expected.position
    assert Counted.taken == 2 * 7 * 4
    assert not bank[0]._group.takes


def test_what_was_begun_before_is_not_joined():
    read = shared(reader)
    first = read(5, Position())
    first.take(3)
    assert numbers(read(5, Position()).take(3)) == numbers(alone(5).take(3))
    assert numbers(first.take(3)) == numbers(alone(5).take(6))[3:]


def test_a_prompt_that_is_given_up_holds_nothing_back():
    read = shared(reader)
    one, other = read(5, Position()), read(5, Position())
    one.take(3)
    assert len(one._group.takes) == 1
    del other
    gc.collect()
    one.take(3)
    assert not one._group.takes


def test_who_takes_another_number_reads_alone():
    read = shared(reader)
    one, other = read(5, Position()), read(5, Position())
    assert numbers(one.take(4)) == numbers(other.take(4))
    one.take(4)
    assert numbers(other.take(3) + other.take(5)) == numbers(alone(5).take(12))[4:]
    assert numbers(one.take(4)) == numbers(alone(5).take(12))[8:]
