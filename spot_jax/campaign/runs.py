"""What of a study is on disk, and what a run of it still needs to begin.

    STUDY_DIR/runs/NAME/               the MODEL_DIR of a run
    STUDY_DIR/runs/NAME/tunings.json   what its prompts are to the study
    STUDY_DIR/starts/                  averages that targets start from

A run is finished when the last prompts of all its tunings are there; a finished run is
never opened again. A prompt that diverged is no prompt of the study, and neither is one
that would start from it or be chosen by it; all others are what they would be.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from spot_jax.campaign.plan import STAGES, Run, Study, Tuning, runs
from spot_jax.campaign.starts import Sources, mixture_members
from spot_jax.errors import InputError
from spot_jax.model_dir import names, storage
from spot_jax.prompts import files
from spot_jax.reading import as_json, read_json
from spot_jax.training import bank
from spot_jax.training.bank import Row

logger = logging.getLogger(__name__)

_TUNINGS = "tunings.json"


class FinishedRuns:
    """The finished runs of a study, looked up again at every call.

    Args:
        folder: STUDY_DIR.
        study: the study.
    """

    def __init__(self, folder: pathlib.Path, study: Study):
        self._folder, self._runs = folder, runs(study)
        self._prompts: dict[str, dict[Tuning, pathlib.Path]] = {}

    def folder_of(self, run: Run) -> pathlib.Path:
        """Returns the MODEL_DIR of a run."""
        return self._folder / "runs" / run.name

    def has(self, run: Run) -> bool:
        """Returns whether a run is finished."""
        # Only what is finished is remembered: other workers finish the rest meanwhile.
        if run.name not in self._prompts:
            folder = self.folder_of(run)
            prompts = _read_tunings(folder)
            if prompts is None:
                return False
            lasts = {path: _story_of_last(path) for path in {*prompts.values()}}
            if not all(_is_over(*last, run.steps) for last in lasts.items()):
                return False
            gone = {path for path, story in lasts.items() if "diverged" in story}
            self._prompts[run.name] = _sound(run, prompts, gone)
        return True

    def missing(self, stages: Sequence[str]) -> list[Run]:
        """Returns the runs of these stages that are not finished."""
        return [run for run in self._runs if run.stage in stages and not self.has(run)]

    def finished(self) -> list[Run]:
        """Returns the runs that are finished, in the order of the plan."""
        return [run for run in self._runs if self.has(run)]

    def prompts(self, run: Run) -> dict[Tuning, pathlib.Path]:
        """Returns the folders of a finished run's prompts that did not diverge."""
        return self._prompts[run.name] if self.has(run) else {}

    def all_prompts(self) -> dict[Tuning, pathlib.Path]:
        """Returns the folders of all such prompts of finished runs."""
        return {
            tuning: path
            for run in self.finished()
            for tuning, path in self.prompts(run).items()
        }


def check_stages(study: Study, done: FinishedRuns) -> None:
    """Refuses stages whose needs are neither asked for nor finished.

    Raises:
        InputError: naming the stage that is missing.
    """
    for stage in study.stages:
        absent = [need for need in STAGES[stage].needs if need not in study.stages]
        missing = done.missing(absent)
        if missing:
            raise InputError(
                f"STAGES has {stage}, which needs {missing[0].stage}, and "
                f"{len(missing)} of their runs are not finished. Add "
                f"{missing[0].stage!r} to STAGES; what is finished is not done again."
            )


class _Line(TypedDict):
    name: str
    tuning: Tuning


def _read_tunings(folder: pathlib.Path) -> dict[Tuning, pathlib.Path] | None:
    path, prompts = folder / _TUNINGS, folder / names.PROMPTS
    if not path.exists():
        return None
    cure = "Delete it: `spot_jax study` writes it anew, and keeps what is tuned."
    lines = read_json(path, list[_Line], cure)
    return {line["tuning"]: prompts / line["name"] for line in lines}


def _story_of_last(prompt: pathlib.Path) -> Mapping[str, Any] | None:
    """Returns what the last prompt says of itself; None where there is none yet."""
    last = names.in_folder(prompt, names.LAST)
    return files.read(last).story if last.is_file() else None


def _is_over(prompt: pathlib.Path, story: Mapping[str, Any] | None, step: int) -> bool:
    if story is None:
        return False
    last = names.in_folder(prompt, names.LAST)
    return "diverged" in story or _said(last, story, "step") == step


def _sound(
    run: Run, prompts: dict[Tuning, pathlib.Path], gone: set[pathlib.Path]
) -> dict[Tuning, pathlib.Path]:
    """Returns the prompts that did not diverge, and names the others."""
    if gone:
        about = "%s: %s diverged; the study goes on without what diverged."
        logger.warning(about, run.name, ", ".join(sorted(p.name for p in gone)))
    return {tuning: path for tuning, path in prompts.items() if path not in gone}


