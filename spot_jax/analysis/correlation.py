"""Similarity of task embeddings against transferability (SPoT §3.2, Figures 5, 8)."""

import pandas as pd

from spot_jax.analysis import source_prompts, statistics
from spot_jax.analysis.study import Study


def points(study: Study) -> pd.DataFrame:
    """Returns a line a source prompt and target (48 a target in the paper).

    The columns: measure, target, source, source_seed, similarity (the mean over the
    target's runs) and percent (relative error reduction, the means of the target's runs
    compared). A point that lacks a run or a similarity is left out.
    """
    scores = source_prompts.scores(study).groupby("target").mean()
    baseline = study.of("baseline").groupby("target")["score"].mean()
    parts = []
    for measure in study.measures:
        table = source_prompts.similarities(study, measure)
        similar = table.groupby("target").agg(lambda runs: runs.mean(skipna=False))
        for target in study.targets:
            against = baseline.get(target, float("nan"))
            reduction = statistics.relative_error_reduction(scores.loc[target], against)
            frame = pd.DataFrame(
                {"similarity": similar.loc[target], "percent": reduction}
            )
            parts.append(frame.reset_index().assign(measure=measure, target=target))
    columns = ["measure", "target", "source", "source_seed", "similarity", "percent"]
    return pd.concat(parts)[columns].dropna().reset_index(drop=True)


def correlations(study: Study, cloud: pd.DataFrame) -> pd.DataFrame:
    """Returns Pearson's r and p per measure and target, with the ends of r's interval.

    Args:
        study: for the order of measures and targets.
        cloud: what `points` returns.
    """
    rows = []
    for measure in study.measures:
        for target in study.targets:
            there = (cloud["measure"] == measure) & (cloud["target"] == target)
            part = cloud[there]
            found = statistics.correlate(part["similarity"], part["percent"])
            rows.append({"measure": measure, "target": target} | vars(found))
    return pd.DataFrame(rows)
