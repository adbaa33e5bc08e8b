"""What is known before compiling: whether rows can be split."""

import pytest

from spot_jax.errors import InputError
from spot_jax.proof import mesh


def test_chips_that_would_only_pad_are_refused_with_what_would_not(make_run):
    run = make_run(training={"microbatches": 4})
    with pytest.raises(InputError) as error:
        mesh.check_rows(run, 8)
    said = str(error.value)
    assert "BATCH_SIZE to at least 32" in said
    assert "MICROBATCHES to at most 2" in said
    assert "NUM_PARTITIONS to one of 2, 4" in said
    mesh.check_rows(run.with_microbatches(2), 8)


def test_microbatches_go_as_far_as_every_chip_has_a_row(make_run):
    assert mesh.microbatches_of(make_run(), 4) == [1, 2, 4]
    run = make_run(training={"microbatches": 3})
    assert mesh.microbatches_of(run, 2) == [3, 6]


def test_keys_and_values_of_several_prompts_share_no_row(make_run):
    few = {"inputs": 4, "targets": 2}
    run = make_run(bank=8, expected=few, training={"batch_size": 1})
    # Eight short examples would share two rows; of eight prompts each has its own.
    own = run.rows(slots=0, multiple=1, mixes=False, platform="cpu")
    assert own.rows == 8
    assert run.rows(slots=0, multiple=1, platform="cpu").rows < 8
