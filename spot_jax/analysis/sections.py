"""The sections of a report on a study, and of one on a table of scores."""

import pandas as pd

from spot_jax.analysis import (
    control_sections,
    correlation,
    curves,
    figures,
    findings,
    methods,
    missing,
    table_controls,
    tables,
    tasks,
    transfers,
)
from spot_jax.analysis.contents import Report, Section, ends, number, numbered
from spot_jax.analysis.statistics import mean_of
from spot_jax.analysis.study import Study
from spot_jax.analysis.transfers import Transfers

_REDUCTION = (
    "Relative error reduction is 100 (score − baseline) / (100 − baseline), the share "
    "of the remaining error that a transfer takes away; it is negative where the "
    "transfer does harm. A baseline of 100 leaves no error to reduce: such runs have "
    "none and are left out of its means."
)


def of_study(study: Study, made_by: dict[str, str]) -> Report:
    """Returns the report on a study.

    Args:
        study: as far as it has come.
        made_by: what made the report: a fact -> a text.
    """
    found = transfers.of_study(study)
    known = methods.outcomes(study)
    comparison = methods.compare(study, known)
    over = control_sections.differences(study, known)
    cloud = correlation.points(study)
    correlations = correlation.correlations(study, cloud)
    runs = _complete_runs(study)
    gaps = missing.of_study(study)
    with figures.style():
        sections = [
            Section(
                "Findings",
                blocks=_unless_empty(
                    [
                        *control_sections.verdicts(study, over),
                        *findings.compare(comparison, correlations, runs),
                    ]
                ),
            ),
            _retrieval(comparison),
            control_sections.worth(study, known),
            _transfers(found),
            _correlation(study, cloud, correlations),
            _clusters(runs),
            control_sections.to_the_end(study),
            _curves(study, comparison, found),
            _missing(gaps),
            _made(study, made_by),
        ]
    abstract = [
        *_study_abstract(study, comparison),
        *control_sections.abstract(study, over),
        *_gaps_told(gaps),
    ]
    return numbered(Report("Prompt transfer: a study", abstract, sections))


def of_table(found: Transfers, made_by: dict[str, str]) -> Report:
    """Returns the report on a table of scores."""
    planned = len(found.sources) * len(found.targets)
    abstract = [_table_abstract(found)]
    absent = [
        f"{source} → {target}"
        for source, row in found.wide("mean").iterrows()
        for target in row.index[row.isna()]
    ]
    kind = missing.Missing("scores", len(absent), planned, tuple(absent))
    gaps = [kind] if absent else []
    with figures.style():
        section = _transfers(found)
    choice = []
    if not found.cells.empty:
        choice.append(table_controls.section(found))
        abstract += table_controls.abstract(found)
    over = Section("The largest transfers", blocks=[tables.over_ten(found)])
    made = Section("How this was made", [tables.INTERVALS], facts=made_by)
    sections = [*choice, section, over, _missing(gaps), made]
    abstract += _gaps_told(gaps)
    return numbered(Report("Prompt transfer: a table of scores", abstract, sections))


def _table_abstract(found: Transfers) -> str:
    if found.cells.empty:
        return "The table has baselines only: no transfer to compare with them."
    best = transfers.best_by_target(found)
    # Of the same targets: one without a transfer would shift this mean alone.
    baseline = mean_of(found.baseline.loc[best["target"], "mean"])
    reached = mean_of(best["mean"])
    above = transfers.above_baseline(found)
    return (
        f"Over {len(best)} targets, prompt tuning from scratch scores "
        f"{number(baseline.mean, 2)} {ends(baseline.low, baseline.high)} on average. "
        f"{above} of {len(found.cells)} transfers are above their baseline; the best "
        f"source of each target averages {number(reached.mean, 2)} "
        f"{ends(reached.low, reached.high)}. {tables.RESAMPLED}"
    )


def _unless_empty(rows: list[dict[str, str]]) -> list:
    return [tables.findings(rows)] if rows else []


def _study_abstract(study: Study, comparison: pd.DataFrame) -> list[str]:
    by_method = comparison.set_index("method")
    scratch = by_method.loc["baseline"]
    prompts = len(study.sources) * len(study.seeds)
    text = (
        f"{len(study.sources)} source tasks, {len(study.targets)} target tasks, "
        f"{len(study.seeds)} seeds. Prompt tuning from scratch scores "
        f"{_told(scratch, 'score')} over the targets."
    )
    oracle = by_method.loc["oracle"]
    if pd.notna(oracle["change_mean"]):
        text += (
            f" Starting from the best of all {prompts} source prompts brings "
            f"{_told(oracle, 'score')}, {_told(oracle, 'change', sign=True)} more, and "
            f"takes away {_told(oracle, 'percent', unit='%')} of the error."
        )
    best = comparison[comparison["method"].isin(["best", "average", "mixture"])]
    best = best.dropna(subset=["percent_mean"])
    if len(best):
        row = best.loc[best["percent_mean"].idxmax()]
        name = tables.method_name(row["method"]).lower()
        text += (
            f" The retrieval method with most error reduction is {name}, "
            f"k = {row['k']}, {tables.measure_name(row['measure'])}: "
            f"{_told(row, 'percent', unit='%')}."
        )
    return [f"{text} {tables.RESAMPLED}"]


def _told(row: pd.Series, name: str, *, sign: bool = False, unit: str = "") -> str:
    mean = number(row[f"{name}_mean"], sign=sign)
    return f"{mean}{unit} {ends(row[f'{name}_low'], row[f'{name}_high'])}".strip()


