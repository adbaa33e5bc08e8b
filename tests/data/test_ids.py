import numpy as np
import pytest

from spot_jax.data.ids import as_ids
from spot_jax.errors import InputError


@pytest.mark.parametrize("values", [[], [0, 9], np.asarray([3], np.uint16)])
def test_ids_are_kept(values):
    found = as_ids(values, "sst2: inputs", 10)
    assert found.dtype == np.int32 and found.tolist() == list(values)


@pytest.mark.parametrize(
    "values, message",
    [
        ([-1], "sst2: inputs: ids from -1 to -1"),
        ([3, 10], "from 3 to 10 were found, the vocabulary has those from 0 to 9"),
        ([2**40], "ids from 1099511627776"),
        ([1.0, 2.0], r"float64 \[2\] was found"),
        ([[1, 2]], r"int64 \[1, 2\] was found"),
        (["a"], "was found where token ids are expected"),
        (3, r"int64 \[\] was found"),
    ],
)
def test_what_is_no_id_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        as_ids(values, "sst2: inputs", 10)


def test_without_a_vocabulary_ids_are_those_that_int32_holds():
    assert as_ids([2**31 - 2], "x").tolist() == [2**31 - 2]
    with pytest.raises(InputError, match="ids from"):
        as_ids([2**31], "x")
