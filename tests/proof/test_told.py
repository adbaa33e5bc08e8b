"""What is said of a run: whether it fits, and what a step waits for."""

import dataclasses

import pytest

from spot_jax.data.dividing import Shape
from spot_jax.hardware.chips import Chip
from spot_jax.hardware.counts import Collective
from spot_jax.proof import told
from spot_jax.proof.programs import Cost
from spot_jax.proof.told import Proof

GIB = 2**30
CHIP = Chip("abacus", 16 * GIB, 1e12, 1e11, 1e10)


def cost(name: str, **changes) -> Cost:
    made = Cost(
        name,
        Shape(16, 30, 8),
        weights=GIB,
        memory=10 * GIB,
        compiles=True,
        code=2 * GIB,
        flops=2e12,
        traffic=1e11,
        collectives={"all-reduce": Collective(3, GIB, 5e9)},
    )
    return dataclasses.replace(made, **changes)


def proof(run, **changes) -> Proof:
    costs = [cost("training", **changes), cost("evaluation", memory=GIB)]
    return Proof(run, "4 x abacus", CHIP, 4, costs, study=None)


def test_both_programs_are_on_a_chip_beside_the_larger_peak(make_run):
    assert proof(make_run()).spare == (16 - 10 - 2 - 2) * GIB
    assert proof(make_run()).fits
    assert not proof(make_run(), memory=13 * GIB).fits


@pytest.mark.parametrize(
    ("changes", "binds", "seconds"),
    [
        ({}, "compute", 2.0),
        ({"traffic": 3e11}, "memory", 3.0),
        ({"collectives": {"all-gather": Collective(1, 1, 4e10)}}, "interconnect", 4.0),
    ],
)
def test_a_step_takes_what_takes_longest(changes, binds, seconds):
    assert cost("training", **changes).estimate(CHIP) == (binds, seconds)


def test_without_rates_nothing_is_estimated(make_run):
    unknown = dataclasses.replace(CHIP, flops=None, bandwidth=None, interconnect=None)
    assert cost("training").estimate(unknown) is None
    made = dataclasses.replace(proof(make_run()), chip=unknown)
    assert made.hours() == {}
    assert "compute, seconds         -" in told.as_text(made)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"memory": 13 * GIB}, "It does not fit by 1.00 GiB."),
        ({"memory": 19 * GIB, "compiles": False}, "It does not fit by 7.00 GiB."),
        ({"memory": 9 * GIB, "compiles": False}, "It does not fit."),
        ({"memory": None, "compiles": False}, "It does not fit."),
    ],
)
def test_what_does_not_fit_is_said_with_what_is_missing(make_run, changes, said):
    assert told.as_text(proof(make_run(), **changes)).splitlines()[-1] == said
