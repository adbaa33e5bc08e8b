"""For each target run: how similar every source prompt is, and what it brings.

Both tables have a row a target run (target, seed) and a column a source prompt (source,
source_seed), sorted by name, which is the order that settles ties.
"""

import pandas as pd

from spot_jax.analysis.study import Study


def scores(study: Study) -> pd.DataFrame:
    """Returns the scores [target runs, source prompts] of the transfers.

    Where a study tunes every source prompt once on a target, as SPoT §3.3 does, all
    runs of that target have the same row.
    """
    runs = study.of("transfer")
    rows, columns = _axes(study)
    if is_crossed(study):
        table = runs.pivot(
            index=["target", "seed"], columns=["source", "source_seed"], values="score"
        )
        return table.reindex(index=rows, columns=columns)
    table = runs.pivot(
        index="target", columns=["source", "source_seed"], values="score"
    ).reindex(columns=columns)
    table = table.reindex(rows.get_level_values("target"))
    return table.set_axis(rows)


def is_crossed(study: Study) -> bool:
    """Whether a source prompt is tuned on a target with more than one target seed."""
    return study.of("transfer").duplicated(["target", "source", "source_seed"]).any()


def similarities(study: Study, measure: str) -> pd.DataFrame:
    """Returns the similarities [target runs, source prompts] of the task embeddings."""
    pairs = study.similarities[study.similarities["measure"] == measure]
    swapped = pairs.rename(
        columns={
            "first": "second",
            "second": "first",
            "first_seed": "second_seed",
            "second_seed": "first_seed",
        }
    )
    keys = ["first", "first_seed", "second", "second_seed"]
    # A file may have a pair in one order or in both.
    both = pd.concat([pairs, swapped]).drop_duplicates(keys)
    both = both[both["first"].isin(study.targets) & both["second"].isin(study.sources)]
    table = both.pivot(index=keys[:2], columns=keys[2:], values="similarity")
    rows, columns = _axes(study)
    return table.reindex(index=rows, columns=columns).astype(float)


def _axes(study: Study) -> tuple[pd.MultiIndex, pd.MultiIndex]:
    rows = [study.targets, study.seeds]
    columns = [sorted(study.sources), sorted(study.seeds)]
    return (
        pd.MultiIndex.from_product(rows, names=["target", "seed"]),
        pd.MultiIndex.from_product(columns, names=["source", "source_seed"]),
    )
