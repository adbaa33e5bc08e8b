"""Relative error reduction, means with bootstrap intervals, correlations."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 4999
# Numbers drawn at once: bounds the memory of a bootstrap to a few hundred megabytes.
_BATCH_NUMBERS = 10_000_000
# Below this a bootstrap of units says nothing.
_LEAST_UNITS = 3


def relative_error_reduction(score, baseline):
    """Returns how much of the baseline's error a score takes away, in percent.

    100 (score - baseline) / (100 - baseline), the measure of SPoT §3; negative where
    the score is worse. A baseline of 100 leaves no error to reduce: the result is nan.

    Args:
        score: [...] 0 to 100, an array or a Series.
        baseline: [...] 0 to 100.
    """
    error = 100.0 - np.asarray(baseline, float)
    return 100.0 * (score - baseline) / np.where(error > 0, error, np.nan)


def interval(
    samples: Sequence[np.ndarray], statistic: Callable = np.mean, *, paired=False
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of a 95% percentile bootstrap interval, by SciPy.

    The interval is drawn from the same random numbers every time. One observation says
    nothing about spread: both ends are then nan.

    Args:
        samples: arrays [..., observations].
        statistic: takes the samples and `axis`.
        paired: whether observations of the samples belong together.

    Returns:
        low [...], high [...].
    """
    if min(sample.shape[-1] for sample in samples) < 2:
        nothing = np.full(samples[0].shape[:-1], np.nan)
        return nothing, nothing
    result = stats.bootstrap(
        samples,
        statistic,
        paired=paired,
        axis=-1,
        vectorized=True,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, _BATCH_NUMBERS // sum(sample.size for sample in samples)),
        # SciPy's own choice, BCa, is nan where resamples do not vary.
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high


def summarize(frame: pd.DataFrame, keys: list[str], value: str) -> pd.DataFrame:
    """Returns mean, std (n - 1), low, high and count of every group; nan is left out.

    Args:
        frame: has the columns `keys` and `value`.
        keys: a group has these in common.
        value: what is averaged.

    Returns:
        The columns `keys`, then mean, std, low, high, count, in order of appearance.
    """
    columns = ["mean", "std", "low", "high", "count"]
    present = frame.dropna(subset=[value])
    groups = present.groupby(keys, sort=False)[value].agg(list)
    if groups.empty:
        return pd.DataFrame(columns=[*keys, *columns])
    parts = []
    # Groups of one size are resampled together, which is what makes it quick.
    for count, part in groups.groupby(groups.map(len)):
        values = np.array(part.tolist(), float)
        low, high = interval([values])
        std = values.std(-1, ddof=1) if count > 1 else np.full(len(part), np.nan)
        rows = zip(values.mean(-1), std, low, high, strict=True)
        parts.append(pd.DataFrame(rows, index=part.index, columns=columns[:-1]))
        parts[-1]["count"] = count
    return pd.concat(parts).loc[groups.index].reset_index()


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean with its 95% interval; nan where there is none."""

    mean: float
    low: float
    high: float
    count: int


def mean_of(values) -> Mean:
    """Returns the mean of [observations] with its interval; nan is left out."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not len(values):
        return Mean(np.nan, np.nan, np.nan, 0)
    low, high = interval([values])
    return Mean(values.mean(), float(low), float(high), len(values))


def nested_mean(table) -> Mean:
    """Returns the mean of [units, repeats] over the units, each that of its repeats.

    Its 95% interval resamples the units and, within each that is drawn, its repeats,
    from the same random numbers every time. Percentiles of few units are too near: they
    are moved apart as far as Student's t is from the normal distribution (Hesterberg
    2015, "What Teachers Should Know About the Bootstrap"). One unit or two have no
    interval: they hardly tell how others would differ.

    Args:
        table: [units, repeats], targets and their seeds; nan is left out.
    """
    table = np.asarray(table, float)
    rows = [row[~np.isnan(row)] for row in table if not np.isnan(row).all()]
    if not rows:
        return Mean(np.nan, np.nan, np.nan, 0)
    mean = float(np.mean([row.mean() for row in rows]))
    if len(rows) < _LEAST_UNITS:
        return Mean(mean, np.nan, np.nan, len(rows))
    rng = np.random.default_rng(0)
    means = np.stack([_resampled_means(rng, row) for row in rows], axis=1)
    drawn = rng.integers(len(rows), size=(RESAMPLES, len(rows)))
    # A unit that is drawn twice is so with other repeats.
    order = rng.permuted(np.tile(np.arange(RESAMPLES), (len(rows), 1)), axis=1).T
    values = means[order, drawn].mean(axis=1)
    tail = 100 * _tail(len(rows))
    low, high = np.percentile(values, [tail, 100 - tail])
    return Mean(mean, float(low), float(high), len(rows))


def _tail(units: int) -> float:
    """Returns the share of resamples that is left out on either side."""
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, units - 1)
    return float(stats.norm.cdf(-quantile * np.sqrt(units / (units - 1))))


