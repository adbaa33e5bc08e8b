"""What is known before compiling: whether weights and rows can be split."""

import pytest

from spot_jax.errors import InputError
from spot_jax.hardware.chips import TPUS, Chip
from spot_jax.model.automatic import partitions_that_divide
from spot_jax.proof import mesh
from spot_jax.t5 import T5Config

XXL = T5Config(
    d_model=4096, heads=64, d_mlp=10240, encoder_layers=24, decoder_layers=24
)


@pytest.fixture
def xxl(make_run):
    model = {"num_partitions": 1, "weights_dtype": "float32"}
    return make_run(config=XXL, training={"microbatches": 1}, model=model)


@pytest.mark.parametrize(
    ("chips", "partitions"), [(16, [1, 2, 4, 8, 16]), (12, [1, 2, 4]), (1, [1])]
)
def test_partitions_divide_chips_heads_mlp_and_vocabulary(chips, partitions):
    assert partitions_that_divide(XXL, chips) == partitions


def test_weights_that_are_more_than_a_chip_has_are_refused_with_what_fits(xxl):
    with pytest.raises(InputError) as error:
        mesh.check(xxl, 16, TPUS["v5e"])
    said = str(error.value)
    assert "41.5 GiB" in said and "v5e has 16.0" in said
    assert "one of 4, 8, 16, or" in said
    assert "one of 2, 4, 8, 16 with --gin.WEIGHTS_DTYPE=bfloat16" in said


def test_too_few_chips_for_the_weights_ask_for_more(xxl):
    with pytest.raises(InputError, match="Take more devices"):
        mesh.check(xxl, 1, TPUS["v5e"])


def test_weights_that_fit_are_not_refused(xxl):
    mesh.check(xxl.with_partitions(4), 16, TPUS["v5e"])
    mesh.check(xxl, 1, TPUS["v5p"])


@pytest.mark.parametrize("partitions", [3, 16])
def test_partitions_that_do_not_divide_are_refused_with_those_that_do(
    make_run, partitions
):
    with pytest.raises(InputError, match="to one of 1, 2, 4, 8"):
        make_run(model={"num_partitions": partitions})
    run = make_run().with_partitions(partitions)
    with pytest.raises(InputError, match="to one of 1, 2, 4"):
        mesh.check(run, 24, Chip("any", 2**40))


def test_chips_that_would_only_pad_are_refused_with_what_would_not(make_run):
    run = make_run(training={"microbatches": 4})
    with pytest.raises(InputError) as error:
        mesh.check(run, 8, Chip("any", 2**40))
    said = str(error.value)
    assert "BATCH_SIZE to at least 32" in said
    assert "MICROBATCHES to at most 2" in said
    assert "NUM_PARTITIONS to one of 2, 4" in said
    mesh.check(run.with_microbatches(2), 8, Chip("any", 2**40))


def test_microbatches_go_as_far_as_every_chip_has_a_row(make_run):
    assert mesh.microbatches_of(make_run(), 4) == [1, 2, 4]
    run = make_run(training={"microbatches": 3})
    assert mesh.microbatches_of(run, 2) == [3, 6]
