"""Cutting and refusing examples that are too long."""

import numpy as np
import pytest

from spot_jax.data.length_check import LengthCheck


def test_too_long_examples_are_counted_and_refused():
    check = LengthCheck("a task", {"inputs": 4, "targets": 2}, truncate=False)
    for length in (3, 5, 7):
        check.seen += 1
        check("inputs", np.arange(length))
        check("targets", np.arange(2))
    with pytest.raises(ValueError, match=r"2 of 3 inputs .* 4 tokens .* has 7\)"):
        check.report()


def test_cutting_keeps_the_end_of_sequence():
    check = LengthCheck("a task", {"inputs": 4, "targets": 2}, truncate=True)
    assert check("inputs", np.asarray([5, 6, 7, 8, 9, 1])).tolist() == [5, 6, 7, 1]
    assert check("inputs", np.asarray([5, 6, 7, 1])).tolist() == [5, 6, 7, 1]
    assert check.cut == {"inputs": 1, "targets": 0}
