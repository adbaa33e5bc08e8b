"""Cutting and refusing examples that are too long."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from spot_jax.data.length_check import LengthCheck


def test_too_long_examples_are_counted_and_refused():
    check = LengthCheck("a task", {"inputs": 4, "targets": 2}, truncate=False)
    for length in (3, 5, 7):
        check.fit({"inputs": np.arange(length), "targets": np.arange(2)})
    with pytest.raises(ValueError, match=r"2 of 3 inputs .* 4 tokens .* has 7\)"):
        check.report()


def test_cutting_keeps_the_end_of_sequence():
    check = LengthCheck("a task", {"inputs": 4, "targets": 2}, truncate=True)
    assert check("inputs", np.asarray([5, 6, 7, 8, 9, 1])).tolist() == [5, 6, 7, 1]
    assert check("inputs", np.asarray([5, 6, 7, 1])).tolist() == [5, 6, 7, 1]
    assert check.cut == {"inputs": 1, "targets": 0}


def test_an_example_keeps_what_is_no_tokens():
    check = LengthCheck("a task", {"inputs": 4, "targets": 2}, truncate=True)
    given = {"inputs": np.arange(9), "targets": np.arange(2), "idx": 7}
    fitted = check.fit(given)
    assert fitted["inputs"].tolist() == [0, 1, 2, 8] and fitted["idx"] == 7
    assert fitted["inputs"].dtype == np.int32 and len(given["inputs"]) == 9


def streamed(truncate=False):
    lengths = {"inputs": 4, "targets": 2}
    return LengthCheck("a task", lengths, truncate, streamed=True)


def test_a_stream_tells_at_1_10_100_what_it_leaves_out_and_at_the_end(caplog):
    check = streamed()
    for length in [3, *[5] * 25]:
        example = {"inputs": np.arange(length), "targets": np.arange(2)}
        assert (check.fit_or_leave_out(example) is None) == (length > 4)
    assert check.unfit == 25 and len(caplog.messages) == 2
    assert "10 of 11 inputs are longer than 4 tokens" in caplog.messages[1]
    check.conclude()
    assert "25 of 26 inputs" in caplog.messages[2]
    assert caplog.messages[2].endswith("they are left out.")


def test_a_stream_that_may_cut_keeps_what_it_cuts(caplog):
    check = streamed(truncate=True)
    fitted = check.fit_or_leave_out({"inputs": np.arange(9), "targets": np.arange(2)})
    assert fitted["inputs"].tolist() == [0, 1, 2, 8]
    assert check.unfit == 1 and caplog.messages[0].endswith("they are cut.")


def test_a_stream_of_which_all_fit_says_so_at_the_end(caplog):
    caplog.set_level(logging.INFO)
    check = streamed()
    check.fit_or_leave_out({"inputs": np.arange(4), "targets": np.arange(2)})
    check.conclude()
    assert caplog.messages == ["a task: all 1 examples that were read fit."]


def test_checking_lengths_needs_no_tensorflow():
    code = (
        "import sys; from spot_jax.data import length_check; "
        "heavy = {'tensorflow', 'seqio', 'jax'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
