"""Ranking, weights and mixtures, as tables."""

import numpy as np
import pytest

from spot_jax.retrieval.operators import (
    Ranked,
    multi_task_mixture,
    rank,
    weights,
)


def test_the_ranking_descends_and_ties_go_by_name():
    similarities = np.array([0.1, -0.2, 0.7, 0.1])
    assert rank(similarities, ["rte", "b", "c", "mnli"]) == [
        Ranked(1, "c", 0.7),
        Ranked(2, "mnli", 0.1),
        Ranked(3, "rte", 0.1),
        Ranked(4, "b", -0.2),
    ]


@pytest.mark.parametrize(
    "similarities, names, message",
    [
        ([0.1], ["a", "b"], "1 similarities and 2 names"),
        ([0.1, 0.2], ["a", "a"], "1 of them different"),
        ([0.1, np.nan], ["a", "b"], "The similarity of b is not finite"),
    ],
)
def test_a_ranking_of_something_else_is_refused(similarities, names, message):
    with pytest.raises(ValueError, match=message):
        rank(similarities, names)


@pytest.mark.parametrize(
    "similarities, expected, note",
    [
        ([0.6, 0.3, 0.1], [0.6, 0.3, 0.1], None),
        ([0.06, 0.03, 0.01], [0.6, 0.3, 0.1], None),
        ([0.5], [1.0], None),
        ([0.5, 0.0], [1.0, 0.0], None),
        ([1e-320, 1e-320], [0.5, 0.5], None),
        ([0.3, 0.1, -0.2], [0.75, 0.25, 0.0], "1 of the 3 similarities are negative"),
        ([-0.1, -0.3], [0.5, 0.5], "None of the 2 similarities is positive"),
        ([0.0, 0.0], [0.5, 0.5], "None of the 2 similarities is positive"),
    ],
)
def test_weights_are_in_proportion_and_negative_ones_are_told(
    similarities, expected, note
):
    alpha, said = weights(similarities)
    np.testing.assert_allclose(alpha, expected, rtol=1e-12)
    assert alpha.sum() == pytest.approx(1, abs=1e-15)
    assert said is None if note is None else said.startswith(note)


@pytest.mark.parametrize("similarities", [[], [0.1, np.inf], np.array([[0.1]])])
def test_no_weights_of_nothing(similarities):
    with pytest.raises(ValueError, match="give no weights"):
        weights(similarities)


def test_a_mixture_has_every_data_set_once_and_the_target_last():
    members = ["mnli", "qqp", "mnli", "rte", "squad"]
    assert multi_task_mixture(members, "rte") == ["mnli", "qqp", "squad", "rte"]
    assert multi_task_mixture([], "rte") == ["rte"]
    with pytest.raises(ValueError, match="name of every task"):
        multi_task_mixture(["mnli", ""], "rte")
    with pytest.raises(ValueError, match="name of every task"):
        multi_task_mixture(["mnli"], "")
