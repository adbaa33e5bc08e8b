"""The kinds of prompts that are measured over spot_tiny, and how each is tuned."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from spot_jax import miniature
from spot_jax.model_dir import names as names_of
from spot_jax.training.bank import prompt_names
from spot_jax.training.outputs import best_checkpoint
from spot_jax.workshop.measuring import (
    MODEL_TUNING,
    PROMPT_TUNING,
    Line,
    evaluated,
    of_task,
    trained,
)

TAGGED = ("conll2003",)
# Half of their test rows are of kinds that training has not.
GENERATED = ("web_nlg_table", "dart_table")
LABELLED = tuple(task for task in miniature.DATASETS if task != "c4_prefix_lm")
TASKS = (*TAGGED, *GENERATED, *LABELLED)
# Where those of miniature.gin would cut: a sentence names up to five entities.
_LENGTHS = {
    "conll2003": ["TASK_FEATURE_LENGTHS={'inputs': 112, 'targets': 56}"],
    "dart_table": ["TASK_FEATURE_LENGTHS={'inputs': 112, 'targets': 32}"],
}


class Kind(NamedTuple):
    """How a kind of prompt is tuned on a task of the miniature.

    Attributes:
        files: its gin files.
        tried: {macro: values}, of which `rates` compares each with each, as a bank.
        bindings: what the files do not say.
    """

    files: Sequence[str]
    tried: Mapping[str, Sequence[float]]
    bindings: Sequence[str] = ()


def _rates(*values: float) -> dict[str, list[float]]:
    return {"LEARNING_RATE": list(values)}


KINDS = {
    "prompt tuning": Kind(PROMPT_TUNING, _rates(0.1, 0.3, 1.0)),
    "P-Tuning v2": Kind(["gin/runs/miniature_p_tuning_v2.gin"], _rates(0.05, 0.1, 0.2)),
    "Prefix-Tuning": Kind(
        ["gin/runs/miniature_prefix_tuning.gin"], _rates(1e-3, 2e-3, 4e-3)
    ),
    "P-tuning": Kind(["gin/runs/miniature_p_tuning.gin"], _rates(0.01, 0.03, 0.1)),
    "in every layer": Kind(
        ["gin/runs/miniature_deep_prompt.gin"], _rates(0.1, 0.3, 1.0)
    ),
    "model tuning": Kind(MODEL_TUNING, _rates(1e-3, 3e-3, 1e-2)),
}
# On few rows of a table: a prefix that is drawn, one that begins with a word of the
# task, and the model.
_PREFIX = KINDS["Prefix-Tuning"]
FEW = {
    "Prefix-Tuning": _PREFIX,
    "Prefix-Tuning from a word": Kind(
        [*_PREFIX.files, "gin/prompts/harvested.gin"],
        _PREFIX.tried,
        ["PROMPT_TEXT='say'", "LEARNING_RATE=0.004"],
    ),
    "model tuning": KINDS["model tuning"],
}


class Tuned(NamedTuple):
    """What tuning with one seed gave.

    Attributes:
        seed: of order and start.
        score: of the last step, on the split that the run looked at.
        path: the prompt's file, or the tuned model.
    """

    seed: int
    score: float
    path: pathlib.Path


def tune(
    kind: Kind,
    folder: pathlib.Path,
    task: str,
    seeds: Sequence[int],
    bindings: Sequence[str] = (),
) -> list[Tuned]:
    """Tunes a kind on a task with every seed: prompts as a bank, models in turn."""
    given = [*of_kind(kind, task), *bindings]
    if is_model(kind):
        folders = [folder / str(seed) for seed in seeds]
        scores = [
            trained(kind.files, each, [*given, f"RANDOM_SEED={seed}"])["model"]
            for each, seed in zip(folders, seeds, strict=True)
        ]
        paths = [best_checkpoint(str(each)) for each in folders]
    else:
        rows = [(task, seed, None) for seed in seeds]
        last = trained(kind.files, folder, [*given, f"BANK={rows!r}"])
        names = prompt_names(rows)
        scores = [last[name] for name in names]
        paths = [names_of.prompt_file(folder, name, names_of.LAST) for name in names]
    return [Tuned(*each) for each in zip(seeds, scores, paths, strict=True)]


def seen_and_unseen(
    name: str,
    kind: Kind,
    folder: pathlib.Path,
    task: str,
    seeds: Sequence[int],
    called: str,
) -> Iterator[Line]:
    """Tunes a kind on tables, and scores test rows of both kinds apart.

    Args:
        name: of the kind.
        kind: how it is tuned.
        folder: where.
        task: one that is generated.
        seeds: which.
        called: what the lines call the task.
    """
    found = tune(kind, folder, task, seeds, ["EVAL_SPLIT='test_seen'"])
    for each in found:
        yield name, f"{called}, seen", each.seed, each.score
    other = "EVAL_SPLIT='test_unseen'"
    if is_model(kind):
        where = [
            (f"INITIAL_CHECKPOINT_PATH='{t.path}'", "PROMPT_FILES=[]") for t in found
        ]
    else:
        where = [[f"PROMPT_FILES={[str(each.path) for each in found]!r}"]]
    scores = [
        score
        for number, given in enumerate(where)
        for score in evaluated(folder / f"unseen{number}", task, [other, *given])
    ]
    for each, score in zip(found, scores, strict=True):
        yield name, f"{called}, unseen", each.seed, score


def tries(name: str, kind: Kind, folder: pathlib.Path, task: str) -> Iterator[Line]:
    """Tunes a kind with everything that is tried, with seed 0."""
    if is_model(kind):
        for rate in kind.tried["LEARNING_RATE"]:
            given = [*of_kind(kind, task), f"LEARNING_RATE={rate}"]
            (score,) = trained(kind.files, folder / str(rate), given).values()
            yield f"{name}, rate {rate}", task, 0, score
        return
    bank = [f"{macro}={list(values)!r}" for macro, values in kind.tried.items()]
    found = trained(kind.files, folder, [*of_kind(kind, task), *bank])
    for prompt, score in found.items():
        option = prompt.removeprefix(f"{task}-seed0-").replace("-", ", ")
        yield f"{name}, {option}", task, 0, score


def of_kind(kind: Kind, task: str) -> list[str]:
    """Returns the bindings with which a kind is tuned on a task."""
    return [of_task(task), *kind.bindings, *_LENGTHS.get(task, [])]


def is_model(kind: Kind) -> bool:
    """Whether what is tuned is the model."""
    return MODEL_TUNING[0] in kind.files