def said_by(path: pathlib.Path, key: str) -> Any:
    """Returns what a prompt of a run says of itself.

    Raises:
        InputError: when it does not say it.
    """
    return _said(path, files.read(path).story, key)


def _said(path: pathlib.Path, story: Mapping[str, Any], key: str) -> Any:
    if key not in story:
        raise InputError(
            f"{path} does not say its {key}, as a prompt of a study does. Delete its "
            "run's folder, and give the command again: it is tuned anew."
        )
    return story[key]


@dataclasses.dataclass(frozen=True)
class Bank:
    """What a run trains.

    Attributes:
        rows: BANK, different from each other.
        mixtures: MIXTURES, those the rows name.
    """

    rows: list[Row]
    mixtures: dict[str, list[str]]


def prepare_bank(folder: pathlib.Path, run: Run, study: Study, done: FinishedRuns):
    """Decides what a run trains, and writes its tunings.json.

    Prompts that would be equal, as those of two mixtures of the same tasks, are trained
    once.

    Args:
        folder: STUDY_DIR.
        run: the run; the stages it needs are finished.
        study: the study.
        done: the finished runs.

    Returns:
        The run's `Bank`.
    """
    run = _settled(_without_diverged(run, done), study, done)
    chosen, mixtures = _rows(folder, run, study, done)
    rows = list(dict.fromkeys(chosen))
    name_of = dict(zip(rows, bank.prompt_names(rows), strict=True))
    lines = [
        {"name": name_of[row], "tuning": dataclasses.asdict(tuning)}
        for tuning, row in zip(run.tunings, chosen, strict=True)
    ]
    made = done.folder_of(run)
    storage.replace_text(made / _TUNINGS, as_json(lines))
    return Bank(rows, mixtures)


def _without_diverged(run: Run, done: FinishedRuns) -> Run:
    """Leaves out the prompts of a run whose start or choice hangs on one that diverged.

    Or on more sources than there are without those.
    """
    prompts = done.all_prompts()
    sources = sum(tuning.method == "source" for tuning in prompts)
    kept = [
        tuning
        for tuning in run.tunings
        if prompts.keys() >= _needs(tuning, run.stage) and (tuning.k or 0) <= sources
    ]
    if len(kept) < len(run.tunings):
        about = "%s: %d of %d prompts are left out, as they hang on some that diverged."
        count = len(run.tunings)
        logger.warning(about, run.name, count - len(kept), count)
    return dataclasses.replace(run, tunings=tuple(kept))


def _needs(tuning: Tuning, stage: str) -> set[Tuning]:
    """Returns the prompt that one starts from, or by which its start is chosen."""
    if stage == "mixture_targets":
        return {dataclasses.replace(tuning, method="mixture_source")}
    if "sources" not in STAGES[stage].needs:
        return set()
    if tuning.source:
        return {Tuning("source", tuning.source_seed, source=tuning.source)}
    return {Tuning("baseline", tuning.seed, tuning.target)}


def _settled(run: Run, study: Study, done: FinishedRuns) -> Run:
    """Returns the run with the sources that only the embeddings tell."""
    if run.stage != "longer_transfers":
        return run
    sources = Sources(done.all_prompts(), study.measure)
    tunings = []
    for tuning in run.tunings:
        if tuning.source is None:
            task, seed = sources.most_similar(tuning)
            tuning = dataclasses.replace(tuning, source=task, source_seed=seed)
        tunings.append(tuning)
    return dataclasses.replace(run, tunings=tuple(tunings))


def _rows(folder: pathlib.Path, run: Run, study: Study, done: FinishedRuns):
    """Returns the row of BANK of each tuning, and the mixtures that rows name."""
    prompts = done.all_prompts()
    if run.stage in ("averages", "mixtures"):
        sources = Sources(prompts, study.measure)
    rows, mixtures = [], {}
    for tuning in run.tunings:
        task, start = tuning.target, None
        match run.stage:
            case "sources":
                task = tuning.source
            case "transfers" | "longer_transfers":
                source = Tuning("source", tuning.source_seed, source=tuning.source)
                # SPoT §3.1: the source's best checkpoint on its validation split.
                start = names.in_folder(prompts[source], names.BEST)
            case "averages":
                start = sources.write_average(tuning, folder / "starts")
            case "mixtures":
                members = mixture_members(sources.closest(tuning), tuning.target)
                task = ".".join(members)
                mixtures[task] = members
            case "mixture_targets":
                mixture = dataclasses.replace(tuning, method="mixture_source")
                # Of a mixture SPoT §3.3 takes the final checkpoint.
                start = names.in_folder(prompts[mixture], names.LAST)
        # BANK is written down as gin text, which has no paths.
        rows.append((task, tuning.seed, start and str(start)))
    return rows, mixtures
