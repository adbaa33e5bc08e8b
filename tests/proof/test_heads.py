"""A run of heads is counted as it would be trained and asked."""

import pytest

from spot_jax.model import sharding
from spot_jax.prompts.init import random_uniform
from spot_jax.proof import programs, shapes
from spot_jax.settings import Evaluation, Prompts


@pytest.mark.parametrize(
    ("head", "classes", "targets"), [("cls", 2, 1), ("token", 9, 32), ("span", 2, 32)]
)
def test_both_programs_are_compiled(head, classes, targets, make_run):
    """Marks are as many as pieces, 6 + 24 rounded up; classes are one number."""
    prompts = Prompts(length=6, starts=random_uniform, head=head)
    run = make_run(prompts=prompts)
    assert {len(entry.classes) for entry in run.bank()} == {classes}
    mesh = sharding.make_mesh(1)
    slots = shapes.parts_of(run, mesh, run.optimizer(base_step=0)).slots
    rows = run.rows(slots, 1, platform="cpu")
    assert rows.target_row_length >= targets
    if head != "cls":
        assert rows.target_row_length == rows.row_length
    training, evaluation = programs.compiled(run, mesh)
    assert training.compiles and evaluation.compiles
    assert training.flops > evaluation.flops > 0


def test_labels_that_are_given_are_the_classes(make_run):
    labels = ("a", "b", "c", "d")
    prompts = Prompts(length=6, starts=random_uniform, head="cls")
    run = make_run(prompts=prompts, evaluation=Evaluation(rows=16, labels=labels))
    assert [entry.classes for entry in run.bank()] == [labels]