def _resampled_means(rng: np.random.Generator, row: np.ndarray) -> np.ndarray:
    """Returns [resamples] means of so many of [observations], drawn from them."""
    return row[rng.integers(len(row), size=(RESAMPLES, len(row)))].mean(axis=1)


def best_of_drawn(scores, k: int) -> np.ndarray:
    """Returns the expected best of k that are drawn at random, each once at most.

    Args:
        scores: [..., observations]; one that is nan makes the result nan.
        k: how many are drawn; 1: the mean.

    Returns:
        [...].
    """
    scores = np.sort(np.asarray(scores, float), axis=-1)
    count = scores.shape[-1]
    # The largest is the i-th or below where all k are among the first i.
    below = _all_among(np.arange(count + 1), count, k)
    return np.sum(scores * np.diff(below), axis=-1)


def chance_of_better(scores, reached, k: int = 1) -> np.ndarray:
    """Returns how likely the best of k drawn at random is better, from 0 to 1.

    A tie counts half, so that among equals it is 0.5.

    Args:
        scores: [..., observations], all that are drawn from; one that is nan makes the
            result nan.
        reached: [...] what is to be beaten; nan where it is not known.
        k: how many are drawn, each once at most.
    """
    scores, reached = np.asarray(scores, float), np.asarray(reached, float)
    count, against = scores.shape[-1], reached[..., None]
    less = _all_among((scores < against).sum(axis=-1), count, k)
    no_more = _all_among((scores <= against).sum(axis=-1), count, k)
    known = ~np.isnan(scores).any(axis=-1) & ~np.isnan(reached)
    return np.where(known, 1 - (less + no_more) / 2, np.nan)


def _all_among(some, count: int, k: int) -> np.ndarray:
    """Returns the chance that k drawn of `count` are all among `some` of them."""
    drawn = np.arange(k)
    left = np.maximum(np.asarray(some)[..., None] - drawn, 0)
    return np.prod(left / (count - drawn), axis=-1)


def ratio_of(parts, wholes) -> Mean:
    """Returns mean(parts) / mean(wholes), pairs resampled together.

    Args:
        parts: [observations]; a pair with a nan is left out.
        wholes: [observations]; a mean that is not above 0 makes the ratio nan. One
            observation below 0 leaves it without interval, and so do so many of 0 that
            a resample may have no others: such a resample has no ratio.
    """
    parts, wholes = np.asarray(parts, float), np.asarray(wholes, float)
    known = ~np.isnan(parts) & ~np.isnan(wholes)
    parts, wholes = parts[known], wholes[known]
    if not len(parts) or wholes.mean() <= 0:
        return Mean(np.nan, np.nan, np.nan, len(parts))
    low = high = np.nan
    # A single resample without a ratio would leave the interval without ends.
    without = np.mean(wholes == 0) ** len(wholes)
    if wholes.min() >= 0 and without * RESAMPLES < 0.01:
        low, high = interval([parts, wholes], _ratio, paired=True)
    return Mean(parts.mean() / wholes.mean(), float(low), float(high), len(parts))


def _ratio(parts, wholes, axis):
    return parts.mean(axis) / wholes.mean(axis)


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Pearson's r with its two-sided p and 95% interval (Fisher's)."""

    r: float
    p: float
    low: float
    high: float
    count: int


def correlate(x, y) -> Correlation:
    """Returns Pearson's r of [points] and [points]; nan where it is not defined."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[known], y[known]
    # Fisher's interval divides by the root of the points less 3.
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(np.nan, np.nan, np.nan, np.nan, len(x))
    result = stats.pearsonr(x, y)
    ends = result.confidence_interval(CONFIDENCE)
    return Correlation(result.statistic, result.pvalue, ends.low, ends.high, len(x))
