import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spot_jax.analysis import statistics


@pytest.mark.parametrize(
    ("score", "baseline", "percent"),
    [(97.0, 92.7, 58.904), (74.15, 73.0, 4.259), (32.7, 52.9, -42.887), (50, 50, 0)],
)
def test_relative_error_reduction_is_the_share_of_the_error(score, baseline, percent):
    found = statistics.relative_error_reduction(score, baseline)
    assert found == pytest.approx(percent, abs=1e-3)


def test_a_perfect_baseline_leaves_no_error_to_reduce():
    found = statistics.relative_error_reduction(np.array([100.0, 90.0]), 100.0)
    assert np.isnan(found).all()


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    samples = np.random.default_rng(1).normal(5, 2, (300, 30))
    low, high = statistics.interval([samples])
    assert 0.88 < np.mean((low < 5) & (high > 5)) < 0.98


def test_the_interval_of_three_runs_is_their_range_and_of_one_there_is_none():
    low, high = statistics.interval([np.array([3.0, 1.0, 2.0])])
    assert (low, high) == (1.0, 3.0)
    low, high = statistics.interval([np.array([3.0])])
    assert np.isnan(low) and np.isnan(high)


def test_groups_of_different_sizes_are_summarized_each_by_itself():
    frame = pd.DataFrame(
        {"task": ["b", "a", "b", "a", "c", "a"], "score": [2, 1, 4, 2, np.nan, 6.0]}
    )
    found = statistics.summarize(frame, ["task"], "score").set_index("task")
    assert list(found.index) == ["b", "a"]
    assert list(found["mean"]) == [3, 3]
    assert found.loc["a", "std"] == pytest.approx(np.std([1, 2, 6], ddof=1))
    assert list(found["count"]) == [2, 3]
    assert (found["low"] <= found["mean"]).all() and (
        found["mean"] <= found["high"]
    ).all()


def test_nothing_is_summarized_as_nothing():
    found = statistics.summarize(pd.DataFrame({"a": [], "b": []}), ["a"], "b")
    assert found.empty and "low" in found


def test_a_ratio_resamples_pairs():
    wholes = np.array([1.0, 5.0, 10.0, 40.0])
    found = statistics.ratio_of(wholes / 2, wholes)
    # Pairs that belong together always have the ratio 1/2.
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_ratio_to_nothing_is_not_known():
    assert np.isnan(statistics.ratio_of([1.0, 2.0], [0.0, -1.0]).mean)
    assert np.isnan(statistics.ratio_of([], []).mean)
    assert np.isnan(statistics.ratio_of([1.0, 2.0], [0.0, 4.0]).low)
    assert np.isnan(statistics.ratio_of(np.ones(10), [-1.0, *[4.0] * 9]).low)


def test_one_observation_of_zero_among_many_leaves_an_interval():
    parts, wholes = np.array([0.0, *[2.0] * 9]), np.array([0.0, *[4.0] * 9])
    found = statistics.ratio_of(parts, wholes)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_correlation_has_the_p_of_a_two_sided_t_test():
    # SPoT Figure 5: RTE, r = 0.290 with 48 points has p = 0.046.
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 48))
    noise -= np.polyval(np.polyfit(x, noise, 1), x)
    y = 0.29 * stats.zscore(x) + np.sqrt(1 - 0.29**2) * stats.zscore(noise)
    found = statistics.correlate(x, y)
    assert found.r == pytest.approx(0.29)
    assert found.p == pytest.approx(0.046, abs=5e-4)
    assert found.low < found.r < found.high


@pytest.mark.parametrize("x", [[1, 2, 3], [1, 1, 1, 1, 1], [1, np.nan, 2, 3, 4]])
def test_correlation_of_too_little_is_not_known(x):
    found = statistics.correlate(x, np.where(np.isnan(x), 1, 2.0) * 1)
    assert np.isnan(found.r) and np.isnan(found.p)
