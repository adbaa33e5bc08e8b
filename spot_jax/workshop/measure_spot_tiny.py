"""Program: how far prompts steer the embedded model, on all tasks of the miniature.

    spot_jax measure_spot_tiny DIR

For every task and every seed: what the most frequent label scores, a bag of words, the
model without a prompt, prompt tuning from class labels, and model tuning. Scores are
the tasks' own metrics on the validation split, of the last step: nothing is chosen by
them. C4 has no labels: of it the loss is all there is. DIR/scores.csv has every score;
what is finished is not done again. Several processes may share DIR, each with --tasks
of its own; one without gathers the scores.
"""

import argparse
import functools
import hashlib
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import pandas as pd

import spot_jax.tasks
from spot_jax import config, miniature, spot_tiny
from spot_jax.data import eval_tasks, set_up
from spot_jax.data.eval_tasks import EvalTask
from spot_jax.errors import InputError
from spot_jax.miniature import baseline
from spot_jax.miniature import folder as miniature_folder
from spot_jax.model_dir import claim
from spot_jax.model_dir.score import task_score
from spot_jax.model_dir.storage import replace_file
from spot_jax.scoring import grading
from spot_jax.scoring.grading import Prediction
from spot_jax.settings import Data, Evaluation
from spot_jax.training.bank import prompt_names
from spot_jax.workshop.measuring import (
    MODEL_TUNING,
    PROMPT_TUNING,
    Line,
    cell,
    check_names,
    evaluated,
    gathered,
    of_task,
    once,
    read_from,
    trained,
)

_UNLABELLED = "c4_prefix_lm"


def measure(folder: pathlib.Path, tasks: Sequence[str], seeds: int) -> pd.DataFrame:
    """Measures what is not yet in DIR.

    Args:
        folder: DIR.
        tasks: which tasks.
        seeds: how many seeds.

    Returns:
        Columns method, task, seed, score; DIR/scores.csv has those of other tasks, too.

    Raises:
        InputError: when a task is unknown, there are no seeds, or DIR cannot be written
            or holds measurements of another model, recipe or number of seeds.
    """
    tasks = list(dict.fromkeys(tasks))
    check_names("--tasks", tasks, miniature.DATASETS)
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: give a number from 1 on.")
    folder = claim.writable(str(folder), "DIR")
    about = {"model": spot_tiny.checksum(), "recipe": _recipe(), "seeds": seeds}
    claim.check_about(folder, about, "DIR")
    prepared = folder.absolute() / "data"
    every = [spot_jax.tasks.catalog.get(task) for task in miniature.DATASETS]
    labels = spot_jax.tasks.catalog.STUDY_LABELS
    miniature_folder.write_once(prepared, every, labels)
    read_from(prepared)
    parts = folder / "parts"
    for task in tasks:
        for name, measured in METHODS.items():
            of_method = functools.partial(measured, folder / name / task, task, seeds)
            once(parts / f"{name}-{task}.csv", of_method)
    # Of whichever process.
    every = gathered(
        parts / f"{name}-{task}.csv" for name in METHODS for task in miniature.DATASETS
    )
    replace_file(folder / "scores.csv", every.to_csv(index=False).encode("utf-8"))
    return every[every["task"].isin(tasks)]


def _recipe() -> str:
    """Returns what tells how prompts and models are tuned from any other way."""
    told = []
    for files in (PROMPT_TUNING, MODEL_TUNING):
        config.parse(files, [of_task("cr"), "MODEL_DIR=None"])
        told.append(config.text())
    return hashlib.sha256("".join(told).encode("utf-8")).hexdigest()


def _words(_: pathlib.Path, task: str, __: int) -> Iterator[Line]:
    """What needs no model: the most frequent label, and a bag of words."""
    if task == _UNLABELLED:
        return
    config.parse(PROMPT_TUNING, [of_task(task), "MODEL_DIR=None"])
    evaluation, data = config.configured(Evaluation)(), config.configured(Data)()
    set_up.set_up_tasks(data)
    there = eval_tasks.load_task(task, evaluation, data)
    train_rows, held_out = (
        rows_of_examples(there, s) for s in ("train", evaluation.split)
    )
    guesses = {
        "majority": [baseline.most_frequent(task, train_rows)] * len(held_out),
        "bag of words": baseline.guesses(task, train_rows, held_out, longest=2),
    }
    for method, guessed in guesses.items():
        texts = [
            baseline.answer(task, row, guess, there.labels)
            for row, guess in zip(held_out, guessed, strict=True)
        ]
        score = score_answers(there, texts)
        # A constant has no correlation with anything.
        yield method, task, 0, 0.0 if math.isnan(score) else score


