"""What a study leaves for its report: tables made from the runs that are finished.

They are made anew every time, so that writing them twice changes nothing. A score that
is no number is left out, and is missing in the report.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterator

from spot_jax import tables
from spot_jax.campaign import diary
from spot_jax.campaign.kind import told
from spot_jax.campaign.plan import STAGES, Run, Study, Tuning, runs
from spot_jax.campaign.runs import FinishedRuns, said_by
from spot_jax.model_dir import names, records, storage
from spot_jax.model_dir.score import task_score
from spot_jax.prompts import files
from spot_jax.reading import as_json
from spot_jax.retrieval import controls
from spot_jax.retrieval.similarity import MEASURES

_TUNING = ("method", "target", "seed", "source", "source_seed", "k", "measure")
_SCORES = (*_TUNING, "score", "step")
_CURVES = (*_TUNING, "step", "score")
_SIMILARITIES = (
    *("measure", "first", "first_seed", "second", "second_seed", "similarity"),
)


def write_tables(folder: pathlib.Path, study: Study, done: FinishedRuns) -> None:
    """Writes scores.csv, curves.csv and similarities.csv.

    Args:
        folder: STUDY_DIR.
        study: the study.
        done: its finished runs.
    """
    # What a source scores on its own task is no transfer, and stays in its run.
    targets = [run for run in done.finished() if not STAGES[run.stage].is_source]
    # Of a run whose prompts would all start from what diverged there is nothing.
    finished = [run for run in targets if done.prompts(run)]
    scores = [row for run in finished for row in _scores(run, study, done)]
    curves = [row for run in finished for row in _curves(run, study, done)]
    for name, header, rows in (
        ("scores", _SCORES, scores),
        ("curves", _CURVES, curves),
        ("similarities", _SIMILARITIES, _similarities(done.all_prompts())),
    ):
        table = tables.as_csv([header, *rows])
        storage.replace_file(folder / f"{name}.csv", table)


def _scores(run: Run, study: Study, done: FinishedRuns) -> Iterator[tuple]:
    if STAGES[run.stage].is_longer and study.target_eval_period >= study.target_steps:
        # The others have one evaluation, at their end: no step is chosen here either.
        for *columns, step, score in _curves(run, study, done):
            if step == run.steps:
                yield (*columns, score, step)
        return
    for tuning, prompt in done.prompts(run).items():
        path = names.in_folder(prompt, names.BEST)
        results = said_by(path, "results").get(tuning.target)
        score = task_score(results) if results else math.nan
        if math.isfinite(score):
            yield (*_columns(tuning, study), score, said_by(path, "step"))


def _curves(run: Run, study: Study, done: FinishedRuns) -> Iterator[tuple]:
    evaluations: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for step, prompt, task, values in records.read_evaluations(done.folder_of(run)):
        score = task_score(values)
        if math.isfinite(score):
            evaluations.setdefault((prompt, task), []).append((step, score))
    for tuning, path in done.prompts(run).items():
        for point in evaluations.get((path.name, tuning.target), []):
            yield (*_columns(tuning, study), *point)


def _columns(tuning: Tuning, study: Study) -> tuple:
    measure = study.measure if tuning.k else None
    source = (tuning.source, tuning.source_seed, tuning.k)
    return (tuning.method, tuning.target, tuning.seed, *source, measure)


def _similarities(prompts: dict[Tuning, pathlib.Path]) -> list[tuple]:
    """Compares the embeddings of all sources and targets, each with each."""
    embedded = {
        (tuning.source or tuning.target, tuning.seed): files.read(
            names.in_folder(path, names.EMBEDDING)
        ).bundle
        for tuning, path in prompts.items()
        # Others began from other prompts, or are of several tasks.
        if tuning.method in ("source", "baseline")
    }
    if not embedded:
        return []
    prompts_of, embeddings = list(embedded), list(embedded.values())
    return [
        (measure, *first, *second, float(matrix[row, column]))
        for measure, compare in MEASURES.items()
        for matrix in [compare(embeddings, embeddings)]
        for row, first in enumerate(prompts_of)
        for column, second in enumerate(prompts_of)
    ]


def write_summary(folder: pathlib.Path, study: Study, done: FinishedRuns) -> None:
    """Writes study.json: what was studied, by which commands, where and how long.

    Args:
        folder: STUDY_DIR, with what the workers say of themselves.
        study: the study.
        done: its finished runs.
    """
    workers = [diary.read(path) for path in sorted((folder / "workers").glob("*.json"))]
    first = next(iter(done.all_prompts().values()), None)
    model, prompt = None, None
    if first:
        last = names.in_folder(first, names.LAST)
        model, prompt = said_by(last, "model"), told(files.read(last).bundle)
    summary = dataclasses.asdict(study) | {
        "measures": list(MEASURES),
        # Families that only this study's modules know, its report could not look up.
        "unrelated": {t: controls.unrelated(t, study.sources) for t in study.targets},
        "diverged": [
            (tuning.source, tuning.seed)
            for run in done.finished()
            if run.stage == "sources"
            for tuning in run.tunings
            if tuning not in done.prompts(run)
        ],
        "runs": {"finished": len(done.finished()), "all": len(runs(study))},
        "model": model,
        "prompt": prompt,
        "commands": _distinct(c for worker in workers for c in worker["commands"]),
        "versions": workers[0]["versions"],
        "machine": ", ".join(_distinct(worker["machine"] for worker in workers)),
        # They work at the same time.
        "wall_seconds": max(worker["wall_seconds"] for worker in workers),
        "peak_memory_gb": max(worker["peak_memory_gb"] for worker in workers),
    }
    storage.replace_text(folder / "study.json", as_json(summary))


def _distinct(values: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(values))
