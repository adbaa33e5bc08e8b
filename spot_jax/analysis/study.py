"""What a study left in its folder: its plan, scores, similarities and curves."""

import dataclasses
import itertools
import pathlib
from typing import Any, NotRequired, TypedDict

import pandas as pd

from spot_jax.analysis import csv_files
from spot_jax.analysis.csv_files import COSINE, COUNT, SCORE, STEP, Text
from spot_jax.errors import InputError
from spot_jax.reading import read_json
from spot_jax.retrieval import controls

# What has to be given with a line of each method, and what cannot be.
_GIVEN = {
    "baseline": (),
    "transfer": ("source", "source_seed"),
    "average": ("k", "measure"),
    "mixture": ("k", "measure"),
    "longer": (),
    "longer_similar": ("source", "source_seed"),
    "longer_random": ("source", "source_seed"),
    "longer_unrelated": ("source", "source_seed"),
}
# The stage of `spot_jax study` that brings a method's scores.
_STAGE = {
    "baseline": "baselines",
    "transfer": "transfers",
    "average": "averages",
    "mixture": "mixture_targets",
    "longer": "longer_baselines",
    "longer_similar": "longer_transfers",
    "longer_random": "longer_transfers",
    "longer_unrelated": "longer_transfers",
}
_OPTIONAL_SEED = csv_files.Number(0, float("inf"), whole=True, optional=True)
_RUN = {
    "method": Text(),
    "target": Text(),
    "seed": STEP,
    "source": Text(optional=True),
    "source_seed": _OPTIONAL_SEED,
    "k": COUNT,
    "measure": Text(optional=True),
}
RUN_KEY = list(_RUN)
_SCORES = _RUN | {"score": SCORE, "step": STEP}
_CURVES = _RUN | {"step": STEP, "score": SCORE}
_SIMILARITIES = {
    "measure": Text(),
    "first": Text(),
    "first_seed": STEP,
    "second": Text(),
    "second_seed": STEP,
    "similarity": COSINE,
}
_PAIR = list(_SIMILARITIES)[:-1]


class Plan(TypedDict):
    """What study.json says, as `spot_jax study` writes it."""

    sources: list[str]
    targets: list[str]
    measures: list[str]
    seeds: list[int]
    best_ks: list[int]
    average_ks: list[int]
    mixture_ks: list[int]
    stages: NotRequired[list[str] | None]
    measure: NotRequired[str | None]
    unrelated: NotRequired[dict[str, str | None] | None]
    diverged: NotRequired[list[tuple[str, int]] | None]
    source_steps: NotRequired[int | None]
    target_steps: NotRequired[int | None]
    embedding_step: NotRequired[int | None]
    model: NotRequired[dict[str, Any] | None]
    prompt: NotRequired[str | None]
    commands: NotRequired[list[str] | None]
    versions: NotRequired[dict[str, str] | None]
    machine: NotRequired[str | None]
    wall_seconds: NotRequired[float | None]
    peak_memory_gb: NotRequired[float | None]


_LISTS = (
    *("sources", "targets", "measures"),
    *("seeds", "best_ks", "average_ks", "mixture_ks"),
)


@dataclasses.dataclass(frozen=True)
class Study:
    """A study as it stands; any line of the frames may be missing.

    Attributes:
        sources, targets, measures: names, in the order of the plan.
        seeds: of the source runs and of the target runs.
        best_ks, average_ks, mixture_ks: the k of each retrieval method.
        about: everything study.json says.
        scores: a line a finished tuning: method, target, seed, source, source_seed, k,
            measure, score, step.
        similarities: a line a pair of embeddings: measure, first, first_seed, second,
            second_seed, similarity.
        curves: a line an evaluation: scores' columns.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    measures: tuple[str, ...]
    seeds: tuple[int, ...]
    best_ks: tuple[int, ...]
    average_ks: tuple[int, ...]
    mixture_ks: tuple[int, ...]
    about: Plan
    scores: pd.DataFrame
    similarities: pd.DataFrame
    curves: pd.DataFrame

    @property
    def tasks(self) -> tuple[str, ...]:
        """Sources, then targets, each once."""
        return tuple(dict.fromkeys((*self.sources, *self.targets)))

    @property
    def source_prompts(self) -> list[tuple[str, int]]:
        """(source, seed) of those there are to be, sorted; none that diverged."""
        every = itertools.product(sorted(self.sources), sorted(self.seeds))
        return [prompt for prompt in every if prompt not in self.diverged]

    @property
    def diverged(self) -> list[tuple[str, int]]:
        """(source, seed) of prompts that are none."""
        return [(source, seed) for source, seed in self.about.get("diverged") or ()]

    def plans(self, method: str) -> bool:
        """Whether the study is to have scores of a method at all."""
        stages = self.about.get("stages")
        if stages is None:
            # What does not tell them is of a time before there were longer ones.
            return not method.startswith("longer")
        return _STAGE[method] in stages

    def unrelated(self, target: str) -> str | None:
        """The source of another family than a target's, if one is known."""
        told = self.about.get("unrelated")
        # Earlier versions did not tell it.
        if told is None:
            return controls.unrelated(target, self.sources)
        return told.get(target)

    def of(self, method: str) -> pd.DataFrame:
        """The scores of one method."""
        return self.scores[self.scores["method"] == method]


