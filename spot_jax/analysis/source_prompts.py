"""For each target run: how similar every source prompt is, and what it brings.

Both tables have a row a target run (target, seed) and a column a source prompt (source,
source_seed), sorted by name, which is the order that settles ties. A source prompt that
diverged is none.
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


def unrelated(study: Study) -> pd.Series:
    """Returns what the unrelated source of a target brings, indexed by target run.

    A run has the prompt of its own seed; nan where that is not there, or no source is
    known to be of another family.
    """
    table = scores(study)
    found = pd.Series(float("nan"), index=table.index, name="score")
    for target, seed in table.index:
        prompt = study.unrelated(target), seed
        if prompt in table.columns:
            found[target, seed] = table.loc[(target, seed), prompt]
    return found


def most_similar(study: Study, measure: str) -> pd.DataFrame:
    """Returns target, seed, source, source_seed: the prompt most similar to each run.

    A target run that lacks a similarity is left out: its most similar is not known.
    """
    table = similarities(study, measure).dropna()
    # Of equal ones the first, as everywhere.
    picks = [table.columns[place] for place in table.to_numpy().argmax(axis=1)]
    rows = [(*run, *prompt) for run, prompt in zip(table.index, picks, strict=True)]
    return pd.DataFrame(rows, columns=["target", "seed", "source", "source_seed"])


def _axes(study: Study) -> tuple[pd.MultiIndex, pd.MultiIndex]:
    rows = [study.targets, study.seeds]
    names = ["source", "source_seed"]
    return (
        pd.MultiIndex.from_product(rows, names=["target", "seed"]),
        pd.MultiIndex.from_tuples(study.source_prompts, names=names),
    )
