"""Curves to the end: is a gain one in steps, or in where a target ends?"""

import dataclasses

import numpy as np
import pandas as pd

from spot_jax.analysis import source_prompts, statistics
from spot_jax.analysis.curves import SCRATCH
from spot_jax.analysis.statistics import Mean
from spot_jax.analysis.study import Study

SIMILAR = "most similar source"
RANDOM = "random source"
UNRELATED = "unrelated source"
LONGER = "from scratch, a source's steps added"
LINES = (SCRATCH, SIMILAR, RANDOM, UNRELATED)


@dataclasses.dataclass(frozen=True)
class Ends:
    """Curves of a study to their ends.

    Attributes:
        lines: target, line, step, mean, std, low, high, count: what is drawn.
        table: a line a target: target, last (the last step), and for each line L of
            LINES end_L (the mean score there) and steps_L (the first evaluation at
            which the mean is what scratch ends with; nan where it never is).
        over_scratch, over_random: the most similar source's score at the end less that
            of these, over targets.
        is_longer: whether sources and targets have their steps together, on each line.
    """

    lines: pd.DataFrame
    table: pd.DataFrame
    over_scratch: Mean
    over_random: Mean
    is_longer: bool


def of_study(study: Study, measure: str) -> Ends:
    """Returns the curves of a study, from each start, as far as they are complete.

    An evaluation that lacks a run would be a mean over other runs, and is left out.

    Args:
        study: the study.
        measure: what finds the most similar source, where that was not tuned longer.
    """
    is_longer = (study.curves["method"] == "longer_similar").any()
    runs = _longer(study) if is_longer else _usual(study, measure)
    runs = _complete(runs)
    lines = statistics.summarize(runs, ["target", "line", "step"], "score")
    # A longer scratch run is drawn beside others, and not compared with them.
    compared = runs[runs["line"].isin(LINES)]
    last = compared.groupby("target")["step"].max()
    at_end = compared[compared["step"] == compared["target"].map(last)]
    scores = {line: _matrix(at_end, line, study) for line in LINES}
    similar = scores[SIMILAR]
    return Ends(
        lines,
        _table(study, lines, last),
        statistics.nested_mean(similar - scores[SCRATCH]),
        statistics.nested_mean(similar - scores[RANDOM]),
        bool(is_longer),
    )


def _longer(study: Study) -> pd.DataFrame:
    """Returns target, seed, line, step, score, planned of runs of both steps."""
    named = {
        "longer": SCRATCH,
        "longer_similar": SIMILAR,
        "longer_random": RANDOM,
        "longer_unrelated": UNRELATED,
    }
    runs = study.curves[study.curves["method"].isin(named)]
    runs = runs.assign(line=runs["method"].map(named), planned=len(study.seeds))
    return runs[_COLUMNS]


_COLUMNS = ["target", "seed", "line", "step", "score", "planned"]


def _usual(study: Study, measure: str) -> pd.DataFrame:
    """Returns the same of the runs that the tables are of."""
    curves, seeds = study.curves, len(study.seeds)
    transfers = curves[curves["method"] == "transfer"]
    is_crossed = source_prompts.is_crossed(study)
    prompts = len(study.source_prompts) * (seeds if is_crossed else 1)
    unrelated = transfers["target"].map(study.unrelated) == transfers["source"]
    unrelated &= (transfers["source_seed"] == transfers["seed"]).fillna(False)
    picks = source_prompts.most_similar(study, measure)
    key = ["target", "source", "source_seed"]
    # What is tuned once on a target is the pick of each seed that has chosen it.
    own = transfers if is_crossed else transfers.drop(columns="seed")
    picks = picks.astype({"source_seed": transfers["source_seed"].dtype})
    similar = picks.merge(own, on=[*key, "seed"] if is_crossed else key)
    return pd.concat(
        [
            part.assign(line=line, planned=planned)[_COLUMNS]
            for line, part, planned in (
                (SCRATCH, curves[curves["method"] == "baseline"], seeds),
                (SIMILAR, similar, seeds),
                (RANDOM, transfers, prompts),
                (UNRELATED, transfers[unrelated], seeds),
                (LONGER, curves[curves["method"] == "longer"], seeds),
            )
        ]
    )


def _complete(runs: pd.DataFrame) -> pd.DataFrame:
    count = runs.groupby(["target", "line", "step"])["score"].transform("count")
    return runs[count == runs["planned"]]


def _matrix(at_end: pd.DataFrame, line: str, study: Study) -> pd.DataFrame:
    """Returns the scores [targets, seeds] of a line at the end."""
    rows = at_end[at_end["line"] == line]
    table = rows.groupby(["target", "seed"])["score"].mean().unstack()
    return table.reindex(index=study.targets, columns=study.seeds).astype(float)


def _table(study: Study, lines: pd.DataFrame, last: pd.Series) -> pd.DataFrame:
    rows = []
    for target in study.targets:
        row = {"target": target, "last": last.get(target, np.nan)}
        of_target = lines[lines["target"] == target]
        curves = {
            line: part.set_index("step")["mean"].sort_index()
            for line, part in of_target.groupby("line")
        }
        nothing = pd.Series(dtype=float)
        goal = curves.get(SCRATCH, nothing).get(row["last"], np.nan)
        for line in LINES:
            curve = curves.get(line, nothing)
            there = curve.index[curve >= goal]
            row[f"end_{line}"] = curve.get(row["last"], np.nan)
            row[f"steps_{line}"] = there[0] if len(there) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)