def read(folder: pathlib.Path) -> Study:
    """Returns the study in a folder.

    Raises:
        InputError: study.json or scores.csv is missing or wrong, another file is wrong,
            a line is of a run that the plan does not have, or there is no baseline.
    """
    about = _read_plan(folder / "study.json")
    lists = {name: tuple(about[name]) for name in _LISTS}
    scores = _read_runs(folder / "scores.csv", _SCORES, RUN_KEY, lists)
    if not (scores["method"] == "baseline").any():
        raise InputError(
            f"{folder / 'scores.csv'} has no line of the method baseline, which every "
            "other score is compared with; let `spot_jax study` finish the baselines."
        )
    # Without these there is a report, too, which names them as missing.
    curves = folder / "curves.csv"
    similarities = folder / "similarities.csv"
    return Study(
        **lists,
        about=about,
        scores=scores,
        curves=_read_runs(curves, _CURVES, [*RUN_KEY, "step"], lists)
        if curves.exists()
        else pd.DataFrame(columns=list(_CURVES)),
        similarities=_read_similarities(similarities, lists)
        if similarities.exists()
        else pd.DataFrame(columns=list(_SIMILARITIES)),
    )


def _read_plan(path: pathlib.Path) -> Plan:
    if not path.exists():
        raise InputError(
            f"there is no {path}; give the folder of a `spot_jax study`, or a table of "
            "scores with --scores FILE.csv."
        )
    plan = read_json(path, Plan, "`spot_jax study` writes it anew.")
    _refuse_large_k(path, plan)
    prompts = {*itertools.product(plan["sources"], plan["seeds"])}
    if prompts and prompts <= {*(plan.get("diverged") or ())}:
        raise InputError(
            f"{path}: all {len(prompts)} source prompts diverged, and nothing could be "
            "transferred. Make the study again with a smaller LEARNING_RATE."
        )
    for target, source in (plan.get("unrelated") or {}).items():
        if source not in (None, *plan["sources"]):
            raise InputError(
                f"{path}: unrelated names {source!r} for {target}, which is not among "
                "the sources; delete the entry: `spot_jax study` writes it anew."
            )
    return plan


def _refuse_large_k(path: pathlib.Path, plan: Plan) -> None:
    prompts = len(plan["sources"]) * len(plan["seeds"])
    for name in ("best_ks", "average_ks", "mixture_ks"):
        if any(not 1 <= k <= prompts for k in plan[name]):
            raise InputError(
                f"{path}: {name} is {plan[name]}, but k has to be from 1 to {prompts}, "
                "the number of source prompts (sources x seeds)."
            )


def _read_runs(path, columns, key, lists) -> pd.DataFrame:
    frame = csv_files.read(path, columns, key)
    _refuse_unknown(path, frame, "method", tuple(_GIVEN))
    for method, given in _GIVEN.items():
        _refuse_wrong_columns(path, frame[frame["method"] == method], method, given)
    _refuse_unknown(path, frame, "target", lists["targets"])
    _refuse_unknown(path, frame, "source", ("", *lists["sources"]))
    _refuse_unknown(path, frame, "measure", ("", *lists["measures"]))
    _refuse_unknown(path, frame, "seed", lists["seeds"])
    _refuse_unknown(path, frame, "source_seed", (pd.NA, *lists["seeds"]))
    return frame


def _read_similarities(path, lists) -> pd.DataFrame:
    frame = csv_files.read(path, _SIMILARITIES, _PAIR)
    tasks = (*lists["sources"], *lists["targets"])
    for name in ("first", "second"):
        _refuse_unknown(path, frame, name, tasks)
        _refuse_unknown(path, frame, f"{name}_seed", lists["seeds"])
    _refuse_unknown(path, frame, "measure", lists["measures"])
    return frame


def _refuse_unknown(path, frame: pd.DataFrame, column: str, known) -> None:
    wrong = ~frame[column].isin(known)
    if wrong.any():
        line = wrong.idxmax()
        names = ", ".join(
            str(name) for name in known if name is not pd.NA and name != ""
        )
        raise InputError(
            f"{path}, line {line}: the {column} '{frame.loc[line, column]}' is not of "
            f"this study, which has {names}; correct the line or study.json."
        )


def _refuse_wrong_columns(path, frame: pd.DataFrame, method: str, given) -> None:
    for column in ("source", "source_seed", "k", "measure"):
        filled = frame[column].notna() & (frame[column] != "").fillna(False)
        wrong = filled != (column in given)
        if wrong.any():
            verb = "needs a" if column in given else "has no"
            raise InputError(
                f"{path}, line {wrong.idxmax()}: a line of the method {method} {verb} "
                f"{column}; correct or remove it."
            )
