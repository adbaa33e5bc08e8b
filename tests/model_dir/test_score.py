import math

import numpy as np
import pytest

from spot_jax.model_dir.score import comparable, measured, overall_score


@pytest.mark.parametrize(
    ("results", "score"),
    [
        ({"sst2": {"accuracy": 90.0}}, 90),
        ({"mrpc": {"f1": 80.0, "accuracy": 70.0}}, 75),
        ({"mrpc": {"f1": 80.0, "accuracy": 70.0}, "sst2": {"accuracy": 25.0}}, 50),
        ({"c4_prefix_lm": {"loss": 2.5}}, -2.5),
        ({"cola": {"matthews": math.nan}}, math.nan),
    ],
)
def test_the_score_is_the_mean_of_means(results, score):
    np.testing.assert_equal(overall_score(results), score)


def test_a_score_that_is_no_number_is_the_least():
    scores = [math.nan, -99.0, 3.0, math.nan]
    assert max(scores, key=comparable) == 3
    assert sorted(scores[:3], key=comparable)[1:] == [-99, 3]


@pytest.mark.parametrize(
    ("results", "name", "value"),
    [
        ({"sst2": {"accuracy": 90.0}}, "accuracy", 90),
        ({"c4": {"loss": 2.5}}, "loss", 2.5),
        ({"mrpc": {"accuracy": 70.0, "f1": 80.0}}, "mean of accuracy and f1", 75),
        ({"a": {"x": 1.0, "y": 2.0, "z": 3.0}}, "mean of x, y and z", 2),
        ({"a": {"accuracy": 1.0}, "b": {"f1": 3.0}}, "mean of 2 tasks", 2),
        ({"a": {"loss": 1.0}, "b": {"loss": 3.0}}, "mean loss of 2 tasks", 2),
        ({"a": {"loss": 1.0}, "b": {"f1": 3.0}}, "mean of 2 tasks, losses negated", 1),
        ({"cola": {"matthews": math.nan}}, "matthews", math.nan),
    ],
)
def test_a_score_is_told_by_its_name_and_a_loss_as_it_is(results, name, value):
    np.testing.assert_equal(measured(results), (name, value))