def _gaps_told(gaps: list[missing.Missing]) -> list[str]:
    if not gaps:
        return []
    told = ", ".join(f"{gap.count} of {gap.planned} {gap.what}" for gap in gaps)
    return [
        f"This is not complete: {told} are missing; the section What is missing "
        "names them."
    ]


def _retrieval(comparison: pd.DataFrame) -> Section:
    paragraphs = [
        "Best of top-k tunes from each of the k most similar source prompts and keeps "
        "the best result; the oracle does so with all. Both are read off the "
        "transfers. Each target run is compared with the baseline of the same seed. "
        + _REDUCTION,
    ]
    blocks = [tables.comparison(comparison)]
    if comparison.loc[comparison["k"] > 0, "percent_mean"].notna().any():
        blocks.append(figures.growth(comparison))
    return Section("Retrieval methods", paragraphs, blocks)


def _transfers(found: Transfers) -> Section:
    if found.cells.empty:
        return Section("Transfers", ["No transfer is finished yet."])
    blocks = [
        tables.reductions(found),
        figures.reductions(found),
        tables.scores(found),
        tables.sources(found),
        tables.best_sources(found),
    ]
    return Section("Transfers", [_REDUCTION], blocks)


def _correlation(study: Study, cloud: pd.DataFrame, found: pd.DataFrame) -> Section:
    title = "Similarity and transferability"
    if cloud.empty:
        return Section(title, ["There is no pair of a similarity and a transfer yet."])
    blocks = [tables.correlations(found)]
    for measure in study.measures:
        if (cloud["measure"] == measure).any():
            blocks.append(figures.scatter(cloud, found, measure))
    text = (
        "A point is one source prompt; its similarity is the mean over the target's "
        "runs. Prompts of one source task are not independent of each other, so p is "
        "on the optimistic side, here as in the paper."
    )
    return Section(title, [text], blocks)


def _complete_runs(study: Study) -> dict[str, pd.DataFrame]:
    tables_ = {m: tasks.complete(tasks.between_runs(study, m)) for m in study.measures}
    # SciPy clusters two runs or more.
    return {measure: table for measure, table in tables_.items() if len(table) > 1}


def _clusters(runs: dict[str, pd.DataFrame]) -> Section:
    title = "Similarity of the tasks"
    if not runs:
        return Section(title, ["No two runs have a similarity yet."])
    blocks = []
    for measure, table in runs.items():
        averaged = tasks.between_tasks(table)
        if len(averaged) > 1:
            blocks.append(figures.clusters(averaged, measure, "tasks"))
        blocks.append(figures.clusters(table, measure, "runs"))
    text = (
        "Task embeddings are the prompts at one early step. Runs that lack a "
        "similarity are left out here."
    )
    return Section(title, [text], blocks)


def _curves(study: Study, comparison: pd.DataFrame, found: Transfers) -> Section:
    best = transfers.best_by_target(found).set_index("target")["source"].to_dict()
    lines = curves.lines(study, comparison, best)
    if lines.empty:
        return Section("Learning curves", ["No curve is recorded yet."])
    if lines["step"].nunique() == 1:
        text = "Targets were evaluated at one step, and a curve needs two or more."
        return Section("Learning curves", [text])
    text = (
        "“Best source” is the source with the best mean score for that target, chosen "
        "afterwards; averages and mixtures are those with their best k."
    )
    drawn = figures.learning_curves(
        lines,
        "learning_curves",
        "Score against steps of tuning on the target, mean over the runs; bands are "
        "95% bootstrap intervals, resampling the runs.",
    )
    return Section("Learning curves", [text], [drawn])


def _missing(gaps: list[missing.Missing]) -> Section:
    if not gaps:
        return Section("What is missing", ["Nothing: everything planned is there."])
    lists = [(f"{gap.what}: {gap.count} of {gap.planned}", gap.names) for gap in gaps]
    text = "Means above are over what is there. `spot_jax study` does what is missing."
    return Section("What is missing", [text], lists=lists)


def _made(study: Study, made_by: dict[str, str]) -> Section:
    about = study.about
    facts = {
        "model": _flat(about.get("model")),
        "a prompt": _flat(about.get("prompt")),
        "steps": ", ".join(
            f"{name.removesuffix('_steps').removesuffix('_step')} {about[name]:,}"
            for name in ("source_steps", "target_steps", "embedding_step")
            if isinstance(about.get(name), int)
        ),
        "machine": str(about.get("machine") or ""),
        "wall time": _hours(about.get("wall_seconds")),
        "peak memory of a process": _with_unit(about.get("peak_memory_gb"), "GB"),
        "versions": _flat(about.get("versions")),
    }
    text = (
        "A score is the mean of the task's metrics at the best checkpoint on the "
        "validation split, on which it is reported too, as in the paper. "
        + tables.INTERVALS
    )
    # What study.json does not say is named in the section before this.
    facts = {name: told for name, told in (facts | made_by).items() if told}
    commands = [str(command) for command in about.get("commands") or ()]
    return Section("How this was made", [text], facts=facts, code=commands)


def _flat(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value or "")


def _hours(seconds) -> str:
    if not isinstance(seconds, int | float):
        return ""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _with_unit(value, unit: str) -> str:
    return f"{value:.1f} {unit}" if isinstance(value, int | float) else ""
