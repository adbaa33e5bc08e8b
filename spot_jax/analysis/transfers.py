"""Every source on every target: scores and relative error reduction (SPoT §3.2)."""

import dataclasses
import pathlib

import numpy as np
import pandas as pd

from spot_jax.analysis import csv_files, statistics
from spot_jax.analysis.csv_files import SCORE, Number, Text
from spot_jax.analysis.study import Study
from spot_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Transfers:
    """The table of transfers, complete or not.

    Attributes:
        sources, targets: names in the order of the plan or the file.
        baseline: indexed by target: mean, std, low, high, count.
        cells: a line a cell that is known: source, target, mean, std, low, high, count,
            and percent (relative error reduction) with percent_low, percent_high.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    baseline: pd.DataFrame
    cells: pd.DataFrame

    def wide(self, column: str) -> pd.DataFrame:
        """Returns [sources, targets] of a column of the cells, nan where missing."""
        table = self.cells.pivot(index="source", columns="target", values=column)
        return table.reindex(index=self.sources, columns=self.targets).astype(float)


def of_study(study: Study) -> Transfers:
    """Returns the transfers of a study; a cell is the mean of its runs."""
    runs = study.of("transfer")
    cells = statistics.summarize(runs, ["source", "target"], "score")
    baseline = statistics.summarize(study.of("baseline"), ["target"], "score")
    baseline = baseline.set_index("target").reindex(study.targets)
    cells["percent"] = _percent(cells, baseline)
    ends = [
        _percent_interval(study, *cell) for cell in cells[["source", "target"]].values
    ]
    # Reshaped, for without any cell the list has no second dimension.
    cells[["percent_low", "percent_high"]] = np.reshape(ends, (-1, 2)).astype(float)
    return Transfers(study.sources, study.targets, baseline, cells)


def _percent_interval(study: Study, source: str, target: str) -> tuple[float, float]:
    runs, baseline = study.of("transfer"), study.of("baseline")
    there = (runs["source"] == source) & (runs["target"] == target)
    scores = runs.loc[there, "score"].to_numpy()
    from_scratch = baseline.loc[baseline["target"] == target, "score"].to_numpy()
    # A resample of runs that score 100 alone would leave no error to divide by.
    if not len(from_scratch) or from_scratch.max() == 100:
        return np.nan, np.nan
    low, high = statistics.interval([scores, from_scratch], _percent_of_means)
    return float(low), float(high)


def _percent_of_means(scores, baseline, axis):
    return statistics.relative_error_reduction(scores.mean(axis), baseline.mean(axis))


def read_table(path: pathlib.Path) -> Transfers:
    """Returns the transfers of a table: source, target, mean, std; no source: baseline.

    Raises:
        InputError: the file is wrong, or a target has no baseline.
    """
    columns = {"source": Text(optional=True), "target": Text()}
    columns |= {"mean": SCORE, "std": Number(0, 100, optional=True)}
    table = csv_files.read(path, columns, ["source", "target"])
    table["std"] = table["std"].astype(float)
    # A published table has no runs that could be resampled.
    table[["low", "high", "count", "percent_low", "percent_high"]] = np.nan
    is_baseline = table["source"] == ""
    targets = tuple(dict.fromkeys(table["target"]))
    missing = sorted(set(targets) - set(table.loc[is_baseline, "target"]))
    if missing or not targets:
        raise InputError(
            f"{path} has no baseline for {', '.join(missing) or 'any target'}; the "
            "baseline of a target is the line whose source is empty."
        )
    numbers = ["mean", "std", "low", "high", "count"]
    baseline = table[is_baseline].set_index("target")[numbers].reindex(targets)
    cells = table[~is_baseline].reset_index(drop=True)
    cells["percent"] = _percent(cells, baseline)
    return Transfers(tuple(dict.fromkeys(cells["source"])), targets, baseline, cells)


def _percent(cells: pd.DataFrame, baseline: pd.DataFrame) -> pd.Series:
    against = cells["target"].map(baseline["mean"]).astype(float)
    return statistics.relative_error_reduction(cells["mean"].astype(float), against)


def by_source(transfers: Transfers) -> pd.DataFrame:
    """Returns each source's mean score and percent over its targets, best first.

    The columns: source, mean, low, high, percent, percent_low, percent_high, above (how
    many targets it lifts above their baseline), count. Intervals resample the targets.
    """
    rows = []
    for source, cells in transfers.cells.groupby("source", sort=False):
        score = statistics.mean_of(cells["mean"])
        percent = statistics.mean_of(cells["percent"])
        rows.append(
            {
                "source": source,
                "mean": score.mean,
                "low": score.low,
                "high": score.high,
                "percent": percent.mean,
                "percent_low": percent.low,
                "percent_high": percent.high,
                "above": above_baseline(transfers, cells),
                "count": score.count,
            }
        )
    # Without a transfer there has to be the column that is sorted by.
    frame = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["source", "mean"])
    return frame.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def above_baseline(transfers: Transfers, cells: pd.DataFrame | None = None) -> int:
    """Returns how many cells have a mean above their target's baseline."""
    cells = transfers.cells if cells is None else cells
    against = cells["target"].map(transfers.baseline["mean"]).astype(float)
    return int((cells["mean"].astype(float) > against).sum())


def best_by_target(transfers: Transfers) -> pd.DataFrame:
    """Returns the best source of each target: the lines of `cells`, by target."""
    best = transfers.cells.groupby("target")["mean"].idxmax()
    order = [target for target in transfers.targets if target in best.index]
    return transfers.cells.loc[best[order]].reset_index(drop=True)
