import numpy as np
import pytest

from spot_jax.text.lengths import parse_lengths, percentiles, shorten


def test_lengths_are_read():
    assert parse_lengths("targets=8,inputs=512") == {"inputs": 512, "targets": 8}


@pytest.mark.parametrize(
    "text", ["512", "inputs=512", "inputs=512,targets=x", "inputs=1,targets=8", "a=b"]
)
def test_other_forms_are_an_error(text):
    with pytest.raises(ValueError, match="inputs=512,targets=32"):
        parse_lengths(text)


def test_the_end_token_is_kept():
    tokens = np.array([5, 6, 7, 8, 1])
    assert shorten(tokens, 3).tolist() == [5, 6, 1]
    assert shorten(tokens, 5) is tokens


def test_percentiles_occur():
    assert percentiles(range(1, 102)) == [51, 91, 96, 100, 101]
