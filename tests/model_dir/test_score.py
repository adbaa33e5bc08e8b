import math

import numpy as np
import pytest

from spot_jax.model_dir.score import comparable, overall_score


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
