import itertools

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


def test_a_nested_mean_is_of_units_each_the_mean_of_its_repeats():
    table = [[1.0, 3.0], [10.0, np.nan], [np.nan, np.nan], [6.0, 6.0]]
    found = statistics.nested_mean(table)
    assert (found.mean, found.count) == (6, 3)
    assert found.low < 6 < found.high
    assert statistics.nested_mean(table) == found


def test_repeats_that_differ_widen_a_nested_interval_and_units_do_so_more():
    rng = np.random.default_rng(0)
    units = rng.normal(size=(30, 1))
    alike = np.repeat(units, 3, axis=1)
    apart = alike + rng.normal(size=(30, 3)) * [[3.0]]
    apart += alike.mean(axis=1, keepdims=True) - apart.mean(axis=1, keepdims=True)
    narrow, wide = map(statistics.nested_mean, (alike, apart))
    assert narrow.mean == pytest.approx(wide.mean)
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


@pytest.mark.parametrize("units", [4, 5, 10, 40])
def test_without_repeats_that_differ_a_nested_interval_is_students(units):
    """A plain bootstrap of five units is not of 0 in a sixth of all cases, not 5%."""
    values = np.random.default_rng(units).normal(size=units)
    found = statistics.nested_mean(np.repeat(values[:, None], 2, axis=1))
    error = stats.sem(values)
    half = error * stats.t.ppf(0.975, units - 1)
    # Resamples do not go beyond the values themselves.
    low, high = (
        max(values.min(), found.mean - half),
        min(values.max(), found.mean + half),
    )
    assert found.low == pytest.approx(low, abs=0.3 * half)
    assert found.high == pytest.approx(high, abs=0.3 * half)
    plain = statistics.mean_of(values)
    assert found.high - found.low > plain.high - plain.low


@pytest.mark.parametrize(
    ("table", "count"),
    [
        ([[1.0, 2.0, 3.0]], 1),
        ([[1.0, 2.0], [np.nan, np.nan]], 1),
        ([[1.0, 2.0], [2.0, 3.0]], 2),
    ],
)
def test_one_unit_or_two_have_no_nested_interval(table, count):
    found = statistics.nested_mean(table)
    assert found.count == count and np.isnan([found.low, found.high]).all()


def test_nothing_has_no_nested_mean():
    found = statistics.nested_mean([[np.nan], [np.nan]])
    assert found.count == 0 and np.isnan(found.mean)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_best_of_drawn_is_that_of_all_draws(k):
    scores = np.array([[3.0, 9, 1, 4, 4], [7, 7, 7, 7, 7]])
    draws = [*itertools.combinations(range(5), k)]
    expected = [np.mean([row[[*draw]].max() for draw in draws]) for row in scores]
    np.testing.assert_allclose(statistics.best_of_drawn(scores, k), expected)
    for reached in (0, 1, 3.5, 4, 9, 10):
        better = [(scores[0][[*draw]].max() > reached) for draw in draws]
        equal = [(scores[0][[*draw]].max() == reached) for draw in draws]
        found = statistics.chance_of_better(scores[0], reached, k)
        assert found == pytest.approx(np.mean(better) + np.mean(equal) / 2)


def test_what_is_drawn_from_scores_that_are_missing_is_not_known():
    scores = [[1.0, np.nan], [1, 2]]
    assert list(np.isnan(statistics.best_of_drawn(scores, 1))) == [True, False]
    found = statistics.chance_of_better(scores, [0, np.nan])
    assert np.isnan(found).all()
