"""What the paper found, and whether a study finds it too (SPoT §3.2, §3.3)."""

from collections.abc import Iterator

import pandas as pd

from spot_jax.analysis import methods, paper, tasks
from spot_jax.analysis.contents import ends, number
from spot_jax.tasks import catalog

Finding = dict[str, str]


def compare(
    comparison: pd.DataFrame, found: pd.DataFrame, runs: dict[str, pd.DataFrame]
) -> list[Finding]:
    """Returns finding, paper, here, agrees; what cannot be told yet is left out.

    Args:
        comparison: what `methods.compare` returns.
        found: what `correlation.correlations` returns.
        runs: measure -> similarities [runs, runs] without gaps.
    """
    known = comparison.dropna(subset=["change_mean"])
    return [
        *_oracle(known),
        *_better_than_scratch(known),
        *_growth(known),
        *_measures(known),
        *_single(known),
        *_retained(known),
        *_tuned(known),
        *_significant(found),
        *_neighbours(runs),
    ]


def _finding(finding: str, paper: str, here: str, agrees: bool) -> Finding:
    verdict = "yes" if agrees else "no"
    return {"finding": finding, "paper": paper, "here": here, "agrees": verdict}


def _oracle(known: pd.DataFrame) -> Iterator[Finding]:
    for _, row in known[known["method"] == "oracle"].iterrows():
        yield _finding(
            "The best of all source prompts is well above prompt tuning from scratch.",
            f"+{paper.ORACLE_CHANGE} points, {paper.ORACLE_PERCENT}% less error",
            f"{number(row['change_mean'], sign=True)} points "
            f"{ends(row['change_low'], row['change_high'])}, {_percent(row)}",
            row["change_low"] > 0,
        )


def _percent(row: pd.Series) -> str:
    interval = ends(row["percent_low"], row["percent_high"])
    return f"{number(row['percent_mean'])}% less error {interval}".strip()


def _better_than_scratch(known: pd.DataFrame) -> Iterator[Finding]:
    rows = known[~known["method"].isin(["oracle", *methods.CONTROLS])]
    if len(rows):
        above = int((rows["change_mean"] > 0).sum())
        yield _finding(
            "Every retrieval method is better than prompt tuning from scratch.",
            "14 of 14 rows of Table 3",
            f"{above} of {len(rows)} rows",
            above == len(rows),
        )


def _best(known: pd.DataFrame, measure: str) -> pd.DataFrame:
    there = (known["method"] == "best") & (known["measure"] == measure)
    return known[there].set_index("k").sort_index()


def _growth(known: pd.DataFrame) -> Iterator[Finding]:
    for measure in _best_measures(known):
        rows = _best(known, measure)
        if len(rows) > 1:
            reductions = [number(value) for value in rows["percent_mean"]]
            yield _finding(
                f"Best of top-k grows with k, and cannot fall ({_words(measure)}).",
                _chain(str(x) for x in paper.BEST_PERCENT.get(measure, {}).values()),
                _chain(reductions),
                # Not to fall is arithmetic; to grow is a finding.
                rows["percent_mean"].is_monotonic_increasing
                and rows["percent_mean"].iloc[-1] > rows["percent_mean"].iloc[0],
            )


def _chain(numbers) -> str:
    text = " → ".join(numbers)
    return f"{text}%" if text else "–"


def _best_measures(known: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(known.loc[known["method"] == "best", "measure"]))


def _words(measure: str) -> str:
    return measure.replace("_", " ")


def _measures(known: pd.DataFrame) -> Iterator[Finding]:
    average, token = _best(known, "average_tokens"), _best(known, "per_token")
    both = average.index.intersection(token.index)
    if len(both):
        ahead = token.loc[both, "percent_mean"] > average.loc[both, "percent_mean"]
        yield _finding(
            "Per-token similarity retrieves better prompts than average tokens.",
            "at 4 of 6 k, by at most 2.1 points of error reduction",
            f"at {int(ahead.sum())} of {len(both)} k",
            bool(ahead.mean() > 0.5),
        )


