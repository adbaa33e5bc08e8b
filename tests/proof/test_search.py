"""Which settings are tried where a run does not fit, and which is taken."""

import jax
import pytest

from spot_jax.data.dividing import Shape
from spot_jax.hardware.chips import Chip
from spot_jax.model import sharding
from spot_jax.proof import mesh, programs, search
from spot_jax.proof.programs import Cost
from spot_jax.settings import Evaluation


class Compiler:
    """Stands for one: a program needs its weights, and more the more is done at once.

    Args:
        row: bytes that a row takes on one chip, shared by partitions.
        limit: what a chip has; more cannot be compiled.
        tells: whether it then says how much was needed.
    """

    def __init__(self, row: int, limit: int, tells: bool = True):
        self.row, self.limit, self.tells, self.tried = row, limit, tells, []

    def __call__(self, run, on, names=programs.NAMES):
        return [self._cost(run, on, name) for name in names]

    def _cost(self, run, on, name):
        setting = run.model.num_partitions, run.training.microbatches
        rows = run.evaluation.rows
        self.tried.append((name, *setting, rows))
        weights = mesh.weights_on_a_chip(run, on.size)
        # Evaluation has no gradients.
        at_once = 16 / setting[1] if name == "training" else rows / 4
        memory = weights + int(self.row * at_once / on.size)
        fits = memory <= self.limit
        told = memory if fits or self.tells else None
        return Cost(name, Shape(16, 30, 8), weights, told, fits)


def found(run, monkeypatch, compiler):
    monkeypatch.setattr(programs, "compiled", compiler)
    chip = Chip("small", compiler.limit)
    costs = compiler(run, mesh_of(run))
    compiler.tried.clear()
    result = search.cheapest(run, jax.devices(), chip, costs)
    if result is None:
        return None
    run, costs = result
    assert [cost.name for cost in costs] == list(programs.NAMES)
    assert all(cost.fits(chip) for cost in costs)
    return run.model.num_partitions, run.training.microbatches, run.evaluation.rows


def mesh_of(run):
    return sharding.make_mesh(run.model.num_partitions)


def test_microbatches_come_first_and_only_what_may_fit_is_compiled(
    make_run, monkeypatch
):
    run = make_run(bank=4)
    compiler = Compiler(row=8000, limit=mesh.weights_on_a_chip(run, 8) + 5000)
    assert found(run, monkeypatch, compiler) == (1, 4, 16)
    assert compiler.tried == [("training", 1, 4, 16)]


def test_an_evaluation_that_is_too_large_has_fewer_rows(make_run, monkeypatch):
    run = make_run(evaluation=Evaluation(rows=64))
    compiler = Compiler(row=2000, limit=mesh.weights_on_a_chip(run, 8) + 4000)
    assert found(run, monkeypatch, compiler) == (1, 1, 64)
    compiler = Compiler(row=1000, limit=mesh.weights_on_a_chip(run, 8) + 1000)
    assert found(run, monkeypatch, compiler) == (1, 2, 32)
    assert compiler.tried == [("training", 1, 2, 64), ("evaluation", 1, 2, 32)]


def test_a_compiler_that_does_not_tell_is_asked_step_by_step(make_run, monkeypatch):
    run = make_run(bank=4)
    limit = mesh.weights_on_a_chip(run, 8) + 5000
    compiler = Compiler(row=8000, limit=limit, tells=False)
    assert found(run, monkeypatch, compiler) == (1, 4, 16)
    assert compiler.tried == [("training", 1, 2, 16), ("training", 1, 4, 16)]


def test_where_microbatches_do_not_do_it_weights_are_split(make_run, monkeypatch):
    run = make_run()
    compiler = Compiler(row=800, limit=mesh.weights_on_a_chip(run, 8) + 500)
    assert found(run, monkeypatch, compiler)[0] == 2
    # One microbatch more would leave chips without a row.
    assert all(setting[1] > 1 or setting[2] <= 2 for setting in compiler.tried)


def test_nothing_is_found_where_nothing_fits(make_run, monkeypatch):
    compiler = Compiler(row=10**9, limit=10**6)
    assert found(make_run(), monkeypatch, compiler) is None


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        (
            "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required "
            "for HLO temporaries (19.15G) exceeds available HBM (15.75G).",
            int(19.15 * 2**30),
        ),
        ("RESOURCE_EXHAUSTED: out of memory", None),
    ],
)
def test_what_a_compiler_says_is_needed_is_read(message, needed):
    assert programs._told_temporaries(message) == needed
