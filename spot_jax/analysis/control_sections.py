"""What a report says of controls: does retrieval help, and is a gain one in steps?"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from spot_jax.analysis import controls, ends, figures, paper, tables
from spot_jax.analysis.contents import Cell, Section, Table, mean_cell, number
from spot_jax.analysis.ends import LINES, SCRATCH, Ends
from spot_jax.analysis.findings import Finding
from spot_jax.analysis.statistics import Mean
from spot_jax.analysis.study import Study
from spot_jax.retrieval.similarity import USUAL_MEASURE

# control -> measure -> most similar minus it.
Differences = Mapping[str, Mapping[str, Mean]]


def measure_of(study: Study) -> str:
    """Returns the measure that a study retrieves by."""
    asked = study.about.get("measure") or USUAL_MEASURE
    return asked if asked in study.measures else study.measures[0]


def differences(study: Study, known: pd.DataFrame) -> dict[str, dict[str, Mean]]:
    """Returns measure -> control -> points that the most similar source is above it."""
    return {m: controls.over(study, known, m) for m in study.measures}


def verdicts(study: Study, found: Differences) -> Iterator[Finding]:
    """Yields the findings that count: is the choice of the source worth anything?

    Args:
        study: the study.
        found: what `differences` returns.
    """
    if not study.plans("transfer") and study.of("transfer").empty:
        return
    planned, own = len(study.targets), measure_of(study)
    for measure in study.measures:
        said = "–"
        if measure in paper.BEST_CHANGE:
            points = paper.BEST_CHANGE[measure][1] - paper.RANDOM_CHANGE
            said = f"{number(points, sign=True)} points (Tables 3 and 6), no interval"
        text = "Retrieval itself helps: the most similar source is above one at random"
        here = controls.told(found[measure]["random"], planned, controls.HURTS)
        yield _finding(text, measure, said, here, found[measure]["random"])
    others = {
        "unrelated": "The most similar source is above an unrelated one",
        "longer": "The most similar source is above as many more steps without any",
    }
    for control, text in others.items():
        if found[own][control].count:
            here = controls.told(found[own][control], planned)
            yield _finding(text, own, "–", here, found[own][control])


def _finding(text: str, measure: str, said: str, here: str, found: Mean) -> Finding:
    return {
        "finding": f"{text} ({tables.measure_name(measure)}).",
        "paper": said,
        "here": here,
        "agrees": controls.verdict(found),
    }


def abstract(study: Study, found: Differences) -> list[str]:
    """Returns in a paragraph whether retrieval itself helps."""
    if not study.plans("transfer") and study.of("transfer").empty:
        return []
    measure = measure_of(study)
    over = found[measure]
    told = controls.told(over["random"], len(study.targets), controls.HURTS)
    text = (
        "Does retrieval itself help? Most similar minus random "
        f"({tables.measure_name(measure)}): {told}."
    )
    if over["unrelated"].count:
        text += f" Minus an unrelated source: {_told(study, over['unrelated'])}."
    if over["longer"].count:
        more = _told(study, over["longer"])
        text += f" Minus scratch with a source's steps added: {more}."
    return [text]


def _told(study: Study, found: Mean) -> str:
    return controls.told(found, len(study.targets))


def worth(study: Study, known: pd.DataFrame) -> Section:
    """Returns the section on the controls of a study.

    Args:
        study: the study.
        known: what `methods.outcomes` returns.
    """
    paragraphs = [
        "That a source helps says nothing of the choice of it. A random source is the "
        "mean over all source prompts; an unrelated one is of another family by the "
        "catalog, and always the same; scratch with a source's steps added has as many "
        "steps on the target as a source and the target have together. What counts is "
        "the most similar source minus a random one. " + controls.INTERVALS,
        *_unknown(study),
    ]
    return Section("Does retrieval itself help?", paragraphs, [_table(study, known)])


def _unknown(study: Study) -> Iterator[str]:
    """Yields which controls there are not, and why."""
    if not study.plans("transfer") and study.of("transfer").empty:
        yield (
            "STAGES has no transfers, of which random and unrelated sources are read: "
            "they are not known."
        )
    alone = [target for target in study.targets if not study.unrelated(target)]
    if alone:
        yield (
            f"No source is known to be of another family than {', '.join(alone)}, by "
            "the catalog or by the TaskInfo of a module: there is no unrelated source."
        )
    if not study.plans("longer") and study.of("longer").empty:
        yield (
            "STAGES has no longer_baselines: what as many more steps bring without a "
            "source is not known."
        )


def _table(study: Study, known: pd.DataFrame) -> Table:
    data = controls.by_target(study, known)
    heads = ["target", "from scratch", "source's steps added", "random", "unrelated"]
    for measure in study.measures:
        name = tables.measure_name(measure)
        heads += [f"most similar, {name}", "minus random", "random is better (%)"]
    return Table(
        "controls",
        "Scores with controls, means over the seeds, and the sources they are of. Last "
        "of a measure: how often a random source is better than the most similar one "
        "(a tie is half).",
        heads,
        [_row(study, row) for _, row in data.iterrows()],
        data,
    )


def _row(study: Study, row: pd.Series) -> list[Cell]:
    cells = [Cell(row["target"])]
    cells += [_number(row[name]) for name in ("scratch", "longer", "random")]
    cells.append(_number(row["unrelated"], of=row["unrelated_source"]))
    for measure in study.measures:
        over = (row[f"over_{measure}{end}"] for end in ("", "_low", "_high"))
        cells += [
            _number(row[f"similar_{measure}"], of=row[f"picked_{measure}"]),
            mean_cell(*over, sign=True),
            _number(row[f"chance_{measure}"], 0),
        ]
    return cells


def _number(value: float, digits: int = 1, of: str = "") -> Cell:
    return Cell(number(value, digits), of, float(value))


def to_the_end(study: Study) -> Section:
    """Returns the section on curves to the end of training."""
    title = "Steps, or where it ends"
    found = ends.of_study(study, measure_of(study))
    # A longer scratch run alone is compared with nothing.
    if found.lines.empty or (found.lines.groupby("line")["step"].nunique() < 2).all():
        text = "There are no curves of two evaluations or more that are complete."
        return Section(title, [text])
    drawn = figures.learning_curves(
        found.lines,
        "curves_to_the_end",
        "Score against steps of tuning on the target to the end, from scratch and from "
        "the most similar, a random and an unrelated source, mean over the runs; bands "
        "are 95% bootstrap intervals, resampling the runs.",
    )
    paragraphs = _ends_told(study, found)
    return Section(title, paragraphs, [_steps_table(found), drawn])


def _ends_told(study: Study, found: Ends) -> list[str]:
    how = (
        "Each line has as many steps on the target as a source and the target have "
        "together, the source's own not counted."
        if found.is_longer
        else "Each line has TARGET_STEPS; with longer_transfers in STAGES they go on."
    )
    scratch, table = _told(study, found.over_scratch), found.table
    text = (
        f"{how} At the end, the most similar source minus scratch: {scratch}; minus a "
        f"random source: {_told(study, found.over_random)}."
    )
    known = table.dropna(subset=["last", f"end_{SCRATCH}", f"end_{ends.SIMILAR}"])
    share = 100 * known[f"steps_{ends.SIMILAR}"] / known["last"]
    if len(known):
        reached = int(share.notna().sum())
        text += (
            " The score that scratch ends with is reached from the most similar source "
            f"on {reached} of {len(known)} targets"
        )
        text += (
            f", there after {number(share.median(), 0)}% of the steps (median)."
            if reached
            else "."
        )
        is_end = controls.verdict(found.over_scratch) == "yes"
        text += (
            " The gain is one in where it ends."
            if is_end
            else " That it ends higher is not shown: what gain there is, is in steps."
        )
    return [text]


def _steps_table(found: Ends) -> Table:
    heads = ["target", "steps", "scratch ends with"]
    for line in LINES[1:]:
        heads += [f"{line} ends with", "steps to scratch's end"]
    rows = []
    for _, row in found.table.iterrows():
        cells = [Cell(row["target"]), _number(row["last"], 0)]
        cells.append(_number(row[f"end_{SCRATCH}"]))
        for line in LINES[1:]:
            end, steps = row[f"end_{line}"], row[f"steps_{line}"]
            text = "never" if not np.isnan(end) and np.isnan(steps) else None
            cells += [_number(end), Cell(text or number(steps, 0), sort=float(steps))]
        rows.append(cells)
    return Table(
        "steps_to_scratch",
        "Where curves end, and the first evaluation at which the mean over the seeds "
        "is what scratch ends with.",
        heads,
        rows,
        found.table,
    )
