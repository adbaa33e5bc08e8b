"""Who leaves a bank, and when."""

import dataclasses

import pytest

from spot_jax.errors import InputError
from spot_jax.training.bank import Entry
from spot_jax.training.leaving import around, check_steps, trained_in

BANK = [Entry("a", "x", 0), Entry("b", "x", 1, steps=4), Entry("c", "x", 2, steps=6)]


@pytest.mark.parametrize(
    ("number", "diverged", "there"),
    [
        (1, (), [0, 1, 2]),
        (4, (), [0, 1, 2]),
        (5, (), [0, 2]),
        (5, {0: 3}, [2]),
        (7, {0: 3}, []),
    ],
)
def test_a_step_moves_who_is_neither_finished_nor_diverged(number, diverged, there):
    assert trained_in(BANK, number, diverged) == there


@pytest.mark.parametrize(
    ("number", "diverged", "new", "leaving", "left"),
    [
        (0, {}, {}, [], []),
        (3, {}, {}, [], []),
        (4, {}, {}, [1], [1]),
        (5, {}, {}, [], [1]),
        # It is known a while after it was.
        (5, {0: 2}, {0: 2}, [0], [0, 1]),
        (6, {0: 2}, {}, [2], [0, 1, 2]),
        (4, {1: 4}, {1: 4}, [1], [1]),
    ],
)
def test_who_leaves_does_so_once(number, diverged, new, leaving, left):
    found = around(BANK, number, diverged, new)
    assert (found.leaving, found.left) == (leaving, left)


def test_no_prompt_has_more_steps_than_its_run():
    check_steps(BANK, 6)
    check_steps([dataclasses.replace(BANK[0])], 1)
    with pytest.raises(
        InputError, match="PROMPT_STEPS is 6, and TRAIN_STEPS 5: .*Raise"
    ):
        check_steps(BANK, 5)