def score_answers(there: EvalTask, answers: Sequence[str]) -> float:
    """Scores answers as text, one for each example, by the task's own metrics."""
    predictions = [Prediction(place, text, 0.0) for place, text in enumerate(answers)]
    return task_score(grading.score(there, predictions))


def rows_of_examples(there: EvalTask, split: str) -> list[dict]:
    """Returns the data set's own row of each of a split's examples, in order."""
    found = there.task.source.get_dataset(split=split, shuffle=False)
    rows = [jax.tree.map(_plain, row) for row in found.as_numpy_iterator()]
    return baseline.one_question_each(there.name, rows)


def _plain(value: Any) -> Any:
    """Returns bytes as text and arrays, ragged ones too, as lists of such values."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if hasattr(value, "to_list"):
        return _plain(value.to_list())
    return _plain(value.tolist()) if hasattr(value, "tolist") else value


def _zero_shot(folder: pathlib.Path, task: str, _: int) -> Iterator[Line]:
    """The likeliest label where there are labels, else the answer that is written."""
    method = "rank" if spot_jax.tasks.catalog.get(task).labels else "decode"
    how = [f"EVALUATION={method!r}", "PROMPT_FILES=[]"]
    (score,) = evaluated(folder, task, how)
    yield "zero-shot", task, 0, score


def _prompt_tuning(folder: pathlib.Path, task: str, seeds: int) -> Iterator[Line]:
    rows = [(task, seed, None) for seed in range(seeds)]
    last = trained(PROMPT_TUNING, folder, [of_task(task), f"BANK={rows!r}"])
    for row, name in zip(rows, prompt_names(rows), strict=True):
        yield "prompt tuning", task, row[1], last[name]


def _model_tuning(folder: pathlib.Path, task: str, seeds: int) -> Iterator[Line]:
    for seed in range(seeds):
        bindings = [of_task(task), f"RANDOM_SEED={seed}"]
        last = trained(MODEL_TUNING, folder / str(seed), bindings)
        yield "model tuning", task, seed, last["model"]


METHODS: dict[str, Callable[[pathlib.Path, str, int], Iterator[Line]]] = {
    "words": _words,
    "zero_shot": _zero_shot,
    "prompt_tuning": _prompt_tuning,
    "model_tuning": _model_tuning,
}


def markdown(scores: pd.DataFrame) -> str:
    """Returns the table: a line a task, mean and deviation over the seeds."""
    methods = list(dict.fromkeys(scores["method"]))
    lines = [f"| task | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for task, part in scores.groupby("task", sort=False):
        of_method = dict(list(part.groupby("method")["score"]))
        if task == _UNLABELLED:
            loss = {method: -values for method, values in of_method.items()}
            cells = [cell(loss.get(method), 2) for method in methods]
            lines.append(f"| {task} (loss) | {' | '.join(cells)} |")
        else:
            cells = [cell(of_method.get(method), 1) for method in methods]
            lines.append(f"| {task} | {' | '.join(cells)} |")
    labelled = scores[scores["task"] != _UNLABELLED]
    if labelled.empty:
        return "\n".join(lines)
    wide = labelled.groupby(["task", "method"])["score"].mean().unstack()
    means = " | ".join(f"{wide[method].mean():.1f}" for method in methods)
    lines.append(f"| mean of the labelled | {means} |")
    gain = wide["prompt tuning"] - wide["majority"]
    lines += ["", "Prompt tuning is 10 points or more above the majority class on "]
    lines[-1] += f"{int((gain >= 10).sum())} of {len(gain)} tasks."
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """Runs `spot_jax measure_spot_tiny`."""
    parser = argparse.ArgumentParser(
        prog="spot_jax measure_spot_tiny", description=__doc__
    )
    parser.add_argument("folder", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--tasks",
        type=lambda text: text.split(","),
        default=list(miniature.DATASETS),
        metavar="A,B",
        help="only these tasks",
    )
    arguments = parser.parse_args(argv)
    print(markdown(measure(arguments.folder, arguments.tasks, arguments.seeds)))
