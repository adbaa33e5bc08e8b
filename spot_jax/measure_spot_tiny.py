"""Program: how far prompts steer the embedded model, on all tasks of the miniature.

    spot_jax measure_spot_tiny DIR

For every labelled task and every seed: what the most frequent answer scores, a bag of
words, the model without a prompt, prompt tuning from class labels, and model tuning.
Scores are the tasks' own metrics on the validation split, of the last step: nothing is
chosen by them. DIR/scores.csv has them all; what is finished is not done again.
"""

import argparse
import collections
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

import spot_jax.tasks
from spot_jax import config, data, make_miniature, miniature, records, scoring
from spot_jax.bank import prompt_names
from spot_jax.evaluate import evaluate
from spot_jax.miniature.baseline import bag_of_words
from spot_jax.prompts.files import replace_file
from spot_jax.scoring import Prediction
from spot_jax.settings import Data, Evaluation
from spot_jax.text.registration import use_data_dir
from spot_jax.train import train

_TASKS = [task for task in miniature.DATASETS if task != "c4_prefix_lm"]
_TUNING = "gin/runs/miniature_prompt.gin"
_MODEL_TUNING = "gin/runs/miniature_model.gin"

# Method, task, seed, score.
Line = tuple[str, str, int, float]


def measure(folder: pathlib.Path, tasks: Sequence[str], seeds: int) -> pd.DataFrame:
    """Measures what is not yet in DIR.

    Args:
        folder: DIR.
        tasks: which tasks.
        seeds: how many seeds.

    Returns:
        Columns method, task, seed, score.
    """
    prepared = folder / "data"
    if not prepared.exists():
        make_miniature.main([str(prepared)])
    spot_jax.tasks.register_all()
    use_data_dir(str(prepared.absolute()))
    parts: dict[str, Callable[[], Iterator[Line]]] = {
        "words": lambda: _words(tasks),
        "zero_shot": lambda: _zero_shot(folder / "zero_shot", tasks),
        "prompt_tuning": lambda: _prompt_tuning(folder / "prompts", tasks, seeds),
    }
    for task in tasks:
        parts[f"model_tuning_{task}"] = lambda task=task: _model_tuning(
            folder / "models", task, seeds
        )
    tables = []
    for name, lines in parts.items():
        path = folder / "parts" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            print(f"\n{name}", file=sys.stderr, flush=True)
            table = pd.DataFrame(lines(), columns=["method", "task", "seed", "score"])
            replace_file(path, table.to_csv(index=False).encode("utf-8"))
        tables.append(pd.read_csv(path))
    every = pd.concat(tables, ignore_index=True)
    replace_file(folder / "scores.csv", every.to_csv(index=False).encode("utf-8"))
    return every


def _words(tasks: Sequence[str]) -> Iterator[Line]:
    files = ["gin/prompts/class_labels.gin", _TUNING]
    config.parse(files, [*_names(tasks), "MODEL_DIR=None"])
    how, settings = config.configured(Evaluation)(), config.configured(Data)()
    data.set_up_tasks(settings)
    for task in tasks:
        there = scoring.load_task(task, how, settings)
        dataset = there.task.get_dataset(None, "train", shuffle=False)
        answers = collections.Counter(
            example["targets_pretokenized"] for example in dataset.as_numpy_iterator()
        )
        ((most, _),) = answers.most_common(1)
        same = [
            Prediction(number, most.decode("utf-8"), 0.0)
            for number in range(len(there.examples))
        ]
        score = scoring.overall(task, scoring.score(there, same))
        # A constant has no correlation with anything.
        yield "majority", task, 0, 0.0 if score != score else score
        dataset = miniature.DATASETS[task]
        held_out = next(s for s, p in dataset.splits.items() if p == "validation")
        train_rows = miniature.rows(task, next(iter(dataset.splits)), dataset.train)
        rows = miniature.rows(task, held_out, miniature.VALIDATION_ROWS)
        yield "bag of words", task, 0, bag_of_words(task, train_rows, rows, longest=2)


def _zero_shot(folder: pathlib.Path, tasks: Sequence[str]) -> Iterator[Line]:
    """The likeliest label where there are labels, else the answer that is written."""
    ranked = [task for task in tasks if spot_jax.tasks.catalog.get(task).labels]
    for method, names in (("rank", ranked), ("decode", sorted({*tasks} - {*ranked}))):
        bindings = [
            *_names(names),
            f"EVALUATION={method!r}",
            "PROMPT_FILES=[]",
            f"EVAL_OUTPUT_DIR='{folder / method}'",
        ]
        files = ["gin/runs/evaluate.gin", "gin/runs/miniature.gin"]
        config.parse(files, bindings)
        (results,) = config.configured(evaluate)().values()
        for task in names:
            yield "zero-shot", task, 0, scoring.overall(task, results[task])


def _prompt_tuning(
    folder: pathlib.Path, tasks: Sequence[str], seeds: int
) -> Iterator[Line]:
    for task_group in (tasks[::2], tasks[1::2]):
        rows = [(task, seed, None) for task in task_group for seed in range(seeds)]
        model_dir = folder / task_group[0]
        _train(
            ["gin/prompts/class_labels.gin", _TUNING],
            [*_names(task_group), f"BANK={rows!r}", f"MODEL_DIR='{model_dir}'"],
        )
        last = _last_scores(model_dir)
        for row, name in zip(rows, prompt_names(rows), strict=True):
            yield "prompt tuning", row[0], row[1], last[name, row[0]]


def _model_tuning(folder: pathlib.Path, task: str, seeds: int) -> Iterator[Line]:
    for seed in range(seeds):
        model_dir = folder / f"{task}-{seed}"
        bindings = [f"RANDOM_SEED={seed}", f"MODEL_DIR='{model_dir}'"]
        _train([_MODEL_TUNING], [*_names([task]), *bindings])
        yield "model tuning", task, seed, _last_scores(model_dir)["model", task]


def _names(tasks: Sequence[str]) -> list[str]:
    return [f"MIXTURE_OR_TASK_NAME={list(tasks)!r}"]


def _train(files: Sequence[str], bindings: Sequence[str]) -> None:
    config.parse(files, bindings)
    config.configured(train)()


def _last_scores(model_dir: pathlib.Path) -> dict[tuple[str, str], float]:
    """Returns {(prompt, task): score} of the last evaluation."""
    found = {}
    for line in records.read_metrics(model_dir):
        _, prompt, kind = (line.pop(key) for key in ("step", "prompt", "kind"))
        if kind not in ("train", "speed"):
            found[prompt, kind] = scoring.overall(kind, line)
    return found


def markdown(scores: pd.DataFrame) -> str:
    """Returns the table: a line a task, mean and deviation over the seeds."""
    methods = list(dict.fromkeys(scores["method"]))
    lines = [f"| task | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for task, part in scores.groupby("task", sort=False):
        cells = []
        for method in methods:
            values = part.loc[part["method"] == method, "score"]
            spread = f" ({values.std():.1f})" if len(values) > 1 else ""
            cells.append(f"{values.mean():.1f}{spread}")
        lines.append(f"| {task} | {' | '.join(cells)} |")
    wide = scores.groupby(["task", "method"])["score"].mean().unstack()
    means = " | ".join(f"{wide[method].mean():.1f}" for method in methods)
    lines.append(f"| mean | {means} |")
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
        default=_TASKS,
        metavar="A,B",
        help="only these tasks",
    )
    arguments = parser.parse_args(argv)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(markdown(measure(arguments.folder, arguments.tasks, arguments.seeds)))
