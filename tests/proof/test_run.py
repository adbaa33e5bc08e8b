"""A run of settings: its prompts and rows, without any data."""

import dataclasses

import pytest

from spot_jax.data.dividing import Shape
from spot_jax.errors import InputError
from spot_jax.prompts.init import random_uniform
from spot_jax.settings import Data, Prompts


def test_examples_as_long_as_any_may_be_have_a_row_each(make_run):
    assert make_run().rows(slots=6, multiple=1, platform="cpu") == Shape(16, 32, 8)


def test_shorter_examples_share_rows_as_those_of_a_run_do(make_run):
    run = make_run(expected={"inputs": 9, "targets": 3})
    # Two of 6 + 9 in a row of 32: rows of 16 would be on every device twice as many.
    found = run.rows(slots=6, multiple=1, platform="cpu")
    assert found.rows * found.row_length == 16 * 16
    assert run.rows(slots=6, multiple=3, platform="cpu").rows % 3 == 0
    # A TPU computes 128 at once.
    assert run.rows(slots=6, multiple=1, platform="tpu").row_length == 128


def test_without_packing_every_example_has_a_row(make_run):
    run = make_run(expected={"inputs": 9, "targets": 3}, training={"pack": False})
    assert run.rows(slots=6, multiple=5, platform="tpu") == Shape(20, 30, 8)


def test_a_bank_multiplies_the_rows(make_run):
    run = make_run(bank=3)
    assert len(run.bank()) == 3
    assert run.rows(slots=6, multiple=1, platform="cpu").rows == 48


def test_lists_of_settings_make_a_bank(make_run):
    prompts = Prompts(length=[4, 6], starts=random_uniform, seeds=[0, 1, 2])
    assert len(make_run(prompts=prompts).bank()) == 6


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"data": Data()}, "TASK_FEATURE_LENGTHS"),
        ({"bank": 2, "prompts": None}, "tunes the model"),
        ({"expected": {"inputs": 25, "targets": 8}}, "from 1 to 24"),
        (
            {"bank": 2, "prompts": Prompts(length=[4, 6], starts=random_uniform)},
            "makes 4 prompts",
        ),
    ],
)
def test_what_cannot_be_a_run_is_one_message(make_run, wrong, said):
    with pytest.raises(InputError, match=said):
        make_run(**wrong)


def test_other_settings_leave_the_rest_of_a_run(make_run):
    run = make_run()
    other = run.with_partitions(2).with_microbatches(4)
    assert (other.model.num_partitions, other.training.microbatches) == (2, 4)
    assert other.with_partitions(1).with_microbatches(1) == run
    assert dataclasses.replace(other, model=run.model).training == other.training