def _single(known: pd.DataFrame) -> Iterator[Finding]:
    for measure in _best_measures(known):
        rows = _best(known, measure)
        if 1 in rows.index and measure in paper.BEST_PERCENT:
            yield _finding(
                f"The most similar prompt alone already helps ({_words(measure)}).",
                f"{paper.BEST_PERCENT[measure][1]}% less error",
                _percent(rows.loc[1]),
                rows.loc[1, "percent_low"] > 0,
            )


def _retained(known: pd.DataFrame) -> Iterator[Finding]:
    # SPoT §3.3 tells these two: about 80% and 90% of the oracle's gain.
    for k in (9, 15):
        for measure in _best_measures(known):
            rows = _best(known, measure)
            if k not in rows.index or measure not in paper.BEST_CHANGE:
                continue
            there = 100 * paper.BEST_CHANGE[measure][k] / paper.ORACLE_CHANGE
            share = rows.loc[k]
            interval = ends(share["share_low"], share["share_high"], 0)
            yield _finding(
                f"Top {k} keeps most of the oracle's gain ({_words(measure)}).",
                f"{number(there, 0)}%",
                f"{number(share['share_mean'], 0)}% {interval}".strip(),
                share["share_mean"] > 50,
            )


def _tuned(known: pd.DataFrame) -> Iterator[Finding]:
    best = known[known["is_best"]]
    published = {
        "average": ("weighted average", paper.AVERAGE_PERCENT, paper.AVERAGE_K),
        "mixture": ("multi-task mixture", paper.MIXTURE_PERCENT, paper.MIXTURE_K),
    }
    for _, row in best.iterrows():
        name, percent, k = published[row["method"]]
        yield _finding(
            f"The {name} of the top k helps ({_words(row['measure'])}).",
            f"{percent}% less error, best k = {k}",
            f"{_percent(row)}, best k = {row['k']}",
            row["percent_low"] > 0,
        )


def _significant(found: pd.DataFrame) -> Iterator[Finding]:
    known = found.dropna(subset=["p"])
    for measure, rows in known.groupby("measure", sort=False):
        count = int(((rows["p"] < 0.05) & (rows["r"] > 0)).sum())
        share = paper.SIGNIFICANT_TARGETS / paper.CORRELATED_TARGETS
        yield _finding(
            f"Similarity goes with error reduction, p < 0.05 ({_words(measure)}).",
            f"on {paper.SIGNIFICANT_TARGETS} of {paper.CORRELATED_TARGETS} targets",
            f"on {count} of {len(rows)} targets",
            count >= share * len(rows),
        )


def _neighbours(runs: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    for measure, table in runs.items():
        # Of one task alone every neighbour would be of the same task.
        if len(set(table.index.get_level_values("task"))) < 2:
            continue
        # With one seed a task has no other run to be near.
        if table.index.get_level_values("seed").nunique() > 1:
            near = tasks.nearest(table)
            same = sum(label[0] == other[0] for label, other in near.items())
            yield _finding(
                f"A run's nearest other run is of the same task ({_words(measure)}).",
                "runs of a task cluster together",
                f"{same} of {len(near)} runs",
                same > len(near) / 2,
            )
        yield from _families(measure, tasks.between_tasks(table))


def _families(measure: str, table: pd.DataFrame) -> Iterator[Finding]:
    family = {name: task.family for name, task in catalog.TASKS.items()}
    near = tasks.nearest(table)
    families = [family.get(task) for task in near.index]
    known = zip(near.index, families, strict=True)
    # A task that is alone in its family has no neighbour to find.
    paired = [task for task, own in known if own and families.count(own) > 1]
    same = sum(family[task] == family.get(near[task]) for task in paired)
    if paired:
        chance = _chance(paired, family, list(near.index))
        yield _finding(
            f"Tasks of a family are near each other ({_words(measure)}).",
            "clusters of QA, sentiment, NLI, paraphrase, similarity, commonsense",
            f"nearest task of the same family: {same} of {len(paired)} "
            f"(by chance {number(chance)})",
            same > chance,
        )


def _chance(paired: list[str], family: dict[str, str], names: list[str]) -> float:
    """Returns how many nearest neighbours of a random order were of one's family."""
    expected = 0.0
    for task in paired:
        others = [family.get(name) for name in names if name != task]
        expected += others.count(family[task]) / len(others)
    return expected
