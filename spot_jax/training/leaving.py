"""Who leaves a bank, and when: prompts that are finished, and those that diverged."""

from collections.abc import Container, Sequence
from typing import NamedTuple

from spot_jax.errors import InputError
from spot_jax.training.bank import Entry


def trained_in(
    bank: Sequence[Entry], number: int, diverged: Container[int] = ()
) -> list[int]:
    """Returns which prompts of a bank a step (from 1) moves, by number.

    Args:
        bank: the prompts.
        number: which step.
        diverged: those that have.
    """
    return [
        index
        for index, entry in enumerate(bank)
        if index not in diverged and number <= (entry.steps or number)
    ]


class Around(NamedTuple):
    """Who is in a bank around a step, by number.

    Attributes:
        there: whom it moves.
        leaving: those whose last step it was, or who are known by now to have diverged.
        left: all who are not moved by the next step.
    """

    there: list[int]
    leaving: list[int]
    left: list[int]


def around(
    bank: Sequence[Entry],
    number: int,
    diverged: Container[int] = (),
    new: Container[int] = (),
) -> Around:
    """Returns who is in a bank around a step.

    Args:
        bank: the prompts.
        number: steps done.
        diverged: those that have.
        new: those of them of whom it was not known at the step before.
    """
    there = trained_in(bank, number, diverged)
    staying = trained_in(bank, number + 1, diverged)
    left = [index for index in range(len(bank)) if index not in staying]
    return Around(there, [i for i in left if i in there or i in new], left)


def check_steps(bank: Sequence[Entry], steps: int) -> None:
    """Raises InputError where a prompt is to have more steps than the run."""
    most = max((entry.steps or 0) for entry in bank)
    if most > steps:
        raise InputError(
            f"PROMPT_STEPS is {most}, and TRAIN_STEPS {steps}: no prompt has more "
            "steps than its run. Raise TRAIN_STEPS, or lower PROMPT_STEPS."
        )
