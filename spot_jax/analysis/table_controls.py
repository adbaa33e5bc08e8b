"""Controls that a table of scores has: it tells no similarities, but all sources."""

import math
import re

import numpy as np
import pandas as pd

from spot_jax.analysis import controls, paper, statistics
from spot_jax.analysis.contents import Cell, Section, Table, mean_cell, number
from spot_jax.analysis.tables import measure_name
from spot_jax.analysis.transfers import Transfers
from spot_jax.retrieval.controls import are_related
from spot_jax.tasks import catalog


def by_target(found: Transfers) -> pd.DataFrame:
    """Returns a line a target: scratch, random, over, above, related, related_over.

    Random is the mean over all sources, over that less scratch, above how many percent
    of the sources are above scratch (a tie is half); related the mean over the sources
    of the target's family, related_over that less random. nan where a score is missing
    or the catalog knows no such source.
    """
    scores, rows = found.wide("mean"), []
    for target in found.targets:
        of_target, scratch = scores[target], found.baseline.loc[target, "mean"]
        random = of_target.mean(skipna=False)
        own = [s for s in scores.index if are_related(_name(target), _name(s))]
        related = of_target[own].mean(skipna=False)
        above = statistics.chance_of_better(of_target, scratch)
        rows.append(
            {
                "target": target,
                "scratch": scratch,
                "random": random,
                "over": random - scratch,
                "above": 100 * float(above),
                "related": related,
                "related_over": related - random,
            }
        )
    return pd.DataFrame(rows)


def _name(task: str) -> str:
    """Returns what the catalog calls a task of a publication: "sst2" for "SST-2"."""
    letters = _letters(task)
    known = {_letters(name): name for name in catalog.TASKS} | paper.NAMES
    return known.get(letters, task)


def _letters(task: str) -> str:
    return re.sub(r"[^a-z0-9]", "", task.lower())


def section(found: Transfers) -> Section:
    """Returns the section of a report."""
    text = (
        "That a source helps says nothing of the choice of it. A random source is the "
        "mean over all; those of a target's family are what knowing its kind brings. "
        "How similar tasks are, a table of scores does not tell. " + controls.INTERVALS
    )
    table = _table(by_target(found))
    return Section("Does the choice of a source help?", [text], [table])


def abstract(found: Transfers) -> list[str]:
    """Returns what the controls say, a paragraph each."""
    data = by_target(found)
    over, related = _mean(data["over"]), _mean(data["related_over"])
    paragraphs = [
        "A random source (the mean over all) minus scratch: "
        f"{controls.told(over, len(data))}. A source of the target's own family, by "
        f"the catalog, minus a random one: {controls.told(related, len(data))}."
    ]
    if is_papers(data):
        paragraphs.append(of_paper())
    return paragraphs


def _mean(values: pd.Series) -> statistics.Mean:
    """Returns the mean over targets, which have a figure each."""
    return statistics.nested_mean(values.to_numpy(float)[:, None])


def is_papers(data: pd.DataFrame) -> bool:
    """Whether a table is the paper's Table 6, by the means of all that it holds."""
    means = data[["scratch", "random"]].mean(skipna=False)
    return len(data) == 10 and all(
        math.isclose(mean, there, abs_tol=0.005)
        for mean, there in zip(means, paper.TABLE_6, strict=True)
    )


def of_paper() -> str:
    """Returns what the paper's Table 3 says of the most similar source."""
    changes = (
        f"{number(changes[1] - paper.RANDOM_CHANGE, sign=True)} points "
        f"({measure_name(measure)})"
        for measure, changes in paper.BEST_CHANGE.items()
    )
    return (
        "This is Table 6 of the SPoT paper. By its Table 3, most similar minus random "
        f"is {' and '.join(changes)}: the best of top 1 less the mean over all "
        "sources here. Table 3 has no figures by target, so there is no interval."
    )


def _table(data: pd.DataFrame) -> Table:
    rows = [_row(row) for _, row in data.iterrows()]
    means = data.mean(numeric_only=True, skipna=False)
    over, related = _mean(data["over"]), _mean(data["related_over"])
    # Of a family's sources what is paired with random tells more than their mean.
    of_all = pd.Series({**means, "target": f"all {len(data)}", "related": np.nan})
    of_all["related_over"] = related.mean
    rows.append(_row(of_all, (over.low, over.high), (related.low, related.high)))
    return Table(
        "controls",
        "Scores from scratch, from a random source (the mean over all) and from those "
        "of the target's family, by the catalog, where it has one. Brackets: 95% "
        "bootstrap interval over the targets.",
        [
            *("target", "from scratch", "random", "random minus scratch"),
            *("sources above scratch (%)", "of its family", "its family minus random"),
        ],
        rows,
        data,
    )


def _row(row: pd.Series, over=(np.nan, np.nan), related=(np.nan, np.nan)) -> list[Cell]:
    return [
        Cell(row["target"]),
        *(Cell(number(row[x]), sort=float(row[x])) for x in ("scratch", "random")),
        mean_cell(row["over"], *over, sign=True),
        Cell(number(row["above"], 0), sort=float(row["above"])),
        Cell(number(row["related"]), sort=float(row["related"])),
        mean_cell(row["related_over"], *related, sign=True),
    ]
