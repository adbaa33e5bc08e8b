"""How similar tasks and runs are, and how they cluster (SPoT §3.2, Figures 4, 7)."""

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy

from spot_jax.analysis.study import Study


def between_runs(study: Study, measure: str) -> pd.DataFrame:
    """Returns the symmetric similarities [runs, runs], labelled (task, seed).

    A run is as similar to itself as the file says; by average tokens that is 1, which
    the file need not say. nan where a pair is missing.
    """
    runs = pd.MultiIndex.from_product(
        [study.tasks, study.seeds], names=["task", "seed"]
    )
    pairs = study.similarities[study.similarities["measure"] == measure]
    first = runs.get_indexer(pd.MultiIndex.from_frame(pairs[["first", "first_seed"]]))
    second = runs.get_indexer(
        pd.MultiIndex.from_frame(pairs[["second", "second_seed"]])
    )
    table = np.full((len(runs), len(runs)), np.nan)
    if measure == "average_tokens":
        np.fill_diagonal(table, 1.0)
    # A pair's own order comes last: where a file has both, each keeps its value.
    table[second, first] = pairs["similarity"].astype(float)
    table[first, second] = pairs["similarity"].astype(float)
    return pd.DataFrame(table, index=runs, columns=runs)


def between_tasks(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns [tasks, tasks], means over the pairs of runs (9 in the paper)."""
    by_row = runs.groupby("task", sort=False).mean()
    return by_row.T.groupby("task", sort=False).mean().T


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the table without the rows and columns that keep others from complete.

    The row with most gaps goes first, until no gap is left: clustering needs all pairs.
    """
    while table.isna().any(axis=None):
        worst = int(np.argmax(table.isna().sum(axis=1)))
        kept = np.arange(len(table)) != worst
        table = table.loc[kept, kept]
    return table


def cluster(table: pd.DataFrame) -> np.ndarray:
    """Returns SciPy's linkage of [tasks, tasks]: average linkage, Euclidean rows.

    The paper does not name its clustering; this is what seaborn.clustermap does.
    """
    return hierarchy.linkage(table.to_numpy(), "average", optimal_ordering=True)


def nearest(table: pd.DataFrame) -> pd.Series:
    """Returns for each row the label of the most similar other row."""
    others = table.to_numpy(copy=True)
    np.fill_diagonal(others, -np.inf)
    labels = [table.columns[place] for place in others.argmax(axis=1)]
    return pd.Series(labels, index=table.index)
