"""What the programs that measure spot_tiny share: data, runs, scores that are kept."""

import math
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence

import jax
import pandas as pd

import spot_jax.tasks
from spot_jax import config, miniature
from spot_jax.analysis import csv_files
from spot_jax.analysis.csv_files import Text
from spot_jax.errors import InputError
from spot_jax.evaluate import evaluate
from spot_jax.miniature import folder as miniature_folder
from spot_jax.model_dir import in_use, records, storage
from spot_jax.model_dir.score import task_score
from spot_jax.model_dir.storage import replace_file
from spot_jax.train import train

PROMPT_TUNING = ("gin/prompts/class_labels.gin", "gin/runs/miniature_prompt.gin")
MODEL_TUNING = ("gin/runs/miniature_model.gin",)

# Method, task, seed, score.
Line = tuple[str, str, int, float]
# By TFDS split.
Rows = dict[str, list[dict]]
COLUMNS = ["method", "task", "seed", "score"]
# A metric of answers that are all the same may be no number, and is left empty.
_ANY = csv_files.Number(-math.inf, math.inf, optional=True)
_PART = {"method": Text(), "task": Text(), "seed": csv_files.STEP, "score": _ANY}


def check_names(option: str, given: Sequence[str], known: Iterable[str]) -> None:
    """Refuses names that are none.

    Raises:
        InputError: with those that there are.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(
            f"{option} names {', '.join(unknown)}; choose from {', '.join(known)}."
        )


def write_changed(
    folder: pathlib.Path,
    tasks: Sequence[str],
    change: Callable[[str, Rows], Rows],
) -> pathlib.Path:
    """Writes the rows of a measurement, unless they are there; returns their folder.

    Args:
        folder: the later data folder.
        tasks: which.
        change: from a task and its rows to those that are written.
    """
    if folder.exists():
        return folder
    catalog = spot_jax.tasks.catalog
    labels, seed = catalog.STUDY_LABELS, miniature_folder.FRESH_SEED
    above = storage.make_folder(folder.parent)
    with in_use.locked(above / f".{folder.name}.lock", wait=True):
        # Another process may have been quicker; its rows are the same.
        if folder.exists():
            return folder
        with storage.new_folder(folder) as temporary:
            for task in tasks:
                rows = miniature.all_splits(task, seed=seed, labels=labels)
                info = catalog.get(task)
                miniature_folder.write_task(info, change(task, rows), temporary)
    return folder


def read_from(folder: pathlib.Path) -> None:
    """Has every task read its rows from a data folder."""
    spot_jax.tasks.register_all()
    # After that, which imports TensorFlow without its greetings.
    from spot_jax.text.registration import use_data_dir

    use_data_dir(str(folder))


def once(path: pathlib.Path, measured: Callable[[], Iterable[Line]]) -> None:
    """Measures what is not there yet, and keeps it as a table."""
    if path.exists():
        return
    print(f"\n{path.stem}", file=sys.stderr, flush=True)
    table = pd.DataFrame(list(measured()), columns=COLUMNS)
    replace_file(path, table.to_csv(index=False).encode("utf-8"))


def gathered(paths: Iterable[pathlib.Path]) -> pd.DataFrame:
    """Returns the lines of all these tables that are there, by whichever process."""
    tables = [
        csv_files.read(path, _PART, ["method", "task", "seed"])
        for path in paths
        if path.exists()
    ]
    every = pd.concat([t for t in tables if len(t)], ignore_index=True)
    return every.astype({"score": float})


def of_task(task: str) -> str:
    """Returns the binding that names a task."""
    return f"MIXTURE_OR_TASK_NAME={task!r}"


def trained(
    files: Sequence[str], model_dir: pathlib.Path, bindings: Sequence[str]
) -> dict[str, float]:
    """Trains, and returns {prompt: score} of the last evaluation."""
    config.parse(files, [*bindings, f"MODEL_DIR='{model_dir}'"])
    config.configured(train)(configuration=config.text())
    # The next run's programs are others.
    jax.clear_caches()
    return {
        prompt: task_score(values)
        for _, prompt, task, values in records.read_evaluations(model_dir)
    }


def evaluated(folder: pathlib.Path, task: str, bindings: Sequence[str]) -> list[float]:
    """Scores saved prompts, or a model alone, and returns their scores in order."""
    files = ["gin/runs/evaluate.gin", "gin/runs/miniature.gin"]
    config.parse(files, [of_task(task), *bindings, f"EVAL_OUTPUT_DIR='{folder}'"])
    results = config.configured(evaluate)()
    jax.clear_caches()
    return [task_score(scores[task]) for scores in results.values()]


def cell(values: pd.Series | None, digits: int = 1) -> str:
    """Returns mean and, of several, deviation, as they stand in a table."""
    if values is None or values.empty:
        return ""
    spread = f" ({values.std():.{digits}f})" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"
