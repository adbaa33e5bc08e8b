"""Learning curves: score against steps, from scratch and from other prompts."""

import pandas as pd

from spot_jax.analysis import statistics
from spot_jax.analysis.study import Study

SCRATCH, ANY, BEST_SOURCE = "from scratch", "any source prompt", "best source"


def lines(study: Study, comparison: pd.DataFrame, best_sources: dict) -> pd.DataFrame:
    """Returns target, line, step, mean, std, low, high, count: what is drawn.

    The lines: the baseline, the mean of all transfers, the transfers of the target's
    best source, and averages and mixtures with their best k.

    Args:
        study: its curves.
        comparison: what `methods.compare` returns, for the best k.
        best_sources: target -> source.
    """
    curves = study.curves
    transfers = curves[curves["method"] == "transfer"]
    best = transfers["source"] == transfers["target"].map(best_sources)
    parts = [
        curves[curves["method"] == "baseline"].assign(line=SCRATCH),
        transfers.assign(line=ANY),
        transfers[best].assign(line=BEST_SOURCE),
    ]
    for row in comparison[comparison["is_best"]].itertuples():
        there = (curves["method"] == row.method) & (curves["measure"] == row.measure)
        # Where there is no k the comparison is <NA>, which selects nothing.
        there &= (curves["k"] == row.k).fillna(False)
        parts.append(curves[there].assign(line=f"{row.method}, k = {row.k}"))
    # Stable, so that the lines keep this order, which the legend has.
    every = pd.concat(parts).sort_values("step", kind="stable")
    return statistics.summarize(every, ["target", "line", "step"], "score")
