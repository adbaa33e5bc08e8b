"""Whether retrieval itself helps: the most similar source against controls.

That any source helps says nothing of the choice of it. What counts is the most similar
one minus one at random; an unrelated one, and as many more steps without a source, tell
what the rest of the gain is made of.
"""

import numpy as np
import pandas as pd

from spot_jax.analysis import methods, source_prompts, statistics
from spot_jax.analysis.contents import ends, number
from spot_jax.analysis.statistics import Mean
from spot_jax.analysis.study import Study

# Of fewer targets the interval is too narrow still.
_FEW = 5
HURTS = "no, it hurts: the interval is below 0"
INTERVALS = (
    "The intervals of such differences resample the targets and the seeds within them, "
    "and are as much wider than percentiles as Student's t is for so few targets."
)
# Their rows in Table 3.
_CONTROLS = {
    "scratch": (methods.BASELINE, "", 0),
    "longer": (methods.LONGER, "", 0),
    "random": (methods.RANDOM, "", 1),
    "unrelated": (methods.UNRELATED, "", 0),
}


def by_target(study: Study, known: pd.DataFrame) -> pd.DataFrame:
    """Returns a line a target, of means over its seeds, and a last one of all targets.

    What lacks a run is nan, and so is the mean of all that would lack a target.

    Args:
        study: the study.
        known: what `methods.outcomes` returns.

    Returns:
        The columns target; scratch, longer, random, unrelated (scores);
        unrelated_source; for each measure M similar_M (the score of the most similar
        source), picked_M (these sources), over_M (minus random) with over_M_low and
        over_M_high, which the last line has, and chance_M (percent, that a random one
        is better).
    """
    found = {name: _scores(study, known, *row) for name, row in _CONTROLS.items()}
    named = [study.unrelated(target) or "" for target in study.targets]
    columns = {name: _means(table) for name, table in found.items()}
    frame = pd.DataFrame(columns).assign(unrelated_source=named)
    sources, above = source_prompts.scores(study), {}
    for measure in study.measures:
        similar = _scores(study, known, methods.BEST, measure, 1)
        above[measure] = similar - found["random"]
        chance = 100 * _means(methods.chances(similar, sources))
        frame[f"similar_{measure}"] = _means(similar)
        frame[f"picked_{measure}"] = frame.index.map(_picked(study, measure))
        frame[f"over_{measure}"] = _means(above[measure])
        frame[[f"over_{measure}_low", f"over_{measure}_high"]] = np.nan
        frame[f"chance_{measure}"] = chance
    frame = frame.rename_axis("target").reset_index()
    return pd.concat([frame, _of_all(frame, above)], ignore_index=True)


def _scores(study: Study, known: pd.DataFrame, method: str, measure: str, k: int):
    """Returns the scores [targets, seeds] of one row of Table 3."""
    there = (known["method"] == method) & (known["measure"] == measure)
    return methods.matrix(study, known[there & (known["k"] == k)])


def _means(table: pd.DataFrame) -> pd.Series:
    """Returns the means of targets all of whose seeds are there."""
    return table.mean(axis=1, skipna=False)


def _picked(study: Study, measure: str) -> dict[str, str]:
    """Returns the most similar sources of each target, each once."""
    picks = source_prompts.most_similar(study, measure)
    names = {target: "" for target in study.targets}
    for target, rows in picks.groupby("target"):
        names[target] = ", ".join(dict.fromkeys(rows["source"]))
    return names


def _of_all(frame: pd.DataFrame, above: dict[str, pd.DataFrame]) -> pd.DataFrame:
    row = frame.mean(numeric_only=True, skipna=False).to_dict()
    row["target"] = f"all {len(frame)}"
    for measure, table in above.items():
        if table.notna().all(axis=None):
            found = statistics.nested_mean(table)
            row[f"over_{measure}_low"] = found.low
            row[f"over_{measure}_high"] = found.high
    words = [name for name in frame if name not in row]
    return pd.DataFrame([row | dict.fromkeys(words, "")])


def over(study: Study, known: pd.DataFrame, measure: str) -> dict[str, Mean]:
    """Returns what the most similar source is above: a control -> points over targets.

    Args:
        study: the study.
        known: what `methods.outcomes` returns.
        measure: of similarity.
    """
    similar = _scores(study, known, methods.BEST, measure, 1)
    return {
        name: statistics.nested_mean(similar - _scores(study, known, *row))
        for name, row in _CONTROLS.items()
    }


def verdict(found: Mean) -> str:
    """Returns "yes", "not shown" or "no", by the interval of a difference."""
    if found.low > 0:
        return "yes"
    return "no" if found.high < 0 else "not shown"


def told(found: Mean, planned: int, below: str = "no, the interval is below 0") -> str:
    """Returns a difference in points, and whether it is shown.

    "+1.2 points [−0.3, 2.8] over 9 of 10 targets: not shown, the interval has 0 in it"

    Args:
        found: over targets.
        planned: how many targets there are.
        below: what is said where the interval is below 0.
    """
    if np.isnan(found.mean):
        return "not known: no target has all that is compared"
    targets = f"{planned} target{'s' * (planned > 1)}"
    if found.count < planned:
        targets = f"{found.count} of {targets}"
    text = f"{number(found.mean, sign=True)} points {ends(found.low, found.high)}"
    text = f"{text.strip()} over {targets}: "
    if np.isnan(found.low):
        return f"{text}not shown, too few targets for an interval"
    text += {
        "yes": "yes, the interval is above 0",
        "no": below,
        "not shown": "not shown, the interval has 0 in it",
    }[verdict(found)]
    few = f" (and of {found.count} targets it is narrower than it should be)"
    return text + (few if found.count < _FEW else "")
